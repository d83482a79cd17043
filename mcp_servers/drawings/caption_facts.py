"""What a caption says, read off the last positions of a text encoder, one fact at each."""

from __future__ import annotations

from mcp_servers.drawings.scenes import BACKGROUNDS, COLOURS, PLACES, RELATIONS, SHAPES, Scene
from mcp_servers.torch_runtime import torch

_SIZES = (None, "small", "big")
_SCENE = ([*BACKGROUNDS], [None, *PLACES], [None, *RELATIONS], [1, 2, 3, 4])
_THING = ([None, *SHAPES], [None, *COLOURS], _SIZES)
_CHOICES = [len(choices) for choices in (*_SCENE, *_THING, *_THING)]

FACTS = len(_CHOICES)


class Facts(torch.nn.Module):
    """One linear classifier for each fact, over one position of the text."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(torch.nn.Linear(width, n) for n in _CHOICES)

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
    choices: list[list[object]] = [list(of) for of in (*_SCENE, *_THING, *_THING)]
    return [of.index(fact) for of, fact in zip(choices, said, strict=True)]
