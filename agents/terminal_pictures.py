"""Pictures in the terminal: by kitty's protocol or as sixels where it can, else in half blocks."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_MOST = 4  # pictures of one answer
_WIDTH, _HEIGHT = 60, 20  # cells that one may take
_SMALL = 128  # pixels
_MOST_PIXELS = 100_000_000  # more would fill the memory only to be made small


def can_show(console: Console) -> bool:
    """Whether pictures are shown: on a terminal, unless its user wants neither colour nor show.

    What the terminal can do is asked of itself, so its keyboard must be ours too.
    """
    return (
        console.is_terminal
        and "NO_COLOR" not in os.environ
        and os.environ.get("TERM") != "dumb"
        and sys.__stdin__ is not None
        and sys.__stdin__.isatty()
        and sys.__stdout__ is not None
        and sys.__stdout__.isatty()
    )


def show(console: Console, pictures: Sequence[str]) -> None:
    """Show the first picture files that can be read; the text beside them tells their paths."""
    if not can_show(console):
        return
    known = [Path(each) for each in pictures if Path(each).suffix.lower() in SUFFIXES]
    for path in known[:_MOST]:
        if (picture := _renderable(path, console)) is not None:
            console.print(picture)


def _renderable(path: Path, console: Console) -> Any:
    """The picture as large as its share of the terminal; None for a file that cannot be read."""
    from PIL import Image

    logging.getLogger("textual_image").addHandler(logging.NullHandler())  # it guesses sizes aloud
    from textual_image.renderable import Image as Shown

    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            image = opened.convert("RGB")
    except Exception:  # whatever a damaged file makes its decoder raise
        return None
    width, height = min(_WIDTH, console.width - 1), min(_HEIGHT, console.height - 4)
    # A cell is twice as high as wide; the side that is too long for its share decides.
    fitting = min(width, round(2 * height * image.width / image.height))
    if image.width <= _SMALL:  # pixels of a small one stay squares
        image = image.resize((image.width * 8, image.height * 8), Image.Resampling.NEAREST)
    return Shown(image, width=max(1, fitting), height="auto")
