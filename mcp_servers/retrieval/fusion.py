"""One ranking of two: the lexical and the dense scores of the same candidates.

Ranks alone (reciprocal rank fusion) throw away by how much one candidate beats the next, and so
let the weaker side drown the stronger: on Korean that is worse than BM25 by itself. Scores
stretched over the candidates keep it. Fitted on KorQuAD questions 501 to 2,000 and every second
Cranfield query, and measured on the others (nDCG@10, hit@1):

                      KorQuAD, first 500   Cranfield, others
    BM25 alone          0.955 / 0.906       0.522 / 0.717
    vectors alone       0.886 / 0.786       0.501 / 0.628
    reciprocal ranks    0.944 / 0.888       0.547 / 0.735
    this                0.964 / 0.926       0.552 / 0.726

The weight matters little between 0.4 and 0.7, so one serves both languages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float32]

LEXICAL_WEIGHT = 0.5
# A best match below this share of the attainable score is a stray syllable pair or two: it counts
# for less, or vectors would never be heard on a question in another language than the documents.
_REAL_MATCH = 0.2


def fused_scores(lexical: Scores, attainable: float, dense: Scores) -> Scores:
    """Scores from 0 to 1 of candidates, given their BM25 scores and cosines in the same order.

    BM25 is divided by the best candidate's, or by a fifth of the `attainable` if that is more;
    cosines, which e5 crowds between 0.7 and 0.9, are stretched from the worst candidate's (0) to
    the best's (1).
    """
    best = max(float(lexical.max()), _REAL_MATCH * attainable)
    low, high = dense.min(), dense.max()
    matched = lexical / best if best > 0 else lexical * 0
    near = (dense - low) / (high - low) if high > low else dense * 0 + 1
    return LEXICAL_WEIGHT * matched + (1 - LEXICAL_WEIGHT) * near
