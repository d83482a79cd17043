"""Several pictures side by side, as one that a chat can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mcp_servers.picture_files import png_of

_LONGEST = 768  # pixels; some clients take no answer of more than a megabyte
_GAP = 4


def sheet_of(paths: Sequence[Path]) -> bytes:
    """A single picture, or a sheet of all, as nearly square as they go, as PNG."""
    from PIL import Image

    images = []
    for path in paths:
        with Image.open(path) as opened:
            images.append(opened.convert("RGB"))
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = (max(sides) + _GAP for sides in zip(*(i.size for i in images), strict=True))
    sheet = Image.new("RGB", (columns * width - _GAP, rows * height - _GAP), "white")
    for at, image in enumerate(images):
        sheet.paste(image, (at % columns * width, at // columns * height))
    sheet.thumbnail((_LONGEST, _LONGEST))
    return png_of(sheet)
