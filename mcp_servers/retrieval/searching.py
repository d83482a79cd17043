"""Search: candidates from words and from vectors, weighed, judged again, spread out.

BM25 and cosine similarity each propose candidates, and both score all of them, so that a passage
without the question's words can be found too. `ranking` weighs the evidence; a cross-encoder, a
threshold or MMR may follow where the request asks for them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding, ranking
from mcp_servers.retrieval.chunks import Chunk
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.diversity import mmr
from mcp_servers.retrieval.filtering import Where, allowed
from mcp_servers.retrieval.fusing import ranked
from mcp_servers.retrieval.picture_search import PictureSearcher
from mcp_servers.retrieval.reading import in_context
from mcp_servers.retrieval.reranking import reranked
from mcp_servers.retrieval.results import Found, FoundPicture, Passage, Scores, Searched, passage
from mcp_servers.retrieval.snapshot import EmptyIndex, Snapshot, snapshot_of
from mcp_servers.retrieval.store import Store
from mcp_servers.retrieval.vectors import vectors_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Mode = Literal["hybrid", "lexical", "dense", "prefilter"]
Modality = Literal["both", "text", "pictures"]

_CANDIDATES = 100  # from each side
_RERANKED = 20  # candidates that a cross-encoder judges
_EXACT = 2000  # a filter that leaves so few passages needs no approximate search
MAX_PASSAGES = 50
MAX_QUERY = 2000  # characters; a longer question is a document
MAX_VARIANTS = 8
MAX_WINDOW = 10


@dataclass(frozen=True)
class Request:
    """What to search for and how.

    `names` are other names of what the query names (학습률: lr), searched with it as one text
    where they are in the embedder's languages. `variants` are other wordings of the question, or a
    hypothetical answer (HyDE): each is searched, and their scores are averaged with the
    question's, which counts twice. Pictures are searched by the question, `source` and `where`
    alone; all else is for passages.
    """

    query: str
    k: int = 5
    mode: Mode = "hybrid"
    source: str | None = None
    where: Where = field(default_factory=lambda: Where())
    names: Sequence[str] = ()
    variants: Sequence[str] = ()
    min_similarity: float | None = None
    diversity: float | None = None
    rerank: str | None = None
    window: int = 0
    modality: Modality = "both"


@dataclass(frozen=True)
class _Candidates:
    """Rows of the snapshot, ascending; each stage's scores, None where it took no part.

    `lexical` and `dense` have a row of scores for the question and for each of its variants.
    """

    rows: Rows
    lexical: Floats | None = None
    attainable: Sequence[float] = ()
    dense: Floats | None = None
    vectors: Floats | None = None
    evidence: ranking.Evidence | None = None
    rerank: Floats | None = None

    def ranked_by(self) -> Floats:
        """The score that the ranking follows: the last stage's."""
        if self.rerank is not None:
            return self.rerank
        if self.evidence is not None:
            return self.evidence.fused
        last = self.dense if self.dense is not None else self.lexical
        assert last is not None
        return _averaged(last)


class Searcher:
    """What a process keeps of one index between searches, as long as its stamp stays."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.vectors = vectors_of(store)
        self.embedder = embedding.of_index(store)
        self.pictures = PictureSearcher(store, self.embedder)
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def search(self, request: Request) -> Found:
        """The best passages and pictures. The request has been checked."""
        passages: list[Passage] = []
        searched: Searched = {"documents": 0, "chunks": 0}
        has_pictures = request.modality != "text" and self.pictures.there_are()
        if request.modality == "pictures":
            searched["documents"] = len(self.store.documents())
        else:
            try:
                passages, searched = self._passages(request)
            except EmptyIndex:
                if not has_pictures:
                    raise
        pictures: list[FoundPicture] = []
        note = None
        if has_pictures:
            asked = request.query, request.k, request.source, request.where
            pictures, note = self.pictures.search(*asked)
        return {
            "query": request.query,
            "passages": passages,
            "pictures": pictures,
            "ranking": ranked(passages, pictures),
            "searched": searched,
            "note": note,
        }

    def _passages(self, request: Request) -> tuple[list[Passage], Searched]:
        import numpy as np

        snapshot = self._followed()
        mask = allowed(self.store, snapshot, request.source, request.where)
        owners = snapshot.documents if mask is None else snapshot.documents[mask]
        searched: Searched = {"documents": len(np.unique(owners)), "chunks": len(owners)}
        found = self._candidates(snapshot, request, mask)
        if not len(found.rows):
            return [], searched
        chunks: dict[int, Chunk] = {}
        if request.mode == "hybrid" or request.rerank:
            chunks = self.store.chunks([int(id_) for id_ in snapshot.ids[found.rows]])
            found = self._judged(snapshot, request, found, chunks)
        chosen = self._chosen(request, found)
        ids = [int(snapshot.ids[found.rows[at]]) for at in chosen]
        chunks |= self.store.chunks([id_ for id_ in ids if id_ not in chunks])
        passages = []
        for at, id_ in zip(chosen, ids, strict=True):
            if chunk := chunks.get(id_):  # else its document has just left
                coverage = snapshot.lexical.coverage(request.query, chunk.searched)
                context = in_context(self.store, chunk, request.window) if request.window else None
                score = round(float(found.ranked_by()[at]), 4)
                passages.append(passage(chunk, score, _scores(found, at, coverage), context))
        return passages, searched

    def _followed(self) -> Snapshot:
        with self._lock:
            if self._snapshot is None or self._snapshot.stamp != self.store.meta("stamp"):
                self._snapshot = snapshot_of(self.store)
            return self._snapshot

    def _candidates(self, snapshot: Snapshot, request: Request, mask: Mask | None) -> _Candidates:
        """Candidates with their BM25 scores and cosines, as far as the mode needs them."""
        import numpy as np

        asked = [request.query, *request.variants]
        proposed: list[Rows] = []
        scored: list[tuple[Floats, float]] = []
        if request.mode != "dense":
            scored = [snapshot.lexical.scores(query) for query in asked]
            for scores, _ in scored:
                if mask is not None:
                    scores[~mask] = 0
                proposed.append(_best(scores))
        if request.mode == "lexical":
            rows = np.unique(np.concatenate(proposed))
            return _Candidates(rows, np.stack([scores[rows] for scores, _ in scored]))
        vectors = np.stack([self.embedder.query_vector(query) for query in asked])
        if request.mode != "prefilter":
            proposed += [self._nearest(snapshot, vector, mask) for vector in vectors]
        rows = np.unique(np.concatenate(proposed))
        stored = self.store.vectors([int(id_) for id_ in snapshot.ids[rows]])
        # The store may have moved on since the snapshot: what has left it is left out.
        rows = rows[[int(id_) in stored for id_ in snapshot.ids[rows]]]
        if not len(rows):
            return _Candidates(rows)
        held = [np.frombuffer(stored[int(id_)][1], np.float32) for id_ in snapshot.ids[rows]]
        matrix = np.stack(held)
        return _Candidates(
            rows,
            np.stack([scores[rows] for scores, _ in scored]) if scored else None,
            [attainable for _, attainable in scored],
            vectors @ matrix.T,
            matrix,
        )

    def _nearest(self, snapshot: Snapshot, vector: Floats, mask: Mask | None) -> Rows:
        """Rows of the nearest passages by cosine; every row where a filter leaves only a few."""
        import numpy as np

        if mask is not None and mask.sum() <= _EXACT:
            return np.flatnonzero(mask)
        documents = None
        if mask is not None:
            documents = {int(document) for document in np.unique(snapshot.documents[mask])}
        ids = np.array(sorted(self.vectors.nearest(vector, _CANDIDATES, documents)), np.int64)
        rows: Rows = np.searchsorted(snapshot.ids, ids)
        rows[rows == len(snapshot.ids)] = 0
        rows = rows[snapshot.ids[rows] == ids]
        return rows if mask is None else rows[mask[rows]]

    def _judged(
        self, snapshot: Snapshot, request: Request, found: _Candidates, chunks: dict[int, Chunk]
    ) -> _Candidates:
        """The candidates with the evidence weighed, and a cross-encoder's judgement if asked."""
        import numpy as np

        ids = [int(id_) for id_ in snapshot.ids[found.rows]]
        texts = [chunks[id_].searched if id_ in chunks else "" for id_ in ids]
        if request.mode == "hybrid":
            assert found.lexical is not None and found.dense is not None
            pairs = [
                ranking.first_ranking(lexical, attainable, dense)
                for lexical, attainable, dense in zip(
                    found.lexical, found.attainable, found.dense, strict=True
                )
            ]
            matched = _averaged(np.stack([matched for matched, _ in pairs]))
            near = _averaged(np.stack([near for _, near in pairs]))
            evidence = ranking.rank(
                request.query, snapshot.lexical, found.rows, texts, matched, near
            )
            found = replace(found, evidence=evidence)
        if request.rerank:
            first = np.argsort(-found.ranked_by(), kind="stable")[:_RERANKED]
            judged = reranked(request.rerank, request.query, [texts[at] for at in first])
            scores = np.full(len(texts), -1, np.float32)
            scores[first] = judged
            found = replace(found, rerank=scores)
        return found

    def _chosen(self, request: Request, found: _Candidates) -> list[int]:
        """The places of the passages to return, in order."""
        import numpy as np

        scores = found.ranked_by()
        kept = np.argsort(-scores, kind="stable")
        if request.mode in ("lexical", "prefilter"):
            assert found.lexical is not None
            kept = kept[found.lexical.max(0)[kept] > 0]
        if request.rerank:
            kept = kept[:_RERANKED]
        if request.min_similarity is not None:
            assert found.dense is not None
            kept = kept[found.dense[0][kept] >= request.min_similarity]
        if request.diversity is None:
            return [int(at) for at in kept[: request.k]]
        assert found.vectors is not None
        spread = mmr(scores[kept], found.vectors[kept], request.diversity, request.k)
        return [int(kept[at]) for at in spread]


def _best(scores: Floats) -> Rows:
    """The rows of the best scores above zero, in no order."""
    import numpy as np

    if len(scores) > _CANDIDATES:
        best = np.argpartition(-scores, _CANDIDATES)[:_CANDIDATES]
    else:
        best = np.arange(len(scores))
    return best[scores[best] > 0]


def _averaged(scores: Floats) -> Floats:
    """One row out of a question's and its variants'; the question's counts twice."""
    averaged: Floats = (scores.sum(0) + scores[0]) / (len(scores) + 1)
    return averaged


def _scores(found: _Candidates, at: int, coverage: float) -> Scores:
    def told(scores: Floats | None) -> float | None:
        return None if scores is None else round(float(scores[at]), 4)

    evidence = found.evidence
    return {
        "lexical": told(None if found.lexical is None else found.lexical[0]),
        "dense": told(None if found.dense is None else found.dense[0]),
        "sentence": told(evidence.sentence if evidence else None),
        "feedback": told(evidence.feedback if evidence else None),
        "fused": told(evidence.fused if evidence else None),
        "rerank": told(found.rerank),
        "coverage": round(coverage, 4),
    }


_searchers: dict[tuple[str, str], Searcher] = {}
_searchers_lock = threading.Lock()


def searcher(store: Store) -> Searcher:
    """This process's searcher of an index. Chroma allows one client a folder and process."""
    with _searchers_lock:
        key = (str(store.folder), store.meta("vectors"))
        if key not in _searchers:
            _searchers[key] = Searcher(store)
        return _searchers[key]


def search(index: str, request: Request) -> Found:
    """See `Found`. Raises `EngineError` for a request that cannot be, or an unusable index."""
    query = _checked(request)
    store = Store(index)
    if store.is_unused():
        return {
            "query": query,
            "passages": [],
            "pictures": [],
            "ranking": [],
            "searched": {"documents": 0, "chunks": 0},
            "note": None,
        }
    store.must_exist()
    embedder = embedding.of_index(store)
    if request.mode != "lexical" or request.modality == "pictures":
        embedding.must_read(embedder, query)
    variants = tuple(text for text in map(_clean, request.variants) if text)
    query = _with_names(query, request.names, embedder)
    return searcher(store).search(replace(request, query=query, variants=variants))


def _with_names(query: str, names: Sequence[str], embedder: embedding.Embedder) -> str:
    """The query with the names in the embedder's languages; alone, if that would be too long."""
    read = [name for name in map(_clean, names) if name and not embedding.unread(embedder, name)]
    text = " ".join([query, *read])
    return query if len(text) > MAX_QUERY else text


def _clean(text: str) -> str:
    text = composed(text).strip()
    return text[:MAX_QUERY] if any(character.isalnum() for character in text) else ""


def _checked(request: Request) -> str:
    """The clean query. Raises `EngineError` that names what is wrong and what would do."""
    query = _clean(request.query)
    if not query:
        raise EngineError("The query holds no word. Say what to look for.")
    if len(composed(request.query).strip()) > MAX_QUERY:
        raise EngineError(f"The query has more than {MAX_QUERY} characters. Ask in a sentence.")
    if not 1 <= request.k <= MAX_PASSAGES:
        raise EngineError(f"k is {request.k}; choose from 1 to {MAX_PASSAGES}.")
    if len(request.variants) > MAX_VARIANTS:
        raise EngineError(f"There are more than {MAX_VARIANTS} variants. Give fewer.")
    if not 0 <= request.window <= MAX_WINDOW:
        raise EngineError(f"window is {request.window}; choose from 0 to {MAX_WINDOW}.")
    for name, share in (
        ("diversity", request.diversity),
        ("min_similarity", request.min_similarity),
    ):
        if share is None:
            continue
        if not 0 <= share <= 1:
            raise EngineError(f"{name} is {share}; choose from 0 to 1.")
        if request.mode == "lexical":
            raise EngineError(f"{name} needs vectors; choose another mode than lexical.")
    return query
