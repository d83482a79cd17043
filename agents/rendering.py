"""What several agents' results have in common when they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphs.language import Language

_LONGEST = 200  # characters of a value


def job_line(state: Mapping[str, Any], language: Language) -> str:
    """A running job in one line."""
    share = f" {state['done'] / state['total']:.0%}" if state["total"] else ""
    return f"{state['message']}{share}"


def job_state(state: Mapping[str, Any], finished: Callable[[str], str]) -> str:
    """How a job stands; `finished` makes the text of one with a result from the first line."""
    head = f"`{state['job']}`: {state['status']} {state['done']}/{state['total']}"
    if state["error"]:
        return f"{head} ({state['error']})"
    if not state["result"]:
        return f"{head} ({state['message']})"
    return finished(head)


def listed(values: Mapping[str, Any]) -> list[str]:
    """Names and values, a line each."""
    return [f"- {key}: {_short(value)}" for key, value in values.items()]


def noted(lines: Iterable[str], notes: Iterable[str]) -> str:
    """The lines, and notes as quoted paragraphs."""
    return "\n".join([*lines, *(f"\n> {note}" for note in notes)])


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
