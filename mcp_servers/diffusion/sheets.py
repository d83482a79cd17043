"""Several pictures side by side, as one that a chat can show."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from mcp_servers.diffusion.results import Picture

_WIDEST = 1024  # pixels
_GAP = 4


def sheet_of(made: Sequence[Picture]) -> bytes:
    """A single picture's own PNG, or a sheet of all, as nearly square as they go."""
    from PIL import Image

    if len(made) == 1:
        return Path(made[0]["picture"]).read_bytes()
    images = []
    for each in made:
        with Image.open(each["picture"]) as image:
            images.append(image.convert("RGB"))
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = (max(sides) + _GAP for sides in zip(*(i.size for i in images), strict=True))
    sheet = Image.new("RGB", (columns * width - _GAP, rows * height - _GAP), "white")
    for at, image in enumerate(images):
        sheet.paste(image, (at % columns * width, at // columns * height))
    sheet.thumbnail((_WIDEST, _WIDEST))
    png = io.BytesIO()
    sheet.save(png, "PNG")
    return png.getvalue()
