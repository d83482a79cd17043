"""Requests about documents: the index of them, a whole one, all of them; and pages in order."""

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
_FILE = r"\S+\.(?:pdf|md|txt|docx?|pptx?|html?|csv)"
_WHOLE = re.compile(
    r"문서|보고서|파일|교재|교안|논문|책|자료|매뉴얼|전체|처음부터 끝"
    rf"|{_FILE}"
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

_CHANGES_INDEX = re.compile(
    r"(?:추가|색인|등록|삭제|제거)\s?(?:해|하자|할래|시켜|좀|부탁)|(?:지워|빼|넣어)\s?(?:줘|주|봐|라)"
    r"|(?:^|\b(?:please|can you|could you|to|and|then|now) )(?:add|index|ingest|remove|delete)\b",
    re.IGNORECASE,
)
_INDEXED_THING = re.compile(
    rf"문서|파일|폴더|자료|색인|논문|[~.]{{0,2}}/\S+|{_FILE}\b"
    r"|\b(?:documents?|files?|folders?|papers?|index)\b",
    re.IGNORECASE,
)
_ASKS_INDEX = re.compile(
    r"(?:문서|파일|색인)\S*\s?(?:의\s)?목록|(?:어떤|무슨) (?:문서|파일).*(?:있|알|색인|등록)"
    r"|색인(?:된|돼|되어).*(?:뭐|무엇|무슨|어떤|보여|몇|있)"
    r"|색인\S*\s?.*(?:진행|끝났|취소|멈춰|중단)|\b(?:cancel|stop|progress|done|finished)\b.*\bindexing\b"
    r"|\bindexing\b.*\b(?:progress|done|finished|job)\b"
    r"|\blist\b.*\b(?:documents?|files?)\b|\bin (?:the|my|your) index\b"
    r"|\b(?:what|which|files?|documents?|been|is|are)\b.*\bindexed\b",
    re.IGNORECASE,
)


def is_about_the_index(request: str) -> bool:
    """Whether a request manages the documents rather than asks about what they say.

    "Add" and "remove" are words of many a question about code: something must be told to be done,
    and with documents.
    """
    if re.match(r"\s*(?:how|why)\b", request, re.IGNORECASE):
        return False
    changes = _CHANGES_INDEX.search(request) and _INDEXED_THING.search(request)
    return bool(changes or _ASKS_INDEX.search(request))


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
