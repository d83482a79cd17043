"""A document as an index holds it: its chunks in reading order, under their headings."""

from __future__ import annotations

from mcp_servers.retrieval.chunking import Chunking, chunk_spans
from mcp_servers.retrieval.chunks import Slice, under
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.files import Document
from mcp_servers.retrieval.headings import headings_of

_BETWEEN = " > "


def slices(document: Document, embedder: Embedder, chunking: Chunking | None = None) -> list[Slice]:
    """The chunks of all pages, each with as much of its heading as the embedder takes besides."""
    headings = headings_of(document)
    found = []
    for at, page in enumerate(document.pages):
        for start, end in chunk_spans(page.text, embedder.fits, chunking, embedder.tokens):
            text, titles = page.text[start:end], headings.over(at, start, end)
            while titles and not embedder.fits(under(_BETWEEN.join(titles), text)):
                titles = titles[1:]
            found.append(Slice(page.number, text, _BETWEEN.join(titles)))
    return found
