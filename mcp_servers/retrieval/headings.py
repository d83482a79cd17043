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
# A line of its own with a line of marks below it, as setext and reStructuredText have it.
_UNDERLINED_IN = frozenset({".md", ".markdown", ".rst"})
_UNDERLINED = re.compile(
    r"^([ \t]*)(?!#{1,6}\s|[-*+]\s|[<>|])(\S.*)\n([=\-~^\"'#*+:.`_])\3{2,}[ \t]*$", re.MULTILINE
)
# Korean laws, contracts and rules: "제1장 총칙", "제3조(정의) 이 법에서 ...", "제3조의2", "부칙".
_ARTICLE = re.compile(
    r"^[ \t]*(?:제 ?(?P<number>\d{1,4}) ?(?P<unit>[편장절관조])(?:의 ?(?P<branch>\d{1,3}))?"
    r"(?=[\s(（\[【〔①-⑳]|$)(?P<rest>.*)|부 ?칙(?:[ \t]*[<(\[].*)?[ \t]*$)",
    re.MULTILINE,
)
_BRACKET = re.compile(
    r"[ \t]*(?:[(（](?:[^()（）]|[(（][^()（）]*[)）])+[)）]|[\[【〔][^\]】〕]+[\]】〕])"
    r"(?=[\s①-⑳]|$)"
)
_REFERENCE = re.compile(r"제 ?\d+ ?[편장절관조항호]")
_REFERS = re.compile(rf"[ \t]*(?:및|또는|내지|부터|{_REFERENCE.pattern})")
_UNITS = "편장절관조"  # from the outermost; articles (조) are counted on through all the others
_BELOW_ALL = 10  # the level of the outermost of these
_SUPPLEMENT = _BELOW_ALL + 3  # of "부칙": over its articles, and closed by the next chapter
_IN_ARTICLES = 15  # added to the level of numbers that are counted below them
_LONGEST_ARTICLE = 40  # characters of a title that stands in no brackets
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
    """A document's headings: marked ones, or numbered ones ("2.1 Scope") that follow in turn.

    Articles ("제3조(정의)") stand below either.
    """
    pages = [page.text for page in document.pages]
    suffix = Path(document.source).suffix.lower()
    found = _marked(pages, of_slides=suffix == ".pptx") if suffix in _MARKDOWN else []
    if suffix in _UNDERLINED_IN:
        found += _underlined(pages, of_rst=suffix == ".rst")
    articles = _articles(pages)
    if not found:
        found = _numbered(pages)
        if articles and found and articles[0].place < found[0].place:  # "1.1" of article 1
            found = [replace(h, level=h.level + _IN_ARTICLES) for h in found]
    return Headings(sorted(found + articles, key=lambda heading: heading.place))


def _marked(pages: Sequence[str], of_slides: bool) -> list[_Heading]:
    """Markdown's headings; a slide without a title is not under the one before's."""
    found = [_Heading((page, 0), 1, "") for page in range(len(pages))] if of_slides else []
    for page, match in _lines(_MARKED, pages):
        title = re.sub(r"(?:^|(?<![ \t])[ \t]+)#+$", "", match[2].rstrip(" \t:"))
        found.append(_Heading((page, match.start()), len(match[1]), title[:_LONGEST]))
    return found


def _underlined(pages: Sequence[str], of_rst: bool) -> list[_Heading]:
    """Underlined headings: "=" over "-", or in reStructuredText as their marks first come."""
    levels = {} if of_rst else {("=", False): 1, ("-", False): 2}
    found = []
    for page, match in _lines(_UNDERLINED, pages):
        text, start, title, mark = pages[page], match.start(), match[2].rstrip(), match[3]
        above = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start].strip()
        kind = (mark, bool(above))
        if above.strip(mark) or (match[1] and not above) or not (of_rst or kind in levels):
            continue  # one of several lines, or a line of a quote
        if len(title) <= _LONGEST and re.search(r"\w", title) and title[-1] not in ".,;":
            level = levels.setdefault(kind, len(levels) + 1)
            found.append(_Heading((page, start), level, title.rstrip(" \t:")))
    return found


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


def _articles(pages: Sequence[str]) -> list[_Heading]:
    """Chapters and articles, "제3조(정의)", whose number is the next or, with a title, a later one.

    Some are left out of an excerpt; "제3조(정의)에 따라" and "제5조 및 제7조" only speak of them.
    A title that is a sentence is the article's text. "부칙", and an article 1 without a chapter
    before it, begin anew.
    """
    found: list[_Heading] = []
    last = dict.fromkeys(_UNITS, 0)
    titles = dict.fromkeys(_UNITS, "")
    opened = False  # whether a chapter has come since the last article
    skipped: tuple[int, _Heading] | None = None  # the article before a gap, and the one after it
    for page, match in _lines(_ARTICLE, pages):
        line, unit, rest = match[0], match["unit"], match["rest"] or ""
        place = (page, match.start() + len(line) - len(line.lstrip()))
        if not unit:
            last, titles = dict.fromkeys(_UNITS, 0), dict.fromkeys(_UNITS, "")
            skipped, opened = None, False
            found.append(_Heading(place, _BELOW_ALL, ""))
            found.append(_Heading(place, _SUPPLEMENT, line.strip()[:_LONGEST]))
            continue
        number, before, is_article = int(match["number"]), last[unit], unit == "조"
        bracket = _BRACKET.match(rest)
        after = rest[bracket.end() if bracket else 0 :]
        spoken_of = _REFERS.match(after) or (not bracket and re.match(r"\s*[(（\[【〔]", rest))
        if spoken_of or _LEADERS.search(rest):
            continue
        head = line[: len(line) - len(rest)].strip()
        short = len(rest) <= _LONGEST_ARTICLE and _is_title(head + rest)
        named = bool(bracket) or not rest.strip() or (short and not _REFERENCE.search(rest))
        title = head + (rest[: bracket.end()] if bracket else rest if named else "")
        title = re.sub(r"\s+", " ", title.strip())[:_LONGEST]
        turn = number == (before if match["branch"] else before + 1)
        after_gap = is_article and skipped and number == skipped[0] + 1
        first = number == 1 and (bracket or not is_article or opened or not before)
        later = named and number > before and (bracket is not None or not is_article)
        if not (turn or first or later or after_gap):
            continue
        if not is_article and (not named or title == titles[unit]):
            continue  # a sentence, or a running head
        heading = _Heading(place, _BELOW_ALL + _UNITS.index(unit), title)
        if is_article:
            if after_gap and skipped and not turn:
                found.remove(skipped[1])  # that one was only spoken of
            if first and before and not opened:
                found.append(_Heading(place, _BELOW_ALL, ""))
            skipped = (before, heading) if later and not (turn or after_gap) else None
        opened = not is_article
        found.append(heading)
        last[unit], titles[unit] = number, title
        last |= dict.fromkeys(_UNITS[_UNITS.index(unit) + 1 : -1], 0)
    return found if len(found) > 1 else []


def _lines(pattern: re.Pattern[str], pages: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Matches outside of tables and code, with their page."""
    for page, text in enumerate(pages):
        for (start, end), prose in blocks(text):
            for match in pattern.finditer(text, start, end) if prose else ():
                yield page, match
