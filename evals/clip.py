"""CLIP: zero-shot classes and retrieval on drawings that training never showed, in both languages.

Retrieval is from text to picture, in a pool in which each caption is true of exactly one picture
(`evals.caption_truth`); else "a red circle" would rightly find another one's.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evals.caption_truth import true_of, unambiguous
from evals.homes import own_home
from evals.reports import share
from evals.startup import tools_list
from mcp_servers.catalog import SERVERS
from mcp_servers.drawings.captions import Language, caption
from mcp_servers.drawings.painting import paint
from mcp_servers.drawings.scenes import COLOURS, SHAPES, Scene, Thing, random_scene

if TYPE_CHECKING:
    from mcp_servers.clip.models import Clip, Floats
    from mcp_servers.clip.store import Store

_SEED = 65
_PICTURES, _POOL = 1000, 500
_LANGUAGES: tuple[Language, ...] = ("en", "ko")
_ZERO_SHOT, _RECALL, _GAP, _LIST_SECONDS = 0.95, 0.90, 0.03, 0.7
_STORED, _ASKED, _MILLISECONDS = 50_000, 100, 20.0  # vectors, searches, the median's target
_PIECE = 5000  # vectors written at once
_WIDEST = 768  # dimensions of the largest usual CLIPs


def main(model: str, limit: int | None) -> bool:
    """`limit` is the most pictures, or vectors, of each part. True if all targets are met."""
    from mcp_servers.clip import models

    with own_home():
        clip = models.load(model)
        good = _zero_shot(clip, min(limit or _PICTURES, _PICTURES))
        good &= _retrieval(clip, min(limit or _POOL, _POOL))
        good &= _search(clip, min(limit or _STORED, _STORED))
        seconds = tools_list(SERVERS["clip"])
        print(f"tools/list after {seconds:.2f} s, target {_LIST_SECONDS:g}")
    return good and seconds < _LIST_SECONDS


def single_things(count: int, rng: random.Random) -> list[Scene]:
    """Unseen scenes of one thing, of any size, at any place, on any background."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = random_scene(rng, held_out=True)
        if len(scene.things) == 1:
            scenes.append(scene)
    return scenes


def labels(language: Language) -> dict[tuple[str, str], str]:
    """Every (colour, shape) in words, as "red circle": 48 classes."""
    return {
        (colour, shape): caption(
            Scene((Thing(shape, colour, None, 0.5, 0.5, 0.2),)), language
        ).removeprefix("a ").removeprefix("an ")
        for colour in COLOURS
        for shape in SHAPES
    }  # fmt: skip


def _zero_shot(clip: Clip, count: int) -> bool:
    from mcp_servers.clip import comparing, templates

    scenes = single_things(count, random.Random(_SEED))
    seen = _seen(clip, scenes)
    right: dict[Language, int] = {}
    for language in _LANGUAGES:
        known = labels(language)
        texts = list(known.values())
        vectors = comparing.label_vectors(
            clip, texts, [templates.usual(text, clip.source) for text in texts]
        )
        kinds = list(known)
        guesses = (seen @ vectors.T).argmax(axis=1)
        right[language] = sum(
            kinds[at] == (scene.things[0].colour, scene.things[0].shape)
            for at, scene in zip(guesses, scenes, strict=True)
        )
    return _report(f"zero-shot, {len(kinds)} classes", right, count, _ZERO_SHOT)


def _retrieval(clip: Clip, count: int) -> bool:
    scenes = unambiguous(count, random.Random(_SEED + 1))
    assert set(true_of(scenes)) == {1}
    seen = _seen(clip, scenes)
    right: dict[Language, int] = {}
    by_kind: dict[str, list[bool]] = {}
    for language in _LANGUAGES:
        said = clip.text_vectors([caption(scene, language) for scene in scenes])
        hits = [own == at for own, at in enumerate((said @ seen.T).argmax(axis=1))]
        right[language] = sum(hits)
        for scene, hit in zip(scenes, hits, strict=True):
            by_kind.setdefault(_kind(scene), []).append(hit)
    good = _report(f"text to picture, recall@1 of {count}", right, count, _RECALL)
    for kind, kinds_hits in sorted(by_kind.items()):
        print(f"  {kind}: {share(sum(kinds_hits), len(kinds_hits))}")
    return good


def _search(clip: Clip, count: int) -> bool:
    """Milliseconds of a search in an index of so many random vectors, its query embedded.

    Beside it the vectors alone, for the widest usual model.
    """
    import numpy as np

    from mcp_servers.clip import searching

    own = clip.text_vectors(["a red circle"]).shape[1]
    store = _filled(clip.name, clip.identity, count, own)
    rng = random.Random(_SEED)
    texts = [caption(random_scene(rng), _LANGUAGES[at % 2]) for at in range(_ASKED)]
    whole = _median(lambda at: searching.search(store, texts[at], None, 10, lambda said: None))
    wide = _filled("wide", "wide", count, _WIDEST).snapshot()
    query = np.full(_WIDEST, _WIDEST**-0.5, np.float32)
    alone = _median(lambda at: searching.nearest(wide, query, 10))
    print(
        f"search of {count:,} pictures by {own} numbers each: p50 {whole:.1f} ms with the query's "
        f"embedding, target {_MILLISECONDS:g}; by {_WIDEST} numbers, the vectors alone: "
        f"{alone:.1f} ms"
    )
    return whole < _MILLISECONDS


def _filled(model: str, identity: str, count: int, dimension: int) -> Store:
    """A new index of so many random vectors."""
    import numpy as np

    from mcp_servers.clip.store import File, Store

    store = Store(f"eval-{dimension}")
    with store.writing_alone():
        store.create()
    store.reset(model, identity, dimension)
    generator = np.random.default_rng(_SEED)
    for start in range(0, count, _PIECE):
        rows = range(start, min(start + _PIECE, count))
        vectors = generator.normal(size=(len(rows), dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store.add([(File(f"/{row}.png", 1, 1), str(row)) for row in rows], vectors)
    return store


def _median(search: Callable[[int], object]) -> float:
    """Milliseconds of a search, a first one apart."""
    search(0)
    seconds = []
    for at in range(_ASKED):
        began = time.perf_counter()
        search(at)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def _kind(scene: Scene) -> str:
    """What the caption says, for the table; both languages count."""
    if scene.many:
        return "several of a kind"
    if scene.relation:
        return "two, how they lie" if scene.relation != "and" else "two"
    return "one, where it is" if scene.place else "one"


def _seen(clip: Clip, scenes: Sequence[Scene]) -> Floats:
    return clip.picture_vectors([paint(scene) for scene in scenes])


def _report(what: str, right: dict[Language, int], count: int, target: float) -> bool:
    """Print both languages; True if both reach the target and Korean is near English."""
    for language, hits in right.items():
        print(f"{what}, {language}: {share(hits, count)}, target {100 * target:.0f}%")
    behind = (right["en"] - right["ko"]) / count
    print(f"  Korean behind English by {100 * behind:.1f} points, target {100 * _GAP:.0f} at most")
    return min(right.values()) >= target * count and behind <= _GAP
