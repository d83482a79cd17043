"""The text of a Word file in reading order: headings, lists and tables as Markdown has them.

python-docx gives styles and parts; the text itself is gathered here from the paragraph's XML,
because the library's own skips what tracked changes inserted, content controls and text boxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_servers.retrieval.cleaning import plain
from mcp_servers.retrieval.decoding import MAX_CHARACTERS, NoText, Unreadable
from mcp_servers.retrieval.office import broken, check_office
from mcp_servers.retrieval.tables import table_text

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_INSIDE = {f"{_W}{name}" for name in ("sdt", "sdtContent", "ins", "customXml", "smartTag")}
_UNSEEN = {f"{_W}pPr", f"{_W}del", f"{_W}moveFrom", f"{_MC}Fallback"}
_HEADING = re.compile(r"heading ([1-9])|title$", re.IGNORECASE)


def read_docx(path: Path) -> str:
    """The text, paragraphs parted by blank lines. Raises `Unreadable`."""
    import docx

    check_office(path, ".docx")
    try:
        document = docx.Document(str(path))
        blocks = [*_blocks(document.element.body, document), *_notes(document)]
    except Exception as error:  # python-docx meets damage in as many ways as there are parts
        raise broken(error, ".docx") from None
    text = plain("\n\n".join(block for block in blocks if block.strip()))
    text = re.sub(r"(?m)(^- .*)\n\n(?=- )", r"\1\n", text)  # a list's items stand together
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"The file holds more than {MAX_CHARACTERS:,} characters. Split it.")
    if not re.search(r"\w", text):
        reason = "The Word file has no text, only pictures. Export it to PDF with text."
        raise NoText(reason, None)
    return text


def _blocks(parent: Any, document: Any) -> Iterator[str]:
    """Paragraphs and tables, also those inside content controls and tracked insertions."""
    from docx.text.paragraph import Paragraph

    for child in parent:
        if child.tag == f"{_W}p":
            text = _text(child).strip()
            if text:
                yield _marked(text, Paragraph(child, document))
        elif child.tag == f"{_W}tbl":
            yield table_text(_rows(child, document))
        elif child.tag in _INSIDE:
            yield from _blocks(child, document)


def _notes(document: Any) -> Iterator[str]:
    """Footnotes and endnotes, which have parts of their own; the lines that set them off are none.

    python-docx does not know these parts, so their XML is parsed here, with no entity resolved.
    """
    from docx.oxml import parse_xml

    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/footnotes", "/endnotes")):
            for note in parse_xml(relation.target_part.blob):
                if note.get(f"{_W}type") is None:
                    yield from _blocks(note, document)


def _marked(text: str, paragraph: Any) -> str:
    style = paragraph.style
    while style is not None:
        if found := _HEADING.match(style.name or ""):
            return f"{'#' * min(int(found[1] or 1), 6)} {' '.join(text.split())}"
        if (style.name or "").startswith("List"):
            return f"- {text}"
        style = style.base_style
    return text


def _rows(table: Any, document: Any) -> list[list[str]]:
    """A table's cells; one that spans rows is repeated in each, so that each row says all."""
    rows: list[list[str]] = []
    for row in _children(table, "tr"):
        cells: list[str] = []
        for cell in _children(row, "tc"):
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            goes_on = merged is not None and merged.get(f"{_W}val", "continue") == "continue"
            if goes_on and rows and len(cells) < len(rows[-1]):
                cells.append(rows[-1][len(cells)])
            else:
                cells.append(" ".join(_blocks(cell, document)))
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            cells += [""] * (int(span.get(f"{_W}val")) - 1 if span is not None else 0)
        rows.append(cells)
    return rows


def _children(parent: Any, name: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == f"{_W}{name}":
            yield child
        elif child.tag in _INSIDE:
            yield from _children(child, name)


def _text(element: Any) -> str:
    """What a reader sees of an element: no deletions, no hidden runs, text boxes once."""
    out: list[str] = []
    for child in element:
        if child.tag == f"{_W}t":
            out.append(child.text or "")
        elif child.tag in (f"{_W}tab", f"{_W}ptab"):
            out.append("\t")
        elif child.tag in (f"{_W}br", f"{_W}cr"):
            out.append("\n")
        elif child.tag == f"{_W}noBreakHyphen":
            out.append("-")
        elif child.tag in _UNSEEN or child.find(f"{_W}rPr/{_W}vanish") is not None:
            continue
        elif child.tag == f"{_W}txbxContent":
            out.append("\n" + "\n".join(map(_text, child.findall(f"{_W}p"))) + "\n")
        elif len(child):
            out.append(_text(child))
    return "".join(out)
