"""The pictures of a Word file in reading order, with caption, alternative text and heading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mcp_servers.picture_files import opened
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.figures import (
    LONGEST,
    Figure,
    Unusable,
    figure,
    is_caption,
    name_in_words,
)
from mcp_servers.retrieval.office import broken, check_office

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_V = "{urn:schemas-microsoft-com:vml}"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"


def word_figures(path: Path, each_page: Callable[[int, int], None]) -> Iterator[Figure | Unusable]:
    """See `figures.figures_of`."""
    import docx

    check_office(path, ".docx")
    each_page(0, 1)
    try:
        part = docx.Document(str(path)).part
        paragraphs = list(part.element.body.iter(f"{_W}p"))
        found = list(_found(part, paragraphs, name_in_words(path)))
    except Exception as error:  # python-docx meets damage in as many ways as there are parts
        raise broken(error, ".docx") from None
    return iter(found)


def _found(part: Any, paragraphs: list[Any], name: str) -> Iterator[Figure | Unusable]:
    heading = ""
    texts = ["".join(node.text or "" for node in p.iter(f"{_W}t")).strip() for p in paragraphs]
    for at, paragraph in enumerate(paragraphs):
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        if texts[at] and style is not None and style.get(f"{_W}val", "").startswith("Heading"):
            heading = texts[at]
        for data, description in _pictures(part, paragraph):
            if isinstance(data, Unusable):
                yield data
                continue
            after = next((text for text in texts[at + 1 : at + 3] if text), "")
            before = next((text for text in reversed(texts[max(0, at - 2) : at]) if text), "")
            captions = [text for text in (after, texts[at], before) if is_caption(text)]
            caption = captions[0] if captions else description
            around = [description, texts[at], heading, after, before, name]
            try:
                item = figure(opened(data, LONGEST), None, caption, around)
            except Unreadable as reason:
                yield Unusable(None, str(reason))
                continue
            if item:
                yield item


def _pictures(part: Any, paragraph: Any) -> Iterator[tuple[bytes | Unusable, str]]:
    """The bytes of a paragraph's own pictures with their alternative texts; none twice."""
    for node in paragraph.iter(f"{_A}blip", f"{_V}imagedata"):
        parents = list(node.iterancestors())
        nearest = next(parent for parent in parents if parent.tag == f"{_W}p")
        if nearest is not paragraph or any(p.tag == f"{_MC}Fallback" for p in parents):
            continue
        relation = part.rels.get(node.get(f"{_R}embed") or node.get(f"{_R}id") or "")
        if relation is None:
            continue
        if relation.is_external:
            yield Unusable(None, "A picture is linked and not in the file. Embed it."), ""
            continue
        yield relation.target_part.blob, _description(parents)


def _description(parents: list[Any]) -> str:
    for parent in parents:
        if parent.tag in (f"{_WP}inline", f"{_WP}anchor"):
            named = parent.find(f"{_WP}docPr")
            return "" if named is None else str(named.get("descr") or named.get("title") or "")
    return ""
