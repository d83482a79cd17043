"""What a caption says, read off the last positions of a text encoder, one fact at each."""

from __future__ import annotations

from mcp_servers.drawings.scenes import (
    BACKGROUNDS,
    COLOURS,
    PLACES,
    RADII,
    RELATIONS,
    SHAPES,
    Scene,
)
from mcp_servers.torch_runtime import torch

_Choices = tuple[tuple[object, ...], ...]  # what each fact may be
_SCENE: _Choices = ((*BACKGROUNDS,), (None, *PLACES), (None, *RELATIONS), (1, 2, 3, 4))
_THING: _Choices = ((None, *SHAPES), (None, *COLOURS), (None, *RADII))
_CHOICES = (*_SCENE, *_THING, *_THING)

FACTS = len(_CHOICES)


class Facts(torch.nn.Module):
    """One linear classifier for each fact, over one position of the text."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(
            torch.nn.Linear(width, len(choices)) for choices in _CHOICES
        )

    def loss(self, said: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
        """Mean cross-entropy over the facts of encoded captions, shape (n, positions, width)."""
        wanted = torch.tensor([facts_of(scene) for scene in scenes])
        positions = said[:, -FACTS:]
        losses = [
            torch.nn.functional.cross_entropy(head(positions[:, at]), wanted[:, at])
            for at, head in enumerate(self.heads)
        ]
        return torch.stack(losses).mean()


def facts_of(scene: Scene) -> list[int]:
    """Background, place, relation and number; shape, colour and size of the first two kinds."""
    kinds = scene.things if scene.relation else scene.things[:1]
    said: list[object] = [scene.background, scene.place, scene.relation, len(scene.things)]
    for at in range(2):
        thing = kinds[at] if at < len(kinds) else None
        said += [thing.shape, thing.colour, thing.size] if thing else [None, None, None]
    return [choices.index(fact) for choices, fact in zip(_CHOICES, said, strict=True)]
