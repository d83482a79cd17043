"""The text of a PDF, page by page, with the artefacts of its layout mended.

A PDF knows glyphs on lines, not paragraphs: pypdf gives the lines back as they were set. Lines
that were broken only because the column ended are joined again, so that a sentence can be found,
embedded and quoted whole; running heads ("Page 3 of 74") are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mcp_servers.retrieval.decoding import NoText
from mcp_servers.retrieval.pdf_pages import page_texts

# A line this much of the longest ones' width was broken by the margin. Korean breaks between
# words as Latin script does, so the last word's length is what is missing.
_FULL_LINE = 0.75
_NEW_ITEM = re.compile(
    r"\s|[-*+•▸▪●○■□◦·–—|#>]|\d+(?:\.\d+)*[.)]?\s|[①-⑳]|[가-하]\.\s|\([\w가-힣]{1,2}\)\s"
    r"|제 ?\d+ ?(?:[편장절관]\s|조(?:의 ?\d+)?[ ]?[(（\[【〔])|부 ?칙\s*$"
)
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*\s*$")
# Symbol fonts put their bullets where Unicode has none.
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_SPACES = re.compile(r"(?<=\S)[ \t]+")


def read_pdf(path: Path, each_page: Callable[[int, int], None]) -> list[str]:
    """The cleaned text of every page, in order; empty strings for pages without text.

    `each_page(done, total)` is called before each page, and may raise to stop. Raises
    `Unreadable` for a file that is broken, encrypted, too large, or has no text at all.
    """
    raw = [_PRIVATE.sub("•", text) for text in page_texts(path, each_page)]
    pages = mended(raw)
    if not any(re.search(r"\w", page) for page in pages):
        raise NoText(
            "The PDF has no text, only pictures (a scan?). Make its text readable first, "
            "for example with `ocrmypdf -l kor+eng`.",
            len(pages),
        )
    return pages


def mended(pages: list[str]) -> list[str]:
    """Pages without running heads, each paragraph's broken lines joined."""
    running = _running_lines(pages)
    lined = [_without(page.split("\n"), running) for page in pages]
    widths = sorted(_width(line.rstrip()) for lines in lined for line in lines if line.strip())
    if not widths:
        return ["" for _ in pages]
    # The 95th percentile, so that one endless line of code does not set the measure.
    full = widths[int(0.95 * (len(widths) - 1))] * _FULL_LINE
    broken = [line for lines in lined for line in lines if _width(line.rstrip()) >= full]
    # Producers that write the space before a line's end write none where they cut a word.
    spaced = sum(line.endswith(" ") for line in broken) > len(broken) / 2
    return [_joined(lines, full, spaced) for lines in lined]


def _joined(lines: list[str], full: float, spaced: bool) -> str:
    out: list[str] = []
    open_line = False
    for line in lines:
        text = _SPACES.sub(" ", line).rstrip()
        if open_line and text and not _NEW_ITEM.match(text):
            out[-1] = _glue(out[-1], text, spaced)
        else:
            out.append(text)
        kept = out[-1]
        open_line = _width(line.rstrip()) >= full and not _SENTENCE_END.search(kept)
        if open_line and spaced and line.endswith(" "):
            out[-1] = kept + " "
    text = "\n".join(line.rstrip() for line in out)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _glue(before: str, after: str, spaced: bool) -> str:
    """Two halves of a line: a hyphenated word closed, a cut Korean word closed, else a space."""
    if re.search(r"[a-z]-$", before) and after[0].islower():
        word = before.rsplit(maxsplit=1)[-1]
        return (before if "-" in word[:-1] else before[:-1]) + after
    if before.endswith(" "):
        return before + after
    cut_word = spaced and _is_hangul(before[-1]) and _is_hangul(after[0])
    return before + ("" if cut_word else " ") + after


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


def _width(line: str) -> int:
    """Columns: a Korean, Chinese or Japanese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def _running_lines(pages: list[str]) -> set[str]:
    """First and last lines, digits masked, that more than half of at least three pages share."""
    if len(pages) < 3:
        return set()
    counts: Counter[str] = Counter()
    for page in pages:
        lines = [line for line in page.split("\n") if line.strip()]
        counts.update({_masked(line) for line in (*lines[:1], *lines[-1:])})
    return {line for line, n in counts.items() if n > len(pages) / 2}


def _without(lines: list[str], running: set[str]) -> list[str]:
    filled = [i for i, line in enumerate(lines) if line.strip()]
    drop = {i for i in (*filled[:1], *filled[-1:]) if _masked(lines[i]) in running}
    return [line for i, line in enumerate(lines) if i not in drop]


def _masked(line: str) -> str:
    return re.sub(r"\d+", "#", line.strip())
