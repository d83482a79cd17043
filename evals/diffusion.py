"""Diffusion: whether pictures show what unseen captions say, and how fast one is drawn.

Captions are of scenes that training never showed, half Korean and half English; rules on pixels
judge the pictures. Speed: our whole path, from settings to the file, against diffusers called
directly on the same pipeline in the same process, in turn.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import picture_rules
from evals.homes import own_home
from evals.picture_rules import Verdict
from evals.reports import share, shown
from mcp_servers import pictures
from mcp_servers.diffusion import settings
from mcp_servers.drawings.captions import Language, caption
from mcp_servers.drawings.scenes import BETWEEN_SIZES, Scene, random_scene

if TYPE_CHECKING:
    from PIL.Image import Image

_CAPTIONS, _STEPS, _SEED = 200, 25, 65
_TARGETS = {"colour": 0.95, "shape": 0.92, "position": 0.80}
_SECONDS, _SPEED = 3.0, 0.95
_TIMED = 10  # pictures each way
_LONGEST = 2048  # pixels of a picture
_COLUMNS, _SIDE, _LINES, _LETTERS = 10, 128, 3, 18  # of the contact sheet
_KINDS = ("two", "one", "two", "many", "one", "two", "one", "two", "many")


@dataclass(frozen=True)
class Case:
    """A scene and how it is said."""

    scene: Scene
    language: Language
    caption: str

    @property
    def placed(self) -> bool:
        """Whether the caption says where a thing is."""
        return bool(self.scene.place) or self.scene.relation not in (None, "and")


@dataclass(frozen=True)
class Judged:
    """What was drawn for a case; `size` is None where the caption gives none."""

    case: Case
    picture: Image
    verdict: Verdict
    size: bool | None

    @property
    def right(self) -> bool:
        """Whether all that the caption says is there."""
        seen = self.verdict
        good = seen.colour and seen.shape and seen.position and seen.background
        return good and self.size is not False


def cases_of(count: int, seed: int = _SEED) -> list[Case]:
    """Captions of held-out scenes in all their ways, Korean and English in turn.

    Of nine, three are of one thing, two of several of a kind, four of two with a relation.
    """
    rng = random.Random(seed)
    found: list[Case] = []
    while len(found) < count:
        scene = random_scene(rng, held_out=True)
        if _kind(scene) == _KINDS[len(found) % len(_KINDS)]:
            language: Language = "en" if len(found) % 2 else "ko"
            found.append(Case(scene, language, caption(scene, language, rng)))
    return found


def _kind(scene: Scene) -> str:
    return "many" if scene.many else "two" if scene.relation else "one"


def judged(case: Case, picture: Image) -> Judged:
    """Rules on pixels against the scene, its sizes too."""
    seen, _ = picture_rules.look(picture)
    sizes = [
        (thing.size == "big") == (found.radius > BETWEEN_SIZES)
        for thing in case.scene.things
        for found in seen
        if thing.size and (thing.shape, thing.colour) == (found.shape, found.colour)
    ]
    said = any(thing.size for thing in case.scene.things)
    verdict = picture_rules.judge(picture, case.scene)
    return Judged(case, picture, verdict, (bool(sizes) and all(sizes)) if said else None)


def main(model: str, limit: int | None) -> bool:
    """`limit` is the number of captions. True if all targets are met."""
    sheet = pictures.folder() / "diffusion-eval.png"  # in the user's own folder, to be looked at
    found = []
    with own_home():
        draw = _drawer(model)
        began = time.perf_counter()
        draw(Case(random_scene(random.Random(0)), "en", "a red circle"), 0)
        print(
            f"first picture, with loading torch and the model: {time.perf_counter() - began:.2f} s"
        )
        cases = cases_of(limit or _CAPTIONS)
        for at in shown(range(len(cases)), "drawing"):
            found.append(judged(cases[at], draw(cases[at], _SEED + at)))
        quick = _speed(model)
    pictures.keep(contact_sheet(found), sheet.name)
    good = _report(found)
    print(f"all pictures, the wrong ones framed in red: {sheet}")
    return good and quick


def _drawer(model: str) -> Callable[[Case, int], Image]:
    """Draws a case's picture from a seed, by the way that the tools go."""
    from mcp_servers.diffusion import generating
    from mcp_servers.picture_files import opened

    def draw(case: Case, seed: int) -> Image:
        asked = settings.of({"prompt": case.caption, "steps": _STEPS, "seed": seed, "model": model})
        made = generating.drawn(asked, pictures.new_stem("eval"), lambda done, total, said: None)
        return opened(Path(made["pictures"][0]["picture"]), _LONGEST)

    return draw


def _report(found: Sequence[Judged]) -> bool:
    """Print the table by what the captions hold; True if the three targets are met."""
    placed = [each for each in found if each.case.placed]
    counted = [each for each in found if each.case.scene.many]
    sized = [each for each in found if each.size is not None]
    rows: list[tuple[str, Sequence[Judged], Callable[[Judged], bool]]] = [
        ("colour", found, lambda each: each.verdict.colour),
        ("shape", found, lambda each: each.verdict.shape),
        ("position", placed, lambda each: each.verdict.position),
        ("count", counted, lambda each: each.verdict.position),
        ("size", sized, lambda each: bool(each.size)),
        ("background", found, lambda each: each.verdict.background),
        ("all at once", found, lambda each: each.right),
    ]
    good = True
    for name, judged_by, is_right in rows:
        if not judged_by:
            continue
        right = sum(map(is_right, judged_by))
        target = _TARGETS.get(name)
        aim = f", target {100 * target:.0f}%" if target else ""
        good &= target is None or right / len(judged_by) >= target
        print(f"{name:<12}{share(right, len(judged_by))}{aim}")
    for language in ("ko", "en"):
        own = [each for each in found if each.case.language == language]
        print(f"all, {language:<7}{share(sum(each.right for each in own), len(own))}")
    for each in found:
        if not each.right:
            print(f"wrong: {each.case.caption} ({_wrong(each)})", file=sys.stderr)
    return good


def _wrong(each: Judged) -> str:
    seen = each.verdict
    parts = {
        "colour": seen.colour,
        "shape": seen.shape,
        "position": seen.position,
        "background": seen.background,
        "size": each.size is not False,
    }
    return ", ".join(name for name, right in parts.items() if not right)


def _speed(model: str) -> bool:
    """Seconds of a picture, and our speed over that of the bare pipeline."""
    from mcp_servers.diffusion import loading
    from mcp_servers.torch_runtime import torch

    loaded = loading.load(model)
    draw = _drawer(model)
    case = Case(random_scene(random.Random(0)), "en", "a red circle left of a blue square")

    def bare() -> object:
        return loaded.pipeline(
            case.caption,
            num_inference_steps=_STEPS,
            generator=torch.Generator("cpu").manual_seed(1),
        )

    ours, theirs = [], []
    for _ in range(_TIMED):
        ours.append(_seconds(lambda: draw(case, 1)))
        theirs.append(_seconds(bare))
    took, ratio = statistics.median(ours), statistics.median(theirs) / statistics.median(ours)
    print(
        f"one picture of {_STEPS} steps: {took:.2f} s, target {_SECONDS:g}; diffusers called "
        f"directly {statistics.median(theirs):.2f} s; speed ratio {ratio:.3f}, target {_SPEED:g}"
    )
    return took < _SECONDS and ratio >= _SPEED


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def contact_sheet(found: Sequence[Judged]) -> bytes:
    """All pictures with their captions as one PNG; what is wrong is framed and named in red."""
    from PIL import Image, ImageDraw, ImageFont

    from mcp_servers.picture_files import png_of

    font = ImageFont.truetype(str(pictures.packaged_font()), 11)
    width, height = _SIDE + 16, _SIDE + 16 + 14 * (_LINES + 1)
    rows = -(-len(found) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for at, each in enumerate(found):
        left, top = at % _COLUMNS * width + 8, at // _COLUMNS * height + 8
        shown_as = each.picture.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        edge = "lightgray" if each.right else "red"
        pen.rectangle((left - 3, top - 3, left + _SIDE + 2, top + _SIDE + 2), fill=edge)
        sheet.paste(shown_as, (left, top))
        lines = _wrapped(each.case.caption)
        for number, line in enumerate(lines):
            pen.text((left, top + _SIDE + 5 + 14 * number), line, "black", font)
        if not each.right:
            pen.text((left, top + _SIDE + 5 + 14 * len(lines)), _wrong(each), "red", font)
    return png_of(sheet)


def _wrapped(text: str) -> list[str]:
    """The caption in lines that fit below its picture; Hangul is as wide as two letters."""
    lines, widths = [""], 0
    for word in text.split():
        wide = sum(2 if ord(letter) > 0x1100 else 1 for letter in word) + 1
        if widths + wide > _LETTERS * 1.4 and lines[-1]:
            lines.append("")
            widths = 0
        lines[-1] = f"{lines[-1]} {word}".strip()
        widths += wide
    return lines[:_LINES]
