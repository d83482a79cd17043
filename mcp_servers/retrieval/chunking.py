"""Pages into chunks: by structure first, then by size at sentence boundaries (chapter 11.3.4).

A chunk is a slice of its page, so its text is verbatim there; it never crosses a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from mcp_servers.errors import EngineError

CHUNK_SIZE = 500  # characters, the textbook's chunk_size
OVERLAP = 100  # characters, the textbook's chunk_overlap
# Below this share of the size a heading does not start a new chunk: a heading with one line under
# it would be found for every word of the heading and say nothing.
_SMALLEST_SECTION = 0.4
_SIZES = {"characters": (50, 8000), "tokens": (32, 8192)}
# Counts up when the same sizes give other chunks or headings, so that an index is not left mixed.
_RULES = 4
_LONGEST_TOKEN = 16  # characters; a text longer than so many times its tokens needs no counting
_LONGEST_WHOLE = 30_000  # characters of a table row or of code that may still stay whole

_ARTICLE = r"제 ?\d+ ?[편장절관조]"  # or chapter, of Korean laws
_BOUNDARY = re.compile(
    r"(?<!\d)(?:[.!?…。！？][\"'”’)\]]*\s+)+"  # a sentence's end; "1. Title" and "3.5" are none
    r"|\n\s*\n\s*"  # a paragraph's end
    r"|\n(?=[ \t]*(?:#{1,6}\s|[-*+•▸▪●|]\s?|\d+(?:\.\d+)*[.)]?\s"
    rf"|{_ARTICLE}(?:의 ?\d|[\s(（\[【〔]|$)))"  # before an item or a heading
)
_HEADING = re.compile(
    r"#{1,6}\s|\d+(?:\.\d+)+\.?\s\S.{0,70}$"
    r"|\S.{0,78}[^\s.,:;!?。]\n(?:={3,}|-{3,}|~{3,})[ \t]*$"  # underlined
    rf"|{_ARTICLE}(?:의 ?\d+)?"  # "제3조(정의)", and no "제3조 및 제5조"
    r"(?:[ \t]*[(（\[【〔].{1,60}?[)）\]】〕](?=[\s①-⑳]|$)(?![ \t]*(?:및|또는|내지|부터))"
    r"|[ \t](?!.*제 ?\d+ ?[편장절관조항]).{0,40}$|$)",
    re.MULTILINE,
)
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_EMOJI_MARKS = "\ufe0e\ufe0f🏻🏼🏽🏾🏿"  # variation selectors and skin colours
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

Unit = Literal["characters", "tokens"]
Span = tuple[int, int]
Fits = Callable[[str], bool]
Length = Callable[[str], int]


@dataclass(frozen=True)
class Chunking:
    """How large chunks are and how much of the one before they repeat, both in `unit`.

    Tokens are those of the embedder in use. Raises `EngineError` for sizes that make no sense.
    """

    size: int = CHUNK_SIZE
    overlap: int = OVERLAP
    unit: Unit = "characters"

    def __post_init__(self) -> None:
        if self.unit not in _SIZES:
            raise EngineError(f"chunk_unit is characters or tokens, not {self.unit!r}.")
        least, most = _SIZES[self.unit]
        if not least <= self.size <= most:
            raise EngineError(
                f"chunk_size goes from {least} to {most:,} {self.unit}, not {self.size}. "
                f"The default is {CHUNK_SIZE} characters."
            )
        if not 0 <= self.overlap <= self.size // 2:
            raise EngineError(
                f"chunk_overlap goes from 0 to half of chunk_size ({self.size // 2}), not "
                f"{self.overlap}. Choose a smaller one."
            )

    def recorded(self) -> str:
        """As an index and its documents record it."""
        return f"{self.size}/{self.overlap} {self.unit}, rules {_RULES}"

    @classmethod
    def parsed(cls, recorded: str) -> Chunking:
        """What `recorded` wrote; the default for an index that has no record."""
        found = re.match(r"(\d+)/(\d+) (characters|tokens)", recorded)
        if not found:
            return cls()
        unit: Unit = "tokens" if found[3] == "tokens" else "characters"
        return cls(int(found[1]), int(found[2]), unit)


@dataclass(frozen=True)
class _Piece:
    """What is not cut any further: a sentence, a table row, a code block, or a part of one."""

    start: int
    end: int
    prose: bool


class _Measure:
    """Lengths of slices of one page, in the chunking's unit."""

    def __init__(self, text: str, chunking: Chunking, fits: Fits, length: Length) -> None:
        self.text, self.chunking, self.fits = text, chunking, fits
        self._length = length
        widest = _LONGEST_TOKEN if chunking.unit == "tokens" else 1
        self.reach = chunking.size * widest  # no chunk has more characters

    def is_chunk(self, start: int, end: int) -> bool:
        """Whether a slice is small enough for a chunk, and for the embedder."""
        if end - start > self.reach:
            return False
        return self.of(start, end) <= self.chunking.size and self.fits(self.text[start:end])

    def of(self, start: int, end: int) -> int:
        """A slice's length."""
        if self.chunking.unit == "characters":
            return end - start
        return self._length(self.text[start:end])


def chunk_spans(
    text: str, fits: Fits, chunking: Chunking | None = None, tokens: Length = len
) -> list[Span]:
    """Where each chunk of a page starts and ends (characters), in order.

    Chunks hold whole sentences up to the chunking's size, begin with up to its overlap of the
    sentences before, and start afresh at headings: marked, underlined and numbered ones, and the
    articles of Korean laws. A sentence that is itself too long is cut at a line end, else at a
    space, else anywhere. A row of a Markdown table and a fenced code block are cut only where the
    embedder cannot take them whole.

    `fits(text)` says whether the embedder takes a text without cutting it off, `tokens(text)` how
    many tokens it makes of it (used where the unit is tokens). Every character but blanks and
    rules ("----") is in some chunk.
    """
    measure = _Measure(text, chunking or Chunking(), fits, tokens)
    pieces = [piece for span, prose in blocks(text) for piece in _pieces(measure, span, prose)]
    headings = {p.start for p in pieces if p.prose and _HEADING.match(text, p.start)}
    section = _SMALLEST_SECTION * measure.chunking.size
    spans: list[Span] = []
    first = 0
    while first < len(pieces):
        start = pieces[first].start
        stop = first + 1
        while stop < len(pieces) and measure.is_chunk(start, pieces[stop].end):
            begins = pieces[stop].start in headings
            if begins and measure.of(start, pieces[stop - 1].end) >= section:
                break
            stop += 1
        spans.append((start, pieces[stop - 1].end))
        first = _next_first(measure, pieces, first, stop, headings)
    return [span for span in spans if re.search(r"\w", text[slice(*span)])]


def _next_first(
    measure: _Measure, pieces: list[_Piece], first: int, stop: int, headings: set[int]
) -> int:
    """The piece that begins the next chunk: `stop`, or an earlier one to overlap."""
    if stop == len(pieces) or pieces[stop].start in headings:
        return stop
    following = stop
    while (
        following - 1 > first
        and pieces[following - 1].prose  # a row or code that is found twice says nothing new
        and measure.of(pieces[following - 1].start, pieces[stop - 1].end)
        <= measure.chunking.overlap
        # An overlap that leaves no room for the next sentence would repeat and add nothing.
        and measure.is_chunk(pieces[following - 1].start, pieces[stop].end)
    ):
        following -= 1
    return following


def blocks(text: str) -> Iterator[tuple[Span, bool]]:
    """Table rows, fenced code blocks and what lies between, in order; whether each is prose.

    A fence that is never closed is prose: PDF text has stray ones.
    """
    prose = at = 0
    never_closed: dict[str, int] = {}  # of each mark, the shortest fence that has no end
    while at < len(text):
        end = _line_end(text, at)
        block = 0
        fence = _FENCE.match(text, at, end)
        if fence and len(fence[1]) < never_closed.get(fence[1][0], len(fence[1]) + 1):
            block = _fence_end(text, end, fence[1])
            if not block:
                never_closed[fence[1][0]] = len(fence[1])
        elif _ROW.match(text, at, end - 1 if text[end - 1] == "\n" else end):
            block = end
        if block:
            yield (prose, at), True
            yield (at, block), False
            prose = end = block
        at = end
    yield (prose, len(text)), True


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _fence_end(text: str, at: int, fence: str) -> int:
    """Where the line ends that closes a fence, or 0."""
    closing = re.compile(rf"^ {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
    found = closing.search(text, at)
    return _line_end(text, found.end()) if found else 0


def _sentences(text: str, span: Span) -> Iterator[Span]:
    """Spans between boundaries, without the blanks around them."""
    start, end = span
    for boundary in _BOUNDARY.finditer(text, start, end):
        yield from _stripped(text, start, boundary.end())
        start = boundary.end()
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _pieces(measure: _Measure, span: Span, prose: bool) -> Iterator[_Piece]:
    """A block as pieces that are small enough, or that stay whole."""
    text = measure.text
    if prose:
        for sentence in _sentences(text, span):
            yield from (_Piece(*cut, True) for cut in _cut(measure, sentence))
        return
    for start, end in _stripped(text, *span):
        if end - start <= _LONGEST_WHOLE and measure.fits(text[start:end]):
            yield _Piece(start, end, False)
        else:
            yield from (_Piece(*cut, False) for cut in _cut(measure, (start, end)))


def _cut(measure: _Measure, span: Span) -> Iterator[Span]:
    """A span whole if it is small enough, else cut so that each part is."""
    text = measure.text
    start, end = span
    reach = measure.reach
    while not measure.is_chunk(start, end):
        cut = start + reach
        if cut < end:
            half = start + reach // 2
            at = text.rfind("\n", half, cut)
            at = at if at > 0 else text.rfind(" ", half, cut)
            cut = at + 1 if at > 0 else _between_characters(text, start, cut)
        if reach > 1 and (cut >= end or not measure.is_chunk(start, cut)):
            reach = reach * 3 // 4
            continue
        yield from _stripped(text, start, cut)
        start, reach = cut, measure.reach
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _between_characters(text: str, start: int, cut: int) -> int:
    """The cut, or a little before it where it would part a mark from what it belongs to."""
    at = cut
    while at > start + 1 and (unicodedata.combining(text[at]) or text[at] in _EMOJI_MARKS):
        at -= 1
    return at if at > start + 1 else cut
