"""What a training row is, and the three shapes in which trainers and benchmarks read it (12.1).

alpaca: instruction, input, output. sharegpt: conversations of from, value. BEIR: corpus, queries
and qrels, the positive of each question being the passage that it was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from graphs.language import language_of
from prompts import say

Kind = Literal["qa", "reverse", "hyde", "raft"]
Split = Literal["train", "test"]
KINDS: tuple[Kind, ...] = ("qa", "reverse", "hyde", "raft")
SPLITS: tuple[Split, ...] = ("train", "test")


class SourcePassage(TypedDict):
    """A passage as the retrieval server lists it; `page` is null where the file has no pages."""

    id: str
    text: str
    source: str
    title: str
    page: int | None


class Document(TypedDict):
    """One document of a RAFT row; `gold` marks the one that holds the answer."""

    passage: str
    text: str
    gold: bool


class Row(TypedDict):
    """One accepted row.

    `quote` is the span of the passage that says the answer, verbatim but for white space. The
    answer is a span itself, except in hyde (a hypothetical passage, written without the real
    one) and raft (reasoning that quotes the gold document). Only raft rows have documents.
    """

    id: str
    kind: Kind
    split: Split
    question: str
    answer: str
    quote: str
    passage: SourcePassage
    documents: NotRequired[list[Document]]


class Rejected(TypedDict):
    """A draft that failed a check; `reason` is a key of `graphs.training_checks.REASONS`."""

    reason: str
    kind: Kind
    question: str
    answer: str
    quote: str
    source: str
    title: str
    page: int | None
    passage: str


def alpaca(row: Row) -> dict[str, Any]:
    """A row as instruction, input and output; without input where the model is to recall."""
    language = language_of(row["question"])
    instruction, given = row["question"], row["passage"]["text"]
    if row["kind"] == "hyde":
        instruction, given = say("training_hyde_instruction", language), row["question"]
    elif row["kind"] == "raft":
        documents = enumerate(row.get("documents", []), start=1)
        given = "\n\n".join(f"[{n}] {document['text']}" for n, document in documents)
    return {
        "instruction": instruction,
        "input": given,
        "output": row["answer"],
        **_provenance(row),
    }


def sharegpt(row: Row) -> dict[str, Any]:
    """A row as a conversation of one question and one answer."""
    shaped = alpaca(row)
    asked = f"{shaped['input']}\n\n{shaped['instruction']}"
    return {
        "id": row["id"],
        "conversations": [
            {"from": "human", "value": asked},
            {"from": "gpt", "value": shaped["output"]},
        ],
        **_provenance(row),
    }


def beir_corpus(passages: Sequence[SourcePassage]) -> list[dict[str, Any]]:
    """Every passage of the index as a BEIR document."""
    return [
        {
            "_id": passage["id"],
            "title": passage["title"],
            "text": passage["text"],
            "metadata": {"source": passage["source"], "page": passage["page"]},
        }
        for passage in passages
    ]


def beir_query(row: Row) -> dict[str, Any]:
    """A row's question as a BEIR query."""
    return {"_id": row["id"], "text": row["question"], "metadata": _provenance(row)}


def beir_qrels(rows: Sequence[Row], split: Split) -> str:
    """The judgements of one split: tab-separated, with BEIR's header."""
    lines = [f"{row['id']}\t{row['passage']['id']}\t1" for row in rows if row["split"] == split]
    return "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n"


def _provenance(row: Row) -> dict[str, Any]:
    """Where a row is from; the same keys in every row, as `datasets` needs them."""
    passage = row["passage"]
    return {
        "kind": row["kind"],
        "source": passage["source"],
        "title": passage["title"],
        "page": passage["page"],
        "passage": passage["id"],
        "quote": row["quote"],
        "positive": passage["text"],
    }
