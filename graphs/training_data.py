"""Training rows from one passage (chapter 12): written by the model, checked against the passage.

write a question -> check it -> (read the answer back | hypothetical passage | distractors and
reasoning) -> keep or reject -> the next kind, or another statement after a rejection. The model
writes one short text at a time; what a row is about (a statement of the passage) is chosen by
code, so that quotes are verbatim by construction and are checked all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from graphs import training_checks as checks
from graphs.language import Language, language_of
from graphs.training_passages import Library, randomness, statements
from graphs.training_rows import Document, Kind, Rejected, Row, SourcePassage
from prompts import prompt, say

TOP_K = 5  # a question must find its passage among so many
_SEARCHED = 50  # candidates for distractors; the server's limit
_TRIES = 2  # statements tried for each kind in a passage

_TASKS = ("task", "detail", "reverse", "query", "answer", "hypothetical", "reasoning", "reasoned")
_BLANK = dict.fromkeys(
    ("passage", "task", "statement", "question", "answer", "quote", "reasoning"), ""
)
_SHAPES = {
    "question": r"^Q: [^?\n]{8,120}\?$",
    "answer": r"^A: [^\n]{1,120}$",
    "hypothetical": r"^A: [^\n]{20,400}$",
    "reasoning": r"^A: [^\n]{10,240}$",
}
"""What each text must look like: left free, a small model copies where it should ask."""


@dataclass(frozen=True)
class Recipe:
    """What is made: `gold_share` is RAFT's p, the share of rows whose documents hold the gold."""

    kinds: tuple[Kind, ...]
    seed: int
    distractors: int
    gold_share: float
    index: str


class Draft(TypedDict, total=False):
    """A row in the making, about one statement of the passage."""

    kind: Kind
    quote: str
    question: str
    answer: str
    near: list[str]  # ids that a search for the question found, nearest first
    documents: list[Document]
    reason: str | None  # why it is rejected


class PassageState(TypedDict, total=False):
    """`asked` holds the keys of all questions before; `rows` and `rejected` are the outcome."""

    passage: SourcePassage
    asked: list[str]
    ahead: list[tuple[Kind, str]]  # (kind, statement) still to try
    draft: Draft
    rows: list[Row]
    rejected: list[Rejected]


RowMaker = CompiledStateGraph[PassageState, None, PassageState, PassageState]


def build_row_maker(
    model: BaseChatModel, tools: Mapping[str, BaseTool], recipe: Recipe, library: Library
) -> RowMaker:
    """The graph for one passage; `tools` are the retrieval server's `search`."""
    writer = _Writer(model)
    searcher = _Searcher(tools["search"], recipe.index)

    async def plan(state: PassageState) -> PassageState:
        ahead = planned(state["passage"], recipe)
        return {"ahead": ahead, "rows": [], "rejected": []}

    async def write(state: PassageState) -> PassageState:
        kind, statement = state["ahead"][0]
        task = {"qa": "detail", "raft": "detail", "reverse": "reverse", "hyde": "query"}[kind]
        question = await writer.write(state["passage"], "question", task, statement=statement)
        draft: Draft = {"kind": kind, "quote": statement, "question": question, "answer": ""}
        text = state["passage"]["text"]
        reason = checks.wrong_question(question, text, may_be_keywords=kind == "hyde")
        if not reason and checks.question_key(question) in _asked(state):
            reason = "duplicate"
        if not reason and kind in ("reverse", "hyde") and checks.gives_away(question, statement):
            reason = "answer_in_question"
        return {"draft": {**draft, "reason": reason}}

    async def retrieve(state: PassageState) -> PassageState:
        draft = state["draft"]
        near = await searcher.ids(draft["question"])
        found = state["passage"]["id"] in near[:TOP_K]
        return {"draft": {**draft, "near": near, "reason": None if found else "not_retrieved"}}

    async def read(state: PassageState) -> PassageState:
        """Answer the question from the passage alone: is it what the question was made for?"""
        draft, passage = state["draft"], state["passage"]
        said = await writer.write(passage, "answer", "answer", question=draft["question"])
        answer = said.strip().strip("\"'“”‘’").rstrip(".").strip()
        if draft["kind"] in ("reverse", "hyde"):
            agreed = checks.agrees(answer, draft["quote"])
            reason = None if agreed else "not_answered"
            return {"draft": {**draft, "answer": draft["quote"], "reason": reason}}
        reason = _wrong_span(answer, draft["question"], draft["quote"], passage["text"])
        return {"draft": {**draft, "answer": answer, "reason": reason}}

    async def imagine(state: PassageState) -> PassageState:
        draft, passage = state["draft"], state["passage"]
        text = await writer.write(
            None, "hypothetical", "hypothetical", question=draft["question"], about=passage
        )
        reason = None
        if not text:
            reason = "no_text"
        elif checks.is_foreign(text, passage["text"]):
            reason = "other_language"
        elif checks.stands_in(text, passage["text"]):
            reason = "hypothetical_copies"
        elif passage["id"] not in (await searcher.ids(text))[:TOP_K]:
            reason = "hypothetical_misses"
        return {"draft": {**draft, "answer": text, "reason": reason}}

    async def reason_out(state: PassageState) -> PassageState:
        draft, passage = state["draft"], state["passage"]
        question, answer, quote = draft["question"], draft["answer"], draft["quote"]
        others = library.distractors(passage, draft["near"], recipe.distractors, answer)
        if len(others) < recipe.distractors:
            return {"draft": {**draft, "reason": "too_few_distractors"}}
        reasoning = await writer.write(
            passage, "reasoning", "reasoning", question=question, answer=answer, quote=quote
        )
        if (
            not reasoning
            or "##" in reasoning
            or checks.is_foreign(reasoning, passage["text"])
            or checks.unfounded_numbers(reasoning, passage["text"], question)
            or checks.question_key(answer) not in checks.question_key(reasoning)
        ):
            return {"draft": {**draft, "reason": "reasoning_unfounded"}}
        language = language_of(passage["text"])
        told = say("training_reasoned", language, quote=quote, reasoning=reasoning, answer=answer)
        documents = shuffled_documents(passage, others, recipe)
        return {"draft": {**draft, "answer": told, "documents": documents}}

    async def settle(state: PassageState) -> PassageState:
        draft, passage = state["draft"], state["passage"]
        if reason := draft["reason"]:
            rejected: Rejected = {
                "reason": reason,
                "kind": draft["kind"],
                "question": draft["question"],
                "answer": draft["answer"],
                "quote": draft["quote"],
                "source": passage["source"],
                "title": passage["title"],
                "page": passage["page"],
                "passage": passage["id"],
            }
            return {
                "ahead": state["ahead"][1:],
                "rejected": [*state["rejected"], rejected],
            }
        row: Row = {
            "id": f"{passage['id']}-{draft['kind']}",
            "kind": draft["kind"],
            "split": library.splits[passage["id"]],
            "question": draft["question"],
            "answer": draft["answer"],
            "quote": draft["quote"],
            "passage": passage,
        }
        if draft["kind"] == "raft":
            row["documents"] = draft["documents"]
        ahead = [(kind, text) for kind, text in state["ahead"] if kind != draft["kind"]]
        return {"ahead": ahead, "rows": [*state["rows"], row]}

    def next_try(state: PassageState) -> Literal["write", "__end__"]:
        return "write" if state["ahead"] else "__end__"

    def after_write(state: PassageState) -> Literal["retrieve", "settle"]:
        return "settle" if state["draft"]["reason"] else "retrieve"

    def after_retrieve(state: PassageState) -> Literal["read", "settle"]:
        return "settle" if state["draft"]["reason"] else "read"

    def after_read(state: PassageState) -> Literal["imagine", "reason_out", "settle"]:
        draft = state["draft"]
        if draft["reason"] or draft["kind"] in ("qa", "reverse"):
            return "settle"
        return "imagine" if draft["kind"] == "hyde" else "reason_out"

    graph = StateGraph(PassageState)
    for node in (plan, write, retrieve, read, imagine, reason_out, settle):
        graph.add_node(node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", next_try)
    graph.add_conditional_edges("write", after_write)
    graph.add_conditional_edges("retrieve", after_retrieve)
    graph.add_conditional_edges("read", after_read)
    graph.add_edge("imagine", "settle")
    graph.add_edge("reason_out", "settle")
    graph.add_conditional_edges("settle", next_try)
    return graph.compile(name="training_data")


def recipe_hash() -> str:
    """What the model is asked, as a hash: rows made under other prompts do not belong together."""
    texts = [_system(language) for language in ("ko", "en")]
    for language in ("ko", "en"):
        texts += [say(f"training_{task}", language, **_BLANK) for task in _TASKS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def planned(passage: SourcePassage, recipe: Recipe) -> list[tuple[Kind, str]]:
    """Which statement each kind tries first and next; kinds begin with different ones."""
    stated = statements(passage["text"])
    randomness(recipe.seed, "statements", passage["id"]).shuffle(stated)
    if not stated:
        return []
    tries: list[tuple[Kind, str]] = []
    for place, kind in enumerate(recipe.kinds):
        at = [(place + step) % len(stated) for step in range(min(_TRIES, len(stated)))]
        tries += [(kind, stated[i]) for i in at]
    return tries


def shuffled_documents(
    gold: SourcePassage, others: Collection[SourcePassage], recipe: Recipe
) -> list[Document]:
    """RAFT's documents: the distractors, with the gold one in a share p of rows, in any order."""
    draw = randomness(recipe.seed, "raft", gold["id"])
    documents: list[Document] = [
        {"passage": other["id"], "text": other["text"], "gold": False} for other in others
    ]
    if draw.random() < recipe.gold_share:
        documents.append({"passage": gold["id"], "text": gold["text"], "gold": True})
    draw.shuffle(documents)
    return documents


def _asked(state: PassageState) -> set[str]:
    return {*state["asked"], *(checks.question_key(row["question"]) for row in state["rows"])}


def _wrong_span(answer: str, question: str, quote: str, text: str) -> str | None:
    """The reason why an answer is no good as a span of the passage, or None."""
    if not answer:
        return "no_text"
    if not checks.stands_in(answer, text):
        return "answer_not_in_passage"
    if len(answer) > checks.LONGEST_SPAN:
        return "answer_too_long"
    if not checks.stands_in(answer, quote):
        return "not_answered"
    return "answer_in_question" if checks.gives_away(question, answer) else None


class _Searcher:
    """Searches one index, over MCP."""

    def __init__(self, tool: BaseTool, index: str) -> None:
        self._tool = tool
        self._index = index

    async def ids(self, query: str) -> list[str]:
        """The ids of the passages that a query finds, nearest first."""
        arguments = {"query": query, "k": _SEARCHED, "index": self._index}
        call = {"name": self._tool.name, "args": arguments, "id": "search", "type": "tool_call"}
        message = await self._tool.ainvoke(call)
        found = message.artifact["structured_content"]
        return [passage["id"] for passage in found["passages"]]


class _Writer:
    """Asks the model for one short text at a time.

    The passage comes first and the task last: all tasks about a passage then share one prefix,
    whose reading is most of the cost.
    """

    def __init__(self, model: BaseChatModel) -> None:
        self._asking = {
            what: model.with_structured_output(_schema(shape)) for what, shape in _SHAPES.items()
        }

    async def write(
        self,
        passage: SourcePassage | None,
        what: str,
        task: str,
        about: SourcePassage | None = None,
        **values: str,
    ) -> str:
        """The text that the model writes, or "" for none. `about` is a passage it does not see."""
        known = passage or about
        assert known is not None
        language = language_of(known["text"])
        wanted = say(f"training_{task}", language, **values)
        if passage is not None:
            wanted = say("training_task", language, passage=passage["text"], task=wanted)
        messages = [SystemMessage(_system(language)), HumanMessage(wanted)]
        config: Any = {"tags": ["nostream"]}
        written = await self._asking[what].ainvoke(messages, config)
        text = str(written.get("text") or "") if isinstance(written, dict) else ""
        return checks.normalised(text.removeprefix("Q:").removeprefix("A:"))


def _system(language: Language) -> str:
    return prompt("training_data_ko") if language == "ko" else prompt("training_data_en")


def _schema(shape: str) -> dict[str, Any]:
    """One text of this shape. The same field for all, so that all share the prompt's prefix."""
    return {
        "title": "write",
        "description": "Write the text that is asked for.",
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": shape}},
        "required": ["text"],
    }
