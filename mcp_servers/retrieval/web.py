"""The text of an HTML page as Markdown: what a reader sees of its main part."""

from __future__ import annotations

import re
from typing import Any

from mcp_servers.retrieval.cleaning import plain
from mcp_servers.retrieval.decoding import Unreadable, decoded
from mcp_servers.retrieval.tables import table_text

_DROPPED = (
    *("script", "style", "noscript", "template", "iframe", "object", "svg", "canvas", "head"),
    *("nav", "button", "select", "input", "textarea", "dialog"),
)
# Outside the main part these are the site's, not the page's.
_AROUND = ("header", "footer", "aside")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def read_html(data: bytes) -> str:
    """The title as a heading, then the main part; headings, lists, tables and code kept.

    The main part is what `<main>` or the only `<article>` holds, else the body without the
    site's navigation. Scripts, comments and hidden elements are dropped. Raises `Unreadable`.
    """
    from bs4 import BeautifulSoup, Comment
    from bs4.dammit import EncodingDetector
    from markdownify import ATX, MarkdownConverter

    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    try:
        soup = BeautifulSoup(decoded(data, declared), "lxml")
        title = " ".join(soup.title.get_text().split()) if soup.title else ""
        for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
            comment.extract()
        for element in [*soup.find_all(list(_DROPPED)), *soup.find_all(_is_hidden)]:
            if not element.decomposed:
                element.decompose()
        main = _main_part(soup)
        for image in main.find_all("img"):
            image.replace_with(str(image.get("alt") or ""))
        tables = _tables_taken_out(main)
        converter = MarkdownConverter(
            heading_style=ATX,
            bullets="-",
            strip=["a", "b", "strong", "em", "i", "u", "s", "del", "sub", "sup"],
            escape_asterisks=False,
            escape_underscores=False,
            newline_style="BACKSLASH",
        )
        text = plain(converter.convert_soup(main)).replace("\\\n", "\n")
    except RecursionError:
        raise Unreadable(
            "The page's elements are nested too deeply. Print it to PDF and add that."
        ) from None
    for mark, table in tables.items():
        text = text.replace(mark, f"\n\n{table}\n\n")
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    if not re.search(r"\w", text):
        raise Unreadable("The page has no text of its own. Save it from a browser once it shows.")
    if title and title not in text.split("\n\n", 1)[0]:
        text = f"# {title}\n\n{text}"
    return text


def _is_hidden(element: Any) -> bool:
    return (
        element.has_attr("hidden")
        or element.get("aria-hidden") == "true"
        or bool(_HIDDEN.search(element.get("style") or ""))
    )


def _main_part(soup: Any) -> Any:
    for found in (soup.find_all("main"), soup.find_all(attrs={"role": "main"})):
        if found:
            return found[0]
    articles = soup.find_all("article")
    if len(articles) == 1:
        return articles[0]
    for element in soup.find_all(list(_AROUND)):
        if not element.decomposed and not element.find_parent("article"):
            element.decompose()
    return soup.body or soup


def _tables_taken_out(main: Any) -> dict[str, str]:
    """Innermost tables replaced by marks, and the text that each mark stands for.

    A table with one column, or one that holds other tables, only lays the page out.
    """
    tables: dict[str, str] = {}
    for table in main.find_all("table"):
        rows = _rows(table)
        if table.find("table") or max(map(len, rows), default=0) < 2:
            for part in table.find_all(["tr", "td", "th", "tbody", "thead", "tfoot"]):
                part.name = "div"
            table.name = "div"
            continue
        mark = f"\ue000{len(tables)}\ue001"
        caption = table.find("caption")
        named = f"{' '.join(caption.get_text().split())}\n\n" if caption else ""
        tables[mark] = plain(named + table_text(rows))
        table.replace_with(f"\n{mark}\n")
    return tables


def _rows(table: Any) -> list[list[str]]:
    """A table's cells; one that spans rows is repeated in each, so that each row says all."""
    rows: list[list[str]] = []
    spanning: dict[int, tuple[int, str]] = {}  # column -> how many rows more, and the text
    for row in table.find_all("tr"):
        cells: list[str] = []
        still: dict[int, tuple[int, str]] = {}
        own = iter(row.find_all(["th", "td"]))
        while True:
            at = len(cells)
            if at in spanning:
                left, text = spanning[at]
                cells.append(text)
            elif (cell := next(own, None)) is not None:
                left, text = _span(cell, "rowspan"), cell.get_text(" ")
                cells += [text, *[""] * (_span(cell, "colspan") - 1)]
            else:
                break
            if left > 1:
                still[at] = left - 1, text
        rows.append(cells)
        spanning = still
    return rows


def _span(cell: Any, name: str) -> int:
    value = str(cell.get(name) or "1")
    return min(max(int(value), 1), 100) if value.isascii() and value.isdigit() else 1
