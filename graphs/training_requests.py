"""Requests for training data in a conversation: recognised, read and started as a job (chapter 12).

specialist = with_training_data(specialist, offered["list_documents"], DatasetJobs(spec))
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool

from graphs.language import Language, language_of
from graphs.specialist import Specialist, request_of
from graphs.state import Turn
from graphs.tool_calls import call_tool, result_of
from graphs.training_rows import KINDS, Kind
from prompts import say

_DEFAULT_ROWS = 50

_THING = re.compile(
    r"(학습|훈련|파인 ?튜닝|미세 ?조정)(용| 용)? ?(데이터|자료|셋|세트|예제|질문)|데이터 ?(셋|세트)"
    r"|(질문|질의)[-· ]?(과 |와 )?(답변?|응답)[ 의]*(쌍|데이터|셋|세트)|역 ?(질문|질의)"
    r"|(RAFT|HyDE|QA|Q&A)[-의용 ]*(데이터|자료|셋|세트|쌍|예제|행)"
    r"|\b(training|fine-?tuning|instruction) (data|sets?|rows|examples|pairs)\b|\bdata ?sets?\b"
    r"|\b(raft|hyde|qa|q&a) (data|sets?|rows|examples|pairs)\b|\breverse questions\b"
    r"|\bquestions?[- ](and[- ])?answers? (pairs|data|sets?|rows)\b",
    re.IGNORECASE,
)
_MAKE = re.compile(
    r"(만들어|생성해|뽑아|작성해|준비해|구축해)|(만들기|생성|작성|구축)\s*[.!]?$"
    r"|(^|\b(please|you|to|and|then|let's|,)\s+)(make|create|generate|build|prepare|write|produce)\b",
    re.IGNORECASE,
)
_HOW_FAR = re.compile(
    r"어디까지|진행|상태|다 됐|끝났|몇 개 (됐|만들)"
    r"|\b(how far|progress|status|ready|done|finished)\b",
    re.IGNORECASE,
)
_CONCEPT = re.compile(
    r"(방법|법)(은|이|을|에 ?대해|\?|$)|\bhow (do|can|should|would|to|does)\b", re.I
)
_COUNT = re.compile(
    r"(\d[\d,]*)\s*(?:개|건|줄|행|쌍|문항|rows?\b|pairs?\b|examples?\b|samples?\b|questions?\b)"
    r"|(?<![\d.])(\d[\d,]*) (?:raft|hyde|qa|reverse|training)\b",
    re.IGNORECASE,
)
_DISTRACTORS = re.compile(
    r"(?:방해|오답|distractors?)[^\d\n]{0,8}(\d{1,2})\s*개?|\b(\d{1,2}) distractors?\b",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"[^\s\"'“”‘’`(]+\.(?:pdf|md|txt|docx|pptx|html?|csv)(?![a-z0-9])", re.IGNORECASE
)
_KIND_WORDS: dict[Kind, str] = {
    "qa": r"질문[-· ]?(과 |와 )?답|질의[-· ]?응답|\b(qa|q&a)(?![a-z])"
    r"|questions?[- ](and[- ])?answers?",
    "reverse": r"역 ?(질문|질의)|\breverse\b",
    "hyde": r"\bhyde(?![a-z])|가상 ?(문서|문단)",
    "raft": r"\braft(?![a-z])",
}


@dataclass(frozen=True)
class Wanted:
    """What a request asks for; what it does not say has the command's defaults."""

    limit: int
    kinds: tuple[Kind, ...]
    source: str | None
    distractors: int | None


class Jobs(Protocol):
    """Makes data sets in processes of their own."""

    def start(self, wanted: Wanted) -> str:
        """Start one; its name."""

    def state(self, language: Language) -> str:
        """How far the latest sets are, a line each; empty where there is none."""


def is_about_training_data(request: str) -> bool:
    """Whether a request wants training data made, or asks how far that is; not what it is."""
    if not _THING.search(request) or _CONCEPT.search(request):
        return False
    return bool(_MAKE.search(request) or _HOW_FAR.search(request))


def wanted_in(request: str) -> Wanted:
    """The request's count, kinds, document and distractors."""
    distractors = _DISTRACTORS.search(request)
    rest = _DISTRACTORS.sub(" ", request)
    files = _FILE.search(rest)
    rest = _FILE.sub(" ", rest)
    count = _COUNT.search(rest)
    named = tuple(kind for kind in KINDS if re.search(_KIND_WORDS[kind], rest, re.IGNORECASE))
    return Wanted(
        limit=max(1, int(_group(count).replace(",", ""))) if count else _DEFAULT_ROWS,
        kinds=named or KINDS,
        source=files[0] if files else None,
        distractors=min(20, max(1, int(_group(distractors)))) if distractors else None,
    )


def with_training_data(specialist: Specialist, list_documents: BaseTool, jobs: Jobs) -> Specialist:
    """The specialist, with requests for training data answered here instead.

    Making takes minutes and goes on after the conversation: the answer names the set and how to
    watch it.
    """

    async def answer(state: Turn) -> Turn:
        request = request_of(state)
        if not is_about_training_data(request):
            return await specialist(state)
        language = language_of(request)
        if not _MAKE.search(request):
            text = jobs.state(language) or say("training_none", language)
            return {"messages": [AIMessage(text)], "steps": []}
        message = await call_tool("rag", list_documents, {})
        step = message.additional_kwargs["step"]
        if message.status == "error":
            text = say("tool_failed", language, tool=list_documents.name, error=step["result"])
        elif not result_of(message)["result"]:
            text = say("no_documents", language)
        else:
            wanted = wanted_in(request)
            name = jobs.start(wanted)
            kinds = ", ".join(wanted.kinds)
            text = say("training_started", language, name=name, rows=wanted.limit, kinds=kinds)
        return {"messages": [AIMessage(text)], "steps": [step]}

    return answer


def _group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)
