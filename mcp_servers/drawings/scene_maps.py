"""What lies where in a drawing, as maps that a denoiser can be asked for while it learns."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_servers.drawings.scenes import COLOURS, SHAPES, Scene
from mcp_servers.torch_runtime import torch

_CLASSES = 1 + len(SHAPES), 1 + len(COLOURS)  # 0: the ground
_REACH = 0.9  # of a thing's radius: what a square around it shares with most shapes


def maps(scenes: Sequence[Scene], side: int) -> torch.Tensor:
    """Which shape and which colour is where: shape (n, 2, side, side), bytes."""
    middles = (torch.arange(side) + 0.5) / side
    found = torch.zeros(len(scenes), len(_CLASSES), side, side, dtype=torch.uint8)
    for scene, drawn in zip(scenes, found, strict=True):
        for thing in scene.things:
            reach = _REACH * thing.radius
            rows = ((middles - thing.y).abs() < reach)[:, None]
            columns = ((middles - thing.x).abs() < reach)[None]
            drawn[0].masked_fill_(rows & columns, 1 + SHAPES.index(thing.shape))
            drawn[1].masked_fill_(rows & columns, 1 + [*COLOURS].index(thing.colour))
    return found


class MapReader(torch.nn.Module):
    """Reads the maps off a network's features, twice as fine as these.

    To be asked what is where teaches a denoiser what noise hides much sooner than its own loss
    does, in which a wrong colour weighs no more than a blurred edge. As arXiv:2410.06940, with
    the drawings' own truth in place of another network's features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._read = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 4 * sum(_CLASSES), 1), torch.nn.PixelShuffle(2)
        )

    def loss(self, features: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of features (n, channels, side, side) to maps (n, 2, 2 side, 2 side)."""
        read = self._read(features).split(_CLASSES, 1)
        losses = [
            torch.nn.functional.cross_entropy(logits, truth[:, at].long())
            for at, logits in enumerate(read)
        ]
        return torch.stack(losses).sum()
