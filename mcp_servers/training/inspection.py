"""A look at training data before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from mcp_servers.training.rows import Problem, Source
from mcp_servers.training.templates import LossOn, Template


class Lengths(TypedDict):
    """Token counts of rows; `histogram` has [from, to, rows] bins."""

    min: int
    median: int
    p95: int
    p99: int
    max: int
    histogram: list[list[int]]
    measured: int  # rows that were counted: all, or a fixed draw of a big set


class Rendered(TypedDict):
    """A row as the model sees it; the trained parts stand between ⟦ and ⟧."""

    file: str
    line: int
    text: str
    tokens: int
    trained_tokens: int


class Inspection(TypedDict):
    """What `inspect_dataset` tells."""

    rows: int
    shapes: dict[str, int]
    forms: dict[str, int]
    sources: list[Source]
    sha256: str
    template: str
    max_length: int
    lengths: Lengths | None
    truncated: int
    dropped: int
    duplicates: int
    near_duplicates: int
    languages: dict[str, int]
    labels: dict[str, int]
    problems: list[Problem]
    problem_count: int
    example: Rendered | None
    advice: list[str]


def inspect(
    data: Sequence[str],
    base: str = "embedded:tiny",
    template: Template = "auto",
    max_length: int = 512,
    loss_on: LossOn = "answer",
) -> Inspection:
    """Counts, lengths, duplicates, problems and a rendered example. Raises `EngineError`."""
    raise NotImplementedError
