"""The two columns of a user's table that belong together: TSV, CSV, JSON or JSONL."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

Names = Sequence[tuple[str, str]]
"""What both columns may be called, in lower case."""
Row = tuple[int, tuple[str, str] | str]
"""A line's number (from 1), and both cells or what is wrong."""


def rows(text: str, suffix: str, names: Names) -> Iterator[Row]:
    """Each row of a file of that suffix (".csv"): the columns that `names` names, or the first two.

    Rows of JSON are objects with these names, or arrays of two.
    """
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json_rows(text, suffix, names)
    return _columns(text, suffix, names)


def _json_rows(text: str, suffix: str, names: Names) -> Iterator[Row]:
    if suffix == ".json" and text.lstrip().startswith("["):
        try:
            objects = list(enumerate(json.loads(text), 1))
        except ValueError as error:
            yield 1, f"this is no JSON ({error})"
            return
        yield from ((number, _named(found, names)) for number, found in objects)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError as error:
                yield number, f"this is no JSON ({error})"
            else:
                yield number, _named(found, names)


def _named(found: object, names: Names) -> tuple[str, str] | str:
    if isinstance(found, list) and len(found) >= 2:
        return str(found[0]), str(found[1])
    if not isinstance(found, dict):
        return "this is no object with two texts"
    for first, second in names:
        if isinstance(found.get(first), str) and isinstance(found.get(second), str):
            return found[first], found[second]
    usual = " or ".join(" and ".join(each) for each in names[:2])
    return f"name the texts {usual}"


def _columns(text: str, suffix: str, names: Names) -> Iterator[Row]:
    start = text.split("\n", 1)[0]
    tabs = suffix == ".tsv" or (suffix != ".csv" and "\t" in start)
    lines = io.StringIO(text)
    reader = (
        csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)  # a quotation mark is itself
        if tabs
        else csv.reader(lines)
    )
    places = (0, 1)
    try:
        for number, row in enumerate(reader, 1):
            if number == 1 and (named := _header(row, names)):
                places = named
            elif row and len(row) <= max(places):
                yield reader.line_num, f"this row has no column {max(places) + 1}"
            elif row:
                yield reader.line_num, (row[places[0]], row[places[1]])
    except csv.Error as error:
        yield reader.line_num, f"this cannot be read as a table ({error})"


def _header(row: list[str], names: Names) -> tuple[int, int] | None:
    found = [name.strip().lower() for name in row]
    for first, second in names:
        if first in found and second in found:
            return found.index(first), found.index(second)
    return None
