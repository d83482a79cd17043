"""Training rows from one passage (chapter 12): written by the model, checked against the passage.

write questions (about one sentence each) -> read the passage for their answers -> keep or reject
-> another round with other sentences for the kinds that failed. The model writes one short text
at a time; which statement of the passage a row is about is chosen by code, so that quotes are
verbatim by construction, and are checked all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from graphs import training_checks as checks
from graphs.language import Language, language_of
from graphs.training_passages import Library, definition_question, randomness, statements
from graphs.training_rows import Document, Kind, Rejected, Row, SourcePassage
from prompts import prompt, say

TOP_K = 5  # a question must find its passage among so many
_SEARCHED = 50  # candidates for distractors; the server's limit
_TRIES = 2  # statements tried for each kind in a passage

_ASKING: dict[Kind, str] = {
    "qa": "training_detail",
    "reverse": "training_reverse",
    "hyde": "training_query",
    "raft": "training_detail",
}
_TEXTS = (
    *("training_task", "training_detail", "training_reverse", "training_query", "training_answer"),
    *("training_hypothetical", "training_reasoning", "training_reasoned"),
)
"""Fixed texts that make the rows what they are."""
_BLANK = dict.fromkeys(
    ("passage", "task", "statement", "question", "answer", "quote", "reasoning"), ""
)
_PLAIN = r'\n\r\t"\\'  # what would have to be escaped in JSON, within [^...]
_SHAPES = {
    "question": rf"^Q: [^?{_PLAIN}]{{8,120}}\?$",
    "question_ko": rf"^Q: [^?{_PLAIN}]{{6,110}}(나요|가요|까요)\?$",
    "answer": rf"^A: [^{_PLAIN}]{{1,120}}$",
    "hypothetical": rf"^A: [^.{_PLAIN}]{{10,120}}[.]( [^.{_PLAIN}]{{10,120}}[.])?$",
    "reasoning": rf"^A: [^.{_PLAIN}]{{10,120}}[.]$",
}
"""What each text must look like: left free, a small model copies where it should ask.

Lengths are bounded, so that no reply is cut off in mid-JSON, but not by much more than 100: to
sample under {20,400} takes ten times as long (18.5 s instead of 1.7 s)."""


@dataclass(frozen=True)
class Recipe:
    """What is made: `gold_share` is RAFT's p, the share of rows whose documents hold the gold."""

    kinds: tuple[Kind, ...]
    seed: int
    distractors: int
    gold_share: float
    index: str


class Draft(TypedDict):
    """A row in the making, about one statement of the passage (`quote`)."""

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
    drafts: list[Draft]  # of this round: one for each kind that has no row yet
    rows: list[Row]
    rejected: list[Rejected]


RowMaker = CompiledStateGraph[PassageState, None, PassageState, PassageState]


def build_row_maker(
    model: BaseChatModel,
    tools: Mapping[str, BaseTool],
    recipe: Recipe,
    library: Library,
    refusals: tuple[type[Exception], ...] = (),
) -> RowMaker:
    """The graph for one passage; `tools` are the retrieval server's `search`.

    `refusals` are what the model raises when it gives no text this time but may the next.
    """
    writer = _Writer(model, (OutputParserException, *refusals))
    searcher = _Searcher(tools["search"], recipe.index)

    async def plan(state: PassageState) -> PassageState:
        if start_afresh := getattr(model, "start_afresh", None):  # the same rows after a kill
            await asyncio.to_thread(start_afresh)
        ahead = planned(state["passage"], recipe)
        return {"ahead": ahead, "rows": [], "rejected": []}

    async def write(state: PassageState) -> PassageState:
        """A question for each kind, from its statement alone: with a whole passage before it, a
        small model copies instead of asking."""
        asked = {*state["asked"], *(checks.question_key(row["question"]) for row in state["rows"])}
        drafts = []
        first: dict[Kind, str] = {}
        for kind, statement in state["ahead"]:
            first.setdefault(kind, statement)
        for kind, statement in first.items():
            draft = await drafted(kind, statement, state["passage"], asked)
            if not draft["reason"]:
                asked.add(checks.question_key(draft["question"]))
            drafts.append(draft)
        return {"drafts": drafts}

    async def drafted(
        kind: Kind, statement: str, passage: SourcePassage, asked: Collection[str]
    ) -> Draft:
        language, text = language_of(passage["text"]), passage["text"]
        shape = "question_ko" if language == "ko" else "question"
        question = mended(await writer.write(shape, _ASKING[kind], language, statement=statement))
        draft: Draft = {
            "kind": kind,
            "quote": statement,
            "question": question,
            "answer": "",
            "near": [],
            "documents": [],
            "reason": checks.wrong_question(question, text),
        }
        defining = definition_question(statement)
        if checks.gives_away(question, statement) and defining:  # a copy of a definition
            draft["question"] = question = defining
            draft["reason"] = checks.wrong_question(question, text)
        if not draft["reason"] and checks.question_key(question) in asked:
            draft["reason"] = "duplicate"
        if not draft["reason"] and checks.gives_away(question, statement):
            draft["reason"] = "answer_in_question"
        if not draft["reason"]:
            draft["near"] = await searcher.ids(question)
            found = passage["id"] in draft["near"][:TOP_K]
            draft["reason"] = None if found else "not_retrieved"
        if not draft["reason"] and kind == "hyde":
            imagined = await writer.write(
                "hypothetical", "training_hypothetical", language, question=question
            )
            draft["answer"] = imagined
            draft["reason"] = await wrong_hypothetical(imagined, passage)
        return draft

    async def wrong_hypothetical(imagined: str, passage: SourcePassage) -> str | None:
        if not imagined:
            return "no_text"
        if checks.is_foreign(imagined, passage["text"]):
            return "other_language"
        if checks.stands_in(imagined, passage["text"]):
            return "hypothetical_copies"
        found = passage["id"] in (await searcher.ids(imagined))[:TOP_K]
        return None if found else "hypothetical_misses"

    async def read(state: PassageState) -> PassageState:
        """Answer each question from the passage: is it what the question was made for?"""
        passage, drafts = state["passage"], []
        for draft in state["drafts"]:
            if not draft["reason"]:
                draft = await answered(draft, passage)
            if not draft["reason"] and draft["kind"] == "raft":
                draft = await reasoned(draft, passage)
            drafts.append(draft)
        return {"drafts": drafts}

    async def answered(draft: Draft, passage: SourcePassage) -> Draft:
        language = language_of(passage["text"])
        said = await writer.write(
            "answer", "training_answer", language, passage["text"], question=draft["question"]
        )
        answer = said.strip("\"'“”‘’ ")
        if draft["kind"] in ("reverse", "hyde"):
            reason = None if checks.agrees(answer, draft["quote"]) else "not_answered"
            kept = draft["quote"] if draft["kind"] == "reverse" else draft["answer"]
            return {**draft, "answer": kept, "reason": reason}
        if checks.is_nearly(answer, draft["quote"]):
            answer = draft["quote"]  # a word was dropped or an ending changed in copying
        reason = checks.wrong_span(answer, draft["question"], draft["quote"], passage["text"])
        return {**draft, "answer": answer, "reason": reason}

    async def reasoned(draft: Draft, passage: SourcePassage) -> Draft:
        question, answer, quote = draft["question"], draft["answer"], draft["quote"]
        others = library.distractors(passage, draft["near"], recipe.distractors, answer)
        if len(others) < recipe.distractors:
            return {**draft, "reason": "too_few_distractors"}
        language = language_of(passage["text"])
        reasoning = await writer.write(
            "reasoning",
            "training_reasoning",
            language,
            passage["text"],
            question=question,
            answer=answer,
            quote=quote,
        )
        if checks.is_unfounded(reasoning, passage["text"], question):
            return {**draft, "reason": "reasoning_unfounded"}
        told = say("training_reasoned", language, quote=quote, reasoning=reasoning, answer=answer)
        documents = shuffled_documents(passage, others, recipe)
        return {**draft, "answer": told, "documents": documents}

    async def settle(state: PassageState) -> PassageState:
        passage, drafts = state["passage"], state["drafts"]
        rows = [_row(draft, passage, library) for draft in drafts if not draft["reason"]]
        rejected = [_rejected(draft, passage) for draft in drafts if draft["reason"]]
        tried = [(draft["kind"], draft["quote"]) for draft in drafts]
        made = {row["kind"] for row in rows}
        return {
            "rows": [*state["rows"], *rows],
            "rejected": [*state["rejected"], *rejected],
            "ahead": [one for one in state["ahead"] if one not in tried and one[0] not in made],
        }

    def another_round(state: PassageState) -> Literal["write", "__end__"]:
        return "write" if state["ahead"] else "__end__"

    graph = StateGraph(PassageState)
    for node in (plan, write, read, settle):
        graph.add_node(node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", another_round)
    graph.add_edge("write", "read")
    graph.add_edge("read", "settle")
    graph.add_conditional_edges("settle", another_round)
    return graph.compile(name="training_data")


def mended(question: str) -> str:
    """A question with an ending that a small model gets wrong put right: 하는가요 is 하나요."""
    return re.sub(r"는가요\?$", "나요?", question)


def recipe_hash() -> str:
    """What the model is asked, as a hash: rows made under other prompts do not belong together."""
    texts = [*_SHAPES.values(), *(_system(language) for language in ("ko", "en"))]
    for language in ("ko", "en"):
        texts += [say(key, language, **_BLANK) for key in _TEXTS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def planned(passage: SourcePassage, recipe: Recipe) -> list[tuple[Kind, str]]:
    """Which statement each kind tries first and next.

    Kinds take turns at being first and begin with different statements; two that ask alike never
    get the same one, since the same question would come of it.
    """
    stated = statements(passage["text"])
    kinds = list(recipe.kinds)
    draw = randomness(recipe.seed, "statements", passage["id"])
    draw.shuffle(stated)
    draw.shuffle(kinds)
    tries: list[tuple[Kind, str]] = []
    taken: set[tuple[str, str]] = set()
    for step in range(min(_TRIES, len(stated))):
        for place, kind in enumerate(kinds):
            statement = stated[(place + step) % len(stated)]
            if (_ASKING[kind], statement) not in taken:
                taken.add((_ASKING[kind], statement))
                tries.append((kind, statement))
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


def _row(draft: Draft, passage: SourcePassage, library: Library) -> Row:
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
    return row


def _rejected(draft: Draft, passage: SourcePassage) -> Rejected:
    return {
        "reason": draft["reason"] or "",
        "kind": draft["kind"],
        "question": draft["question"],
        "answer": draft["answer"],
        "quote": draft["quote"],
        "source": passage["source"],
        "title": passage["title"],
        "page": passage["page"],
        "passage": passage["id"],
    }


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

    A passage comes first and the task last: all tasks about a passage then share one prefix,
    whose reading is most of the cost.
    """

    def __init__(self, model: BaseChatModel, refusals: tuple[type[Exception], ...]) -> None:
        self._refusals = refusals
        self._asking = {
            what: model.with_structured_output(_schema(shape)) for what, shape in _SHAPES.items()
        }

    async def write(
        self, what: str, task: str, language: Language, passage: str | None = None, **values: str
    ) -> str:
        """The text that the model writes, or "" for none."""
        wanted = say(task, language, **values)
        if passage is not None:
            wanted = say("training_task", language, passage=passage, task=wanted)
        messages = [SystemMessage(_system(language)), HumanMessage(wanted)]
        config: Any = {"tags": ["nostream"]}
        try:
            written = await self._asking[what].ainvoke(messages, config)
        except self._refusals:
            return ""
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
