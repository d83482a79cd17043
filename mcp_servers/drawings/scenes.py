"""What a drawing may hold: shapes, colours, sizes, places, counts and relations.

Lengths are in units of the picture's side: (0, 0) is the top left corner, (1, 1) the bottom right.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Shape = Literal["circle", "square", "triangle", "star", "heart", "cross"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"]
Background = Literal["white", "black", "gray", "beige"]
Size = Literal["small", "big"]
Place = Literal[
    "left",
    "right",
    "top",
    "bottom",
    "middle",
    "top left",
    "top right",
    "bottom left",
    "bottom right",
]
Relation = Literal["left of", "right of", "above", "below", "and"]

COLOURS: dict[Colour, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (250, 220, 30),
    "green": (30, 160, 60),
    "cyan": (60, 200, 230),
    "blue": (30, 60, 210),
    "purple": (130, 40, 170),
    "pink": (250, 130, 180),
}
BACKGROUNDS: dict[Background, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (15, 15, 15),
    "gray": (128, 128, 128),
    "beige": (235, 215, 175),
}
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "star", "heart", "cross")
PLACES: dict[Place, tuple[int | None, int | None]] = {
    # column and row of a grid of thirds; None: any
    "left": (0, None),
    "right": (2, None),
    "top": (None, 0),
    "bottom": (None, 2),
    "middle": (1, 1),
    "top left": (0, 0),
    "top right": (2, 0),
    "bottom left": (0, 2),
    "bottom right": (2, 2),
}
RELATIONS: tuple[Relation, ...] = ("left of", "right of", "above", "below", "and")
RADII: dict[Size, tuple[float, float]] = {"small": (0.11, 0.14), "big": (0.20, 0.24)}
BETWEEN_SIZES = (RADII["small"][1] + RADII["big"][0]) / 2
HELD_OUT_SHARE = 0.1
_MARGIN, _GAP = 0.03, 0.06  # to the picture's edge, and between things
_APART = 0.12  # by how much more centres differ in a relation's direction than across it


@dataclass(frozen=True)
class Thing:
    """A shape of a colour, where it is and how far it reaches; `size` only if the caption says."""

    shape: Shape
    colour: Colour
    size: Size | None
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """One thing (perhaps at a place), several of a kind, or two with a relation."""

    things: tuple[Thing, ...]
    background: Background = "white"
    place: Place | None = None
    relation: Relation | None = None

    @property
    def many(self) -> bool:
        """Whether the scene holds several things of one kind."""
        return len(self.things) > 1 and self.relation is None


@dataclass(frozen=True)
class Kinds:
    """The shapes and colours that things may have."""

    shapes: tuple[Shape, ...] = SHAPES
    colours: tuple[Colour, ...] = tuple(COLOURS)


_ALL = Kinds()


def random_scene(
    rng: random.Random,
    held_out: bool | None = False,
    kinds: Kinds = _ALL,
    shares: tuple[int, int, int] = (3, 2, 4),
) -> Scene:
    """A scene drawn at random: one thing, 2 to 4 of a kind, or two with a relation, in `shares`.

    Combinations that `is_held_out` names never come with `held_out=False`, always with True;
    None takes both.
    """
    makers: tuple[Callable[[random.Random, Kinds], Scene | None], ...] = (_one, _many, _two)
    make = rng.choices(makers, shares)[0]  # once: two with a relation fail more often than one
    while True:
        scene = make(rng, kinds)
        if scene and (held_out is None or is_held_out(scene) == held_out):
            return scene


def is_held_out(scene: Scene) -> bool:
    """Whether training never shows this combination: a tenth of them, by their hash.

    Of one thing the combination is shape, colour, size and place; of several, shape, colour and
    count; of two, both shapes and colours, whatever their relation.
    """
    kinds = sorted({(thing.shape, thing.colour) for thing in scene.things})
    if scene.many:
        combination = f"many {kinds} {len(scene.things)}"
    elif scene.relation:
        combination = f"two {kinds}"
    else:
        combination = f"one {kinds} {scene.things[0].size} {scene.place}"
    first = hashlib.sha256(combination.encode()).digest()[0]
    return first < 256 * HELD_OUT_SHARE


def _one(rng: random.Random, kinds: Kinds) -> Scene:
    place = rng.choice([None, *PLACES]) if rng.random() < 0.8 else None
    thing = _thing(rng, kinds, *PLACES[place]) if place else _thing(rng, kinds)
    return Scene((thing,), _background(rng), place)


def _many(rng: random.Random, kinds: Kinds) -> Scene | None:
    shape, colour = rng.choice(kinds.shapes), rng.choice(kinds.colours)
    radius = rng.uniform(*RADII["small"])
    things: list[Thing] = []
    for _ in range(rng.randint(2, 4)):
        for _attempt in range(40):
            x, y = _centre(rng, None, radius), _centre(rng, None, radius)
            new = Thing(shape, colour, None, x, y, radius)
            if all(_free(new, other) for other in things):
                things.append(new)
                break
        else:
            return None
    return Scene(tuple(things), _background(rng))


def _two(rng: random.Random, kinds: Kinds) -> Scene | None:
    relation = rng.choice(RELATIONS)
    first, second = (_thing(rng, kinds) for _ in range(2))
    if (first.shape, first.colour) == (second.shape, second.colour) or not _free(first, second):
        return None
    if relation != "and" and relation != _relation_of(first, second):
        return None
    return Scene((first, second), _background(rng), relation=relation)


def _relation_of(first: Thing, second: Thing) -> Relation | None:
    """How the first lies to the second, where that is plain: far in one direction only."""
    across, down = second.x - first.x, second.y - first.y
    if abs(across) > abs(down) + _APART:
        return "left of" if across > 0 else "right of"
    if abs(down) > abs(across) + _APART:
        return "above" if down > 0 else "below"
    return None


def _thing(
    rng: random.Random, kinds: Kinds, column: int | None = None, row: int | None = None
) -> Thing:
    size = _size(rng)
    radius = _radius(rng, size)
    x, y = _centre(rng, column, radius), _centre(rng, row, radius)
    return Thing(rng.choice(kinds.shapes), rng.choice(kinds.colours), size, x, y, radius)


def _free(thing: Thing, other: Thing) -> bool:
    apart = thing.radius + other.radius + _GAP
    return max(abs(thing.x - other.x), abs(thing.y - other.y)) > apart


def _size(rng: random.Random) -> Size | None:
    return rng.choice((None, "small", "big"))


def _radius(rng: random.Random, size: Size | None) -> float:
    smallest, largest = RADII[size] if size else (RADII["small"][0], RADII["big"][1])
    return rng.uniform(smallest, largest)


def _centre(rng: random.Random, third: int | None, radius: float) -> float:
    """A coordinate inside that third of the side, the whole thing within the picture."""
    low, high = radius + _MARGIN, 1 - radius - _MARGIN
    if third is not None:
        low, high = max(low, third / 3), min(high, (third + 1) / 3)
    return rng.uniform(low, high)


def _background(rng: random.Random) -> Background:
    return rng.choice(("white", "white", *BACKGROUNDS))
