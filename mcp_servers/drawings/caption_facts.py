"""What a caption says as three vectors: of the scene, and of its first and second kind of thing."""

from __future__ import annotations

from mcp_servers.drawings.scenes import (
    BACKGROUNDS,
    COLOURS,
    PLACES,
    RADII,
    RELATIONS,
    SHAPES,
    Relation,
    Scene,
)
from mcp_servers.torch_runtime import torch

_Choices = tuple[tuple[object, ...], ...]  # what each fact may be
_SCENE: _Choices = ((*BACKGROUNDS,), (1, 2, 3, 4))
_THING: _Choices = (
    (None, *SHAPES),
    (None, *COLOURS),
    (None, *RADII),
    (None, *PLACES, *RELATIONS),
)
_GROUPS = (_SCENE, _THING, _THING)
_OPPOSITE: dict[Relation, Relation] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "and": "and",
}

FACTS = len(_GROUPS)  # vectors, at the last positions of an encoded caption


class Facts:
    """The vectors that stand for facts: drawn once at random, the same for whoever asks.

    All of one thing in one vector: where it lies leads attention to its shape and colour at once.
    """

    def __init__(self, width: int) -> None:
        ever_the_same = torch.Generator().manual_seed(0)
        self._of = [
            [torch.randn(len(choices), width, generator=ever_the_same) for choices in group]
            for group in _GROUPS
        ]
        self._nothing = torch.randn(FACTS, width, generator=ever_the_same)

    def vectors(self, scenes: list[Scene | None]) -> torch.Tensor:
        """Shape (scenes, facts, width), each of mean 0 and spread 1; None: nothing is said."""
        rows = [self._nothing if scene is None else self._sum(scene) for scene in scenes]
        stacked = torch.stack(rows)
        return torch.nn.functional.layer_norm(stacked, stacked.shape[-1:])

    def _sum(self, scene: Scene) -> torch.Tensor:
        groups = zip(self._of, facts_of(scene), strict=True)
        return torch.stack(
            [
                torch.stack([of[fact] for of, fact in zip(tables, facts, strict=True)]).sum(0)
                for tables, facts in groups
            ]
        )


def facts_of(scene: Scene) -> list[list[int]]:
    """Background and number; of both kinds of thing the shape, colour, size, and where it lies."""
    said: list[list[object]] = [[scene.background, len(scene.things)]]
    first = scene.things[0]
    said.append([first.shape, first.colour, first.size, scene.relation or scene.place])
    if scene.relation:
        second = scene.things[1]
        where = _OPPOSITE[scene.relation]
        said.append([second.shape, second.colour, second.size, where])
    else:
        said.append([None] * len(_THING))
    return [
        [choices.index(fact) for choices, fact in zip(group, facts, strict=True)]
        for group, facts in zip(_GROUPS, said, strict=True)
    ]
