"""Training rows from one passage (chapter 12): written by the model, checked against the passage.

write questions (for one blanked span each) -> read the passage for their answers -> keep or reject
-> another round with other spans for the kinds that failed. The model writes one short text at a
time; which span of which statement a row asks for is chosen by code, so that answers and quotes
are verbatim by construction, and are checked all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from graphs import training_checks as checks
from graphs.language import language_of
from graphs.training_blanks import Blank, blanks
from graphs.training_passages import Library, randomness, statements
from graphs.training_rows import Document, Kind, Rejected, Row, SourcePassage
from graphs.training_writer import Writer
from prompts import say

TOP_K = 5  # a question must find its passage among so many
_SEARCHED = 50  # candidates for distractors; the server's limit
_TRIES = 2  # spans tried for each kind in a passage
_WHOLE: tuple[Kind, ...] = ("reverse", "hyde")  # answered by the statement, not by the span alone


@dataclass(frozen=True)
class Recipe:
    """What is made: `gold_share` is RAFT's p, the share of rows whose documents hold the gold."""

    kinds: tuple[Kind, ...]
    seed: int
    distractors: int
    gold_share: float
    index: str


class Draft(TypedDict):
    """A row in the making, which asks for one span of a statement of the passage."""

    kind: Kind
    blank: Blank
    question: str
    answer: str
    near: list[str]  # ids that a search for the question found, nearest first
    documents: list[Document]
    reason: str | None  # why it is rejected


class PassageState(TypedDict, total=False):
    """`asked` holds the keys of all questions before; `rows` and `rejected` are the outcome."""

    passage: SourcePassage
    asked: list[str]
    ahead: list[tuple[Kind, Blank]]  # still to try
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
    writer = Writer(model, (OutputParserException, *refusals))
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
        first: dict[Kind, Blank] = {}
        for kind, blank in state["ahead"]:
            first.setdefault(kind, blank)
        for kind, blank in first.items():
            draft = await drafted(kind, blank, state["passage"], asked)
            if not draft["reason"]:
                asked.add(checks.question_key(draft["question"]))
            drafts.append(draft)
        return {"drafts": drafts}

    async def drafted(
        kind: Kind, blank: Blank, passage: SourcePassage, asked: Collection[str]
    ) -> Draft:
        language = language_of(passage["text"])
        question = await writer.question(blank, language)
        reason = wrong_asking(question, kind, blank, passage, asked)
        if reason and blank.plain and not wrong_asking(blank.plain, kind, blank, passage, asked):
            question, reason = blank.plain, None
        draft: Draft = {
            "kind": kind,
            "blank": blank,
            "question": question,
            "answer": "",
            "near": [],
            "documents": [],
            "reason": reason,
        }
        if not draft["reason"]:
            draft["near"] = await searcher.ids(question)
            found = passage["id"] in draft["near"][:TOP_K]
            draft["reason"] = None if found else "not_retrieved"
        if not draft["reason"] and kind == "hyde":
            imagined = await writer.text("hypothetical", language, question=question)
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
        language, text = language_of(passage["text"]), passage["text"]
        question, blank = draft["question"], draft["blank"]
        said = await writer.text("answer", language, text, question=question)
        read = said.strip("\"'“”‘’ ")
        if draft["kind"] in _WHOLE:
            reason = None if checks.agrees(read, blank.statement) else "not_answered"
            kept = blank.statement if draft["kind"] == "reverse" else draft["answer"]
            return {**draft, "answer": kept, "reason": reason}
        if not checks.reads(read, blank.span, question):
            wrong = checks.wrong_span(read, question, blank.statement, text) or "not_answered"
            return {**draft, "answer": read, "reason": wrong}
        reason = checks.wrong_span(blank.span, question, blank.statement, text)
        return {**draft, "answer": blank.span, "reason": reason}

    async def reasoned(draft: Draft, passage: SourcePassage) -> Draft:
        question, answer, quote = draft["question"], draft["answer"], draft["blank"].statement
        others = library.distractors(passage, draft["near"], recipe.distractors, answer)
        if len(others) < recipe.distractors:
            return {**draft, "reason": "too_few_distractors"}
        language = language_of(passage["text"])
        reasoning = await writer.text(
            "reasoning",
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
        tried = [(draft["kind"], draft["blank"]) for draft in drafts]
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


def wrong_asking(
    question: str, kind: Kind, blank: Blank, passage: SourcePassage, asked: Collection[str]
) -> str | None:
    """The reason why a question does not ask for a blank, as far as its words tell, or None."""
    if reason := checks.wrong_question(question, passage["text"]):
        return reason
    if not checks.names_subject(question, blank.subject):
        return "not_standalone"
    if checks.question_key(question) in asked:
        return "duplicate"
    wanted = blank.statement if kind in _WHOLE else blank.span
    return "answer_in_question" if checks.gives_away(question, wanted) else None


def planned(passage: SourcePassage, recipe: Recipe) -> list[tuple[Kind, Blank]]:
    """Which span each kind asks for first and next.

    Kinds take turns at being first and begin with different statements where there are enough; no
    span is asked for twice, since the same question would come of it. Those whose questions a
    check would reject for what stands around the span are left out.
    """
    draw = randomness(recipe.seed, "spans", passage["id"])
    stated = statements(passage["text"])
    draw.shuffle(stated)
    options = [blank for statement in stated for blank in blanks(statement)]
    options = [blank for blank in options if not checks.points(blank.plain or blank.cloze)]
    kinds = list(recipe.kinds)
    draw.shuffle(kinds)
    tries: list[tuple[Kind, Blank]] = []
    used: Counter[str] = Counter()
    for _ in range(_TRIES):
        for kind in kinds:
            fit = [blank for blank in options if blank.wide or kind not in _WHOLE]
            if not fit:
                continue
            chosen = min(fit, key=lambda blank: (used[blank.statement], blank.sort == "object"))
            options.remove(chosen)
            used[chosen.statement] += 1
            tries.append((kind, chosen))
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
        "quote": draft["blank"].statement,
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
        "quote": draft["blank"].statement,
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
