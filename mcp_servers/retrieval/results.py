"""What the retrieval server's tools return."""

from __future__ import annotations

from typing_extensions import TypedDict

from mcp_servers.retrieval.store import Chunk


class Scores(TypedDict):
    """Why a passage is where it is, stage by stage; null where a stage took no part.

    `lexical` is a BM25 score and `dense` a cosine. `sentence` (0 to 1) is the share of the
    question's terms that the passage's best sentence holds, `feedback` (0 to 1) BM25 for the terms
    of the best candidates, `fused` (0 to 1) all of them weighed, `rerank` (0 to 1) a
    cross-encoder's judgement. `coverage` (0 to 1), which ranks nothing, is the IDF-weighted share
    of the question's content that the passage holds.
    """

    lexical: float | None
    dense: float | None
    sentence: float | None
    feedback: float | None
    fused: float | None
    rerank: float | None
    coverage: float


class Passage(TypedDict):
    """A found passage; `page` is null where the file has no pages.

    `score` is what the ranking follows: the last stage's score. `context` is the passage with
    its neighbours where they were asked for, else null.
    """

    id: str
    text: str
    source: str
    title: str
    page: int | None
    score: float
    scores: Scores
    context: str | None


class Searched(TypedDict):
    """How much was searched."""

    documents: int
    chunks: int


class Found(TypedDict):
    """What a search found, best first."""

    query: str
    passages: list[Passage]
    searched: Searched


class Neighbour(TypedDict):
    """A passage beside the one that was read."""

    id: str
    page: int | None
    text: str


class Reading(TypedDict):
    """A passage and what stands before and after it in its document, in reading order."""

    id: str
    source: str
    title: str
    page: int | None
    text: str
    before: list[Neighbour]
    after: list[Neighbour]


class PageText(TypedDict):
    """The clean text of a page, in which every passage of that page is verbatim."""

    source: str
    page: int | None
    text: str


def passage(chunk: Chunk, score: float, scores: Scores, context: str | None) -> Passage:
    """A chunk as a search returns it."""
    return {
        "id": str(chunk.id),
        "text": chunk.text,
        "source": chunk.source,
        "title": chunk.title,
        "page": chunk.page,
        "score": score,
        "scores": scores,
        "context": context,
    }


def neighbour(chunk: Chunk) -> Neighbour:
    """A chunk as it stands beside another."""
    return {"id": str(chunk.id), "page": chunk.page, "text": chunk.text}
