"""Requests about attention, the translator trained from scratch and word vectors (chapters 2, 3).

Sentences, words and files are written out in the request, so code reads them; which tool is meant
its words settle (`prompts/tool_rules.toml`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from graphs.language import language_of
from graphs.quoted import quotes_in
from graphs.specialist import Specialist, request_of
from graphs.state import Turn
from graphs.tool_rules import ruled_arguments, ruled_tool
from graphs.training_settings import data_in, settings_in
from prompts import say

AGENT = "foundations"
_JOB = re.compile(r"\b(?:translator|words)-\d{8}-\d{6}-\w{6}\b")
_AFTER_COLON = re.compile(r"[:：]\s*(?P<text>[^:：\n]+?)\s*$")
_AFTER_FOR = re.compile(
    r"\b(?:attention|translate|weights|Q,? K,? (?:and )?V)\b.*?\b(?:for|of|on|in|:)\s+"
    r"(?:the sentence\s+)?(?P<text>[A-Za-z][^\"“”]+?)\s*[?.!]*$",
    re.IGNORECASE,
)
_TRANSLATE = re.compile(
    r"^\s*translate\s+(?!with\b|using\b|by\b)(?P<text>.+?)(?:\s+(?:with|using|by|into|to)\b.*)?$",
    re.I,
)
_NO_SENTENCE = re.compile(r"(?:this|that|the|my|a) ?(?:sentence|pair|one)?s?", re.IGNORECASE)
_WORD_EN = re.compile(
    r"\b(?:nearest|closest|close|similar|near|neighbou?rs)\b\s*(?:words\s+)?(?:to|of)\s+"
    r"(?:the word\s+)?(?P<word>[^\s?.,!\"']+)",
    re.IGNORECASE,
)
_WORD_KO = re.compile(
    r"(?P<word>[가-힣A-Za-z]+?)(?:이랑|하고|와|과|랑|의|에)\s*(?:뜻이\s*|가장\s*|제일\s*)*"
    r"(?:비슷한|가까운|유사한|이웃)"
)
_MINUS = re.compile(
    r"(?P<b>[^\s\"'-]+)\s*(?:-|−|빼기|minus)\s*(?P<a>[^\s\"'+]+)\s*(?:\+|더하기|plus)\s*"
    r"(?P<c>[A-Za-z]+|[가-힣]+?)(?=$|[\s,.?!\"'은는이가을를])",
    re.IGNORECASE,
)
_AS = re.compile(
    r"(?P<a>[\w가-힣]+)\s+is to\s+(?P<b>[\w가-힣]+)\s+as\s+(?P<c>[\w가-힣]+)", re.IGNORECASE
)
_COUNT = re.compile(r"(?:top )?(\d+|다섯|열|스무)(?: ?개| words|$|(?= ?[,.?]))", re.IGNORECASE)
_SPOKEN = {"다섯": 5, "열": 10, "스무": 20}
_EXAMPLE = ["I love machine learning.", "저는 머신러닝을 사랑합니다."]  # that of chapter 2.3
_NEEDED = {
    "translate": ("source", "which_sentence"),
    "nearest_words": ("word", "which_word"),
    "analogy": ("a", "which_analogy"),
    "train_word_vectors": ("data", "which_texts"),
}
"""What a tool cannot do without, and how it is asked for."""
_TEXTS = re.compile(r"[^\s\"'“”‘’`(),]+\.(?:pdf|docx|pptx|html?)(?![A-Za-z0-9])", re.IGNORECASE)
_PAIRS = (".tsv", ".csv", ".jsonl")


def settle(tool: str, names: Collection[str], request: str) -> dict[str, Any]:
    """The arguments of a tool that the request settles."""
    found = ruled_arguments(tool, request)
    quoted = [text for _, text in quotes_in(request)]
    match tool:
        case "explain_attention" | "translate":
            sentences = quoted or _sentences(request)
            if tool == "explain_attention":
                sentences = sentences or _EXAMPLE
                found |= {"target": sentences[1]} if len(sentences) > 1 else {}
            if sentences:
                found["source"] = sentences[0]
        case "nearest_words":
            if count := _COUNT.search(request):
                found["n"] = _SPOKEN.get(count[1]) or int(count[1])
            if word := quoted[0] if quoted else _word(request):
                found["word"] = word
        case "analogy":
            plain = re.sub(r"[\"'“”‘’`]", "", request)
            if match := _MINUS.search(plain) or _AS.search(plain):
                found |= match.groupdict()
        case "plot_words":
            if quoted:
                found["words"] = quoted
        case "train_word_vectors":
            if texts := [*data_in(request), *_TEXTS.findall(request)]:
                found["data"] = texts
            found |= settings_in(request, {"epochs", "seed", "name"} & {*names})
        case "train_translator":
            found |= settings_in(request, {*names} - {"data", "vocabulary"})
            if pairs := [name for name in data_in(request) if name.lower().endswith(_PAIRS)]:
                found["data"] = pairs[0]
        case "job" | "cancel" | "watch":
            if job := _JOB.search(request):
                found["job"] = job[0]
    if isinstance(found.get("epochs"), float):
        found["epochs"] = int(found["epochs"])
    return found


def with_foundations(specialist: Specialist) -> Specialist:
    """The specialist, which asks for what is missing and knows the job last spoken of."""

    async def answer(state: Turn) -> Turn:
        request = request_of(state)
        *earlier, last = state["messages"]
        tool = ruled_tool(AGENT, request)
        if tool in ("job", "cancel", "watch"):
            if job := _JOB.search(request) or _last_job(earlier):
                told = HumanMessage(f"{request} ({job[0]})", id=last.id)
                return await specialist({**state, "messages": [*earlier, told]})
            return _asked("no_lesson_job", request)
        if tool in _NEEDED and _NEEDED[tool][0] not in settle(tool, (), request):
            return _asked(_NEEDED[tool][1], request)
        return await specialist(state)

    return answer


def _asked(key: str, request: str) -> Turn:
    return {"messages": [AIMessage(say(key, language_of(request)))], "steps": []}


def _last_job(messages: list[AnyMessage]) -> re.Match[str] | None:
    found = (_JOB.search(str(message.text)) for message in reversed(messages))
    return next(filter(None, found), None)


def _sentences(request: str) -> list[str]:
    """The sentence that is not quoted: after a colon, after "for", or what is to be translated."""
    for pattern in (_AFTER_COLON, _TRANSLATE, _AFTER_FOR):
        match = pattern.search(request)
        if match and not _NO_SENTENCE.fullmatch(match["text"].strip()):
            return [match["text"].strip()]
    return []


def _word(request: str) -> str | None:
    match = _WORD_EN.search(request) or _WORD_KO.search(request)
    return match["word"] if match else None
