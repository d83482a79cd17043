"""Exact match and F1 of short answers, as SQuAD and KorQuAD score question answering."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from mcp_servers.metrics.labels import Scores
from mcp_servers.metrics.tokens import comparable, comparable_all, has_hangul

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# KorQuAD's script turns these into spaces before it deletes ASCII punctuation.
_TO_SPACE = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))


class AnswerMatch(Scores):
    """Against the best reference, which `reference` names; `method` is the script followed."""

    exact_match: bool
    reference: str
    method: Literal["SQuAD 1.1", "KorQuAD 1.0"]


def answer_match(prediction: str, references: Sequence[str]) -> AnswerMatch:
    """Whether the answer equals one of the references, and its best F1, after normalisation.

    KorQuAD 1.0's rules hold where Hangul occurs in any of the texts, SQuAD 1.1's elsewhere.
    SQuAD lowers case and drops ASCII punctuation and English articles; F1 is over words.
    KorQuAD lowers case and drops quotation marks, brackets and ASCII punctuation; F1 is over
    characters without spaces, since Korean words carry particles. Two answers of which nothing
    is left match fully, as in SQuAD 2.0 (the 1.x scripts give them F1 0 and exact match 1).
    """
    prediction = comparable(prediction, "prediction")
    references = comparable_all(references, "references")
    korean = any(map(has_hangul, (prediction, *references)))
    normalize = _korquad if korean else _squad
    wanted = normalize(prediction)
    scored = [
        (wanted == normalize(reference), _overlap(wanted, normalize(reference), korean), reference)
        for reference in references
    ]
    exact, overlap, reference = max(scored, key=lambda row: (row[0], row[1]["f1"]))
    return {
        **overlap,
        "exact_match": exact,
        "reference": reference,
        "method": "KorQuAD 1.0" if korean else "SQuAD 1.1",
    }


def _squad(text: str) -> str:
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _korquad(text: str) -> str:
    bare = text.translate(_TO_SPACE).lower().translate(_NO_PUNCTUATION)
    return " ".join(bare.split())


def _overlap(prediction: str, reference: str, by_character: bool) -> Scores:
    if prediction == reference:
        return {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    predicted, expected = prediction.split(), reference.split()
    if by_character:
        predicted, expected = list("".join(predicted)), list("".join(expected))
    shared = (Counter(predicted) & Counter(expected)).total()
    if not shared:
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    precision, recall = shared / len(predicted), shared / len(expected)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
    }
