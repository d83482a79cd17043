"""The user's pictures, opened for a model, and its texts, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers import picture_files
from mcp_servers.clip.results import Unusable
from mcp_servers.decoding import Unreadable
from mcp_servers.errors import EngineError
from mcp_servers.retrieval.decoding import decoded

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 1024  # pixels; models see 224 to 512
MOST_PICTURES = 200  # in one call; more belong into an index
MOST_TEXTS = 10_000
_MOST_BYTES = 5_000_000  # of a file of texts
_LONGEST_TEXT = 10_000  # characters


def opened(path: Path) -> Image:
    """A picture, right side up, RGB, at most `LONGEST_SIDE` long. Raises `EngineError`."""
    if path.is_dir():
        raise EngineError(f"{path} is a folder. Name a picture, or index the folder and search it.")
    if not path.is_file():
        raise EngineError(f"There is no file {path}. Name a picture.")
    try:
        return picture_files.opened(path, LONGEST_SIDE)
    except Unreadable as reason:
        raise EngineError(f"{path.name}: {reason}") from None


def all_opened(paths: Sequence[Path]) -> tuple[list[Path], list[Image], list[Unusable]]:
    """Several pictures: paths and pictures of those that open, and what is wrong with the others.

    Raises `EngineError` where none opens.
    """
    if not paths:
        raise EngineError("No picture is given. Name at least one.")
    if len(paths) > MOST_PICTURES:
        raise EngineError(
            f"{len(paths):,} pictures are too many for one call (the limit is {MOST_PICTURES}). "
            "Index their folder and search it, or name fewer."
        )
    good: list[Path] = []
    pictures: list[Image] = []
    skipped: list[Unusable] = []
    for path in paths:
        try:
            pictures.append(opened(path))
        except EngineError as error:
            skipped.append({"picture": str(path), "reason": str(error)})
        else:
            good.append(path)
    if not good:
        raise EngineError(skipped[0]["reason"])
    return good, pictures, skipped


def lines_in(path: Path) -> list[str]:
    """The lines of a text file, empty ones left out. Raises `EngineError`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise EngineError(f"{path.name} has more than {_MOST_BYTES:,} bytes. Split it.")
        return [line for line in decoded(data).splitlines() if line.strip()]
    except OSError as error:
        raise EngineError(f"{path} cannot be read ({error.strerror}). Name a text file.") from None
    except Unreadable as reason:
        raise EngineError(f"{path.name}: {reason}") from None


def checked_texts(texts: Sequence[str], what: str, least: int = 1) -> list[str]:
    """Texts without the space around them. Raises `EngineError` for too few, empty or huge ones.

    `what` says what they are, as in "text" or "label".
    """
    found = [" ".join(text.split()) for text in texts]
    if len(found) < least:
        wanted = f"one {what}" if least == 1 else f"{least} {what}s"
        raise EngineError(f"Pass at least {wanted}.")
    if len(found) > MOST_TEXTS:
        raise EngineError(f"{len(found):,} {what}s are too many. Pass at most {MOST_TEXTS:,}.")
    for number, text in enumerate(found, 1):
        if not text:
            raise EngineError(f"The {what} number {number} is empty. Leave it out.")
        if len(text) > _LONGEST_TEXT:
            raise EngineError(
                f"The {what} number {number} has {len(text):,} characters; models read some 50 "
                f"words, and the limit is {_LONGEST_TEXT:,}. Shorten it."
            )
    return found
