"""The figures of a PDF: bitmaps and drawings alike, as the page shows them, with their captions.

A PDF knows no figures, only objects. Those that touch are one figure; lines alone (tables,
underlines), frames around text and grounds of whole pages are none. A figure is cut out of the
drawn page, so that pictures in strips, masks and turned pages come out as a reader sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.figures import SMALLEST, Figure, Unusable, figure, flat, is_caption
from mcp_servers.retrieval.figures import name_in_words as _named
from mcp_servers.retrieval.pdf_drawing import drawn, opened_pdf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Box = tuple[float, float, float, float]
"""Left, bottom, right and top in points."""

_PIXELS = 1800  # of a page that figures are cut from
_CELL = 4.0  # points: objects in neighbouring cells touch
_RULE = 2.5  # points; thinner paths are lines
_GROUND = 0.85  # of the page's area: what covers so much lies behind its text
_LETTER = 50.0  # square points that a letter takes
_TEXT = 0.2  # a drawing with more of its area in letters is a frame around text
_SCAN = 80  # letters: a page of fewer that one picture covers is a scan
_NEAR = 90.0  # points above and below a figure in which its words stand
_GAP = 15.0  # points between words of one line; columns stand further apart
_MANY_OBJECTS = 20_000  # of a page: a map is looked at no further
_MARGIN = 3.0  # points around a figure
_LONE_DOT = re.compile(r"^[.\s]+|\s\.(?=\s|$)")  # what is left of a line that ends in two runs


@dataclass
class _Object:
    box: Box
    bitmap: bool
    rule: bool
    shaped: bool


def pdf_figures(path: Path, each_page: Callable[[int, int], None]) -> Iterator[Figure | Unusable]:
    """See `figures.figures_of`."""
    with opened_pdf(path) as document:
        total = len(document)
        for at in range(total):
            each_page(at, total)
            page = document[at]
            try:
                yield from _of_page(page, at + 1, _named(path))
            except Unreadable as reason:
                yield Unusable(at + 1, str(reason))
            finally:
                page.close()


def _of_page(page: Any, number: int, name: str) -> Iterator[Figure]:
    """Raises `Unreadable`."""
    import pypdfium2

    try:
        objects = _objects(page)
        if not any(not item.rule for item in objects):
            return
        text = page.get_textpage()
        boxes = _figure_boxes(page, objects, text)
        if not boxes:
            return
        runs = [text.get_rect(at) for at in range(text.count_rects())]
        image, converter = drawn(page, _PIXELS)
        for box in boxes:
            caption, around = _words(text, runs, box)
            found = figure(_cut(image, converter, box), number, caption, [*around, name])
            if found:
                yield found
    except pypdfium2.PdfiumError as error:
        raise Unreadable(f"The page's pictures cannot be read ({error}).") from None


def _objects(page: Any) -> list[_Object]:
    """Bitmaps, drawings and forms of a page; a form that is the whole page is looked into."""
    left, bottom, right, top = page.get_bbox()
    area = max(1.0, (right - left) * (top - bottom))

    def gather(form: Any, matrix: Any, depth: int) -> Iterator[_Object]:
        import pypdfium2.raw as pdfium

        kinds = (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE)
        for item in page.get_objects(max_depth=1, form=form):
            if item.type not in (*kinds, pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM):
                continue
            box = _moved(item.get_bounds(), matrix)
            box = max(box[0], left), max(box[1], bottom), min(box[2], right), min(box[3], top)
            width, height = box[2] - box[0], box[3] - box[1]
            if width <= 0 and height <= 0:
                continue
            whole = width * height > _GROUND * area
            if item.type == pdfium.FPDF_PAGEOBJ_FORM and whole and depth < 3:
                own = item.get_matrix()
                yield from gather(item, own.multiply(matrix) if matrix else own, depth + 1)
            elif item.type == pdfium.FPDF_PAGEOBJ_PATH:
                if not whole:
                    segments = pdfium.FPDFPath_CountSegments(item)
                    thin = min(width, height) < _RULE
                    yield _Object(box, bitmap=False, rule=thin, shaped=segments > 5)
            elif not (whole and item.type == pdfium.FPDF_PAGEOBJ_SHADING):
                yield _Object(box, bitmap=True, rule=False, shaped=True)

    found: list[_Object] = []
    for item in gather(None, None, 0):
        found.append(item)
        if len(found) > _MANY_OBJECTS:
            break
    return found


def _moved(box: Box, matrix: Any) -> Box:
    if matrix is None:
        return box
    corners = [matrix.on_point(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    return _around([(x, y, x, y) for x, y in corners])


def _figure_boxes(page: Any, objects: list[_Object], text: Any) -> list[Box]:
    """The boxes of objects that touch and make a figure, from top to bottom."""
    boxes = [box for box, parts in _touching(page, objects) if _is_figure(page, box, parts, text)]
    return sorted(boxes, key=lambda box: (-box[3], box[0]))


def _is_figure(page: Any, box: Box, parts: list[_Object], text: Any) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    if min(width, height) < SMALLEST:
        return False
    if any(part.bitmap for part in parts):
        left, bottom, right, top = page.get_bbox()
        is_ground = width * height > _GROUND * (right - left) * (top - bottom)
        return not is_ground or text.count_chars() < _SCAN
    bodies = [part for part in parts if not part.rule]
    if len(bodies) < 2 and not any(part.shaped for part in bodies):
        return False
    letters = len("".join(_text_in(text, box).split()))
    return letters * _LETTER < _TEXT * width * height


def _touching(page: Any, objects: list[_Object]) -> Iterator[tuple[Box, list[_Object]]]:
    """Groups of objects that overlap or nearly do, with the box of each group."""
    import numpy as np
    from scipy import ndimage

    left, bottom, right, top = page.get_bbox()
    rows, columns = int((top - bottom) / _CELL) + 2, int((right - left) / _CELL) + 2
    taken: NDArray[np.bool_] = np.zeros((rows, columns), bool)

    def cells(box: Box) -> tuple[int, int, int, int]:
        return (
            *(int((box[1] - bottom) / _CELL), int((box[3] - bottom) / _CELL) + 1),
            *(int((box[0] - left) / _CELL), int((box[2] - left) / _CELL) + 1),
        )

    for item in objects:
        low, high, first, last = cells(item.box)
        taken[low:high, first:last] = True
    labels, _ = ndimage.label(taken, structure=np.ones((3, 3)))
    groups: dict[int, list[_Object]] = {}
    for item in objects:
        low, _, first, _ = cells(item.box)
        groups.setdefault(int(labels[low, first]), []).append(item)
    for parts in groups.values():
        yield _around([part.box for part in parts]), parts


def _cut(image: Image, converter: Any, box: Box) -> Image:
    """A box of the page out of its picture, whichever way the page is turned."""
    left, bottom, right, top = box
    corners = [
        converter.to_bitmap(x, y)
        for x, y in ((left - _MARGIN, bottom - _MARGIN), (right + _MARGIN, top + _MARGIN))
    ]
    (x1, y1), (x2, y2) = corners
    low_x, high_x = max(0, min(x1, x2)), min(image.width, max(x1, x2))
    low_y, high_y = max(0, min(y1, y2)), min(image.height, max(y1, y2))
    return image.crop((low_x, low_y, max(high_x, low_x + 1), max(high_y, low_y + 1)))


def _words(text: Any, runs: list[Box], box: Box) -> tuple[str, list[str]]:
    """A figure's caption (an empty string if no line is one), and the words in and around it."""
    left, bottom, right, top = box
    below = _lines(text, runs, (left, bottom - _NEAR, right, bottom))
    above = _lines(text, runs, (left, top, right, top + _NEAR))
    inside = flat(_text_in(text, box), 200)
    for lines in (below, above[::-1]):
        for at, line in enumerate(lines[:4]):
            if is_caption(line):
                whole = lines[at : at + 3] if lines is below else [line]
                return " ".join(whole), [inside, " ".join(above[-3:]), " ".join(below[:4])]
    return "", [" ".join(above[-2:]), " ".join(below[:2]), inside]


def _lines(text: Any, runs: list[Box], zone: Box) -> list[str]:
    """The lines, whole, of which a part stands above or below within the zone, downwards."""
    left, bottom, right, top = zone
    started = [
        run for run in runs if run[0] < right and run[2] > left and bottom < _middle(run) < top
    ]
    lines: list[Box] = []
    for run in sorted(started, key=lambda run: -run[3]):
        line = run
        while grown := [other for other in runs if _goes_on(line, other)]:
            line = _around([line, *grown])
        if line not in lines:
            lines.append(line)
    found = (_LONE_DOT.sub("", " ".join(_text_in(text, line).split())) for line in lines)
    return [line for line in found if line]


def _goes_on(line: Box, run: Box) -> bool:
    """Whether a run of text belongs to a line and is not in it yet."""
    if run[0] >= line[0] and run[2] <= line[2]:
        return False
    gap = max(run[0] - line[2], line[0] - run[2])
    return line[1] < _middle(run) < line[3] and gap < _GAP


def _middle(run: Box) -> float:
    return (run[1] + run[3]) / 2


def _around(boxes: list[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _text_in(text: Any, box: Box) -> str:
    left, bottom, right, top = box
    return str(text.get_text_bounded(left, bottom, right, top))
