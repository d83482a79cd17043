"""What a person sees while a request is answered: route, tool calls, progress, streamed text."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from agents import terminal_pictures
from agents.errors import ApprovalNeeded
from agents.session import Answer, Event, Session
from graphs.picture_memory import found_by

Approve = Callable[[list[dict[str, Any]]], Awaitable[list[dict[str, Any]]]]
"""Asks the user about waiting tool calls; one decision each, as LangChain's HITL takes them."""

_READING = {"ko": "읽는 중", "en": "reading"}
_LOADING = {"ko": "모델을 불러오는 중", "en": "loading the model"}
_JOINING = {"ko": "모델 파일을 합치는 중 (처음 한 번)", "en": "joining the model's parts (once)"}


class Screen:
    """Shows events. Talk goes to `talk` (standard error); answers are the caller's to print.

    On a terminal the streamed text is shown live and then gives way to the finished answer.
    Without one nothing is shown but one line each for route, tools and long steps.
    """

    def __init__(self, talk: Console, language: str = "en", *, quiet: bool = False) -> None:
        self._talk = talk
        self.language = language
        self._quiet = quiet
        self._live: Live | None = None
        self._status = ""
        self._text = ""

    def __enter__(self) -> Screen:
        self._text = self._status = ""
        if self._talk.is_terminal and not self._quiet:
            self._live = Live(
                get_renderable=self._render,
                console=self._talk,
                transient=True,
                refresh_per_second=8,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def show(self, event: Event) -> None:
        """One event of a session's stream."""
        kind = event["event"]
        if kind == "token":
            self._text += event["text"]
            self._status = ""
        elif kind == "route":
            route = event["route"]
            agent = route["agent"] or "?"
            self._line(
                f"→ {agent}  ({route['stage']}, {route['confidence']:.2f}: {route['reason']})"
            )
        elif kind == "tool_start":
            self._status = f"{event['server']}.{event['tool']} …"
        elif kind == "tool_end":
            step = event["step"]
            mark = "✓" if step["ok"] else "✗"
            arguments = _short(step["arguments"], 90)
            name = f"{step['server']}.{step['tool']}"
            self._line(f"  {mark} {name} {arguments}  {step['seconds']:.2f} s")
            self._line(f"    {_short(step['result'], 110)}")
            self._status = ""
        elif kind == "progress":
            self._status = event["text"]
            if not self._live:
                self._line(f"  … {event['text']}")
        elif kind == "again":
            self._text = ""

    def progress(self, what: str, done: int, total: int) -> None:
        """Progress of the embedded model; called from its thread."""
        if what == "join":
            self._status = f"{_JOINING[self.language]} {done / total:.0%}"
            if done == total or not self._live:
                self._milestone(_JOINING[self.language], done, total)
        elif what == "load":
            self._status = _LOADING[self.language] + " …" if done < total else ""
        elif what == "read":
            self._status = f"{_READING[self.language]} {done}/{total}" if done < total else ""

    def notice(self, server: str, message: str, done: float | None, total: float | None) -> None:
        """A server's progress or log message."""
        share = f" {done / total:.0%}" if done is not None and total else ""
        self._status = f"{server}: {message}{share}"

    def _milestone(self, what: str, done: int, total: int) -> None:
        """Without a live display: the start and the end of a long step, a line each."""
        if done == total or done <= 8 << 20:
            self._line(f"{what} {done / total:.0%}")

    def _line(self, text: str) -> None:
        if not self._quiet:
            self._talk.print(Text(text, style="dim"), soft_wrap=True)

    def _render(self) -> Any:
        lines = self._text.splitlines()[-(self._talk.height - 3) :]
        shown = Text("\n".join(lines))
        if self._status:
            shown.append(("\n" if lines else "") + f"⋯ {self._status}", style="dim")
        return shown


async def answer(
    session: Session,
    request: str | None,
    *,
    thread: str,
    agent: str | None,
    screen: Screen,
    approve: Approve,
) -> Answer:
    """Drive one request to its answer, asking for approvals on the way.

    With `request` None an interrupted conversation goes on where it was.
    """
    if request is None:
        stream = session.resume(thread)
    else:
        stream = session.ask(request, thread=thread, agent=agent)
    while True:
        waiting: list[dict[str, Any]] = []
        with screen:
            async for event in stream:
                if event["event"] == "done":
                    done: Answer = event["answer"]
                    return done
                if event["event"] == "approval":
                    waiting = event["requests"]
                else:
                    screen.show(event)
        stream = session.resume(thread, await approve(waiting))


async def deny(waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nobody is there to ask: raises `ApprovalNeeded` with the calls that wait.

    What a call's preview tells is shown first, on standard error: it is what a yes would be to.
    """
    for call in waiting:
        if "preview" in call:
            print(call["preview"], file=sys.stderr)
    calls = ", ".join(f"{call['name']}({_short(call['args'], 80)})" for call in waiting)
    raise ApprovalNeeded(f"Approval is needed for {calls}. Repeat with --yes to allow it.")


async def allow(waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`--yes`: every waiting call is approved."""
    return [{"type": "approve"} for _ in waiting]


def print_answer(console: Console, result: Answer) -> None:
    """The finished answer: Markdown and its pictures on a terminal, plain text elsewhere."""
    if console.is_terminal:
        console.print(Markdown(result["answer"]))
        terminal_pictures.show(console, result["artifacts"] or found_by(result["steps"]))
    else:
        console.file.write(result["answer"] + "\n")


def _short(value: Any, limit: int) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
