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
from graphs.particles import bare_noun, without_companion
from graphs.quoted import quotes_in
from graphs.sentences import is_only_instruction, sentences_in, without_sentences
from graphs.specialist import Specialist, request_of
from graphs.state import Turn
from graphs.tool_rules import ruled_arguments, ruled_tool
from graphs.training_settings import data_in, settings_in
from prompts import say

AGENT = "foundations"
_JOB = re.compile(r"\b(?:translator|words)-\d{8}-\d{6}-\w{6}\b")
_WORD_EN = re.compile(
    r"\b(?:nearest|closest|close|similar|near|neighbou?rs)\b\s*(?:words\s+)?(?:to|of)\s+"
    r"(?:the word\s+)?(?P<word>[^\s?.,!\"']+)",
    re.IGNORECASE,
)
_WORD_KO = re.compile(
    r"(?P<word>[가-힣A-Za-z]+)\s*(?:뜻이\s*|가장\s*|제일\s*)*(?:비슷한|가까운|유사한|이웃)"
)
_MINUS = re.compile(
    r"(?P<b>[^\s\"'-]+)\s*(?:-|−|빼기|minus)\s*(?P<a>[^\s\"'+]+)\s*(?:\+|더하기|plus)\s*"
    r"(?P<c>[A-Za-z]+|[가-힣]+)(?P<rest>\s*[가-힣A-Za-z])?",
    re.IGNORECASE,
)
_AS = re.compile(
    r"(?P<a>[\w가-힣]+)\s+is to\s+(?P<b>[\w가-힣]+)\s+as\s+(?P<c>[\w가-힣]+)", re.IGNORECASE
)
_COUNT = re.compile(r"(?:top )?(\d+|다섯|열|스무)(?: ?개| words|$|(?= ?[,.?]))", re.IGNORECASE)
_SPOKEN = {"다섯": 5, "열": 10, "스무": 20}
_EXAMPLE = ["I love machine learning.", "저는 머신러닝을 사랑합니다."]  # that of chapter 2.3
_NEEDED = {
    "explain_attention": ("source", "which_attention"),
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
    found: dict[str, Any] = {}
    if tool not in ("explain_attention", "translate"):
        found = ruled_arguments(tool, request)
    quoted = [text for _, text in quotes_in(request)]
    match tool:
        case "explain_attention" | "translate":
            sentences = sentences_in(request, tool)
            found = ruled_arguments(tool, without_sentences(request, sentences))
            if tool == "explain_attention":
                if not sentences and is_only_instruction(request):
                    sentences = _EXAMPLE
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
            if match := _MINUS.search(plain):
                subject = match["rest"] is not None
                found |= {"a": match["a"], "b": match["b"], "c": bare_noun(match["c"], subject)}
            elif match := _AS.search(plain):
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
        turn = await specialist(state)
        if tool == "explain_attention" and not sentences_in(request, tool):
            *others, shown = turn["messages"]
            text = f"> {say('example_sentence', language_of(request))}\n\n{shown.text}"
            turn = {**turn, "messages": [*others, shown.model_copy(update={"content": text})]}
        return turn

    return answer


def _asked(key: str, request: str) -> Turn:
    return {"messages": [AIMessage(say(key, language_of(request)))], "steps": []}


def _last_job(messages: list[AnyMessage]) -> re.Match[str] | None:
    found = (_JOB.search(str(message.text)) for message in reversed(messages))
    return next(filter(None, found), None)


def _word(request: str) -> str | None:
    if match := _WORD_EN.search(request):
        return match["word"]
    if match := _WORD_KO.search(request):
        return without_companion(match["word"])
    return None
