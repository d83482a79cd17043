"""One ranking out of four kinds of evidence, with weights that were fitted and not guessed.

Of each candidate passage:
- `lexical`: its BM25 score, divided by the best candidate's (or by a fifth of what is attainable,
  if that is more: a best match below that is a stray syllable pair or two, and would otherwise
  keep vectors from being heard on a question in another language than the documents);
- `dense`: its cosine, which e5 crowds between 0.7 and 0.9, stretched from the worst candidate's
  (0) to the best's (1);
- `sentence`: the largest share of the question's terms, by rarity, that one sentence holds: an
  answer stands in one place, while BM25 adds up words from everywhere;
- `feedback`: BM25 for the forty terms that mark the three best candidates (Rocchio's pseudo
  relevance feedback as RM3 has it), divided by the best candidate's.

A question that one passage answers is ranked by the `FOCUSED` weights. Where many passages are
about equally near, it is a topic, and the `TOPICAL` weights find more of it. Ranks alone
(reciprocal rank fusion) throw away by how much one candidate beats the next, and so let the
weaker side drown the stronger. Weights were found by coordinate ascent on nDCG@10 over KorQuAD
questions 501 to 2,500 and every second Cranfield query; on Korean, feedback got no weight.
`python -m evals.fit_ranking` finds them, `dure eval retrieval` measures them on the others.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_servers.morphemes import HANGUL
from mcp_servers.retrieval.analysis import Terms, question_terms, surface, terms
from mcp_servers.retrieval.lexical import WEIGHT, LexicalIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """What each kind of evidence counts; they add up to 1."""

    lexical: float
    dense: float
    sentence: float
    feedback: float


FOCUSED = Weights(lexical=0.435, dense=0.304, sentence=0.261, feedback=0.0)
TOPICAL = Weights(lexical=0.083, dense=0.25, sentence=0.0, feedback=0.667)
_LEXICAL_SHARE = 0.6  # of the first ranking, from lexical and dense evidence alone
_REAL_MATCH = 0.2
_SPREAD = (0.5, 0.8)  # the fifth candidate's score over the first's: a question, a topic
_FEEDBACK_PASSAGES = 3
_FEEDBACK_TERMS = 40
_READ = 30  # candidates whose sentences are read; the others have little chance
_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n")


@dataclass(frozen=True)
class Evidence:
    """Scores from 0 to 1 of candidates, in their order: each kind's, and the ranking's."""

    lexical: Scores
    dense: Scores
    sentence: Scores
    feedback: Scores
    fused: Scores


def first_ranking(lexical: Scores, attainable: float, dense: Scores) -> tuple[Scores, Scores]:
    """`lexical` (BM25 scores) and `dense` (cosines) of candidates as evidence from 0 to 1."""
    best = max(float(lexical.max()), _REAL_MATCH * attainable)
    low, high = dense.min(), dense.max()
    matched = lexical / best if best > 0 else lexical * 0
    near = (dense - low) / (high - low) if high > low else dense * 0 + 1
    return matched, near


def rank(
    query: str,
    index: LexicalIndex,
    rows: Rows,
    texts: Sequence[str],
    matched: Scores,
    near: Scores,
) -> Evidence:
    """The evidence for candidates (ascending rows of the index, and their texts)."""
    import numpy as np

    first = _LEXICAL_SHARE * matched + (1 - _LEXICAL_SHARE) * near
    order = np.argsort(-first, kind="stable")
    sentence = np.zeros(len(rows), np.float32)
    wanted = _rarities(question_terms(query), index)
    for at in order[:_READ]:
        sentence[at] = _best_sentence(wanted, texts[at])
    feedback = np.zeros(len(rows), np.float32)
    topical = 0.0
    if not HANGUL.search(query):
        topical = _spread(first[order])
        top = order[:_FEEDBACK_PASSAGES]
        feedback = _feedback(index, rows, [texts[at] for at in top], first[top])
    fused = (1 - topical) * _weighed(FOCUSED, matched, near, sentence, feedback)
    fused = fused + topical * _weighed(TOPICAL, matched, near, sentence, feedback)
    return Evidence(matched, near, sentence, feedback, fused)


def _best_sentence(wanted: Mapping[str, float], text: str) -> float:
    """The largest share of some terms, weighted by rarity, in one sentence of a text.

    Terms are looked for as they stand, which finds a stem or a pair of syllables within its word.
    """
    total = sum(wanted.values())
    if not total:
        return 0.0
    held = (
        sum(weight for term, weight in wanted.items() if term in sentence)
        for sentence in _SENTENCE.split(text.lower())
    )
    return max(held, default=0.0) / total


def _rarities(wanted: Terms, index: LexicalIndex) -> dict[str, float]:
    found: dict[str, float] = {}
    for field, listed in zip(Terms._fields, wanted, strict=True):
        for term in listed:
            weight = WEIGHT[field] * index.inverse_frequency(field, term)
            found[surface(term)] = found.get(surface(term), 0.0) + weight
    return found


def _spread(ranked: Scores) -> float:
    """How much of a topic the question is, 0 to 1, by how little the best candidates differ."""
    if len(ranked) < 5 or ranked[0] <= 0:
        return 0.0
    low, high = _SPREAD
    return min(1.0, max(0.0, (float(ranked[4] / ranked[0]) - low) / (high - low)))


def _feedback(index: LexicalIndex, rows: Rows, texts: Sequence[str], scores: Scores) -> Scores:
    """BM25 of candidates for the terms that are frequent in the best ones and rare elsewhere."""
    weights: dict[tuple[str, str], float] = defaultdict(float)
    total = float(scores.sum()) or 1.0
    for text, score in zip(texts, scores, strict=True):
        found = terms(text)
        size = len(found.hangul) + len(found.words) or 1
        for field, listed in zip(Terms._fields, found, strict=True):
            for term, count in Counter(listed).items():
                rarity = index.inverse_frequency(field, term)
                weights[field, term] += float(score) / total * count / size * rarity
    strongest = dict(sorted(weights.items(), key=lambda w: -w[1])[:_FEEDBACK_TERMS])
    expanded = index.expanded_scores(strongest, rows)
    best = expanded.max()
    return expanded / best if best > 0 else expanded


def _weighed(
    weights: Weights, lexical: Scores, dense: Scores, sentence: Scores, feedback: Scores
) -> Scores:
    fused: Scores = (
        weights.lexical * lexical
        + weights.dense * dense
        + weights.sentence * sentence
        + weights.feedback * feedback
    )
    return fused
