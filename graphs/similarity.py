"""How alike texts are: which agent's examples a request is most like, cosines of sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Features = Callable[[Sequence[str]], Any]
"""Feature vectors of texts, shape (n, d)."""

_RIDGE = 1.0  # these two are fitted by `python -m evals.routing --fit`
_SHARPNESS = 6.0


class ExampleClassifier:
    """Kernel ridge regression over feature vectors of labelled examples.

    It is fitted in closed form in milliseconds, so examples are edited as data and need no
    training step; leaving one example out has a closed form too, which is how it is judged.
    """

    def __init__(self, examples: Mapping[str, Sequence[str]], features: Features) -> None:
        self.labels = list(examples)
        self._texts = [text for label in self.labels for text in examples[label]]
        owner = [index for index, label in enumerate(self.labels) for _ in examples[label]]
        self._targets = np.eye(len(self.labels))[owner]
        self._owner = np.array(owner)
        self._features = features
        self._fitted: tuple[Any, Any] | None = None

    def scores(self, request: str) -> tuple[dict[str, float], dict[str, str]]:
        """(probability of each label, nearest example of each label)."""
        vectors, weights = self._fit()
        products = vectors @ np.asarray(self._features([request]))[0]
        nearest = {}
        for index, label in enumerate(self.labels):
            own = np.flatnonzero(self._owner == index)
            nearest[label] = self._texts[own[products[own].argmax()]]
        return self._probabilities((products + 1.0) @ weights), nearest

    def leave_one_out(self) -> list[tuple[str, str, dict[str, float]]]:
        """(text, its label, probabilities without it) for each example."""
        vectors, weights = self._fit()
        inverse = np.linalg.inv(_kernel(vectors))
        left_out = self._targets - weights / np.diag(inverse)[:, None]
        return [
            (text, self.labels[owner], self._probabilities(row))
            for text, owner, row in zip(self._texts, self._owner, left_out, strict=True)
        ]

    def _fit(self) -> tuple[Any, Any]:
        if self._fitted is None:
            vectors = np.asarray(self._features(self._texts))
            self._fitted = vectors, np.linalg.solve(_kernel(vectors), self._targets)
        return self._fitted

    def _probabilities(self, outputs: Any) -> dict[str, float]:
        weights = np.exp(_SHARPNESS * (outputs - outputs.max()))
        return dict(zip(self.labels, map(float, weights / weights.sum()), strict=True))


def cosines(texts: Sequence[str], others: Sequence[str], features: Features) -> list[list[float]]:
    """The cosine of each text's vector with each other's; what points away counts 0."""
    vectors = np.asarray(features([*texts, *others]))
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    near: list[list[float]] = (vectors[: len(texts)] @ vectors[len(texts) :].T).clip(0).tolist()
    return near


def _kernel(vectors: Any) -> Any:
    return vectors @ vectors.T + 1.0 + _RIDGE * np.eye(len(vectors))
