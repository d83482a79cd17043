"""The rag specialist: answers from the user's documents, with citations, or says it found nothing.

search -> is the evidence there? -> answer -> tie each sentence to its source. Requests that manage
the documents (add, list, remove) go to an agent loop over the same server's tools instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool

from graphs.citing import cite, closest
from graphs.language import language_of, strays_from
from graphs.specialist import Specialist, answer_message, request_of
from graphs.state import Citation, Step, Turn
from graphs.tool_calls import call_tool, result_of
from prompts import prompt, say

_PASSAGES = 4  # about 1,000 tokens: 15 seconds of reading on a CPU
_MIN_EVIDENCE = 0.5  # probability that the passages answer the question
_MIN_COVERAGE = 0.38  # IDF-weighted share of the question's words that one passage must have

_MANAGE = re.compile(
    r"(추가|색인|등록|삭제|제거|지워|빼 ?줘|목록|어떤 (문서|파일)|무슨 (문서|파일))"
    r"|\b(add|index|ingest|remove|delete|indexed)\b|\blist\b.*\b(documents?|files?)\b",
    re.IGNORECASE,
)


def build_rag(
    model: BaseChatModel, tools: Mapping[str, BaseTool], manage: Specialist
) -> Specialist:
    """A node that answers from the index; `manage` handles adding, listing and removing."""

    async def answer(state: Turn) -> Turn:
        request = request_of(state)
        if is_about_the_index(request):
            return await manage(state)
        language = language_of(request)
        message = await call_tool("rag", tools["search"], {"query": request, "k": _PASSAGES})
        step: Step = message.additional_kwargs["step"]
        if message.status == "error":
            text = say("tool_failed", language, tool="search", error=step["result"])
            return {"messages": [AIMessage(text)], "steps": [step]}
        found = result_of(message)
        if not found["searched"]["documents"]:
            return {"messages": [AIMessage(say("no_documents", language))], "steps": [step]}
        passages = found["passages"]
        if not await _is_evidence(model, request, passages):
            text = say("no_evidence", language, **found["searched"])
            return {"messages": [AIMessage(text)], "steps": [step]}
        reply = await _write_answer(model, request, passages, language)
        marked, citations = cite(str(reply.text), passages)
        if not citations:
            nearest = closest(request, str(reply.text), passages)
            citations = [nearest] if nearest else []
            marked = f"{marked.strip()} [1]"
        kept, steps = await _verified(citations, passages, tools["page_text"])
        text = f"{marked.strip()}\n\n{_sources(kept, language)}"
        if not kept:  # nothing in the documents says what the model said
            text = say("no_evidence", language, **found["searched"])
        return {
            "messages": [answer_message(text, [reply])],
            "steps": [step, *steps],
            "citations": kept,
        }

    return answer


def is_about_the_index(request: str) -> bool:
    """Whether a request manages the documents rather than asks about what they say."""
    return bool(_MANAGE.search(request)) and not request.rstrip().endswith(("인가요?", "뭐야?"))


async def _is_evidence(model: BaseChatModel, request: str, passages: list[dict[str, Any]]) -> bool:
    """Whether the passages can answer: they mention what is asked, and the model says yes."""
    if not passages or max(p["scores"]["coverage"] for p in passages) < _MIN_COVERAGE:
        return False
    probabilities = getattr(model, "aprobabilities", None)
    if probabilities is None:
        return True  # a large model refuses by itself, as its prompt asks
    question = f"{request}\n\n{prompt('evidence')}"
    chances = await probabilities(_messages(question, passages), ["yes", "no"])
    return bool(chances["yes"] >= _MIN_EVIDENCE)


async def _write_answer(
    model: BaseChatModel, request: str, passages: list[dict[str, Any]], language: Any
) -> AIMessage:
    question = f"{request}\n\n({say('answer_language', language)})"
    reply = await model.ainvoke(_messages(question, passages))
    if strays_from(language, request, str(reply.text)):
        question = f"{request}\n\n({say('answer_language_again', language)})"
        reply = await model.ainvoke(_messages(question, passages))
    return reply


def _messages(question: str, passages: list[dict[str, Any]]) -> list[Any]:
    """Template of chapter 11.3.2. Context first: grading and answering share it as a prefix."""
    context = "\n\n".join(f"<passage>\n{passage['text']}\n</passage>" for passage in passages)
    text = f"Context:\n{context}\n\nQuestion:\n{question}"
    return [SystemMessage(prompt("rag")), HumanMessage(text)]


async def _verified(
    citations: list[Citation], passages: list[dict[str, Any]], page_text: BaseTool
) -> tuple[list[Citation], list[Step]]:
    """The citations whose quote stands verbatim on their page, as the server itself has it."""
    kept: list[Citation] = []
    steps: list[Step] = []
    texts: dict[tuple[str, int | None], str] = {}
    paths = {(p["title"], p["page"]): p["source"] for p in passages}
    for citation in citations:
        place = (citation["source"], citation["page"])
        if place not in texts:
            arguments = {"source": paths[place], "page": citation["page"]}
            message = await call_tool("rag", page_text, arguments)
            steps.append(message.additional_kwargs["step"])
            result = result_of(message)
            texts[place] = result["text"] if message.status != "error" else ""
        if citation["quote"] in texts[place]:
            kept.append(citation)
    return kept, steps


def _sources(citations: list[Citation], language: Any) -> str:
    lines = [f"**{say('sources', language)}**", ""]
    for citation in citations:
        page = citation["page"]
        where = f", {say('page', language, page=page)}" if page is not None else ""
        quote = " ".join(citation["quote"].split())
        lines.append(f"[{citation['n']}] {citation['source']}{where}: “{quote}”  ")
    return "\n".join(lines)
