"""Files into records, one at a time, each with its line: a file may be larger than the memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mcp_servers.decoding import Unreadable, encoding_of

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt", ".md")
_PIECE = 1 << 20  # characters
_LONGEST = 64 << 20  # characters of one record
_MAX_CELL = 10_000_000
_LISTS = ("responses", "data", "rows", "examples", "train")


class Broken(Exception):
    """A record that cannot be read, at a line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def records(path: Path) -> Iterator[tuple[int, Any | Broken]]:
    """(line, record) of a file, or a `Broken` in the place of one. Raises `Unreadable`.

    Raises `Broken` where the file cannot be read any further.
    Parquet has no lines: its rows count from 1.
    """
    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise Unreadable("The file is empty. Save it again.")
    if suffix == ".parquet":
        yield from _parquet(path)
        return
    with path.open("rb") as raw:
        encoding = encoding_of(raw)
    with path.open(encoding=encoding, newline="" if suffix in (".csv", ".tsv") else None) as file:
        if suffix in (".csv", ".tsv"):
            yield from _table(file, suffix == ".tsv")
        elif suffix in (".txt", ".md"):
            yield from _paragraphs(file)
        elif suffix in (".jsonl", ".ndjson"):
            yield from _lines(file)
        else:
            yield from _json(file)


def _lines(file: TextIO) -> Iterator[tuple[int, Any | Broken]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Broken(number, f"wrong JSON ({_told(error)})")


def _json(file: TextIO) -> Iterator[tuple[int, Any | Broken]]:
    """A JSON file: a list of records, an object that holds such a list, or an object a line."""
    start = file.read(_PIECE)
    file.seek(0)
    if _object_a_line(start):
        yield from _lines(file)
        return
    scanner = _Scanner(file)
    while scanner.peek():
        if scanner.peek() == "[":
            yield from _elements(scanner)
        elif scanner.peek() == "{":
            yield from _object(scanner)
        else:
            line = scanner.at()
            yield line, scanner.value()


def _object_a_line(start: str) -> bool:
    lines = [line for line in start.splitlines()[:3] if line.strip()]
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines[:2])
    except (ValueError, RecursionError):
        return False


def _elements(scanner: _Scanner) -> Iterator[tuple[int, Any]]:
    scanner.take("[")
    while scanner.peek() != "]":
        line = scanner.at()
        yield line, scanner.value()
        if scanner.peek() != "]":
            scanner.take(",")
            if scanner.peek() == "]":
                raise Broken(scanner.at(), "wrong JSON (a comma before the closing bracket)")
    scanner.take("]")


def _object(scanner: _Scanner) -> Iterator[tuple[int, Any]]:
    """The records of its list if it has one (`responses`, chapter 10.2), else itself as one."""
    line = scanner.at()
    whole: dict[str, Any] = {}
    listed = False
    scanner.take("{")
    while scanner.peek() != "}":
        key = scanner.value()
        if not isinstance(key, str):
            raise Broken(scanner.at(), "wrong JSON (a name in quotes was expected)")
        scanner.take(":")
        if key in _LISTS and scanner.peek() == "[":
            listed = True
            yield from _elements(scanner)
        else:
            whole[key] = scanner.value()
        if scanner.peek() != "}":
            scanner.take(",")
    scanner.take("}")
    if not listed:
        yield line, whole


class _Scanner:
    """JSON values one after another from a file of any length, with the line of each."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._position = 0
        self._line = 1
        self._ended = False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            rest = len(self._text)
            while self._position < rest and self._text[self._position] in " \t\r\n\ufeff":
                self._line += self._text[self._position] == "\n"
                self._position += 1
            if self._position < rest:
                return self._text[self._position]
            if not self._more(_PIECE):
                return ""

    def at(self) -> int:
        """The line of the next value."""
        self.peek()
        return self._line

    def take(self, wanted: str) -> None:
        found = self.peek()
        if found != wanted:
            raise Broken(
                self._line, f"wrong JSON ({wanted!r} expected, {found or 'the end'!r} found)"
            )
        self._position += 1

    def value(self) -> Any:
        """The next value. Raises `Broken` with its line."""
        self.peek()
        wanted = _PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except RecursionError:
                raise Broken(self._line, "wrong JSON (nested too deeply)") from None
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or (
                    error.pos >= len(self._text) - 16
                )
                longer = len(self._text) - self._position > _LONGEST
                if longer or not unfinished or not self._more(wanted):
                    broken_line = self._line + self._text.count("\n", self._position, error.pos)
                    raise Broken(broken_line, f"wrong JSON ({error.msg})") from None
                wanted *= 2
                continue
            if end == len(self._text) and self._more(_PIECE):
                continue  # a number may go on
            self._line += self._text.count("\n", self._position, end)
            self._position = end
            return value

    def _more(self, count: int) -> bool:
        """Read on, forgetting what was taken; whether there was more."""
        if self._ended:
            return False
        piece = self._file.read(count)
        self._ended = not piece
        if piece:
            self._text = self._text[self._position :] + piece
            self._position = 0
        return bool(piece)


def _table(file: TextIO, tabs: bool) -> Iterator[tuple[int, Any | Broken]]:
    """A CSV file with names in its first row; its delimiter is guessed from that row."""
    csv.field_size_limit(_MAX_CELL)
    head = file.readline()
    file.seek(0)
    delimiter = "\t" if tabs else max(",;\t|", key=head.count)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if names is None:
                names = [cell.strip() for cell in cells]
            elif any(cell.strip() for cell in cells):
                if len(cells) == len(names):
                    yield line, dict(zip(names, cells, strict=True))
                else:
                    reason = f"{len(cells)} cells under {len(names)} column names"
                    yield line, Broken(line, reason)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Broken(line, f"broken CSV ({error})") from None


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            number = 0
            for batch in table.iter_batches(batch_size=1000):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise Unreadable(f"The Parquet file is broken ({reason}). Write it again.") from None


def _paragraphs(file: TextIO) -> Iterator[tuple[int, Any]]:
    """Plain text: what stands between empty lines is a row."""
    lines: list[str] = []
    start = 1
    for number, line in enumerate(file, 1):
        if line.strip():
            if not lines:
                start = number
            lines.append(line)
        elif lines:
            yield start, "".join(lines).strip("\n")
            lines = []
    if lines:
        yield start, "".join(lines).strip("\n")


def _told(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
