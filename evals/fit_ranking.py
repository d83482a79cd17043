"""Fit the ranking's weights: `python -m evals.fit_ranking` prints what `ranking.py` holds.

Coordinate ascent on nDCG@10 (Metzler and Croft, 2007) over each collection's `fitted` questions;
the figures on the held-out ones are printed beside and choose nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.collections import Collection, cranfield, korquad
from evals.retrieval import evaluation_home, indexed, ndcg
from mcp_servers.retrieval import embedding, ranking, snapshot

_KINDS = ("lexical", "dense", "sentence", "feedback")
_CANDIDATES = 100
_EVERY = 2  # of the fitted questions: enough, and half the time

Judged = tuple[list[int], NDArray[np.float32], frozenset[int]]
"""Candidates, their evidence (candidates, kinds) and which of all passages are relevant."""


def main() -> None:
    """Fit Korean on KorQuAD, without feedback, and topics on Cranfield."""
    os.environ["DURE_HOME"] = str(evaluation_home())
    fits = (
        (korquad(), ("lexical", "dense", "sentence")),
        (cranfield(), ("lexical", "dense", "feedback")),
        (korquad(), _KINDS),
        (cranfield(), _KINDS),
    )
    for collection, kinds in fits:
        chosen = [_KINDS.index(kind) for kind in kinds]
        judged = _evidence(collection)
        fitted = [judged[number] for number in collection.fitted[::_EVERY]]
        weights = _ascend(fitted, chosen)
        told = ", ".join(f"{kind} {w:.3f}" for kind, w in zip(kinds, weights, strict=True))
        everything = _mean([judged[n] for n in collection.fitted], chosen, weights)
        held_out = _mean([judged[n] for n in collection.held_out], chosen, weights)
        print(f"{collection.name}: {told}; fitted {everything:.4f}, held out {held_out:.4f}")


def _evidence(collection: Collection) -> list[Judged]:
    store = indexed(collection)
    held = snapshot.snapshot_of(store)
    rows = store.vectors([int(id_) for id_ in held.ids])
    matrix = np.stack([np.frombuffer(rows[int(id_)][1], np.float32) for id_ in held.ids])
    found: list[Judged] = []
    for question, relevant in zip(collection.questions, collection.relevant, strict=True):
        lexical, attainable = held.lexical.scores(question)
        dense = matrix @ embedding.query_vector(question)
        best = [np.argsort(-scores, kind="stable")[:_CANDIDATES] for scores in (lexical, dense)]
        at = np.union1d(*best)
        first = ranking.first_ranking(lexical[at], attainable, dense[at])
        texts = [collection.passages[number] for number in at]
        told: Any = ranking.rank(question, held.lexical, at, texts, *first)
        evidence = np.stack([getattr(told, kind) for kind in _KINDS], axis=1)
        found.append((at.tolist(), evidence, relevant))
    return found


def _ascend(judged: Sequence[Judged], kinds: list[int]) -> NDArray[np.float64]:
    weights = np.full(len(kinds), 1 / len(kinds))
    best, step = _mean(judged, kinds, weights), 0.2
    while step > 0.03:
        better = False
        for place in range(len(kinds)):
            for change in (-step, step):
                tried = weights.copy()
                tried[place] += change
                if (score := _mean(judged, kinds, tried)) > best + 1e-5:
                    best, weights, better = score, tried, True
        if not better:
            step /= 2
    normed: NDArray[np.float64] = weights / np.abs(weights).sum()
    return normed


def _mean(judged: Sequence[Judged], kinds: list[int], weights: NDArray[np.float64]) -> float:
    gains = []
    for passages, evidence, relevant in judged:
        order = np.argsort(-(evidence[:, kinds] @ weights), kind="stable")[:10]
        gains.append(ndcg([passages[at] for at in order], relevant))
    return float(np.mean(gains))


if __name__ == "__main__":
    main()
