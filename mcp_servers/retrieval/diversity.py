"""Maximal marginal relevance: passages that are near the question and unlike each other.

Chapters 11.3.1.3 and 13.9.1, after Carbonell and Goldstein (1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def mmr(relevance: Floats, vectors: Floats, balance: float, k: int) -> list[int]:
    """The places of k candidates in the order in which they are chosen.

    `relevance` has shape (n,), `vectors` (unit, the candidates') shape (n, dimension). Each step
    takes the candidate with the greatest `balance * relevance - (1 - balance) * similarity`, the
    latter to the most similar one chosen already. `balance` (λ) 1 keeps the order of relevance,
    0 looks at diversity alone.
    """
    import numpy as np

    chosen: list[int] = []
    left = np.ones(len(relevance), bool)
    similarity = np.zeros(len(relevance), np.float32)
    while len(chosen) < min(k, len(relevance)):
        worth = balance * relevance - (1 - balance) * similarity
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        chosen.append(best)
        left[best] = False
        beside = vectors @ vectors[best]
        similarity = beside if len(chosen) == 1 else np.maximum(similarity, beside)
    return chosen
