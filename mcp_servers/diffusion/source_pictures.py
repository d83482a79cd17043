"""The user's picture and mask, made ready to be redrawn, and put back together afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers import picture_files
from mcp_servers.decoding import Unreadable
from mcp_servers.diffusion.model_names import Sizes
from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from PIL.Image import Image

_BOX = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")
_MARKED = 128  # brightness from which a mask's pixel is redrawn


@dataclass(frozen=True)
class Source:
    """A picture at the size that the model works in; with a mask, also as the result keeps it.

    `picture` and `mask` have the model's size; `whole` and `whole_mask` the result's.
    """

    picture: Image
    mask: Image | None
    whole: Image
    whole_mask: Image | None

    def finished(self, drawn: Image) -> Image:
        """What was drawn; of a masked picture, only inside the mask: all else stays as it was."""
        from PIL import Image

        if self.whole_mask is None:
            return drawn
        fitted = drawn.resize(self.whole.size, Image.Resampling.LANCZOS)
        return Image.composite(fitted, self.whole, self.whole_mask)


def opened(
    picture: str, mask: str | None, sizes: Sizes, width: int | None, height: int | None
) -> Source:
    """Read picture and mask (a path, or "left,top,right,bottom" in the picture's pixels).

    Without width and height the model works near its own size and keeps the picture's
    proportions, and what a mask leaves keeps the picture's size. Raises `EngineError`.
    """
    from PIL import Image

    whole = _read(picture)
    marked = None if mask is None else _mask(mask, whole)
    side = sizes.near(whole.size, width, height)
    if width or height:
        whole = whole.resize(side, Image.Resampling.LANCZOS)
        marked = marked and marked.resize(side, Image.Resampling.NEAREST)
    small = marked and marked.resize(side, Image.Resampling.NEAREST)
    if small and not small.getbbox():
        raise EngineError("The mask marks too little for the model to see. Mark a larger part.")
    return Source(whole.resize(side, Image.Resampling.LANCZOS), small, whole, marked)


def is_box(mask: str) -> bool:
    """Whether a mask is given as a box instead of a path."""
    return bool(_BOX.fullmatch(mask))


def _read(path: str) -> Image:
    if not Path(path).is_file():
        raise EngineError(f"There is no file {path}. Name a picture.")
    try:
        return picture_files.opened(Path(path), picture_files.MAX_PIXELS)
    except Unreadable as reason:
        raise EngineError(f"{Path(path).name}: {reason}") from None


def _mask(mask: str, whole: Image) -> Image:
    """Black and white, of the picture's size; white is redrawn. Raises `EngineError`."""
    from PIL import Image

    marked = Image.new("L", whole.size, 0)
    if box := _BOX.fullmatch(mask):
        left, top, right, bottom = map(int, box.groups())
        if not (left < min(right, whole.width) and top < min(bottom, whole.height)):
            raise EngineError(
                f"The box {mask} holds nothing of the picture, which is {whole.width} x "
                f"{whole.height}. Pass left,top,right,bottom in pixels, as 0,0,20,20."
            )
        marked.paste(255, (left, top, min(right, whole.width), min(bottom, whole.height)))
        return marked
    given = _read(mask).convert("L")
    if given.size != whole.size:
        given = given.resize(whole.size, Image.Resampling.NEAREST)
    marked = given.point([255 if level >= _MARKED else 0 for level in range(256)])
    if not marked.getbbox():
        raise EngineError(
            f"The mask {Path(mask).name} is black all over: paint white what is to be redrawn."
        )
    return marked
