"""Pictures for chat models that can see: which models those are, and what they are given."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import DureError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_SIDE = 1024  # pixels: what providers scale to; more only costs tokens
_MOST_PIXELS = 100_000_000  # of a file: beyond it, decoding would fill the memory
_SHOWN = 4  # pictures in one request
_SEES = re.compile(
    r"(?<![a-z])(?:gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-5|o3|o4|chatgpt-4o)"
    r"|vision|[-_.:]?vl(?![a-z])|llava|pixtral|moondream|minicpm-?v|internvl|gemma-?3(?!n|:1b|-1b|:270m|-270m)"
    r"|llama-?4|mistral-small-?3\.[12]|qwen-?3\.5|gemini|claude",
    re.IGNORECASE,
)
"""Models that are known to see by their name, where nothing else tells it."""


def sees_by_name(name: str) -> bool:
    """Whether a model of this name is known to take pictures."""
    return bool(_SEES.search(name))


def sees(model: BaseChatModel, name: str) -> bool:
    """Whether a chat model takes pictures: by LangChain's profile of it, else by its name."""
    profile: Any = getattr(model, "profile", None) or {}
    known = profile.get("image_inputs")
    return bool(known) if known is not None else sees_by_name(name)


async def blocks(pictures: Sequence[str]) -> list[dict[str, Any]]:
    """The pictures as LangChain's image blocks, scaled to what models look at.

    Raises `DureError` for a file that is no picture or too large to open.
    """
    return [await asyncio.to_thread(_block, Path(each).expanduser()) for each in pictures[:_SHOWN]]


def _block(path: Path) -> dict[str, Any]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise DureError(
                    f"{path} has {opened.width} x {opened.height} pixels, too many to show to a "
                    "model. Make it smaller first."
                )
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except DureError:
        raise
    except Exception as error:  # whatever a damaged file makes its decoder raise
        raise DureError(f"{path} is no picture that can be read ({error}). Name another.") from None
    image.thumbnail((_SIDE, _SIDE))
    png = io.BytesIO()
    image.save(png, "PNG")
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return {"type": "image", "base64": data, "mime_type": "image/png"}
