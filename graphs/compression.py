"""Contextual compression (chapter 13.10.3): only the sentences that bear on the question.

Extractive, so that what the model reads stands in the documents word for word. Shared words alone
lose an answer that the question paraphrases, or that is in another language; sentence vectors
alone lose names and numbers. The weights were chosen on the fitting questions about the textbook;
`python -m evals.answerability fit` tells of how many the answer is among what is read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from graphs.glossary import named
from graphs.passages import (
    Passage,
    Span,
    evidence_spans,
    gives_orders,
    heading_of,
    readable,
)
from graphs.similarity import Features, cosines
from graphs.tokens import asked_content, content

_RANK = 0.15  # lost from the first passage to the last: a good passage's sentences come first
_HEADING = 0.5  # of a word that stands over the sentence and not in it
_BESIDE = 0.5  # of its neighbour's share: an answer often stands beside the words that are asked
_NEAR_BESIDE = 0.7  # of its neighbour's cosine
_LIST = 5  # lines under one that ends in a colon, which belong to it
_GAP = " … "

Place = tuple[int, int]
"""A sentence: the passage's number, and its own within the passage."""


def compress(
    question: str,
    passages: Sequence[Passage],
    budget: int,
    count: Callable[[str], int],
    vectors: Features,
) -> list[str]:
    """What a model reads of each passage, best first, at most `budget` tokens in all
    (more only where no sentence is that short).

    Passages that fit stay whole. Else the sentences nearest to the question, by words (rare ones
    weighing most) and by sentence vectors, and those beside them; passages of which nothing is
    left are left out. Of a passage that gives orders to a model no sentence is read but those
    that share a word with the question.
    """
    asked = asked_content(question)
    spans = [_trusted(passage["text"], asked) for passage in passages]
    whole = [_joined(p["text"], s) for p, s in zip(passages, spans, strict=True)]
    if sum(map(count, whole)) <= budget:
        return [text for text in whole if text]
    sentences = {
        (n, i): passage["text"][start:end]
        for n, passage in enumerate(passages)
        for i, (start, end) in enumerate(spans[n])
    }
    scores = _scores(question, [heading_of(p) or "" for p in passages], sentences, vectors)
    kept: set[Place] = set()
    used = 0
    for place in sorted(scores, key=lambda place: (-scores[place], place)):
        cost = count(sentences[place]) + 1
        if used + cost <= budget:
            kept.add(place)
            used += cost
    if scores and not kept:  # each is longer than the budget
        kept.add(max(scores, key=lambda place: scores[place]))
    chosen = [[span for i, span in enumerate(of) if (n, i) in kept] for n, of in enumerate(spans)]
    texts = [_joined(p["text"], s) for p, s in zip(passages, chosen, strict=True)]
    return [text for text in texts if text]


def _trusted(text: str, asked: set[str]) -> list[Span]:
    """The sentences that may be read; where some may not, only those with what is asked.

    So a passage with orders, in another language than the question, is hardly read at all.
    """
    spans = evidence_spans(text)
    if not gives_orders(text):
        return spans
    return [(start, end) for start, end in spans if content(text[start:end]) & asked]


def _scores(
    question: str, headings: Sequence[str], sentences: Mapping[Place, str], vectors: Features
) -> dict[Place, float]:
    """How much each sentence bears on the question; `headings` are those over each passage."""
    shared = _shared(question, headings, sentences)
    cosine = cosines([question], list(sentences.values()), vectors)[0]
    near = dict(zip(sentences, cosine, strict=True))
    scores = {}
    head = 0.0, 0.0, (-1, -1)  # of the list that a sentence may stand in: its last line at the end
    for (n, i), sentence in sentences.items():
        beside, near_beside = _beside(shared, n, i), _beside(near, n, i)
        if (n, i) <= head[2]:
            beside, near_beside = max(beside, head[0]), max(near_beside, head[1])
        bearing = max(shared[n, i], _BESIDE * beside)
        bearing += max(near[n, i], _NEAR_BESIDE * near_beside)
        scores[n, i] = bearing - _RANK * n / len(headings)
        if sentence.rstrip().endswith(":"):
            head = shared[n, i], near[n, i], (n, i + _LIST)
    return scores


def _shared(
    question: str, headings: Sequence[str], sentences: Mapping[Place, str]
) -> dict[Place, float]:
    """The share of the question's tokens, by their rarity here, that each sentence holds.

    "lr=2e-4" holds the token of "학습률": it says it by another name. What only the heading over
    a sentence holds counts in part.
    """
    asked = asked_content(question)
    things = [
        (asked & content(" ".join(names)), [content(name) for name in names])
        for names in named(question)
    ]
    said = {}
    for place, sentence in sentences.items():
        tokens = content(sentence)
        called = (own for own, names in things if any(name and name <= tokens for name in names))
        said[place] = tokens.union(*called) & asked
    frequency = Counter(token for tokens in said.values() for token in tokens)
    weight = {t: math.log(1 + len(said) / (1 + frequency[t])) for t in asked}
    total = sum(weight.values()) or 1.0
    over = [content(heading) & asked for heading in headings]
    return {
        (n, i): (_sum(weight, held) + _HEADING * _sum(weight, over[n] - held)) / total
        for (n, i), held in said.items()
    }


def _sum(weight: Mapping[str, float], tokens: set[str]) -> float:
    return math.fsum(weight[token] for token in tokens)  # the same in whatever order a set has


def _beside(scores: Mapping[Place, float], n: int, i: int) -> float:
    return max(scores.get((n, i - 1), 0.0), scores.get((n, i + 1), 0.0))


def _joined(text: str, spans: Sequence[Span]) -> str:
    """These sentences of a text in order, a mark where some are left out between."""
    pieces: list[str] = []
    before: int | None = None
    for start, end in spans:
        if before is not None:
            between = text[before:start]
            pieces.append(_GAP if between.strip() else between)
        pieces.append(text[start:end])
        before = end
    return readable("".join(pieces))
