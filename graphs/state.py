"""What a turn of the conversation carries, and what it leaves behind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

Stage = Literal["rule", "examples", "model", "asked", "fixed"]


class Route(TypedDict):
    """Who answers, decided at which stage, how surely (0 to 1) and why."""

    agent: str
    stage: Stage
    confidence: float
    reason: str


class Step(TypedDict):
    """One tool call. `seconds` is wall time, waiting for approval excluded."""

    agent: str
    server: str
    tool: str
    arguments: dict[str, Any]
    ok: bool
    result: Any
    seconds: float


class Citation(TypedDict):
    """`quote` stands verbatim in `source` on `page` (null where a source has no pages).

    `heading` holds the titles over it where the search told them ("Gemma-2B > Training"), or null.
    """

    n: int
    source: str
    page: int | None
    heading: str | None
    quote: str


class Fact(TypedDict):
    """A text from a context provider, and where it comes from."""

    source: str
    text: str


class Turn(TypedDict, total=False):
    """The state of the main graph.

    `messages`, and the `summary` of the first `summarised` of them, grow with the conversation;
    the rest belongs to one turn.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    summary: str
    summarised: int
    agent: str | None
    facts: list[Fact]
    route: Route
    steps: list[Step]
    citations: list[Citation]
    artifacts: list[str]
