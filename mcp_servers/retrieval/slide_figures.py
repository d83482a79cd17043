"""The pictures of a PowerPoint file, and drawings on its slides, with title, text, alt text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mcp_servers.picture_files import opened
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.figures import LONGEST, Figure, Unusable, figure, name_in_words
from mcp_servers.retrieval.office import broken, check_office
from mcp_servers.retrieval.slide_drawing import SlideDrawing, picture_of
from mcp_servers.retrieval.slide_shapes import Palette, Placed, placed

_DRAWN_SHARE = 0.03  # of the slide's area that shapes must take to be a drawing


def slide_figures(path: Path, each_page: Callable[[int, int], None]) -> Iterator[Figure | Unusable]:
    """See `figures.figures_of`."""
    import pptx

    check_office(path, ".pptx")
    try:
        deck = pptx.Presentation(str(path))
        slides = list(deck.slides)
    except Exception as error:  # python-pptx meets damage in as many ways as there are parts
        raise broken(error, ".pptx") from None
    drawing = SlideDrawing(deck, 2 * LONGEST)
    for number, slide in enumerate(slides, 1):
        each_page(number - 1, len(slides))
        try:
            found = list(_of_slide(slide, number, drawing, name_in_words(path)))
        except Exception as error:
            found = [Unusable(number, str(broken(error, ".pptx")))]
        yield from found


def _of_slide(
    slide: Any, number: int, drawing: SlideDrawing, name: str
) -> Iterator[Figure | Unusable]:
    items = list(placed(slide.shapes))
    title = slide.shapes.title
    heading = title.text_frame.text if title is not None else ""
    texts = [
        item.shape.text_frame.text
        for item in items
        if item.shape.has_text_frame and (title is None or item.shape.shape_id != title.shape_id)
    ]
    said = [heading, " ".join(texts), name]
    for item in items:
        data = picture_of(item.shape)
        if data is None:
            continue
        try:
            image = opened(data, LONGEST)
        except Unreadable as reason:
            yield Unusable(number, str(reason))
            continue
        if found := figure(image, number, item.description or heading, said):
            yield found
    drawn = _drawn(slide, items, drawing)
    if drawn:
        described = " ".join(text for item in drawn if (text := item.description))
        image = drawing.part(slide, [item.box for item in drawn])
        if found := figure(image, number, described or heading, said):
            yield found


def _drawn(slide: Any, items: list[Placed], drawing: SlideDrawing) -> list[Placed]:
    """The filled or outlined shapes that make a drawing; boxes for text alone are none."""
    palette = Palette(slide)
    shapes = [
        item
        for item in items
        if not item.shape.is_placeholder
        and item.geometry
        and picture_of(item.shape) is None
        and (palette.fill(item.shape) or palette.line(item.shape))
    ]
    area = sum(item.box[2] * item.box[3] for item in shapes)
    return shapes if area > _DRAWN_SHARE * drawing.area else []
