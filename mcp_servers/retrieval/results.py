"""What the retrieval server's tools return."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from mcp_servers.retrieval.chunks import Chunk


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

    `heading` holds the titles over it, from the chapter inwards ("Gemma-2B > Training"), and is
    null where there are none; the passage was searched with it.
    `score` is what the ranking follows: the last stage's score. `context` is the passage with
    its neighbours where they were asked for, else null.
    """

    id: str
    text: str
    source: str
    title: str
    page: int | None
    heading: str | None
    score: float
    scores: Scores
    context: str | None


class PictureScores(TypedDict):
    """Why a picture is where it is; null where a stage did not find it.

    By its words: `words_rank`, and of the text around it a BM25 score (`lexical`), a cosine
    (`dense`), both weighed (`words`, 0 to 1) and the share of the question that it holds
    (`coverage`). By its looks: `looks_rank`, and CLIP's cosine with the question (`looks`).
    """

    words_rank: int | None
    lexical: float | None
    dense: float | None
    words: float | None
    coverage: float | None
    looks_rank: int | None
    looks: float | None


class Shown(TypedDict):
    """A page that shows a picture; `page` is null where the file has no pages."""

    source: str
    title: str
    page: int | None


class FoundPicture(TypedDict):
    """A found picture, a PNG file at `picture`, and the page that shows it; `also` are others.

    `score` is the sum of 1 / (60 + rank) over the stages that found it.
    """

    id: str
    picture: str
    caption: str
    source: str
    title: str
    page: int | None
    also: list[Shown]
    score: float
    scores: PictureScores


class Ranked(TypedDict):
    """A result in the ranking of both kinds: the passage or picture with this id."""

    modality: Literal["text", "picture"]
    id: str
    score: float


class Searched(TypedDict):
    """How much was searched."""

    documents: int
    chunks: int


class Found(TypedDict):
    """What a search found, best first.

    `ranking` fuses both kinds by reciprocal rank: 1 / (60 + rank), for pictures summed over
    words and looks (Cormack et al. 2009). `note` says why pictures were not searched by their
    looks, or is null.
    """

    query: str
    passages: list[Passage]
    pictures: list[FoundPicture]
    ranking: list[Ranked]
    searched: Searched
    note: str | None


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
        "heading": chunk.heading or None,
        "score": score,
        "scores": scores,
        "context": context,
    }


def neighbour(chunk: Chunk) -> Neighbour:
    """A chunk as it stands beside another."""
    return {"id": str(chunk.id), "page": chunk.page, "text": chunk.text}
