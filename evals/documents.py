"""Answers from documents: questions about the lesson plan, answerable and not.

Needs the lesson plan in the index (`dure call retrieval.add paths=.../lesson-plan.pdf`). An answer
counts as right if it holds one of the case's key words; every quote must stand on its page.
`python -m evals.documents FILE` measures cases of your own: a line each of JSON with `question`,
`answerable` and, where it is, `keywords`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.session import new_thread, open_session
from agents.settings import load_settings
from evals.reports import cases, share

Case = dict[str, Any]
_CASES = "lesson_plan_held_out"  # written by someone who knew no prompt and no threshold
_REFUSED = 0.9  # share of the unanswerable that must be refused, at least
_WRONGLY = 0.1  # share of the answerable that may be


@dataclass
class _Counts:
    """What became of the questions so far."""

    answerable: int = 0
    unanswerable: int = 0
    right: int = 0
    wrongly_refused: int = 0
    rightly_refused: int = 0
    quotes: int = 0
    verbatim: int = 0
    seconds: list[float] = field(default_factory=list)

    def report(self) -> str:
        """The shares, each with its standard error in points."""
        ordered = sorted(self.seconds) or [0.0]
        return "\n".join(
            (
                f"answerable, right: {share(self.right, self.answerable)}",
                f"answerable, refused: {share(self.wrongly_refused, self.answerable)}",
                f"unanswerable, refused: {share(self.rightly_refused, self.unanswerable)}",
                f"quotes that are verbatim in their source: {share(self.verbatim, self.quotes)}",
                f"seconds a question, median: {ordered[len(ordered) // 2]:.1f}, "
                f"longest: {ordered[-1]:.1f}",
            )
        )


def main(model: str, limit: int | None) -> bool:
    """Print each answer's fate and the shares; True if all targets are reached."""
    return asyncio.run(_run(model, evenly(cases(_CASES), limit)))


def evenly(asked: Sequence[Case], limit: int | None) -> list[Case]:
    """`limit` answerable and `limit` unanswerable cases, spread over the whole set; None: all."""
    chosen: list[Case] = []
    for answerable in (True, False):
        kind = [case for case in asked if case["answerable"] is answerable]
        take = len(kind) if limit is None else min(limit, len(kind))
        chosen += [kind[n * len(kind) // take] for n in range(take)]
    return chosen


async def _run(model: str, asked: Sequence[Case]) -> bool:
    counts = _Counts()
    async with open_session(load_settings(model=model)) as session:
        listed = await session.pool.call("retrieval", "list_documents", {})
        if not (listed.structuredContent or {}).get("result"):
            print("No document is indexed. Run: dure call retrieval.add paths=PATH_OF_THE_PDF")
            return False
        for case in asked:
            answer = await _ask(session, case["question"])
            good = _count(counts, case, answer)
            counts.verbatim += await _verbatim(session, answer)
            mark = "ok " if good else "BAD"
            pages = [citation["page"] for citation in answer["citations"]]
            print(f"{mark} {answer['seconds']:5.1f} s {pages} {case['question']}")
            print(f"      {answer['answer'].splitlines()[0][:160]}", flush=True)
    print(counts.report())
    return (
        counts.verbatim == counts.quotes
        and counts.rightly_refused >= _REFUSED * counts.unanswerable
        and counts.wrongly_refused <= _WRONGLY * counts.answerable
    )


def _count(counts: _Counts, case: Case, answer: dict[str, Any]) -> bool:
    """Count one answer; whether it is as it should be."""
    answered = bool(answer["citations"])
    counts.seconds.append(answer["seconds"])
    counts.quotes += len(answer["citations"])
    if not case["answerable"]:
        counts.unanswerable += 1
        counts.rightly_refused += not answered
        return not answered
    said = answer["answer"].split("\n\n**")[0]  # without the list of sources
    right = answered and any(word in said for word in case["keywords"])
    counts.answerable += 1
    counts.right += right
    counts.wrongly_refused += not answered
    return right


async def _ask(session: Any, question: str) -> dict[str, Any]:
    async for event in session.ask(question, thread=new_thread(), agent="rag"):
        if event["event"] == "done":
            return dict(event["answer"])
    raise AssertionError("the session ended without an answer")


async def _verbatim(session: Any, answer: dict[str, Any]) -> int:
    """How many of an answer's quotes stand on the page that they name."""
    found = 0
    for citation in answer["citations"]:
        place = {"source": citation["source"], "page": citation["page"]}
        page = await session.pool.call("retrieval", "page_text", place)
        found += citation["quote"] in page.structuredContent["text"]
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure answers on cases of your own.")
    parser.add_argument("file", type=Path, help="cases, a line each of JSON")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--limit", type=int, help="so many of each kind, evenly")
    given = parser.parse_args()
    lines = given.file.read_text(encoding="utf-8").splitlines()
    own = evenly([json.loads(line) for line in lines if line.strip()], given.limit)
    raise SystemExit(not asyncio.run(_run(given.model, own)))
