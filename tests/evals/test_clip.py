"""When a caption is true of a drawing, and the pool in which each is true of one alone."""

from __future__ import annotations

import random

import pytest

from evals.caption_truth import true_of, unambiguous
from evals.clip import labels, single_things
from mcp_servers.drawings.scenes import Scene, Thing, is_held_out, random_scene
from mcp_servers.drawings.truth import describes

CIRCLE = Thing("circle", "red", None, 0.2, 0.5, 0.12)
BIG = Thing("circle", "red", "big", 0.7, 0.5, 0.22)
STAR = Thing("star", "blue", None, 0.8, 0.5, 0.12)


@pytest.mark.parametrize(
    ("said", "drawn", "true"),
    [
        (Scene((CIRCLE,)), Scene((CIRCLE,), "black"), True),  # white goes unsaid
        (Scene((CIRCLE,), "black"), Scene((CIRCLE,)), False),
        (Scene((CIRCLE,)), Scene((CIRCLE, STAR), relation="left of"), True),
        (Scene((STAR,)), Scene((CIRCLE,)), False),
        (Scene((BIG,)), Scene((CIRCLE,)), False),
        (Scene((CIRCLE,)), Scene((BIG,)), True),  # no size is said
        (Scene((CIRCLE,), place="left"), Scene((CIRCLE,)), True),  # where it is, said or not
        (Scene((CIRCLE,), place="left"), Scene((BIG,)), False),
        (Scene((CIRCLE, BIG)), Scene((CIRCLE,)), False),  # two red circles
        (Scene((CIRCLE,)), Scene((CIRCLE, BIG)), True),
        (Scene((CIRCLE, STAR), relation="left of"), Scene((STAR, CIRCLE), relation="and"), True),
        (Scene((CIRCLE, STAR), relation="above"), Scene((CIRCLE, STAR), relation="and"), False),
        (Scene((CIRCLE, STAR), relation="and"), Scene((STAR, CIRCLE), relation="right of"), True),
    ],
)
def test_a_caption_is_true_of_what_shows_all_that_it_says(
    said: Scene, drawn: Scene, true: bool
) -> None:
    assert describes(said, drawn) is true


def test_every_caption_is_true_of_its_own_drawing() -> None:
    rng = random.Random(1)
    assert all(describes(scene, scene) for scene in (random_scene(rng) for _ in range(500)))


def test_in_the_pool_each_caption_is_true_of_one_picture() -> None:
    pool = unambiguous(60, random.Random(2))
    assert set(true_of(pool)) == {1}
    assert all(is_held_out(scene) for scene in pool)
    assert {scene.relation is None for scene in pool} == {True, False}


def test_classes_are_those_of_the_pictures_in_both_languages() -> None:
    scenes = single_things(50, random.Random(3))
    for language, word in (("en", "orange star"), ("ko", "주황색 별")):
        known = labels(language)  # type: ignore[arg-type]
        assert len(set(known.values())) == 48
        assert known["orange", "star"] == word
        assert {(s.things[0].colour, s.things[0].shape) for s in scenes} <= set(known)
