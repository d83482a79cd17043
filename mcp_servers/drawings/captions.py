"""A scene in words, Korean or English, as people may put it."""

from __future__ import annotations

import random
from typing import Literal, TypeVar

from mcp_servers.drawings.scenes import (
    COLOURS,
    SHAPES,
    Background,
    Colour,
    Place,
    Relation,
    Scene,
    Shape,
    Size,
    Thing,
)

Language = Literal["ko", "en"]
Way = TypeVar("Way")

_SHAPES_KO: dict[Shape, tuple[tuple[str, str, str], ...]] = {
    # the word, as a subject, and with "and"
    "circle": (("원", "원이", "원과"), ("동그라미", "동그라미가", "동그라미와")),
    "square": (
        ("정사각형", "정사각형이", "정사각형과"),
        ("사각형", "사각형이", "사각형과"),
        ("네모", "네모가", "네모와"),
    ),
    "triangle": (("삼각형", "삼각형이", "삼각형과"), ("세모", "세모가", "세모와")),
    "star": (("별", "별이", "별과"),),
    "heart": (("하트", "하트가", "하트와"),),
    "cross": (("십자가", "십자가가", "십자가와"), ("십자", "십자가", "십자와")),
}
_COLOURS_KO: dict[Colour, tuple[str, ...]] = {
    "red": ("빨간", "빨간색", "붉은"),
    "orange": ("주황색", "주황"),
    "yellow": ("노란", "노란색"),
    "green": ("초록색", "녹색", "초록"),
    "cyan": ("하늘색", "청록색"),
    "blue": ("파란", "파란색"),
    "purple": ("보라색", "보라"),
    "pink": ("분홍색", "분홍"),
}
_BACKGROUNDS_KO: dict[Background, tuple[str, ...]] = {
    "white": ("흰", "하얀"),
    "black": ("검은", "검정"),
    "gray": ("회색",),
    "beige": ("베이지색",),
}
_SIZES: dict[Language, dict[Size, tuple[str, ...]]] = {
    "ko": {"small": ("작은",), "big": ("큰", "커다란")},
    "en": {"small": ("small", "little"), "big": ("big", "large")},
}
_PLACES: dict[Language, dict[Place, tuple[str, ...]]] = {
    "ko": {
        "left": ("왼쪽에",),
        "right": ("오른쪽에",),
        "top": ("위쪽에", "위에"),
        "bottom": ("아래쪽에", "아래에"),
        "middle": ("가운데에", "중앙에"),
        "top left": ("왼쪽 위에", "왼쪽 상단에"),
        "top right": ("오른쪽 위에", "오른쪽 상단에"),
        "bottom left": ("왼쪽 아래에", "왼쪽 하단에"),
        "bottom right": ("오른쪽 아래에", "오른쪽 하단에"),
    },
    "en": {
        "left": ("on the left",),
        "right": ("on the right",),
        "top": ("at the top",),
        "bottom": ("at the bottom",),
        "middle": ("in the middle", "in the center"),
        "top left": ("in the top left", "in the top left corner"),
        "top right": ("in the top right", "in the top right corner"),
        "bottom left": ("in the bottom left", "in the bottom left corner"),
        "bottom right": ("in the bottom right", "in the bottom right corner"),
    },
}
_RELATIONS: dict[Language, dict[Relation, tuple[str, ...]]] = {
    "ko": {
        "left of": ("왼쪽에",),
        "right of": ("오른쪽에",),
        "above": ("위에", "위쪽에"),
        "below": ("아래에", "아래쪽에"),
    },
    "en": {
        "left of": ("to the left of", "left of"),
        "right of": ("to the right of", "right of"),
        "above": ("above",),
        "below": ("below", "under"),
    },
}
_COUNTS: dict[Language, dict[int, tuple[str, ...]]] = {
    "ko": {2: ("두 개", "2개"), 3: ("세 개", "3개"), 4: ("네 개", "4개")},
    "en": {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")},
}
_PLURALS: dict[Shape, str] = {"cross": "crosses"}


def caption(scene: Scene, language: Language, rng: random.Random | None = None) -> str:
    """The scene in words. With `rng`, one of the ways to say it; without, the plainest."""
    return _korean(scene, rng) if language == "ko" else _english(scene, rng)


def words(language: Language) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every word for a colour, and every word for one shape; the plainest of each come first."""
    if language == "en":
        return tuple(COLOURS), SHAPES
    colours, shapes = _COLOURS_KO.values(), _SHAPES_KO.values()
    plain = [ways[0] for ways in colours], [ways[0][0] for ways in shapes]
    more = [w for ways in colours for w in ways[1:]], [w[0] for ways in shapes for w in ways[1:]]
    return (*plain[0], *more[0]), (*plain[1], *more[1])


def _english(scene: Scene, rng: random.Random | None) -> str:
    first = scene.things[0]
    if scene.many:
        number = _one_of(_COUNTS["en"][len(scene.things)], rng)
        plural = _PLURALS.get(first.shape, f"{first.shape}s")
        said = f"{number} {first.colour} {plural}"
    else:
        said = _thing_en(first, rng)
    if scene.relation:
        joint = "and" if scene.relation == "and" else _one_of(_RELATIONS["en"][scene.relation], rng)
        said = f"{said} {joint} {_thing_en(scene.things[1], rng)}"
    if scene.place:
        said = f"{said} {_one_of(_PLACES['en'][scene.place], rng)}"
    if scene.background != "white" or _sometimes(rng, 0.2):
        ground = _one_of(("gray", "grey"), rng) if scene.background == "gray" else scene.background
        said = f"{said} on a {ground} background"
    if _sometimes(rng, 0.1):
        said = f"a {_one_of(('drawing', 'picture'), rng)} of {said}"
    return said


def _thing_en(thing: Thing, rng: random.Random | None) -> str:
    words: list[str] = [thing.colour, thing.shape]
    if thing.size:
        words.insert(0, _one_of(_SIZES["en"][thing.size], rng))
    return f"{'an' if words[0] == 'orange' else 'a'} {' '.join(words)}"


def _korean(scene: Scene, rng: random.Random | None) -> str:
    first = scene.things[0]
    if scene.many:
        number = _one_of(_COUNTS["ko"][len(scene.things)], rng)
        one = _thing_ko(first, 0, rng)
        said = f"{number}의 {one}" if _sometimes(rng, 0.2) else f"{one} {number}"
    elif scene.relation == "and":
        said = f"{_thing_ko(first, 2, rng)} {_thing_ko(scene.things[1], 0, rng)}"
    elif scene.relation:
        where = _one_of(_RELATIONS["ko"][scene.relation], rng)
        second = _thing_ko(scene.things[1], 0, rng)
        if _sometimes(rng, 0.4):
            said = f"{_thing_ko(first, 1, rng)} {second} {where} 있다"
        else:
            there = f"{where} 있는" if _sometimes(rng, 0.5) else where
            said = f"{second} {there} {_thing_ko(first, 0, rng)}"
    elif scene.place:
        where = _one_of(_PLACES["ko"][scene.place], rng)
        if _sometimes(rng, 0.3):
            said = f"{_thing_ko(first, 1, rng)} {where} 있다"
        else:
            there = f"{where} 있는" if _sometimes(rng, 0.7) else where
            said = f"{there} {_thing_ko(first, 0, rng)}"
    else:
        said = _thing_ko(first, 0, rng)
    if scene.background != "white" or _sometimes(rng, 0.2):
        ground = _one_of(_BACKGROUNDS_KO[scene.background], rng)
        said = f"{ground} {_one_of(('배경에', '배경의'), rng)} {said}"
    return said


def _thing_ko(thing: Thing, form: int, rng: random.Random | None) -> str:
    words = [_one_of(_COLOURS_KO[thing.colour], rng), _one_of(_SHAPES_KO[thing.shape], rng)[form]]
    if thing.size:
        words.insert(0, _one_of(_SIZES["ko"][thing.size], rng))
    return " ".join(words)


def _one_of(ways: tuple[Way, ...], rng: random.Random | None) -> Way:
    if rng is None or rng.random() < 0.5:
        return ways[0]
    return rng.choice(ways)


def _sometimes(rng: random.Random | None, share: float) -> bool:
    return rng is not None and rng.random() < share
