"""Pictures that others made, opened with care: any common format, right side up, RGB."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.decoding import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
)
MAX_PIXELS = 100_000_000  # 300 MB once it is open
# Only these parsers: Pillow would hand PostScript to a program of its own.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def opened(source: Path | bytes, longest: int) -> Image:
    """The picture as RGB on white, its longer side at most `longest` pixels.

    Of an animation the first frame. Raises `Unreadable`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(
                source if isinstance(source, Path) else io.BytesIO(source), "r", _FORMATS
            ) as image,
        ):
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(
                    f"The picture has {image.width:,} x {image.height:,} pixels, which is too much "
                    f"(the limit is {MAX_PIXELS:,}). Make it smaller."
                )
            image.draft("RGB", (longest, longest))  # a JPEG is decoded no finer than needed
            whole = ImageOps.exif_transpose(image)
            whole.thumbnail((longest, longest))
            return on_white(whole)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise Unreadable(
            "The file is no picture that can be read, or too large a one. Save it as PNG or JPEG."
        ) from None
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise Unreadable(f"The picture is broken ({reason}). Save it again.") from None


def on_white(image: Image) -> Image:
    """A picture without transparency: what shines through is white."""
    from PIL import Image

    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def png_of(image: Image) -> bytes:
    """A picture as PNG."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
