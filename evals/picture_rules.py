"""What a drawing shows, read off its pixels by rules: no model judges the models.

Colours are the nearest of the world's palette, things are connected patches of one colour, a
shape is the outline that overlaps its patch best.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mcp_servers.drawings.painting import outline
from mcp_servers.drawings.scenes import (
    BACKGROUNDS,
    COLOURS,
    PLACES,
    SHAPES,
    Colour,
    Scene,
    Shape,
    Thing,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALLEST = 0.006  # of the picture's area: below it a patch is a speck
_FILLED = 32  # side of the grid on which outlines are compared
_NEAR = 60  # RGB distance to the background within which a pixel belongs to it
_SLACK = 0.03  # of the side, by which a centre may miss its third


@dataclass(frozen=True)
class Seen:
    """A thing found in a picture; lengths in units of its side."""

    shape: Shape
    colour: Colour
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Verdict:
    """Whether a picture shows what its scene says."""

    colour: bool  # every thing in its colour (on its own shape), and no other thing
    shape: bool  # every thing in its shape
    position: bool  # place or relation where the caption gives one; always the count
    background: bool


def look(picture: Image) -> tuple[list[Seen], str]:
    """The things in a picture, and its background's name."""
    from scipy import ndimage

    pixels = np.asarray(picture.convert("RGB")).astype(np.float64)
    side = pixels.shape[0]
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    background = min(BACKGROUNDS, key=lambda name: _distance(ground, BACKGROUNDS[name]))
    away = np.linalg.norm(pixels - ground, axis=2) > _NEAR
    patches, count = ndimage.label(away)
    found = []
    for at in range(1, count + 1):
        mask = patches == at
        if mask.sum() < _SMALLEST * side * side:
            continue
        inner = ndimage.binary_erosion(mask)
        shown = np.median(pixels[inner if inner.any() else mask], axis=0)
        colour = min(COLOURS, key=lambda name: _distance(shown, COLOURS[name]))
        nearer = np.linalg.norm(pixels - shown, axis=2) < np.linalg.norm(pixels - ground, axis=2)
        mask &= nearer  # an edge is where half of it is ground, however sharp it is
        rows, columns = np.nonzero(mask)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        found.append(
            Seen(
                _shape(mask[top:bottom, left:right]),
                colour,
                float(left + right) / 2 / side,
                float(top + bottom) / 2 / side,
                float(max(right - left, bottom - top)) / 2 / side,
            )
        )
    return found, background


def judge(picture: Image, scene: Scene) -> Verdict:
    """Compare what a picture shows with the scene that its caption came from."""
    seen, background = look(picture)
    colours = sorted(thing.colour for thing in seen) == sorted(t.colour for t in scene.things)
    shapes = sorted(thing.shape for thing in seen) == sorted(t.shape for t in scene.things)
    if colours and shapes:  # each shape must have its own colour
        kinds = sorted((thing.shape, thing.colour) for thing in seen)
        colours = kinds == sorted((thing.shape, thing.colour) for thing in scene.things)
    return Verdict(colours, shapes, _placed(seen, scene), background == scene.background)


def _placed(seen: list[Seen], scene: Scene) -> bool:
    if len(seen) != len(scene.things):
        return False
    if scene.place:
        column, row = PLACES[scene.place]
        return _in_third(seen[0].x, column) and _in_third(seen[0].y, row)
    if scene.relation and scene.relation != "and":
        first = [thing for thing in seen if _matches(thing, scene.things[0])]
        second = [thing for thing in seen if _matches(thing, scene.things[1])]
        if len(first) != 1 or len(second) != 1:
            return False
        across, down = second[0].x - first[0].x, second[0].y - first[0].y
        return {
            "left of": across > abs(down),
            "right of": -across > abs(down),
            "above": down > abs(across),
            "below": -down > abs(across),
        }[scene.relation]
    return True


def _matches(seen: Seen, thing: Thing) -> bool:
    """Whether this is the thing meant: the two of a relation differ in colour or shape."""
    return seen.colour == thing.colour and seen.shape == thing.shape


def _in_third(value: float, third: int | None) -> bool:
    if third is None:
        return True
    return third / 3 - _SLACK <= value <= (third + 1) / 3 + _SLACK


def _distance(colour: object, other: tuple[int, int, int]) -> float:
    return float(np.linalg.norm(np.asarray(colour, dtype=np.float64) - np.asarray(other)))


def _shape(mask: np.ndarray) -> Shape:
    """The shape whose outline, stretched to the patch's box, overlaps the patch best."""
    from PIL import Image

    stretched = Image.fromarray(mask.astype(np.uint8) * 255).resize((_FILLED, _FILLED))
    patch = np.asarray(stretched) > 127

    def overlap(shape: Shape) -> float:
        ideal = _ideal(shape)
        return float((patch & ideal).sum() / (patch | ideal).sum())

    return max(SHAPES, key=overlap)


@cache
def _ideal(shape: Shape) -> np.ndarray:
    """The shape filling its own box, shape (32, 32), booleans."""
    from PIL import Image, ImageDraw

    points = np.asarray(outline(shape))
    low, high = points.min(0), points.max(0)
    scaled = (points - low) / (high - low) * (_FILLED - 1)
    image = Image.new("L", (_FILLED, _FILLED))
    ImageDraw.Draw(image).polygon([tuple(point) for point in scaled], fill=255)
    return np.asarray(image) > 127
