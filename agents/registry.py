"""What an agent is, and which agents there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphs.specialist import Render


@dataclass(frozen=True)
class Agent:
    """One specialist as data.

    `purpose` is the line by which the router's model knows it; `tools` are those of its servers
    that its model sees (a short list is a cheap prompt); `renderers` turn a tool's result into
    the answer.
    """

    name: str
    titles: Mapping[str, str]  # "ko", "en"
    purpose: str
    prompt: str
    servers: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    renderers: Mapping[str, Render] = field(default_factory=dict)


def agents() -> dict[str, Agent]:
    """All agents by name, in the order in which they are offered to the user."""
    from agents import chat, finetune, foundations, image, metrics, rag, regex

    known = (
        chat.AGENT,
        rag.AGENT,
        finetune.AGENT,
        foundations.AGENT,
        image.AGENT,
        regex.AGENT,
        metrics.AGENT,
    )
    return {agent.name: agent for agent in known}
