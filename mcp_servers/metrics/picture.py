"""The picture of a confusion matrix: a PNG whose labels may be Korean."""

from __future__ import annotations

import functools
import importlib.metadata
import io
import os
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home

FONT_PACKAGE = "koreanize-matplotlib"  # carries NanumGothic (SIL Open Font License)

_SYSTEM_FONTS = (
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "NanumGothic",
    "NanumBarunGothic",
    "Noto Sans CJK KR",
    "Noto Sans KR",
)
_LONGEST_LABEL = 16
_WORDS = {
    "en": {"true": "True label", "predicted": "Predicted label"},
    "ko": {"true": "정답", "predicted": "예측"},
}
# Figures share matplotlib's font cache, which does not promise to bear several threads.
_drawing = threading.Lock()


def draw(
    labels: Sequence[str], matrix: Sequence[Sequence[int]], language: Literal["ko", "en"]
) -> bytes:
    """The matrix as a PNG: rows true, columns predicted, darker cells for larger counts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = len(labels)
    side = 2.6 + 0.5 * size  # inches
    names = [_short(label) for label in labels]
    words = _WORDS[language]
    highest = max(max(row) for row in matrix)
    with _drawing:
        family = ["DejaVu Sans", _hangul_family()]
        figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=max(highest, 1))
        # A label such as "$5" must not be read as a formula.
        text: dict[str, Any] = {"fontfamily": family, "parse_math": False}
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor", **text)
        axes.set_yticks(range(size), names, **text)
        axes.set_xlabel(words["predicted"], fontfamily=family)
        axes.set_ylabel(words["true"], fontfamily=family)
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                colour = "white" if 2 * count > highest else "black"
                axes.text(column, row, f"{count}", ha="center", va="center", size=9, color=colour)
        png = io.BytesIO()
        figure.savefig(png, format="png")
    return png.getvalue()


def save(png: bytes) -> Path:
    """Keep a picture under `DURE_HOME/pictures`; a reader or a crash never sees half of it."""
    folder = dure_home() / "pictures"
    folder.mkdir(exist_ok=True)
    name = f"confusion-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}.png"
    aside = folder / f".{name}.{os.getpid()}.tmp"
    try:
        aside.write_bytes(png)
        return aside.replace(folder / name)
    finally:
        aside.unlink(missing_ok=True)


@functools.cache
def _hangul_family() -> str:
    """A font family with Hangul: one that the system has, else the one that pip brought."""
    from matplotlib.font_manager import FontProperties, fontManager

    installed = set(fontManager.get_font_names())
    for family in _SYSTEM_FONTS:
        if family in installed:
            return family
    path = packaged_font()
    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()


def packaged_font() -> Path:
    """The packaged NanumGothic. The package is never imported: it would restyle all plots."""
    try:
        files = importlib.metadata.files(FONT_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "NanumGothic.ttf":
            return Path(str(file.locate()))
    raise EngineError(f"No font with Hangul is installed. Run pip install {FONT_PACKAGE}.")


def _short(label: str) -> str:
    flat = " ".join(label.split())
    return flat if len(flat) <= _LONGEST_LABEL else flat[: _LONGEST_LABEL - 1] + "…"
