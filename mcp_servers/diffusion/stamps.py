"""PNG files that tell how they were made: their settings as JSON in the text `parameters`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from PIL.Image import Image

_KEY = "parameters"


def stamped(image: Image, settings: Mapping[str, Any]) -> bytes:
    """The picture as PNG with its settings in an iTXt chunk, which holds any language."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt(_KEY, json.dumps(settings, ensure_ascii=False))
    png = io.BytesIO()
    image.save(png, "PNG", pnginfo=text)
    return png.getvalue()


def settings_in(path: Path) -> tuple[dict[str, Any], str]:
    """The settings in a PNG, and the text that they are.

    A text of another program is given as it is, with empty settings. Raises `EngineError` for a
    file that is no PNG or that says nothing.
    """
    from PIL import Image

    if not path.is_file():
        raise EngineError(f"There is no file {path}. Name a PNG that was generated.")
    try:
        with Image.open(path, "r", ("PNG",)) as image:
            image.load()  # text may stand after the pixels
            said = getattr(image, "text", {}).get(_KEY, "")
    except Exception:  # whatever a damaged file makes its parser raise
        raise EngineError(f"{path} is no PNG that can be read. Name one that was generated.") from (
            None
        )
    if not said:
        raise EngineError(
            f"{path} says nothing of how it was made: it was not generated, or an editor took "
            "the text out. Name the original."
        )
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    return (found if isinstance(found, dict) else {}), str(said)
