"""What is drawn of autoencoders: sheets of pictures in rows, and the curve of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcp_servers import pictures
from mcp_servers.picture_files import png_of

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE = 96  # pixels at least of a picture on a sheet
_GAP, _MARGIN, _FONT = 4, 110, 14
_LONGEST = 1600  # pixels of a sheet's sides; some clients take no answer of more than a megabyte


def sheet(rows: Sequence[Sequence[Image]], labels: Sequence[str]) -> bytes:
    """Rows of pictures of one size, each with its label on the left, as PNG."""
    from PIL import Image, ImageDraw, ImageFont

    longest = max(len(row) for row in rows)
    side = rows[0][0].width
    tile = side * max(1, -(-_TILE // side))
    font = ImageFont.truetype(str(pictures.packaged_font()), _FONT)
    size = (_MARGIN + longest * (tile + _GAP), len(rows) * (tile + _GAP) + _GAP)
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = _GAP + number * (tile + _GAP)
        pen.text((_GAP, top + tile // 2 - _FONT // 2), label, "black", font)
        for at, image in enumerate(row):
            large = image.convert("RGB").resize((tile, tile), Image.Resampling.NEAREST)
            whole.paste(large, (_MARGIN + at * (tile + _GAP), top))
    whole.thumbnail((_LONGEST, _LONGEST))
    return png_of(whole)


def wrapped(images: Sequence[Image], columns: int) -> list[list[Image]]:
    """Pictures in rows of so many."""
    return [list(images[at : at + columns]) for at in range(0, len(images), columns)]


def curve(rows: Sequence[dict[str, Any]], name: str, baseline: float) -> bytes:
    """Squared error and KL over the steps, of training and of the held-out part, as PNG."""
    with pictures.drawing() as family:
        figure = pictures.new_figure(10, 4)
        steps = [row["step"] for row in rows]
        panels = (("error", "squared error a number"), ("kl", "KL divergence (nats)"))
        for axes, (key, label) in zip(figure.subplots(1, 2), panels, strict=True):
            axes.plot(steps, [row[key] for row in rows], lw=1, alpha=0.7, label="training")
            held_out = [row[f"held_out_{key}"] for row in rows]
            axes.plot(steps, held_out, lw=2, marker="o", ms=3, label="held out")
            if key == "error":
                axes.axhline(baseline, color="grey", ls="--", lw=1, label="mean picture")
            axes.set_xlabel("step")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.suptitle(pictures.short(name, 64), fontfamily=family, parse_math=False)
        return pictures.png_of(figure)
