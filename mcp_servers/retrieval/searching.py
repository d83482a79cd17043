"""Hybrid search over one index (chapter 11.3.1.4), and reading around what it found.

The textbook lets BM25 choose and vectors reorder; here each side proposes candidates and both
score all of them, so that a passage without the question's words can be found too.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.fusion import fused_scores
from mcp_servers.retrieval.graph import Graph
from mcp_servers.retrieval.lexical import LexicalIndex
from mcp_servers.retrieval.store import Chunk, DocumentRow, Store
from mcp_servers.serving import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CANDIDATES = 100  # from each side, before fusion
MAX_PASSAGES = 50
MAX_QUERY = 2000  # characters; a longer question is a document


class Scores(TypedDict):
    """Why a passage is where it is.

    `dense` is a cosine, `lexical` a BM25 score, `fused` (0 to 1) what the ranking follows and
    `coverage` (0 to 1) the IDF-weighted share of the question's content that the passage holds.
    """

    dense: float
    lexical: float
    fused: float
    coverage: float


class Passage(TypedDict):
    """A found passage; `score` is its fused score, `page` null where the file has no pages."""

    id: str
    text: str
    source: str
    title: str
    page: int | None
    score: float
    scores: Scores


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


class Searcher:
    """What a process keeps of one index between searches, as long as its stamp stays."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.graph = Graph(store)
        self._lock = threading.Lock()
        self._stamp = ""
        self._ids: NDArray[np.int64]
        self._documents: NDArray[np.int64]
        self._lexical: LexicalIndex

    def search(self, query: str, k: int, documents: set[int] | None) -> Found:
        """The k best passages, within some documents if given. The query has a word in it."""
        import numpy as np

        with self._lock:
            self._follow()
            ids, owners, lexical_index = self._ids, self._documents, self._lexical
        allowed = np.ones(len(ids), bool)
        if documents is not None:
            allowed = np.isin(owners, sorted(documents))
        searched: Searched = {
            "documents": len(np.unique(owners[allowed])),
            "chunks": int(allowed.sum()),
        }
        vector = embedding.query_vector(query)
        lexical, attainable = lexical_index.scores(query)
        lexical = np.where(allowed, lexical, 0)
        best = np.argsort(-lexical, kind="stable")[:_CANDIDATES]
        proposed = set(ids[best[lexical[best] > 0]].tolist())
        proposed.update(self.graph.nearest(vector, _CANDIDATES, documents))
        stored = self.store.vectors(sorted(proposed))
        # The store may have moved on since the snapshot: what is not in both is left out.
        rows = {id_: int(np.searchsorted(ids, id_)) for id_ in stored}
        known = [id_ for id_, row in rows.items() if row < len(ids) and ids[row] == id_]
        if not known:
            return {"query": query, "passages": [], "searched": searched}
        dense = np.stack([np.frombuffer(stored[id_][1], np.float32) for id_ in known]) @ vector
        matched = lexical[[rows[id_] for id_ in known]]
        fused = fused_scores(matched, attainable, dense)
        ranked = np.argsort(-fused, kind="stable")[:k].tolist()
        chunks = self.store.chunks([known[at] for at in ranked])
        passages: list[Passage] = []
        for at in ranked:
            if (chunk := chunks.get(known[at])) is None:
                continue
            score = round(float(fused[at]), 4)
            scores: Scores = {
                "dense": round(float(dense[at]), 4),
                "lexical": round(float(matched[at]), 4),
                "fused": score,
                "coverage": round(lexical_index.coverage(query, chunk.text), 4),
            }
            passages.append(_passage(chunk, score, scores))
        return {"query": query, "passages": passages, "searched": searched}

    def _follow(self) -> None:
        """Build BM25 anew when the index has changed."""
        import numpy as np

        if self._stamp and self._stamp == self.store.meta("stamp"):
            return
        stamp, rows = self.store.snapshot()
        if not rows:
            raise EngineError(f"Index {self.store.name!r} is empty. Add files to it with add.")
        self._ids = np.array([id_ for id_, _, _ in rows])
        self._documents = np.array([document for _, document, _ in rows])
        self._lexical = LexicalIndex(text for _, _, text in rows)
        self._stamp = stamp


_searchers: dict[str, Searcher] = {}
_searchers_lock = threading.Lock()


def searcher(store: Store) -> Searcher:
    """This process's searcher of an index. Chroma allows one client a folder and process."""
    with _searchers_lock:
        return _searchers.setdefault(str(store.folder), Searcher(store))


def search(query: str, k: int, index: str, source: str | None) -> Found:
    """See `Found`. Raises `EngineError` for an empty query, a bad k or an unusable index."""
    query = composed(query).strip()
    if not any(character.isalnum() for character in query):
        raise EngineError("The query holds no word. Say what to look for.")
    if len(query) > MAX_QUERY:
        raise EngineError(f"The query has more than {MAX_QUERY} characters. Ask in a sentence.")
    if not 1 <= k <= MAX_PASSAGES:
        raise EngineError(f"k is {k}; choose from 1 to {MAX_PASSAGES}.")
    store = Store(index)
    if store.is_unused():
        return {"query": query, "passages": [], "searched": {"documents": 0, "chunks": 0}}
    store.must_exist()
    store.must_match(embedding.identity())
    documents = None
    if source is not None:
        documents = store.document_ids([row["source"] for row in matching(store, source)])
    return searcher(store).search(query, k, documents)


def matching(store: Store, source: str) -> list[DocumentRow]:
    """The documents with this path, else with this file name. Raises `EngineError` for none."""
    rows = store.documents()
    wanted = composed(source).strip()
    found = [row for row in rows if composed(row["source"]) == wanted]
    found = found or [row for row in rows if row["title"].casefold() == wanted.casefold()]
    if not found:
        known = ", ".join(row["title"] for row in rows[:10]) or "none"
        more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
        raise EngineError(
            f"No document {source!r} is in index {store.name!r}. It holds: {known}{more}."
        )
    return found


def the_one(store: Store, source: str) -> DocumentRow:
    """The document with this path or file name. Raises `EngineError` for none or several."""
    found = matching(store, source)
    if len(found) > 1:
        paths = ", ".join(row["source"] for row in found)
        raise EngineError(f"Several documents are called {source!r}. Give one path of: {paths}.")
    return found[0]


def read_passage(id_: str, index: str, before: int, after: int) -> Reading:
    """A passage with its neighbours. Raises `EngineError` for an unknown id."""
    if not (0 <= before <= MAX_PASSAGES and 0 <= after <= MAX_PASSAGES):
        raise EngineError(f"before and after go from 0 to {MAX_PASSAGES}. Choose smaller ones.")
    store = Store(index)
    key = int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 19 else -1
    chunk = store.chunks([key]).get(key)
    if chunk is None:
        raise EngineError(
            f"There is no passage {id_!r} in index {index!r} (its document may have changed). "
            "Search again and use an id from the result."
        )
    earlier, later = store.neighbours(chunk, before, after)
    beside = store.chunks([*earlier, *later])
    return {
        "id": str(chunk.id),
        "source": chunk.source,
        "title": chunk.title,
        "page": chunk.page,
        "text": chunk.text,
        "before": [_neighbour(beside[at]) for at in earlier if at in beside],
        "after": [_neighbour(beside[at]) for at in later if at in beside],
    }


def page_text(source: str, page: int | None, index: str) -> PageText:
    """A page's text. Raises `EngineError` for an unknown document or page."""
    store = Store(index)
    document = the_one(store, source)
    text = store.page_text(document["source"], page)
    if text is None:
        pages = document["pages"]
        has = f"pages 1 to {pages}" if pages else "no pages: leave page out"
        raise EngineError(f"There is no page {page} in {document['title']}; it has {has}.")
    return {"source": document["source"], "page": page, "text": text}


def _passage(chunk: Chunk, score: float, scores: Scores) -> Passage:
    return {
        "id": str(chunk.id),
        "text": chunk.text,
        "source": chunk.source,
        "title": chunk.title,
        "page": chunk.page,
        "score": score,
        "scores": scores,
    }


def _neighbour(chunk: Chunk) -> Neighbour:
    return {"id": str(chunk.id), "page": chunk.page, "text": chunk.text}
