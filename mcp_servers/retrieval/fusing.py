"""Rankings of different measures made one: reciprocal rank fusion (Cormack et al. 2009)."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_servers.retrieval.results import FoundPicture, Passage, Ranked

_K = 60  # of the paper: how little the first places count above those after them


def vote(rank: int) -> float:
    """What one ranking adds to the score of its `rank`-th result, counted from 1."""
    return 1 / (_K + rank)


def ranked(passages: Sequence[Passage], pictures: Sequence[FoundPicture]) -> list[Ranked]:
    """Passages and pictures in one ranking: cosines of text and of CLIP cannot be compared."""
    found: list[Ranked] = [
        {"modality": "text", "id": passage["id"], "score": round(vote(rank), 5)}
        for rank, passage in enumerate(passages, 1)
    ]
    found += [
        {"modality": "picture", "id": picture["id"], "score": picture["score"]}
        for picture in pictures
    ]
    return sorted(found, key=lambda item: -item["score"])
