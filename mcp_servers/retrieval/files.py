"""Files that a user names, found and read into pages of clean text."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mcp_servers.retrieval.cleaning import composed, plain
from mcp_servers.retrieval.pdf import Unreadable, read_pdf
from mcp_servers.serving import EngineError

TEXT_SUFFIXES = frozenset(
    {".txt", ".text", ".md", ".markdown", ".rst", ".log", ".csv", ".tsv", ".org", ".adoc", ".tex"}
)
SUFFIXES = TEXT_SUFFIXES | {".pdf"}
MAX_TEXT_BYTES = 20_000_000
MAX_PDF_BYTES = 500_000_000
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


def found_files(path: Path) -> tuple[list[Path], str | None]:
    """The indexable files at a path, sorted, or none and the reason why.

    A file named by itself is taken whatever its suffix (a binary one is refused when it is read);
    a folder gives its PDF and text files, except hidden ones and links that lead out of it.
    Raises `EngineError` for a folder of more than `MAX_FILES` such files.
    """
    if path.is_file():
        return [path], None
    if not path.exists():
        return [], "There is no such file or folder. Check the spelling."
    if not path.is_dir():
        return [], "This is neither a file nor a folder. Name a PDF or text file."
    files: list[Path] = []
    for seen, file in enumerate(_walk(path)):
        if file.suffix.lower() in SUFFIXES and file.resolve().is_relative_to(path):
            files.append(file)
        if len(files) > MAX_FILES or seen > _MAX_ENTRIES:
            raise EngineError(
                f"{path} holds too many files (the limit is {MAX_FILES:,} documents among "
                f"{_MAX_ENTRIES:,} files). Name a smaller folder."
            )
    if not files:
        return [], f"The folder holds no file with one of: {', '.join(sorted(SUFFIXES))}."
    return sorted(files), None


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield Path(parent, name)


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes. Raises `Unreadable`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"The file cannot be read ({error.strerror}).") from None


def read(path: Path, sha256: str, each_page: Callable[[int, int], None]) -> Document:
    """A file's pages. Raises `Unreadable` with the reason; what `each_page` raises passes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise Unreadable(f"The file cannot be read ({error.strerror}).") from None
    if size == 0:
        raise Unreadable("The file is empty.")
    is_pdf = path.suffix.lower() == ".pdf"
    limit = MAX_PDF_BYTES if is_pdf else MAX_TEXT_BYTES
    if size > limit:
        raise Unreadable(
            f"The file has {size / 1e6:.0f} MB; the limit is {limit / 1e6:.0f} MB. Split it."
        )
    if is_pdf:
        if b"%PDF-" not in start:
            raise Unreadable("The file is not a PDF, whatever its name says. Check what it is.")
        texts = read_pdf(path, each_page)
        pages = [Page(number, text) for number, text in enumerate(texts, 1)]
    elif b"%PDF-" in start[:8]:
        raise Unreadable("The file is a PDF under another name. Rename it to end in .pdf.")
    else:
        pages = [Page(None, _text(path.read_bytes()))]
    return Document(str(path), composed(path.name), sha256, pages)


def _text(data: bytes) -> str:
    """Decode UTF-8, UTF-16 with its mark, or CP949 (what Korean Windows writes)."""
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in data:
        raise Unreadable("The file is binary, not text. Name a PDF or a text file.")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        try:
            text = data.decode("cp949")
        except UnicodeDecodeError:
            raise Unreadable(
                "The text is neither UTF-8 nor Korean CP949 (or the file is binary). "
                "Save it as UTF-8."
            ) from None
    head = text[:100_000]
    if len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)) > 0.01 * len(head):
        raise Unreadable("The file is binary, not text. Name a PDF or a text file.")
    text = plain(text)
    if not re.search(r"\w", text):
        raise Unreadable("The file holds no words.")
    return text
