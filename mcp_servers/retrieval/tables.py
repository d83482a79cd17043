"""Tables as text whose rows stand alone; CSV and TSV files.

A row is one line between bars, so that chunking keeps it whole. A table that a chunk can hold is
a Markdown table; in a longer one each row repeats the names of the columns, since the chunk that
holds it would not hold the header: `| name: value | name: value |`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence

from mcp_servers.retrieval.chunking import CHUNK_SIZE
from mcp_servers.retrieval.decoding import Unreadable

_MAX_CELL = 1_000_000  # characters; csv refuses more than 131,072 unless told so
_NUMBER = re.compile(r"[-+]?[\d.,:/%₩$€\s-]*\d[\d.,:/%₩$€\s-]*")


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of text; the first row names the columns if it can (see above)."""
    cleaned = [[" ".join(cell.split()).replace("|", "/") for cell in row] for row in rows]
    cleaned = [row for row in cleaned if any(row)]
    if not cleaned:
        return ""
    width = max(map(len, cleaned))
    head, *body = [row + [""] * (width - len(row)) for row in cleaned]
    if not body:
        return _bar(head)
    whole = "\n".join([_bar(head), _bar(["---"] * width), *map(_bar, body)])
    if len(whole) <= CHUNK_SIZE:
        return whole
    return "\n".join(named_rows([head, *body]))


def named_rows(rows: Iterable[Sequence[str]]) -> list[str]:
    """Each row with its columns' names beside the values, empty values left out.

    The first row holds the names unless it has a number or a repeated cell; then columns are
    called by their number.
    """
    listed = [[" ".join(cell.split()).replace("|", "/") for cell in row] for row in rows]
    listed = [row for row in listed if any(row)]
    if not listed:
        return []
    names: list[str] = []
    if len(listed) > 1 and _is_header(listed[0]):
        names = listed.pop(0)
    return [
        _bar([f"{_name(names, at)}: {cell}" for at, cell in enumerate(row) if cell])
        for row in listed
    ]


def _name(names: Sequence[str], at: int) -> str:
    return names[at] if at < len(names) and names[at] else f"#{at + 1}"


def _is_header(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    return len(set(filled)) == len(filled) and not any(map(_NUMBER.fullmatch, filled))


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def csv_text(text: str, tabs: bool) -> str:
    """A CSV (or, with `tabs`, TSV) file's text as one row a line. Raises `Unreadable`."""
    csv.field_size_limit(_MAX_CELL)
    delimiter = "\t" if tabs else _delimiter(text)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    except csv.Error as error:
        raise Unreadable(
            f"The table is broken ({error}). Open it in a spreadsheet and save it again as CSV."
        ) from None
    return "\n".join(named_rows(rows))


def _delimiter(text: str) -> str:
    """The sign that parts the first rows into the most columns, equally many in each."""
    head = text[:20_000].splitlines(keepends=True)[:30]
    best, columns = ",", 1
    for sign in ",;\t|":
        try:
            widths = {len(row) for row in csv.reader(head, delimiter=sign) if row}
        except csv.Error:
            continue
        if widths and min(widths) > columns and max(widths) - min(widths) <= 1:
            best, columns = sign, min(widths)
    return best
