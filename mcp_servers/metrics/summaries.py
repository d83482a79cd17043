"""ROUGE-1, ROUGE-2 and ROUGE-L by rouge-score, on tokens that keep Hangul (textbook 3.7)."""

from __future__ import annotations

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.metrics.labels import Scores
from mcp_servers.metrics.tokens import Unit, comparable, rouge_tokens

# ROUGE-L fills a table of one cell a pair of tokens: 0.15 s and 13 MB a million.
MAX_TOKEN_PAIRS = 9_000_000


class RougeTokens(TypedDict):
    """How many tokens each text has."""

    candidate: int
    reference: int


class Rouge(TypedDict):
    """ROUGE by unigrams, by bigrams and by the longest common subsequence of tokens."""

    rouge1: Scores
    rouge2: Scores
    rougeL: Scores
    unit: Unit
    tokens: RougeTokens


def rouge(candidate: str, reference: str, unit: Unit) -> Rouge:
    """Precision, recall and F1 of the overlap; the textbook's ROUGE is the recall.

    rouge-score's own tokenizer deletes all but a-z and 0-9, Hangul included; this one keeps the
    letters and digits of every script and equals it on ASCII text (no stemming). Words keep
    their particles, so Korean summaries that differ only in a particle or an ending match on no
    word. `unit="characters"` takes each Hangul syllable as a token: fairer to Korean, whose
    stems then still match, but scores are higher and compare only with their like.
    """
    candidate, reference = comparable(candidate, "candidate"), comparable(reference, "reference")
    sizes: RougeTokens = {
        "candidate": len(rouge_tokens(candidate, unit)),
        "reference": len(rouge_tokens(reference, unit)),
    }
    for name, size in sizes.items():
        if not size:
            raise EngineError(f"{name} has no letter or digit. Pass a text with words.")
    if sizes["candidate"] * sizes["reference"] > MAX_TOKEN_PAIRS:
        raise EngineError(
            f"The texts have {sizes['candidate']:,} and {sizes['reference']:,} tokens, "
            "too many to compare each with each. Score shorter passages."
        )

    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Tokenizer(unit))
    found = scorer.score(reference, candidate)
    scores: dict[str, Scores] = {
        name: {
            "precision": float(score.precision),
            "recall": float(score.recall),
            "f1": float(score.fmeasure),
        }
        for name, score in found.items()
    }
    return {
        "rouge1": scores["rouge1"],
        "rouge2": scores["rouge2"],
        "rougeL": scores["rougeL"],
        "unit": unit,
        "tokens": sizes,
    }


class _Tokenizer:
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def tokenize(self, text: str) -> list[str]:
        return rouge_tokens(text, self._unit)
