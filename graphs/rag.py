"""The rag specialist: answers from the user's documents, with citations, or says it found nothing.

A state machine of its own (chapters 11.4 and 13.9.5, corrected after Yan et al. 2024, CRAG):

    understand -> search -> grade -> answer -> done
                    ^         |weak    |unsupported
                    +-- rewrite <------+            (at most twice, then refuse)
    understand -> read a whole document, in order -> done
    understand -> show a page, a slide or a figure -> done

Requests that manage the documents (add, list, remove) go to an agent loop over the same server's
tools instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from graphs.citing import cite, cite_from_pages, listed
from graphs.compression import compress
from graphs.documents import (
    asks_of_all,
    is_about_the_index,
    named_document,
    pages_of,
    wants_all,
)
from graphs.evidence import (
    answerable_prompt,
    chance,
    enough,
    evades,
    quotes_answer,
    signs,
    yes_or_no,
)
from graphs.glossary import other_names
from graphs.language import Language, language_of, strays_from
from graphs.passages import Passage, as_prompt, readable
from graphs.queries import hypothetical, points_back, standalone, variants
from graphs.reading import counter, method_for, read
from graphs.showing import Wanted, show_page, wanted_page
from graphs.similarity import Features
from graphs.specialist import Specialist, answer_message, request_of, with_facts
from graphs.state import Citation, Step, Turn
from graphs.tool_calls import call_tool, result_of
from prompts import say

PASSAGES = 10
BUDGET = 400  # tokens of evidence that the embedded model reads: 6 seconds on a CPU
_SERVED = 3000  # tokens of evidence for a model elsewhere
_STRICTER = 0.1  # more chance is needed of what only other words found: it was sought for longer
_MANY = 24  # passages, where all documents are asked about
_ATTEMPTS = 3  # the question as asked, then rewritten at most twice


class Asked(TypedDict, total=False):
    """The state of one question. `question` is the request, understood on its own."""

    request: str
    history: list[AnyMessage]
    language: Language
    question: str
    queries: list[str]  # all that was searched for
    variants: list[str]  # what the next search adds to the question
    attempts: int
    passages: list[Passage]  # those of the last search that no search before it had found
    seen: list[str]  # ids of all that were found
    language_found: Language  # of the first passages
    searched: dict[str, int]
    read: list[str]  # what of the passages the model reads
    yes: float  # the model's probability that they answer the question
    chance: float  # the same, calibrated
    document: dict[str, Any] | None  # the one to read whole, as list_documents has it
    wanted: Wanted | None  # the page to show
    artifacts: list[str]
    steps: list[Step]
    replies: list[AIMessage]
    text: str
    citations: list[Citation]


def build_rag(
    model: BaseChatModel, tools: Mapping[str, BaseTool], manage: Specialist, vectors: Features
) -> Specialist:
    """A node that answers from the index; `manage` handles adding, listing and removing.

    `vectors` are of sentences, Korean and English alike.
    """
    graph = StateGraph(Asked)
    nodes = _Nodes(model, tools, vectors)
    for name in (
        "understand",
        "search",
        "grade",
        "answer",
        "rewrite",
        "refuse",
        "read_document",
        "show",
    ):
        graph.add_node(name, getattr(nodes, name))
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _after_understanding)
    graph.add_conditional_edges("search", _after_searching)
    graph.add_conditional_edges("grade", _after_grading)
    graph.add_conditional_edges("answer", _after_answering)
    graph.add_edge("rewrite", "search")
    graph.add_edge("refuse", END)
    graph.add_edge("read_document", END)
    graph.add_edge("show", END)
    asking = graph.compile(name="rag_question")

    async def answer(state: Turn) -> Turn:
        if is_about_the_index(request_of(state)):
            return await manage(state)
        history = with_facts(state)[:-1]
        start: Asked = {"request": request_of(state), "history": history}
        done: Any = await asking.ainvoke(start)
        return {
            "messages": [answer_message(done["text"], done.get("replies", []))],
            "steps": done.get("steps", []),
            "citations": done.get("citations", []),
            "artifacts": done.get("artifacts", []),
        }

    return answer


def search_arguments(question: str, k: int = PASSAGES) -> dict[str, Any]:
    """What the retrieval server is asked for: passages, by the question and its other names."""
    arguments: dict[str, Any] = {"query": question, "k": k, "modality": "text"}
    if names := other_names(question):
        arguments["names"] = names
    return arguments


def answer_prompt(texts: Sequence[str], question: str) -> list[AnyMessage]:
    """Asks a model to answer from these texts, in the language of the question."""
    return as_prompt(texts, _reminded(question, "answer_language", language_of(question)))


class _Nodes:
    """The steps of the state machine over one model and one server's tools."""

    def __init__(
        self, model: BaseChatModel, tools: Mapping[str, BaseTool], vectors: Features
    ) -> None:
        self._model = model
        self._tools = tools
        self._vectors = vectors

    async def understand(self, state: Asked) -> Asked:
        """The question on its own, and whether it asks for a whole document."""
        request = state["request"]
        start: Asked = {
            "language": language_of(request),
            "question": request,
            "queries": [],
            "variants": [],
            "attempts": 0,
            "seen": [],
            "language_found": language_of(request),
            "document": None,
            "wanted": None,
            "steps": [],
            "replies": [],
            "citations": [],
        }
        if points_back(request, state["history"]):
            _tell("understanding", start["language"])
            question, reply = await standalone(self._model, request, state["history"])
            start["question"], start["replies"] = question, [reply]
            _tell("understood", start["language"], question=question)
        start["wanted"] = wanted_page(start["question"])
        if not start["wanted"] and wants_all(start["question"]):
            message = await call_tool("rag", self._tools["list_documents"], {})
            start["steps"] = [message.additional_kwargs["step"]]
            if message.status != "error":
                start["document"] = named_document(start["question"], result_of(message)["result"])
        return start

    async def search(self, state: Asked) -> Asked:
        """Search the question, together with its variants where there are any."""
        k = _MANY if asks_of_all(state["question"]) else PASSAGES
        arguments = search_arguments(state["question"], k)
        if state["variants"]:
            arguments["variants"] = state["variants"]
        message = await call_tool("rag", self._tools["search"], arguments)
        step: Step = message.additional_kwargs["step"]
        update: Asked = {
            "steps": [*state["steps"], step],
            "attempts": state["attempts"] + 1,
            "queries": [*state["queries"], *(state["variants"] or [state["question"]])],
        }
        if message.status == "error":
            text = say("tool_failed", state["language"], tool="search", error=step["result"])
            return {**update, "text": text}
        found = result_of(message)
        update["searched"] = found["searched"]
        # What was found weak once is not read again: a second look costs seconds and luck.
        fresh = [p for p in found["passages"] if p["id"] not in state["seen"]]
        update["passages"] = fresh
        if fresh and not state["seen"]:
            update["language_found"] = language_of(" ".join(p["text"] for p in fresh))
        update["seen"] = [*state["seen"], *(passage["id"] for passage in fresh)]
        if not found["searched"]["documents"]:
            update["text"] = say("no_documents", state["language"])
        return update

    async def grade(self, state: Asked) -> Asked:
        """How likely the passages, compressed, answer the question."""
        question, passages = state["question"], state["passages"]
        if not passages:
            return {"read": [], "yes": 0.0, "chance": 0.0}
        small = hasattr(self._model, "aprobabilities")
        budget = BUDGET if small and not asks_of_all(question) else _SERVED
        # Counting may load the model; the event loop must go on meanwhile.
        count = counter(self._model)
        texts = await asyncio.to_thread(compress, question, passages, budget, count, self._vectors)
        yes = await yes_or_no(self._model, answerable_prompt(texts, question))
        found = signs(question, passages, texts, yes)
        return {"read": texts, "yes": yes, "chance": chance("read", found)}

    async def answer(self, state: Asked) -> Asked:
        """An answer whose every sentence has a source, or none."""
        question, passages, language = state["question"], state["passages"], state["language"]
        replies = await self._write(question, state["read"], language)
        reply = str(replies[-1].text)
        marked, kept, steps = await cite_from_pages(
            reply, passages, question, self._vectors, self._tools["page_text"]
        )
        update: Asked = {
            "replies": [*state["replies"], *replies],
            "steps": [*state["steps"], *steps],
            "text": "",
        }
        if kept and not evades(question, reply, marked) and await self._supported(state, kept):
            update["citations"] = kept
            update["text"] = f"{marked}\n\n{listed(kept, language)}"
        else:
            get_stream_writer()({"event": "again", "reason": "evidence"})
        return update

    async def _supported(self, state: Asked, citations: Sequence[Citation]) -> bool:
        """Whether an answer may be shown: above all, whether its quotes alone answer too."""
        question = state["question"]
        quoted = await quotes_answer(self._model, citations, question)
        found = signs(question, state["passages"], state["read"], state["yes"], quoted)
        needed = enough("answered") + _STRICTER * (state["attempts"] > 1)
        return chance("answered", found) >= needed

    async def rewrite(self, state: Asked) -> Asked:
        """Other ways to search: first other phrasings, then a hypothetical answer."""
        language, question = state["language"], state["question"]
        if state["attempts"] == 1:
            _tell("rephrasing", language)
            texts, reply = await variants(self._model, question)
        else:
            _tell("imagining", language)
            text, reply = await hypothetical(self._model, question, state["language_found"])
            texts = [text] if text else []
        return {"variants": texts, "replies": [*state["replies"], reply]}

    async def refuse(self, state: Asked) -> Asked:
        """A refusal that says what was searched."""
        tried = "; ".join(f"“{_short(query)}”" for query in dict.fromkeys(state["queries"]))
        text = say("no_evidence", state["language"], **state["searched"], queries=tried)
        return {"text": text, "citations": []}

    async def read_document(self, state: Asked) -> Asked:
        """A whole document, page by page in order, by refine where it does not fit at once."""
        language, question = state["language"], state["question"]
        document = state["document"]
        assert document is not None
        pages, steps = await pages_of(self._tools["page_text"], document, language)
        texts = [readable(page["text"]) for page in pages]
        method = await method_for(self._model, question, texts, ordered=True)
        asked = _reminded(question, "answer_language", language)

        def told(part: int, parts: int) -> None:
            _tell("reading_part", language, part=part, parts=parts)

        reading = await read(self._model, asked, texts, method, told)
        marked, citations = cite(reading.text, pages)
        text = f"{marked}\n\n{listed(citations, language)}"
        if not citations:
            text = say("nothing_supported", language, pages=len(pages))
        return {
            "steps": [*state["steps"], *steps],
            "replies": [*state["replies"], *reading.replies],
            "text": text,
            "citations": citations,
        }

    async def show(self, state: Asked) -> Asked:
        """The picture of the page, slide or figure that is asked for."""
        wanted = state["wanted"]
        assert wanted is not None
        shown = await show_page(state["question"], wanted, state["language"], self._tools)
        return {
            "text": shown["text"],
            "steps": [*state["steps"], *shown["steps"]],
            "citations": shown["citations"],
            "artifacts": shown["artifacts"],
        }

    async def _write(
        self, question: str, texts: Sequence[str], language: Language
    ) -> list[AIMessage]:
        """The model's replies; the last is in the language of the request, and no mere copy."""
        asked = _reminded(question, "answer_language", language)
        method = await method_for(self._model, asked, texts, ordered=False)
        reading = await read(self._model, asked, texts, method)
        if reading.text.lstrip().startswith("<passage>"):
            reason, reminder = "copied", "answer_in_words"
        elif strays_from(language, question, reading.text):
            reason, reminder = "language", "answer_language_again"
        else:
            return reading.replies
        get_stream_writer()({"event": "again", "reason": reason})
        asked = _reminded(question, reminder, language)
        again = await read(self._model, asked, texts, method)
        return [*reading.replies, *again.replies]


def _reminded(question: str, key: str, language: Language) -> str:
    """The question with a word about the language of the answer: last, or it is forgotten."""
    return f"{question}\n\n({say(key, language)})"


def _after_understanding(state: Asked) -> str:
    if state["wanted"]:
        return "show"
    return "read_document" if state["document"] else "search"


def _after_searching(state: Asked) -> str:
    return END if state.get("text") else "grade"


def _after_grading(state: Asked) -> str:
    return "answer" if state["chance"] >= enough("read") else _again(state)


def _after_answering(state: Asked) -> str:
    return END if state["text"] else _again(state)


def _again(state: Asked) -> str:
    return "rewrite" if state["attempts"] < _ATTEMPTS else "refuse"


def _tell(key: str, language: Language, **values: object) -> None:
    """A line about a step that takes a while."""
    get_stream_writer()({"event": "progress", "text": say(key, language, **values)})


def _short(query: str) -> str:
    return query if len(query) <= 80 else query[:79] + "…"
