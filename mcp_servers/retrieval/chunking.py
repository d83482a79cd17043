"""Pages into chunks: by structure first, then by size at sentence boundaries (chapter 11.3.4).

A chunk is a slice of its page, so its text is verbatim there; it never crosses a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

CHUNK_SIZE = 500  # characters, the textbook's chunk_size
OVERLAP = 100  # characters, the textbook's chunk_overlap
# Below this a heading does not start a new chunk: a heading with one line under it would be
# found for every word of the heading and say nothing.
_SMALLEST_SECTION = 200

_BOUNDARY = re.compile(
    r"(?<!\d)(?:[.!?…。！？][\"'”’)\]]*\s+)+"  # a sentence's end; "1. Title" and "3.5" are none
    r"|\n\s*\n\s*"  # a paragraph's end
    r"|\n(?=[ \t]*(?:#{1,6}\s|[-*+•▸▪●|]\s?|\d+(?:\.\d+)*[.)]?\s))"  # before an item or a heading
)
_HEADING = re.compile(r"#{1,6}\s|\d+(?:\.\d+)+\.?\s\S.{0,70}$", re.MULTILINE)

Span = tuple[int, int]
Fits = Callable[[str], bool]


def chunk_spans(text: str, fits: Fits) -> list[Span]:
    """Where each chunk of a page starts and ends (characters), in order.

    Chunks hold whole sentences up to `CHUNK_SIZE` characters, begin with up to `OVERLAP`
    characters of the sentences before, and start afresh at Markdown and numbered headings. A
    sentence that is itself too long is cut at a line end, else at a space, else anywhere.
    `fits(text)` says whether the embedder takes a text without cutting it off. Every character
    but blanks and rules ("----") is in some chunk.
    """
    units = [piece for span in _sentences(text) for piece in _pieces(text, span, fits)]
    headings = {start for start, _ in units if _HEADING.match(text, start)}
    spans: list[Span] = []
    first = 0
    while first < len(units):
        start = units[first][0]
        stop = first + 1
        while stop < len(units) and _together(text, start, units[stop][1], fits):
            if units[stop][0] in headings and units[stop - 1][1] - start >= _SMALLEST_SECTION:
                break
            stop += 1
        spans.append((start, units[stop - 1][1]))
        first = _next_first(text, units, first, stop, headings, fits)
    return [span for span in spans if re.search(r"\w", text[slice(*span)])]


def _next_first(
    text: str, units: list[Span], first: int, stop: int, headings: set[int], fits: Fits
) -> int:
    """The unit that begins the next chunk: `stop`, or an earlier one to overlap."""
    if stop == len(units) or units[stop][0] in headings:
        return stop
    following = stop
    while (
        following - 1 > first
        and units[stop - 1][1] - units[following - 1][0] <= OVERLAP
        # An overlap that leaves no room for the next sentence would repeat and add nothing.
        and _together(text, units[following - 1][0], units[stop][1], fits)
    ):
        following -= 1
    return following


def _together(text: str, start: int, end: int, fits: Fits) -> bool:
    return end - start <= CHUNK_SIZE and fits(text[start:end])


def _sentences(text: str) -> Iterator[Span]:
    """Spans between boundaries, without the blanks around them."""
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        yield from _stripped(text, start, boundary.end())
        start = boundary.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _pieces(text: str, span: Span, fits: Fits) -> Iterator[Span]:
    """A span whole if it is small enough, else cut so that each piece is."""
    start, end = span
    size = CHUNK_SIZE
    while not _together(text, start, end, fits):
        cut = start + size
        if cut < end:
            half = start + size // 2
            at = max(text.rfind("\n", half, cut), text.rfind(" ", half, cut))
            cut = at + 1 if at > 0 else cut
        if cut >= end or not fits(text[start:cut]):
            size //= 2
            continue
        yield from _stripped(text, start, cut)
        start, size = cut, CHUNK_SIZE
        while start < end and text[start].isspace():
            start += 1
    yield start, end
