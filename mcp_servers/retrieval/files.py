"""Files that a user names, found and read into pages of clean text."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.decoding import Unreadable, decoded
from mcp_servers.retrieval.office import SAVE_AS, under_another_name

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".rst", ".log", ".org", ".adoc"})
TEXT_SUFFIXES |= {".tex", ".csv", ".tsv", ".html", ".htm", ".xhtml"}
SUFFIXES = TEXT_SUFFIXES | {".pdf", ".docx", ".pptx"}
MAX_TEXT_BYTES = 20_000_000
MAX_DOCUMENT_BYTES = 500_000_000  # PDF, Word and PowerPoint hold pictures
MAX_FILES = 10_000
_MAX_ENTRIES = 200_000  # what a folder walk may look at, so that naming `/` fails in seconds


@dataclass(frozen=True)
class Page:
    """One page's clean text; `number` counts from 1, and is None where a file has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True)
class Document:
    """A file as it was read. `source` is its path, `sha256` that of its bytes."""

    source: str
    title: str
    sha256: str
    pages: list[Page]


@dataclass(frozen=True)
class Patterns:
    """Which files of a folder are meant, as .gitignore writes it: `*.pdf`, `drafts/`, `/a/**`.

    Paths are taken from the folder that was named. With nothing to include, all are.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @cached_property
    def _specs(self) -> tuple[Any, Any]:
        from pathspec import GitIgnoreSpec

        try:
            included, excluded = (
                GitIgnoreSpec.from_lines(composed(pattern) for pattern in patterns)
                for patterns in (self.include, self.exclude)
            )
        except ValueError as error:
            raise EngineError(
                f"A pattern is wrong ({error}). Write them like *.pdf, drafts/ or notes/**."
            ) from None
        return included, excluded

    def checked(self) -> Patterns:
        """Itself. Raises `EngineError` for a pattern that is none."""
        _ = self._specs
        return self

    def wants(self, path: str) -> bool:
        """Whether a file is meant; its path is relative to the folder, with forward slashes."""
        included, excluded = self._specs
        name = composed(path)
        return (not self.include or included.match_file(name)) and not excluded.match_file(name)

    def enters(self, path: str) -> bool:
        """Whether files below a folder can be meant."""
        return not self._specs[1].match_file(f"{composed(path)}/")

    @property
    def suffixes(self) -> frozenset[str]:
        """Those that are indexed by themselves, and those that a pattern names: `*.py`."""
        named = {Path(pattern).suffix.lower() for pattern in self.include}
        return SUFFIXES | SAVE_AS.keys() | (named - {""})


def found_files(
    path: Path, patterns: Patterns | None = None, more: Collection[str] = ()
) -> tuple[list[Path], str | None]:
    """The indexable files at a path, sorted, or none and the reason why.

    A file named by itself is taken whatever its suffix (a binary one is refused when it is read);
    a folder gives its documents that the patterns mean (old Office files too, to be refused by
    name), except hidden ones, Office's lock files and links that lead out of it. `more` are
    suffixes of files that are taken besides. Raises `EngineError` for a folder of more than
    `MAX_FILES` such files.
    """
    if path.is_file():
        return [path], None
    if not path.exists():
        if "*" in path.name:
            return [], f"A pattern is no path. Name the folder, with include={path.name}."
        return [], "There is no such file or folder. Check the spelling."
    if not path.is_dir():
        return [], "This is neither a file nor a folder. Name a document or a text file."
    patterns = patterns or Patterns()
    suffixes = patterns.suffixes.union(more)
    files: list[Path] = []
    for seen, file in enumerate(walk(path, patterns)):
        if file.suffix.lower() in suffixes and file.resolve().is_relative_to(path):
            files.append(file)
        if len(files) > MAX_FILES or seen > _MAX_ENTRIES:
            raise EngineError(
                f"{path} holds too many files (the limit is {MAX_FILES:,} documents among "
                f"{_MAX_ENTRIES:,} files). Name a smaller folder, or exclude some."
            )
    if not files:
        meant = " that include and exclude mean" if patterns != Patterns() else ""
        return [], f"The folder holds no file{meant} with one of: {', '.join(sorted(SUFFIXES))}."
    return sorted(files), None


def walk(folder: Path, patterns: Patterns) -> Iterator[Path]:
    """The files below a folder that the patterns mean, hidden ones and lock files apart."""
    for parent, folders, names in os.walk(folder):
        inside = Path(parent).relative_to(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and patterns.enters((inside / name).as_posix())
        ]
        for name in names:
            if not name.startswith((".", "~$")) and patterns.wants((inside / name).as_posix()):
                yield Path(parent, name)


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes. Raises `Unreadable`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _cannot_be_read(error) from None


def _cannot_be_read(error: OSError) -> Unreadable:
    return Unreadable(f"The file cannot be read ({error.strerror}). Check that it is there.")


def read(path: Path, sha256: str, each_page: Callable[[int, int], None]) -> Document:
    """A file's pages. Raises `Unreadable` with the reason; what `each_page` raises passes."""
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise _cannot_be_read(error) from None
    if size == 0:
        raise Unreadable("The file is empty. Save it again.")
    if suffix in SAVE_AS:
        raise Unreadable(f"Files of kind {suffix} cannot be read. Save it as {SAVE_AS[suffix]}.")
    limit = MAX_DOCUMENT_BYTES if suffix in (".pdf", ".docx", ".pptx") else MAX_TEXT_BYTES
    if size > limit:
        raise Unreadable(
            f"The file has {size / 1e6:.0f} MB; the limit is {limit / 1e6:.0f} MB. Split it."
        )
    if suffix != ".pdf" and b"%PDF-" in start[:8]:
        raise Unreadable("The file is a PDF under another name. Rename it to end in .pdf.")
    pages = list(_pages(path, suffix, start, each_page))
    return Document(str(path), composed(path.name), sha256, pages)


def _pages(
    path: Path, suffix: str, start: bytes, each_page: Callable[[int, int], None]
) -> list[Page]:
    """A file's pages by the parser of its kind; parsers load when they are needed."""
    if suffix == ".pdf":
        from mcp_servers.retrieval.pdf import read_pdf

        if b"%PDF-" not in start:
            raise Unreadable("The file is not a PDF, whatever its name says. Check what it is.")
        return _numbered(read_pdf(path, each_page))
    if suffix == ".pptx":
        from mcp_servers.retrieval.slides import read_pptx

        return _numbered(read_pptx(path, each_page))
    each_page(0, 1)
    if suffix == ".docx":
        from mcp_servers.retrieval.word import read_docx

        return [Page(None, read_docx(path))]
    if reason := under_another_name(start, path):
        raise Unreadable(reason)
    data = path.read_bytes()
    if suffix in (".html", ".htm", ".xhtml"):
        from mcp_servers.retrieval.web import read_html

        return [Page(None, read_html(data))]
    text = decoded(data)
    if suffix in (".csv", ".tsv"):
        from mcp_servers.retrieval.tables import csv_text

        text = csv_text(text, tabs=suffix == ".tsv")
    if not re.search(r"\w", text):
        raise Unreadable("The file holds no words. Check what it is.")
    return [Page(None, text)]


def _numbered(texts: Sequence[str]) -> list[Page]:
    return [Page(number, text) for number, text in enumerate(texts, 1)]
