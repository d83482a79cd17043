"""The headings over each place of a document, which say what a chunk cut from it is about.

"max_steps=100" is found for a question about Gemma only by those who know that it stands in the
chapter on Gemma: a chunk is searched together with the titles of its chapter and sections.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_servers.retrieval.chunking import blocks
from mcp_servers.retrieval.files import Document

# What these are read into marks headings with "#"; elsewhere that begins a comment.
_MARKDOWN = frozenset({".md", ".markdown", ".docx", ".pptx", ".html", ".htm", ".xhtml"})
_MARKED = re.compile(r"^(#{1,6})[ \t]+(\S.*?)[ \t#]*$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d{1,2}(?:\.|(?:\.\d{1,2})+\.?))[ \t]+(\S.*)$", re.MULTILINE)
_LONGEST = 80  # characters of a title
_BETWEEN = " > "

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
        self._titles: list[list[str]] = []  # from the outermost to its own
        open_: list[_Heading] = []
        for heading in found:
            open_ = [outer for outer in open_ if outer.level < heading.level] + [heading]
            self._places.append(heading.place)
            self._titles.append([outer.title.rstrip(" :") for outer in open_])

    def trail(self, page: int, start: int) -> str:
        """The titles over a place: "Gemma-2B > Training", or an empty string.

        One that begins right there is not over it.
        """
        at = bisect_right(self._places, (page, start)) - 1
        if at < 0:
            return ""
        begins = self._places[at] == (page, start)
        return _BETWEEN.join(self._titles[at][:-1] if begins else self._titles[at])


def headings_of(document: Document) -> Headings:
    """A document's headings: Markdown's, or numbered ones ("2.1 Scope") that follow in turn."""
    pages = [page.text for page in document.pages]
    marked = Path(document.source).suffix.lower() in _MARKDOWN
    return Headings((_marked(pages) if marked else []) or _numbered(pages))


def _marked(pages: Sequence[str]) -> list[_Heading]:
    return [
        _Heading((page, match.start()), len(match[1]), match[2][:_LONGEST])
        for page, match in _lines(_MARKED, pages)
    ]


def _numbered(pages: Sequence[str]) -> list[_Heading]:
    """Lines like "2.1 Scope" that follow in turn, and the chapters ("2. Methods") over them.

    "2. Methods" may as well be an item of a list. It is a chapter where 2.1 is the next heading,
    or where it is chapter 2's turn and no "1. ..." stands since the heading before.
    """
    found: list[_Heading] = []
    known: set[_Number] = {(0,)}
    chapter = 0
    single: dict[int, _Heading] = {}  # the last line of each single number since the last heading
    for number, heading in _numbered_lines(pages):
        first = number[0]
        if len(number) == 1:
            if first != chapter + 1 or chapter in single or not _is_title(heading.title):
                single[first] = heading
                continue
        elif not _is_title(heading.title):
            continue
        elif number[-1] > 1:
            if (*number[:-1], number[-1] - 1) not in known:
                continue
        elif number[:-1] not in known or first != chapter:
            if len(number) > 2 or not (first in single or (first - 1,) in known):
                continue
            known.add((first,))
            if first in single and _is_title(single[first].title):
                found.append(single[first])
        found.append(heading)
        known.add(number)
        chapter, single = first, {}
    return found if any(heading.level > 1 for heading in found) else []


def _is_title(text: str) -> bool:
    """Whether a line is neither a sentence nor a paragraph."""
    return len(text) <= _LONGEST and not text.endswith((".", ",", ";"))


def _numbered_lines(pages: Sequence[str]) -> Iterator[tuple[_Number, _Heading]]:
    for page, match in _lines(_NUMBERED, pages):
        number = tuple(int(part) for part in match[1].split(".") if part)
        yield number, _Heading((page, match.start()), len(number), match[2])


def _lines(pattern: re.Pattern[str], pages: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Matches outside of tables and code, with their page."""
    for page, text in enumerate(pages):
        for (start, end), prose in blocks(text):
            for match in pattern.finditer(text, start, end) if prose else ():
                yield page, match
