"""What stands where on a slide, groups opened: boxes in the slide's own measure, and colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Box = tuple[float, float, float, float]
"""Left, top, width and height in EMU."""
Colour = tuple[int, int, int]

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_ALIASES = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}


@dataclass(frozen=True)
class Placed:
    """A shape of python-pptx that is no group, and its box on the slide."""

    shape: Any
    box: Box

    @property
    def geometry(self) -> str:
        """The preset's name as the format has it (`ellipse`, `star5`), or an empty string."""
        found = self.shape._element.find(f".//{_A}prstGeom")
        return "" if found is None else str(found.get("prst", ""))

    @property
    def description(self) -> str:
        """The alternative text that its author gave it."""
        named = self.shape._element.find(f"./*/{_P}cNvPr")
        return "" if named is None else str(named.get("descr") or named.get("title") or "")


def placed(shapes: Any) -> Iterator[Placed]:
    """All shapes of a slide from back to front; those without a box are left out."""
    yield from _placed(shapes, lambda box: box)


def _placed(shapes: Any, to_slide: Callable[[Box], Box]) -> Iterator[Placed]:
    from pptx.enum.shapes import MSO_SHAPE_TYPE

    for shape in shapes:
        box = shape.left, shape.top, shape.width, shape.height
        if None in box:
            continue
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _placed(shape.shapes, _within(shape, to_slide))
        else:
            yield Placed(shape, to_slide(box))


def _within(group: Any, to_slide: Callable[[Box], Box]) -> Callable[[Box], Box]:
    """From a group's inner measure to the slide's."""
    frame = group._element.find(f"{_P}grpSpPr/{_A}xfrm")
    inner = [
        frame.find(f"{_A}{name}") if frame is not None else None for name in ("chOff", "chExt")
    ]
    offset, extent = inner
    if offset is None or extent is None:
        return to_slide
    x, y = int(offset.get("x")), int(offset.get("y"))
    across = group.width / (int(extent.get("cx")) or 1)
    down = group.height / (int(extent.get("cy")) or 1)

    def outside(box: Box) -> Box:
        left = group.left + (box[0] - x) * across
        top = group.top + (box[1] - y) * down
        return to_slide((left, top, box[2] * across, box[3] * down))

    return outside


class Palette:
    """A slide's colours: those of its theme by name."""

    def __init__(self, slide: Any) -> None:
        self._slide = slide
        self._theme: dict[str, Colour] = {}
        master = slide.slide_layout.slide_master.part
        for relation in master.rels.values():
            if relation.reltype.endswith("/theme"):
                self._theme = _theme_colours(relation.target_part.blob)

    def background(self) -> Colour:
        """The slide's, else its layout's or master's; white where that is no plain colour."""
        layout = self._slide.slide_layout
        for part in (self._slide, layout, layout.slide_master):
            fill = part._element.find(f"{_P}cSld/{_P}bg/{_P}bgPr/{_A}solidFill")
            if fill is not None:
                return self._colour(fill) or (255, 255, 255)
        return 255, 255, 255

    def fill(self, shape: Any) -> Colour | None:
        """What a shape is filled with: its own colour, else its style's; None for no plain one."""
        return self._of(shape, "fillRef", f"{_P}spPr")

    def line(self, shape: Any) -> Colour | None:
        """The colour of a shape's outline, or None."""
        return self._of(shape, "lnRef", f"{_P}spPr/{_A}ln")

    def _of(self, shape: Any, reference: str, path: str) -> Colour | None:
        own = shape._element.find(path)
        if own is not None:
            if own.find(f"{_A}noFill") is not None:
                return None
            if (fill := own.find(f"{_A}solidFill")) is not None:
                return self._colour(fill)
        styled = shape._element.find(f"{_P}style/{_A}{reference}")
        if styled is None or styled.get("idx") == "0":
            return None
        return self._colour(styled)

    def _colour(self, holder: Any) -> Colour | None:
        for child in holder:
            value = child.get("lastClr") or child.get("val") or ""
            if child.tag == f"{_A}schemeClr":
                return self._theme.get(_ALIASES.get(value, value))
            if found := _rgb(value):
                return found
        return None


def _theme_colours(xml: bytes) -> dict[str, Colour]:
    from pptx.oxml import parse_xml  # which resolves no entity

    scheme = parse_xml(xml).find(f".//{_A}clrScheme")
    colours: dict[str, Colour] = {}
    for named in scheme if scheme is not None else ():
        for value in named:
            if colour := _rgb(value.get("lastClr") or value.get("val") or ""):
                colours[named.tag.removeprefix(_A)] = colour
    return colours


def _rgb(value: str) -> Colour | None:
    try:
        red, green, blue = bytes.fromhex(value)
    except ValueError:
        return None
    return red, green, blue
