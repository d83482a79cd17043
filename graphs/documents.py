"""Requests about a whole document: which one is meant, and its pages in order."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer

from graphs.language import Language
from graphs.passages import Passage
from graphs.state import Step
from graphs.tokens import content
from graphs.tool_calls import result_of, server_of
from prompts import say

_DIGEST = re.compile(
    r"요약|줄거리|(?<!잘 )정리\s*(해|좀|하)|개요를|\b(summar(y|i[sz]e)|overview|digest|outline)\b",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"문서|보고서|파일|교재|교안|논문|책|자료|매뉴얼|전체|처음부터 끝"
    r"|\S+\.(pdf|md|txt|docx?|pptx?|html?|csv)"
    r"|\b(report|documents?|file|paper|book|manual|whole|entire|everything|full text)\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"[가-힣\w]+에서\s|\d+\s*(장|절|쪽|페이지)|에 대(해|한)|관(해|한|련)|부분|내용 중"
    r"|\b(chapter|section|page) \d|\b(about|regarding|on how|part)\b",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"모든 (문서|파일|자료)|문서마다|각 ?문서"
    r"|\b(every|each|all( of)?( the| my)?) (documents?|files?)\b",
    re.IGNORECASE,
)


def wants_all(request: str) -> bool:
    """Whether a request asks for a digest of a whole document rather than for something in it."""
    return bool(_DIGEST.search(request) and _WHOLE.search(request) and not _PART.search(request))


def asks_of_all(request: str) -> bool:
    """Whether a request asks what all documents say, so that many passages are to be read."""
    return bool(_ALL.search(request))


def named_document(request: str, documents: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The document that a request means: the one it names, else the only one."""
    if len(documents) == 1:
        return documents[0]
    lowered = request.lower()
    named = [row for row in documents if row["title"].lower() in lowered]
    named = named or [row for row in documents if Path(row["title"]).stem.lower() in lowered]
    if not named:
        asked = content(request)
        shared = {row["source"]: len(asked & content(row["title"])) for row in documents}
        most = max(shared.values(), default=0)
        named = [row for row in documents if most and shared[row["source"]] == most]
    return named[0] if len(named) == 1 else None


async def pages_of(
    page_text: BaseTool, document: dict[str, Any], language: Language
) -> tuple[list[Passage], list[Step]]:
    """A document's pages in order, as passages, and the steps that read them.

    A page that cannot be read is left out; its step says why. Steps hold how long a page is, not
    its text: a conversation would otherwise keep every document that it read.
    """
    numbers = list(range(1, document["pages"] + 1)) if document["pages"] else [None]
    told = say("fetching", language, title=document["title"], pages=len(numbers))
    get_stream_writer()({"event": "progress", "text": told})
    pages: list[Passage] = []
    steps: list[Step] = []
    for number in numbers:
        began = time.perf_counter()
        arguments = {"source": document["source"], "page": number}
        call = ToolCall(name=page_text.name, args=arguments, id=f"page_{number}", type="tool_call")
        try:
            message = await page_text.ainvoke(call)
            ok, result = message.status != "error", result_of(message)
        except Exception as error:
            ok, result = False, str(error)
        if ok and result["text"].strip():
            pages.append({**arguments, "text": result["text"], "title": document["title"]})
        step: Step = {
            "agent": "rag",
            "server": server_of(page_text),
            "tool": page_text.name,
            "arguments": arguments,
            "ok": ok,
            "result": {"characters": len(result["text"])} if ok else result,
            "seconds": round(time.perf_counter() - began, 4),
        }
        steps.append(step)
    return pages, steps
