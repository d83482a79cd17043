"""Pictures that engines draw: a font with Hangul, one drawing at a time, PNG files kept whole."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
# Figures share matplotlib's font cache, which does not promise to bear several threads.
_drawing = threading.Lock()


@contextlib.contextmanager
def drawing() -> Iterator[list[str]]:
    """Hold the pen, and know the font families to name (`fontfamily=`), one with Hangul."""
    with _drawing:
        yield ["DejaVu Sans", _hangul_family()]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def save(png: bytes, kind: str) -> Path:
    """Keep a picture under `DURE_HOME/pictures`; a reader or a crash never sees half of it."""
    return keep(png, f"{new_stem(kind)}.png")


def new_stem(kind: str) -> str:
    """A name that no other picture has: its kind, the time and something random."""
    return f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"


def keep(png: bytes, name: str) -> Path:
    """Keep a picture under that name, in place of an earlier one. Raises `EngineError`."""
    target = folder() / name
    aside = target.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        aside.write_bytes(png)
        return aside.replace(target)
    except OSError as error:
        raise EngineError(
            f"The picture cannot be written to {target.parent} ({error.strerror}). Make room "
            "there, or set DURE_HOME to a folder that you can write."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def folder() -> Path:
    """Where pictures are kept."""
    found = dure_home() / "pictures"
    found.mkdir(exist_ok=True)
    return found


def short(label: str, longest: int = 16) -> str:
    """A label on one line, cut where it is too long for an axis."""
    flat = " ".join(label.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


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
