"""Which agent's examples a request is most like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Embed = Callable[[Sequence[str]], Any]
"""Sentence vectors, shape (n, d), each of length 1."""

_NEIGHBOURS = 3
_TEMPERATURE = 0.05  # fitted by leaving out one example at a time; `python -m evals.routing --fit`


class ExampleClassifier:
    """Similarity to labelled examples, as probabilities over the labels.

    A label's score is the mean cosine of its three nearest examples; a softmax with a fitted
    temperature makes the scores comparable with a model's probabilities.
    """

    def __init__(self, examples: Mapping[str, Sequence[str]], embed: Embed) -> None:
        self._labels = list(examples)
        self._texts = [text for label in self._labels for text in examples[label]]
        self._owner = np.array([i for i, lb in enumerate(self._labels) for _ in examples[lb]])
        self._embed = embed
        self._vectors: Any = None

    def scores(
        self, request: str, leave_out: str | None = None
    ) -> tuple[dict[str, float], dict[str, str]]:
        """(probability of each label, nearest example of each label).

        `leave_out` ignores one example: for fitting on the examples themselves.
        """
        if self._vectors is None:
            self._vectors = np.asarray(self._embed(self._texts))
        cosines = self._vectors @ np.asarray(self._embed([request]))[0]
        if leave_out is not None:
            cosines[[text == leave_out for text in self._texts]] = -1.0
        means = np.empty(len(self._labels))
        nearest = {}
        for index, label in enumerate(self._labels):
            own = np.flatnonzero(self._owner == index)
            best = own[np.argsort(-cosines[own])[:_NEIGHBOURS]]
            means[index] = cosines[best].mean()
            nearest[label] = self._texts[best[0]]
        weights = np.exp((means - means.max()) / _TEMPERATURE)
        weights /= weights.sum()
        return dict(zip(self._labels, map(float, weights), strict=True)), nearest
