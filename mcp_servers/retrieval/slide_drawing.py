"""A slide drawn without LibreOffice: its pictures, plain shapes and text where they stand.

Fonts, charts, effects and what its layout adds are missing, and results say so.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.drawings.painting import outline
from mcp_servers.picture_files import opened
from mcp_servers.pictures import packaged_font
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.office import broken, check_office
from mcp_servers.retrieval.slide_shapes import Box, Colour, Palette, Placed, placed
from mcp_servers.retrieval.tables import table_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

_POINT = 12_700  # EMU
_WIDTH, _HEIGHT = 9_144_000, 6_858_000  # EMU of a slide whose file does not say
_SIZES = {True: 40.0, False: 20.0}  # points of a title, of other text, where none is given
_SMALLEST = 6
_OUTLINES = {"triangle": "triangle", "star5": "star", "heart": "heart"}
_OUTLINES |= {"plus": "cross", "mathPlus": "cross"}


def slide_drawn(path: Path, number: int, longest: int) -> Image:
    """One slide; `number` counts from 1 and is one of the file's. Raises `Unreadable`."""
    import pptx

    check_office(path, ".pptx")
    try:
        deck = pptx.Presentation(str(path))
        slide = deck.slides[number - 1]
        return SlideDrawing(deck, longest).draw(slide)
    except Exception as error:  # python-pptx meets damage in as many ways as there are parts
        raise broken(error, ".pptx") from None


class SlideDrawing:
    """Draws the slides of one file, `longest` pixels a side; `area` is in square EMU."""

    def __init__(self, deck: Any, longest: int) -> None:
        width, height = deck.slide_width or _WIDTH, deck.slide_height or _HEIGHT
        self.area = width * height
        self._scale = longest / max(width, height)
        self._size = max(1, round(width * self._scale)), max(1, round(height * self._scale))

    def part(self, slide: Any, boxes: Sequence[Box]) -> Image:
        """What stands in these boxes (in EMU), and between them."""
        ends = [(left + width, top + height) for left, top, width, height in boxes]
        edges = (
            *(min(box[0] for box in boxes), min(box[1] for box in boxes)),
            *(max(right for right, _ in ends), max(bottom for _, bottom in ends)),
        )
        left, top, right, bottom = (round(edge * self._scale) for edge in edges)
        across, down = self._size
        left, top = min(max(left, 0), across - 1), min(max(top, 0), down - 1)
        corners = (left, top, max(left + 1, min(right, across)), max(top + 1, min(bottom, down)))
        return self.draw(slide).crop(corners)

    def draw(self, slide: Any) -> Image:
        """The whole slide."""
        from PIL import Image, ImageDraw

        palette = Palette(slide)
        ground = palette.background()
        image = Image.new("RGB", self._size, ground)
        pen = ImageDraw.Draw(image)
        title = slide.shapes.title
        for item in placed(slide.shapes):
            self._shape(image, pen, item, palette)
            if text := _text(item.shape):
                is_title = title is not None and item.shape.shape_id == title.shape_id
                under = palette.fill(item.shape) or ground
                self._text(pen, self._pixels(item.box), text, _size(item.shape, is_title), under)
        return image

    def _pixels(self, box: Box) -> Box:
        left, top, width, height = box
        return left * self._scale, top * self._scale, width * self._scale, height * self._scale

    def _shape(self, image: Image, pen: ImageDraw, item: Placed, palette: Palette) -> None:
        left, top, width, height = self._pixels(item.box)
        if (picture := picture_of(item.shape)) is not None:
            try:
                shown = opened(picture, max(self._size))
            except Unreadable:
                return
            shown = shown.resize((max(1, round(width)), max(1, round(height))))
            image.paste(shown, (round(left), round(top)))
            return
        fill, line = palette.fill(item.shape), palette.line(item.shape)
        corners = (left, top, left + width, top + height)
        if item.geometry in ("line", "straightConnector1"):
            if item.shape._element.find(".//*[@flipV='1']") is not None:
                corners = (left, top + height, left + width, top)
            pen.line(corners, fill=line or (0, 0, 0), width=2)
        elif fill or line:
            _outlined(pen, item.geometry, corners, fill, line)

    def _text(self, pen: ImageDraw, box: Box, text: str, points: float, ground: Colour) -> None:
        """Text into its box, broken where the box ends, smaller until it fits."""
        left, top, width, height = box
        size = max(_SMALLEST, round(points * _POINT * self._scale))
        while True:
            font = font_of(size)
            lines = wrapped(text, font, width)
            if size <= _SMALLEST or len(lines) * size * 1.25 <= max(height, size * 1.25):
                break
            size -= max(1, size // 10)
        colour = (0, 0, 0) if sum(ground) > 3 * 110 else (255, 255, 255)
        pen.multiline_text((left, top), "\n".join(lines), fill=colour, font=font, spacing=size // 4)


def picture_of(shape: Any) -> bytes | None:
    """The bytes of a picture shape (or of a placeholder that holds one), else None."""
    try:
        return bytes(shape.image.blob)
    except (AttributeError, KeyError, ValueError):
        return None  # no picture, an empty placeholder, or one that is linked and not here


def _text(shape: Any) -> str:
    if getattr(shape, "has_table", False):
        return table_text([[cell.text for cell in row.cells] for row in shape.table.rows])
    return shape.text_frame.text.replace("\v", "\n").strip() if shape.has_text_frame else ""


def _size(shape: Any, is_title: bool) -> float:
    if shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            for run in paragraph.runs:
                if run.font.size:
                    return float(run.font.size.pt)
    return _SIZES[is_title]


def _outlined(
    pen: ImageDraw,
    geometry: str,
    corners: tuple[float, float, float, float],
    fill: Colour | None,
    line: Colour | None,
) -> None:
    left, top, right, bottom = corners
    across, down = (right - left) / 2, (bottom - top) / 2
    x, y = left + across, top + down
    if geometry == "ellipse":
        pen.ellipse(corners, fill, line)
    elif geometry == "roundRect":
        pen.rounded_rectangle(corners, min(across, down) / 3, fill, line)
    elif geometry == "diamond":
        pen.polygon([(x, top), (right, y), (x, bottom), (left, y)], fill, line)
    elif geometry in _OUTLINES:
        points = outline(_OUTLINES[geometry])  # type: ignore[arg-type]
        pen.polygon([(x + px * across, y + py * down) for px, py in points], fill, line)
    else:
        pen.rectangle(corners, fill, line)


def wrapped(text: str, font: FreeTypeFont, width: float) -> list[str]:
    """Text in lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


@functools.lru_cache(maxsize=32)
def font_of(size: int) -> FreeTypeFont:
    """A font with Hangul, `size` pixels high."""
    from PIL import ImageFont

    return ImageFont.truetype(packaged_font(), size)
