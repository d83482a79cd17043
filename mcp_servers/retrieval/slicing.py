"""A document as an index holds it: its chunks in reading order, under their headings."""

from __future__ import annotations

from mcp_servers.retrieval.chunking import Chunking, chunk_spans
from mcp_servers.retrieval.chunks import Slice
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
            titles = headings.over(at, start, end)
            chunk = Slice(page.number, page.text[start:end], _BETWEEN.join(titles))
            while titles and not embedder.fits(chunk.searched):
                titles = titles[1:]
                chunk = chunk._replace(heading=_BETWEEN.join(titles))
            found.append(chunk)
    return found
