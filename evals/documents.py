"""Answers from documents: questions about the lesson plan, answerable and not.

Needs the lesson plan in the index (`dure call retrieval.add paths=.../lesson-plan.pdf`). An answer
counts as right if it holds one of the case's key words; every quote must stand on its page.
"""

from __future__ import annotations

import asyncio
from typing import Any

from agents.session import new_thread, open_session
from agents.settings import load_settings
from evals.reports import cases, share


def main(model: str, limit: int | None) -> bool:
    """Print each answer's fate and the shares; True unless nothing is indexed."""
    return asyncio.run(_run(model, limit))


async def _run(model: str, limit: int | None) -> bool:
    asked = cases("lesson_plan_questions")
    answerable = [case for case in asked if case["answerable"]][:limit]
    others = [case for case in asked if not case["answerable"]][:limit]
    right = refused = wrongly_refused = verbatim = quotes = 0
    async with open_session(load_settings(model=model)) as session:
        listed = await session.pool.call("retrieval", "list_documents", {})
        if not (listed.structuredContent or {}).get("result"):
            print("No document is indexed. Run: dure call retrieval.add paths=PATH_OF_THE_PDF")
            return False
        for case in [*answerable, *others]:
            answer = await _ask(session, case["question"])
            answered = bool(answer["citations"])
            if case["answerable"]:
                good = answered and any(word in answer["answer"] for word in case["keywords"])
                right += good
                wrongly_refused += not answered
            else:
                good = not answered
                refused += good
            quotes += len(answer["citations"])
            verbatim += await _verbatim(session, answer)
            mark = "ok " if good else "BAD"
            pages = [citation["page"] for citation in answer["citations"]]
            print(f"{mark} {answer['seconds']:5.1f} s {pages} {case['question']}")
            print(f"      {answer['answer'].splitlines()[0][:160]}")
    print(f"answerable, right: {share(right, len(answerable))}")
    print(f"answerable, refused: {share(wrongly_refused, len(answerable))}")
    print(f"unanswerable, refused: {share(refused, len(others))}")
    print(f"quotes that are verbatim in their source: {share(verbatim, quotes)}")
    return verbatim == quotes


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
