"""Retrieval: nDCG@10 and hit@1 of the product's search, with the usual baselines in the same run.

Each passage of a collection is a document of an index of its own, kept under the Dure folder's
`evals` so that a second run need not embed it again (the first takes about 20 minutes on 2 cores).
Ranking weights were fitted on other questions than those measured here (`evals.fit_ranking`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.collections import DATA, Collection, cranfield, korquad
from evals.reports import shown
from mcp_servers.home import dure_home
from mcp_servers.retrieval import analysis, embedding, searching, snapshot
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.searching import Request
from mcp_servers.retrieval.store import Store

Scores = NDArray[np.float32]
Ranker = Callable[[str], Sequence[int]]
"""A question's ten best passages, best first, by number."""

TARGETS = {"KorQuAD": (0.965, 0.93), "Cranfield": (0.58, 0.0)}


def main(model: str, limit: int | None) -> bool:
    """Print a table for each collection; True if the held-out questions reach the targets."""
    if not (DATA / "cranfield").is_dir():
        print(f"{DATA} has no collections. Set DURE_DATA to the folder that holds them.")
        return False
    os.environ["DURE_HOME"] = str(evaluation_home())
    good = True
    for collection in (korquad(), cranfield()):
        asked = collection.held_out[:limit]
        store = indexed(collection)
        print(f"{collection.name}: {len(collection.passages)} passages, {len(asked)} questions")
        print(f"{'':<34}{'nDCG@10':>9}{'hit@1':>8}{'ms':>8}")
        for name, ranker in [*baselines(collection, store), ("search (hybrid)", ours(store))]:
            ndcg, hit, milliseconds = measured(collection, asked, ranker)
            print(f"{name:<34}{ndcg:>9.3f}{hit:>8.3f}{milliseconds:>8.1f}", flush=True)
        wanted = TARGETS[collection.name]
        print(f"{'target':<34}{wanted[0]:>9.3f}{wanted[1]:>8.3f}\n")
        good &= ndcg >= wanted[0] and hit >= wanted[1]
    return good


def evaluation_home() -> Path:
    """Where the evaluations' own indexes are kept."""
    home = dure_home()
    return home if home.name == "evals" else home / "evals"


def indexed(collection: Collection) -> Store:
    """The collection's index; what is not there yet is embedded."""
    store = Store(collection.name.lower())
    store.create(embedding.identity(), embedding.DEFAULT)
    hashes = {text_hash(text): text for text in collection.passages}
    known = store.known_vectors(hashes)
    todo = [hash_ for hash_ in hashes if hash_ not in known]
    for at in shown(range(0, len(todo), 16), f"embedding {collection.name}"):
        batch = todo[at : at + 16]
        vectors = embedding.passage_vectors([hashes[hash_] for hash_ in batch])
        store.keep_vectors((h, v.tobytes()) for h, v in zip(batch, vectors, strict=True))
    if len(store.documents()) < len(collection.passages):
        for number, text in enumerate(collection.passages):
            store.put(document(number, text), [Slice(None, text)])
    with store.writer_lock():
        searching.searcher(store).vectors.refresh()
        snapshot.refresh(store)
    return store


def document(number: int, text: str) -> Document:
    """A passage as a document of its own, named by its number."""
    return Document(f"/{number}", str(number), f"{number:064}", [Page(None, text)])


def ours(store: Store) -> Ranker:
    """The product's own search."""

    def ranker(question: str) -> list[int]:
        found = searching.search(store.name, Request(question, k=10))
        return [int(passage["title"]) for passage in found["passages"]]

    return ranker


def baselines(collection: Collection, store: Store) -> list[tuple[str, Ranker]]:
    """What a user would have without us, over the same passages and vectors."""
    from rank_bm25 import BM25Okapi

    texts = collection.passages
    rows = [store.vectors(sorted(store.chunk_ids()))]
    matrix = np.stack([np.frombuffer(vector, np.float32) for _, vector in rows[0].values()])
    words = BM25Okapi([text.lower().split() for text in texts])
    bigrams = _bm25s([analysis.tokens(text) for text in texts])
    morphemes = _bm25s([_morphemes(text) for text in texts])

    def dense(question: str) -> Scores:
        scores: Scores = matrix @ embedding.query_vector(question)
        return scores

    def fused(question: str) -> Scores:
        ranks = [
            np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
            for scores in (bigrams(analysis.tokens(question)), dense(question))
        ]
        return np.asarray(sum(1 / (60 + rank) for rank in ranks), np.float32)

    named: list[tuple[str, Callable[[str], Scores]]] = [
        ("rank_bm25, split on spaces", lambda q: words.get_scores(q.lower().split())),
        ("bm25s, stems and syllable pairs", lambda q: bigrams(analysis.tokens(q))),
        ("bm25s, stems and morphemes", lambda q: morphemes(_morphemes(q))),
        ("multilingual-e5-small, cosine", dense),
        ("reciprocal rank fusion, k = 60", fused),
    ]
    return [(name, _best_of(scores)) for name, scores in named]


def _morphemes(text: str) -> list[str]:
    found = analysis.terms(text)
    marked = [term for term in found.hangul if term != analysis.surface(term)]
    return marked + found.words


def _bm25s(listed: list[list[str]]) -> Callable[[list[str]], Scores]:
    import bm25s

    index: Any = bm25s.BM25()
    index.index(listed, show_progress=False)

    def scores(asked: list[str]) -> Scores:
        known = [token for token in asked if token in index.vocab_dict]
        if not known:
            return np.zeros(len(listed), np.float32)
        found: Scores = index.get_scores(known)
        return found

    return scores


def _best_of(scores: Callable[[str], Scores]) -> Ranker:
    return lambda question: np.argsort(-scores(question), kind="stable")[:10].tolist()


def measured(
    collection: Collection, asked: Sequence[int], ranker: Ranker
) -> tuple[float, float, float]:
    """Mean nDCG@10 (binary gains), the share with a relevant first passage, and median ms."""
    gains, hits, seconds = [], [], []
    for number in asked:
        began = time.perf_counter()
        ranked = ranker(collection.questions[number])
        seconds.append(time.perf_counter() - began)
        gains.append(ndcg(ranked, collection.relevant[number]))
        hits.append(ranked[:1] != [] and ranked[0] in collection.relevant[number])
    return float(np.mean(gains)), float(np.mean(hits)), 1000 * float(np.median(seconds))


def ndcg(ranked: Sequence[int], relevant: frozenset[int], k: int = 10) -> float:
    """Normalised discounted cumulative gain at k, a relevant passage counting 1."""
    if not relevant:
        return 0.0
    gained = sum(1 / math.log2(at + 2) for at, one in enumerate(ranked[:k]) if one in relevant)
    return gained / sum(1 / math.log2(at + 2) for at in range(min(k, len(relevant))))
