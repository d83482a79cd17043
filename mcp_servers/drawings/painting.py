"""A scene as a picture: flat shapes on a flat background, their edges smoothed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mcp_servers.drawings.scenes import BACKGROUNDS, COLOURS, Scene, Shape, Thing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SIDE = 64  # pixels
_FINER = 4  # times finer than the picture while drawing: what smooths the edges


def paint(scene: Scene, side: int = SIDE) -> Image:
    """The scene as an RGB picture of `side` x `side` pixels."""
    from PIL import Image, ImageDraw

    fine = side * _FINER
    image = Image.new("RGB", (fine, fine), BACKGROUNDS[scene.background])
    pen = ImageDraw.Draw(image)
    for thing in scene.things:
        _draw(pen, thing, fine)
    return image.resize((side, side), Image.Resampling.BOX)


def outline(shape: Shape) -> list[tuple[float, float]]:
    """The shape's corners around (0, 0), reaching 1 at most in each direction; y grows down."""
    turn = 2 * math.pi
    match shape:
        case "circle":
            return [(math.cos(turn * i / 48), math.sin(turn * i / 48)) for i in range(48)]
        case "square":
            return [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
        case "triangle":
            return [(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)]
        case "star":
            rays = [(1.0 if i % 2 == 0 else 0.42, turn * (i / 10 - 0.25)) for i in range(10)]
            return [(reach * math.cos(at), reach * math.sin(at)) for reach, at in rays]
        case "heart":
            return [(math.sin(t) ** 3, _heart(t)) for t in (turn * i / 48 for i in range(48))]
        case "cross":
            thin = 0.34
            corner = [(thin, -1.0), (thin, -thin), (1.0, -thin)]
            quarter = [*corner]
            points = []
            for _ in range(4):
                points += quarter
                quarter = [(-y, x) for x, y in quarter]
            return points


def _heart(t: float) -> float:
    """How far down the heart's curve is at the angle `t`."""
    return -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17


def _draw(pen: ImageDraw, thing: Thing, fine: int) -> None:
    reach = thing.radius * fine
    points = [
        (thing.x * fine + x * reach, thing.y * fine + y * reach) for x, y in outline(thing.shape)
    ]
    pen.polygon(points, fill=COLOURS[thing.colour])
