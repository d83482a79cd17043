"""Passages and pages read on, verbatim: what stands around what a search found."""

from __future__ import annotations

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.chunks import Chunk
from mcp_servers.retrieval.filtering import matching
from mcp_servers.retrieval.results import PageText, Reading, neighbour
from mcp_servers.retrieval.store import DocumentRow, Store

MAX_NEIGHBOURS = 50


def the_one(store: Store, source: str) -> DocumentRow:
    """The document with this path or file name. Raises `EngineError` for none or several."""
    found = matching(store, source)
    if len(found) > 1:
        paths = ", ".join(row["source"] for row in found)
        raise EngineError(f"Several documents are called {source!r}. Give one path of: {paths}.")
    return found[0]


def read_passage(id_: str, index: str, before: int, after: int) -> Reading:
    """A passage with its neighbours. Raises `EngineError` for an unknown id."""
    if not (0 <= before <= MAX_NEIGHBOURS and 0 <= after <= MAX_NEIGHBOURS):
        raise EngineError(f"before and after go from 0 to {MAX_NEIGHBOURS}. Choose smaller ones.")
    store = Store(index)
    key = int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 19 else -1
    chunk = store.chunks([key]).get(key)
    if chunk is None:
        raise EngineError(
            f"There is no passage {id_!r} in index {index!r} (its document may have changed). "
            "Search again and use an id from the result."
        )
    earlier, later = store.neighbours(chunk, before, after)
    beside = store.chunks([*earlier, *later])
    return {
        "id": str(chunk.id),
        "source": chunk.source,
        "title": chunk.title,
        "page": chunk.page,
        "text": chunk.text,
        "before": [neighbour(beside[at]) for at in earlier if at in beside],
        "after": [neighbour(beside[at]) for at in later if at in beside],
    }


def page_text(source: str, page: int | None, index: str) -> PageText:
    """A page's text. Raises `EngineError` for an unknown document or page."""
    store = Store(index)
    document = the_one(store, source)
    text = store.page_text(document["source"], page)
    if text is None:
        pages = document["pages"]
        has = f"pages 1 to {pages}" if pages else "no pages: leave page out"
        raise EngineError(f"There is no page {page} in {document['title']}; it has {has}.")
    return {"source": document["source"], "page": page, "text": text}


def in_context(store: Store, chunk: Chunk, window: int) -> str:
    """A passage with the `window` passages before and after it (sentence-window retrieval).

    What stands on one page is one verbatim piece of it, overlaps told once; pages are put
    together with an empty line.
    """
    earlier, later = store.neighbours(chunk, window, window)
    beside = store.chunks([*earlier, *later]) | {chunk.id: chunk}
    by_page: dict[int | None, list[Chunk]] = {}
    for id_ in sorted(beside):
        by_page.setdefault(beside[id_].page, []).append(beside[id_])
    return "\n\n".join(_piece(store, page, chunks) for page, chunks in by_page.items())


def _piece(store: Store, page: int | None, chunks: list[Chunk]) -> str:
    text = store.page_text(chunks[0].source, page) or ""
    start = text.find(chunks[0].text)
    end = text.find(chunks[-1].text, start) + len(chunks[-1].text)
    if start < 0 or end <= start:
        return "\n".join(chunk.text for chunk in chunks)
    return text[start:end]
