"""The text of a PowerPoint file, slide by slide: titles, text, tables, then the notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mcp_servers.retrieval.cleaning import plain
from mcp_servers.retrieval.decoding import MAX_CHARACTERS, NoText, Unreadable
from mcp_servers.retrieval.office import broken, check_office
from mcp_servers.retrieval.tables import table_text

_ROW_HEIGHT = 100_000  # EMU, a tenth of an inch: what stands nearly level is read left to right


def read_pptx(path: Path, each_page: Callable[[int, int], None]) -> list[str]:
    """The text of every slide, in order; empty strings for slides without text.

    `each_page(done, total)` is called before each slide, and may raise to stop. Raises
    `Unreadable`.
    """
    import pptx

    check_office(path, ".pptx")
    try:
        slides = list(pptx.Presentation(str(path)).slides)
    except Exception as error:  # python-pptx meets damage in as many ways as there are parts
        raise broken(error, ".pptx") from None
    pages: list[str] = []
    for number, slide in enumerate(slides):
        each_page(number, len(slides))
        try:
            # "\v" is a line break here.
            pages.append(plain("\n\n".join(_slide(slide)).replace("\v", "\n")))
        except Exception as error:
            raise broken(error, ".pptx") from None
        if sum(map(len, pages)) > MAX_CHARACTERS:
            raise Unreadable(f"The file holds more than {MAX_CHARACTERS:,} characters. Split it.")
    if not any(re.search(r"\w", page) for page in pages):
        reason = "The PowerPoint file has no text, only pictures. Nothing can be found."
        raise NoText(reason, len(pages))
    return pages


def _slide(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield f"# {' '.join(title.text_frame.text.split())}"
    for shape in _in_reading_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        if frame is not None and frame.text.strip():
            yield frame.text.strip()


def _in_reading_order(shapes: Any) -> list[Any]:
    def place(shape: Any) -> tuple[int, int]:
        return (shape.top or 0) // _ROW_HEIGHT, shape.left or 0

    return sorted(shapes, key=place)


def _shape(shape: Any) -> Iterator[str]:
    from pptx.enum.shapes import MSO_SHAPE_TYPE

    if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
        for inner in _in_reading_order(shape.shapes):
            yield from _shape(inner)
    elif getattr(shape, "has_table", False):
        text = table_text([[cell.text for cell in row.cells] for row in shape.table.rows])
        if text:
            yield text
    elif shape.has_text_frame and shape.text_frame.text.strip():
        paragraphs = [p for p in shape.text_frame.paragraphs if p.text.strip()]
        # Bodies of slides are lists whether or not their bullets are drawn.
        mark = "- " if len(paragraphs) > 1 else ""
        yield "\n".join(f"{'  ' * p.level}{mark}{p.text.strip()}" for p in paragraphs)
