"""Drawings whose captions nobody can take for one another's."""

from __future__ import annotations

import random
from collections.abc import Sequence

from mcp_servers.drawings.scenes import Scene, random_scene
from mcp_servers.drawings.truth import describes

_SAMPLED, _GENERAL = 150, 2  # drawings, and of how many a caption may be true at most


def unambiguous(count: int, rng: random.Random) -> list[Scene]:
    """Unseen scenes, each of whose plain captions is true of its own drawing alone.

    Captions that are true of many drawings ("a red circle") are left out: one of them would shut
    out every other drawing with a red circle.
    """
    others = [random_scene(rng, held_out=None) for _ in range(_SAMPLED)]
    chosen: list[Scene] = []
    while len(chosen) < count:
        scene = random_scene(rng, held_out=True)
        if sum(describes(scene, other) for other in others) > _GENERAL:
            continue
        if not any(describes(scene, other) or describes(other, scene) for other in chosen):
            chosen.append(scene)
    return chosen


def true_of(scenes: Sequence[Scene]) -> list[int]:
    """Of how many of the drawings each scene's caption is true."""
    return [sum(describes(said, drawn) for drawn in scenes) for said in scenes]
