"""The pictures of a document, each with the words that stand around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.picture_files import PICTURE_SUFFIXES, opened
from mcp_servers.retrieval.cleaning import composed, plain

if TYPE_CHECKING:
    from PIL.Image import Image

FIGURE_SUFFIXES = PICTURE_SUFFIXES | {".pdf", ".pptx", ".docx"}
LONGEST = 1024  # pixels that are kept of a picture
SMALLEST = 24  # pixels or points; smaller ones are bullets and icons
_CAPTION = 300  # characters
_AROUND = 400
_MARK = re.compile(
    r"\s*[\[<(]?\s*(?:그림|사진|도표|도식|차트|표|삽화|figure|fig\.|photo|image|chart|diagram|table|plate)"
    r"\s*[\d.A-Z-]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Figure:
    """A picture (RGB, at most `LONGEST` pixels a side) on a page (counted from 1; None without).

    `caption` is the best single line about it, `words` all that is said around it, caption
    included: what a search by words reads.
    """

    image: Image
    page: int | None
    caption: str
    words: str


@dataclass(frozen=True)
class Unusable:
    """A picture of a document that cannot be read, and why."""

    page: int | None
    reason: str


def figures_of(path: Path, each_page: Callable[[int, int], None]) -> Iterator[Figure | Unusable]:
    """The pictures of a file in reading order; none for kinds of files that hold none.

    `each_page(done, total)` is called before each page, and may raise to stop. Raises
    `Unreadable` for a file that cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        from mcp_servers.retrieval.pdf_figures import pdf_figures

        return pdf_figures(path, each_page)
    if suffix == ".pptx":
        from mcp_servers.retrieval.slide_figures import slide_figures

        return slide_figures(path, each_page)
    if suffix == ".docx":
        from mcp_servers.retrieval.word_figures import word_figures

        return word_figures(path, each_page)
    return _itself(path, each_page) if suffix in PICTURE_SUFFIXES else iter(())


def figure(image: Image, page: int | None, caption: str, around: list[str]) -> Figure | None:
    """A figure with its words cleaned; None for a picture too small, or of one colour alone."""
    if min(image.size) < SMALLEST or _is_plain(image):
        return None
    image.thumbnail((LONGEST, LONGEST))
    said = [flat(caption, _CAPTION), *(flat(text, _AROUND) for text in around)]
    words = "\n".join(dict.fromkeys(text for text in said if text))
    return Figure(image, page, said[0] or words.split("\n", 1)[0], words)


def _is_plain(image: Image) -> bool:
    """Whether every pixel of an RGB picture has the same colour."""
    return image.getcolors(1) is not None


def is_caption(line: str) -> bool:
    """Whether a line begins as captions do: Figure 3, 그림 2."""
    return bool(_MARK.match(line))


def flat(text: str, longest: int) -> str:
    """Text on one line, cut at a word where it is too long."""
    text = " ".join(plain(text).split())
    return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + "…"


def name_in_words(path: Path) -> str:
    """What a file is called, as words: `blue_circle-2.png` is "blue circle 2"."""
    stem = re.sub(r"[_\-.+]+", " ", composed(path.stem))
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem).strip()


def _itself(path: Path, each_page: Callable[[int, int], None]) -> Iterator[Figure]:
    """A file that is a picture, with its name and what its maker wrote into it."""
    each_page(0, 1)
    image = opened(path, LONGEST)
    found = figure(image, None, name_in_words(path), _written_inside(path))
    if found:
        yield found


def _written_inside(path: Path) -> list[str]:
    """Titles and descriptions in a PNG's text or a photograph's EXIF; a generated one's prompt."""
    import json

    from PIL import ExifTags, Image

    with Image.open(path) as image:
        given = {str(key).lower(): value for key, value in image.info.items()}
        described = image.getexif().get(ExifTags.Base.ImageDescription)
    info = {key: value for key, value in given.items() if isinstance(value, str)}
    texts = [info.get(key, "") for key in ("title", "description", "comment")]
    texts.append(described if isinstance(described, str) else "")
    settings = info.get("parameters", "")
    try:
        prompt = json.loads(settings)["prompt"]
        texts.append(prompt if isinstance(prompt, str) else "")
    except (ValueError, KeyError, TypeError):
        texts.append(settings)
    return texts
