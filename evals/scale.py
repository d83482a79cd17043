"""Search at 100,000 passages: milliseconds by mode, rank_bm25 beside, and what FAISS trades.

The passages are made from the collections' sentences, shuffled with a seed; embedding so many
takes hours on a CPU, so each vector is that of a real passage with noise added. Both keep what
costs time: how many passages share a word, and how vectors crowd.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.collections import DATA, Collection, cranfield, korquad
from evals.reports import shown
from evals.retrieval import evaluation_home, indexed
from mcp_servers.retrieval import embedding, searching, snapshot
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.searching import Mode, Request
from mcp_servers.retrieval.store import Store
from mcp_servers.retrieval.vectors import DEFAULT, FAISS_KINDS, VectorIndex, vectors_of

SIZE = 100_000
_TARGETS: dict[Mode, float] = {"lexical": 10.0, "hybrid": 40.0}
_DOCUMENTS = 1000
_NOISE = 0.6  # of a unit vector's length
_ASKED = 100
_REFERENCE = 5  # questions to rank_bm25, which takes a second for each


def main(model: str, limit: int | None) -> bool:
    """`limit` is the number of passages. True if both medians are in their targets."""
    if not (DATA / "cranfield").is_dir():
        print(f"{DATA} has no collections. Set DURE_DATA to the folder that holds them.")
        return False
    os.environ["DURE_HOME"] = str(evaluation_home())
    collections = (korquad(), cranfield())
    store = _filled(collections, limit or SIZE)
    questions = [c.questions[number] for c in collections for number in c.held_out[: _ASKED // 2]]
    good = True
    searcher = searching.searcher(store)
    searcher.embedder = _Remembering(searcher.embedder)  # the question's embedding is not counted
    for mode, target in _TARGETS.items():
        ask = _asking(mode)
        _milliseconds(questions, ask)
        took = _milliseconds(questions, ask)
        print(f"{mode}: p50 {took[0]:.1f} ms, p95 {took[1]:.1f} ms, target {target:.0f} ms")
        good &= took[0] <= target
    print(f"rank_bm25, split on spaces: p50 {_reference(store, questions):.1f} ms")
    _trade_off(store, [searcher.embedder.query_vector(question) for question in questions])
    return good


def _asking(mode: Mode) -> Callable[[str], object]:
    return lambda question: searching.search("scale", Request(question, mode=mode))


class _Remembering:
    """An embedder that knows every question the second time."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}

    def query_vector(self, text: str) -> NDArray[np.float32]:
        if text not in self._known:
            self._known[text] = self._embedder.query_vector(text)
        return self._known[text]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)


def _filled(collections: Sequence[Collection], size: int) -> Store:
    """The index of `size` passages, made once."""
    store = Store("scale")
    store.create(embedding.identity(), embedding.DEFAULT)
    if len(store.chunk_ids()) != size:
        generator = np.random.default_rng(0)
        pools = [_pool(collection) for collection in collections]
        for number in shown(range(_DOCUMENTS), "making documents"):
            sentences, matrix = pools[number % len(pools)]
            _put(store, number, size // _DOCUMENTS, sentences, matrix, generator)
        began = time.perf_counter()
        with store.writer_lock():
            searching.searcher(store).vectors.refresh()
            snapshot.refresh(store)
        print(f"{size} passages put into Chroma and BM25 in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    snapshot.snapshot_of(store)
    print(f"a new process reads what it needs in {time.perf_counter() - began:.2f} s")
    return store


def _pool(collection: Collection) -> tuple[list[str], NDArray[np.float32]]:
    """A collection's sentences, and the vectors of its passages."""
    own = indexed(collection)
    rows = own.vectors(sorted(own.chunk_ids()))
    matrix = np.stack([np.frombuffer(vector, np.float32) for _, vector in rows.values()])
    sentences = [
        sentence
        for text in collection.passages
        for sentence in re.split(r"(?<=[.!?])\s+", text)
        if len(sentence) > 20
    ]
    return sentences, matrix


def _put(
    store: Store,
    number: int,
    count: int,
    sentences: list[str],
    matrix: NDArray[np.float32],
    generator: np.random.Generator,
) -> None:
    chosen = random.Random(number)
    texts: list[str] = []
    for place in range(count):
        text = f"{number}-{place}."
        while len(text) < 400:
            text += f" {chosen.choice(sentences)}"
        texts.append(text[:500])
    noise = generator.normal(size=(count, matrix.shape[1])).astype(np.float32)
    noise *= _NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors = matrix[generator.integers(len(matrix), size=count)] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store.keep_vectors((text_hash(t), v.tobytes()) for t, v in zip(texts, vectors, strict=True))
    page = Page(None, "\n".join(texts))
    document = Document(f"/{number}", str(number), f"{number:064}", [page])
    store.put(document, [Slice(None, text) for text in texts])


def _milliseconds(asked: Sequence[Any], search: Callable[[Any], object]) -> tuple[float, float]:
    """Median and 95th percentile."""
    seconds = []
    for one in asked:
        began = time.perf_counter()
        search(one)
        seconds.append(1000 * (time.perf_counter() - began))
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]


def _reference(store: Store, questions: Sequence[str]) -> float:
    from rank_bm25 import BM25Okapi

    _, rows = store.snapshot()
    index = BM25Okapi([text.lower().split() for *_, text in rows])
    some = questions[:: max(1, len(questions) // _REFERENCE)]
    return _milliseconds(some, lambda q: index.get_scores(q.lower().split()))[0]


def _nearest(index: VectorIndex) -> Callable[[NDArray[np.float32]], list[int]]:
    return lambda query: index.nearest(query, 10, None)


def _trade_off(store: Store, queries: Sequence[NDArray[np.float32]]) -> None:
    """Each vector store's milliseconds, and how many of the exact ten nearest it finds."""
    print(f"{'vector store':<14}{'p50 ms':>8}{'recall@10':>11}{'built in s':>12}")
    exact: list[list[int]] = []
    for kind in ("faiss-flat", *(kind for kind in (DEFAULT, *FAISS_KINDS) if kind != "faiss-flat")):
        store.set_meta("vectors", kind)
        if kind != DEFAULT:
            store.set_meta("graph", "")
        index = vectors_of(store)
        began = time.perf_counter()
        index.nearest(queries[0], 10, None)
        built = time.perf_counter() - began
        found = [_nearest(index)(query) for query in queries]
        exact = exact or found
        took, _ = _milliseconds(queries, _nearest(index))
        recall = np.mean([len({*f} & {*e}) / 10 for f, e in zip(found, exact, strict=True)])
        print(f"{kind:<14}{took:>8.1f}{recall:>11.3f}{built:>12.1f}", flush=True)
        index.close()
    store.set_meta("vectors", DEFAULT)
