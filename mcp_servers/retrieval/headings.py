"""The headings over each place of a document, which say what a chunk cut from it is about.

"max_steps=100" is found for a question about Gemma only by those who know that it stands in the
chapter on Gemma: a chunk is searched together with the titles of its chapter and sections.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from mcp_servers.retrieval.chunking import blocks
from mcp_servers.retrieval.files import Document

# What these are read into marks headings with "#"; elsewhere that begins a comment.
_MARKDOWN = frozenset({".md", ".markdown", ".docx", ".pptx", ".html", ".htm", ".xhtml"})
_MARKED = re.compile(r"^(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
_NUMBERED = re.compile(
    r"^(\d{1,2}(?:\.|(?:\.\d{1,2})+\.?|(?=[ \t]+[A-Z가-힣])))[ \t]+(\S.*)$", re.MULTILINE
)
_LEADERS = re.compile(r"(?:[.·…]\s?){3,}|\t\d+$")  # of a table of contents
_LONGEST = 80  # characters of a title
_WORDS = 6  # of a chapter's title without a dot: "2 Methods", and no line of a paragraph

Place = tuple[int, int]
"""A page, counted from 0, and a character in it."""
_Number = tuple[int, ...]


@dataclass(frozen=True)
class _Heading:
    place: Place
    level: int
    title: str


class Headings:
    """A document's headings, in order, each with the titles over it."""

    def __init__(self, found: Iterable[_Heading]) -> None:
        self._places: list[Place] = []
        self._open: list[list[_Heading]] = []  # from the outermost to its own
        open_: list[_Heading] = []
        for heading in found:
            open_ = [outer for outer in open_ if outer.level < heading.level] + [heading]
            self._places.append(heading.place)
            self._open.append(open_)

    def over(self, page: int, start: int, end: int) -> list[str]:
        """The titles over most of a span, from the outermost, without those that stand in it."""
        first = bisect_right(self._places, (page, start)) - 1
        last = bisect_left(self._places, (page, end)) - 1
        edges = [start, *(self._places[at][1] for at in range(first + 1, last + 1)), end]
        lengths = [after - before for before, after in pairwise(edges)]
        at = first + lengths.index(max(lengths))
        if at < 0:
            return []
        return [h.title for h in self._open[at] if h.title and h.place < (page, start)]


def headings_of(document: Document) -> Headings:
    """A document's headings: Markdown's, or numbered ones ("2.1 Scope") that follow in turn."""
    pages = [page.text for page in document.pages]
    suffix = Path(document.source).suffix.lower()
    marked = _marked(pages, of_slides=suffix == ".pptx") if suffix in _MARKDOWN else []
    return Headings(marked or _numbered(pages))


def _marked(pages: Sequence[str], of_slides: bool) -> list[_Heading]:
    """Markdown's headings; a slide without a title is not under the one before's."""
    found = [_Heading((page, 0), 1, "") for page in range(len(pages))] if of_slides else []
    for page, match in _lines(_MARKED, pages):
        title = re.sub(r"(?:^|[ \t]+)#+$", "", match[2].rstrip(" \t:"))
        found.append(_Heading((page, match.start()), len(match[1]), title[:_LONGEST]))
    return sorted(found, key=lambda heading: heading.place)


def _numbered(pages: Sequence[str]) -> list[_Heading]:
    """Lines like "2.1 Scope" whose number is the next, and the chapters ("2. Methods") over them.

    "2. Methods" may as well be an item of a list. It is a chapter where 2.1 is the next heading,
    or where it is chapter 2's turn and no "1. ..." stands since the heading before.
    """
    found: list[_Heading] = []
    before: _Number = (0,)
    single: dict[int, _Heading] = {}  # the last line of each single number since the last heading
    for number, heading in _numbered_lines(pages):
        chapter = number[0]
        opens = number[1:] == (1,) and chapter != before[0] and chapter in single
        in_list = len(number) == 1 and before[0] in single
        if in_list or not _is_title(heading.title) or not (opens or _follows(number, before)):
            if len(number) == 1:
                single[chapter] = heading
            continue
        if opens and _is_title(single[chapter].title):
            found.append(single[chapter])
        elif len(number) > 1 and chapter != before[0]:
            found.append(replace(heading, level=1, title=""))  # not under the chapter before
        found.append(heading)
        before, single = number, {}
    return found if any(heading.level > 1 for heading in found) else []


def _follows(number: _Number, before: _Number) -> bool:
    """Whether a number is the next: 2.2.1 or 2.3 or 3 after 2.2, and 3.1 where 3 has no line."""
    *outer, own = number
    if own == 1 and outer:
        return tuple(outer) == before or number == (before[0] + 1, 1)
    return before[: len(number)] == (*outer, own - 1)


def _is_title(text: str) -> bool:
    """Whether a line is no sentence, paragraph, row of numbers or entry of a table of contents."""
    if len(text) > _LONGEST or text.endswith((".", ",", ";")) or _LEADERS.search(text):
        return False
    return bool(re.search(r"[^\W\d_]{2}", text))


def _numbered_lines(pages: Sequence[str]) -> Iterator[tuple[_Number, _Heading]]:
    for page, match in _lines(_NUMBERED, pages):
        number = tuple(int(part) for part in match[1].split(".") if part)
        if 0 in number or ("." not in match[1] and len(match[2].split()) > _WORDS):
            continue
        yield number, _Heading((page, match.start()), len(number), match[2].rstrip(" \t:"))


def _lines(pattern: re.Pattern[str], pages: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Matches outside of tables and code, with their page."""
    for page, text in enumerate(pages):
        for (start, end), prose in blocks(text):
            for match in pattern.finditer(text, start, end) if prose else ():
                yield page, match
