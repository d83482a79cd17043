"""Contextual compression (chapter 13.10.3): only the sentences that bear on the question.

Extractive, so that what the model reads stands in the documents word for word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from graphs.language import language_of
from graphs.passages import Passage, Span, evidence_spans, gives_orders, readable
from graphs.tokens import asked_content, content

_RANK = 0.15  # of the best possible score, lost with each rank: a good passage's sentences first
_BESIDE = 0.5  # of its neighbour's score: an answer often stands beside the words that are asked
_LIST = 5  # lines under one that ends in a colon, which belong to it
_UNLIKE = 1.75  # times the budget where question and passages are in different languages
_GAP = " … "


def compress(
    question: str,
    passages: Sequence[Passage],
    budget: int,
    count: Callable[[str], int],
) -> list[str]:
    """What a model reads of each passage, best first, at most `budget` tokens in all.

    Passages that fit stay whole. Else the sentences that share most with the question, rare words
    weighing most, and those beside them; passages of which nothing is left are left out. Of a
    passage that gives orders to a model no sentence is read but those that bear on the question.
    """
    foreign = bool(passages) and language_of(question) != language_of(passages[0]["text"])
    asked = asked_content(question)
    spans = [_trusted(passage["text"], asked) for passage in passages]
    whole = [_joined(p["text"], s) for p, s in zip(passages, spans, strict=True)]
    if sum(map(count, whole)) <= budget:
        return [text for text in whole if text]
    if foreign:
        return _leading([text for text in whole if text], budget * _UNLIKE, count)
    scores = _scores(question, passages, spans)
    if not scores:
        return _leading([text for text in whole if text], budget, count)
    kept: set[tuple[int, int]] = set()
    used = 0
    for place in sorted(scores, key=lambda place: (-scores[place], place)):
        start, end = spans[place[0]][place[1]]
        cost = count(passages[place[0]]["text"][start:end]) + 1
        if used + cost <= budget:
            kept.add(place)
            used += cost
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
    question: str, passages: Sequence[Passage], spans: Sequence[Sequence[Span]]
) -> dict[tuple[int, int], float]:
    """How much each sentence (passage, number) bears on the question, without those of none."""
    asked = asked_content(question)
    said = {
        (n, i): content(passage["text"][start:end]) & asked
        for n, passage in enumerate(passages)
        for i, (start, end) in enumerate(spans[n])
    }
    frequency = Counter(token for tokens in said.values() for token in tokens)
    weight = {t: math.log(1 + len(said) / (1 + frequency[t])) for t in asked}
    total = sum(weight.values()) or 1.0
    own = {place: sum(weight[t] for t in tokens) / total for place, tokens in said.items()}
    scores = {}
    head = 0.0, -1  # of the list that a sentence may stand in: its score and its last line
    for (n, i), score in own.items():
        beside = max(own.get((n, i - 1), 0.0), own.get((n, i + 1), 0.0))
        if i <= head[1]:
            beside = max(beside, head[0])
        if (bearing := max(score, _BESIDE * beside)) > 0:
            scores[n, i] = bearing - _RANK * n / len(passages)
        start, end = spans[n][i]
        if passages[n]["text"][start:end].rstrip().endswith(":"):
            head = score, i + _LIST
        elif i + 1 == len(spans[n]):
            head = 0.0, -1
    return scores


def _leading(texts: Sequence[str], budget: float, count: Callable[[str], int]) -> list[str]:
    """The first texts that fit, at least one: words in another language cannot choose sentences."""
    kept: list[str] = []
    for text in texts:
        budget -= count(text)
        if kept and budget < 0:
            break
        kept.append(text)
    return kept


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
