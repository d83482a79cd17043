"""CLIP's contrastive loss, and how well pictures and captions find each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcp_servers.clip.models import Clip, unit
from mcp_servers.clip.opening import opened
from mcp_servers.clip.pairs import Pair
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from mcp_servers.clip.models import Floats

JUDGED = 64  # pairs of a batch whose loss is told


def loss_of(
    pictures: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, same: torch.Tensor
) -> torch.Tensor:
    """The mean of both cross-entropies over a batch's cosines (Radford et al. 2021, figure 3).

    The textbook's 5.8 feeds picture features to a cross-entropy over labels, which no text ever
    enters; CLIP learns which of the batch's texts belongs to a picture, and which picture to a
    text. `pictures` and `texts` are unit vectors, (n, dimension); `same` is (n, n), true where
    text j is true of picture i, the diagonal at least: pairs of one caption or one picture are no
    counter-examples to each other, and share the target (Yang et al. 2022, UniCL). Where all
    differ this is InfoNCE.
    """
    logits = scale * pictures @ texts.T
    targets = same.float()
    by_picture = torch.nn.functional.cross_entropy(logits, targets / targets.sum(1, keepdim=True))
    turned = targets.T
    by_text = torch.nn.functional.cross_entropy(logits.T, turned / turned.sum(1, keepdim=True))
    return (by_picture + by_text) / 2


def same_in(pairs: Sequence[Pair]) -> torch.Tensor:
    """Which pairs have a caption or a picture in common, shape (n, n)."""
    return torch.tensor(
        [
            [one.caption == other.caption or one.picture == other.picture for other in pairs]
            for one in pairs
        ]
    )


def encoded(clip: Clip, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of the pairs' pictures and captions, with their gradients."""
    pixels = clip.pixels([opened(pair.picture) for pair in pairs]).to(clip.device)
    tokens = clip.on_device([pair.caption for pair in pairs])
    return unit(clip.picture_features(pixels)), unit(clip.text_features(tokens))


def judged(clip: Clip, pairs: Sequence[Pair]) -> dict[str, float]:
    """Loss over batches of 64, and accuracy: pictures whose own caption is the nearest of all."""
    pictures, captions = _vectors(clip, pairs)
    losses: list[tuple[float, int]] = []
    scale = clip.logit_scale.detach().cpu()
    for at in range(0, len(pairs), JUDGED):
        some = slice(at, at + JUDGED)
        if len(pairs[some]) > 1:
            loss = loss_of(
                torch.from_numpy(pictures[some]),
                torch.from_numpy(captions[some]),
                scale,
                same_in(pairs[some]),
            )
            losses.append((float(loss), len(pairs[some])))
    told = list(dict.fromkeys(pair.caption for pair in pairs))
    first = {pair.caption: at for at, pair in reversed(list(enumerate(pairs)))}
    nearest = (pictures @ captions[[first[caption] for caption in told]].T).argmax(1)
    true: dict[object, set[str]] = {}
    for pair in pairs:
        true.setdefault(pair.picture, set()).add(pair.caption)
    right = sum(told[best] in true[pair.picture] for best, pair in zip(nearest, pairs, strict=True))
    return {
        "loss": round(sum(loss * n for loss, n in losses) / sum(n for _, n in losses), 4),
        "accuracy": round(right / len(pairs), 4),
    }


def _vectors(clip: Clip, pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    import numpy as np

    parts = [
        clip.picture_vectors([opened(pair.picture) for pair in pairs[at : at + JUDGED]])
        for at in range(0, len(pairs), JUDGED)
    ]
    return np.concatenate(parts), clip.text_vectors([pair.caption for pair in pairs])
