"""A document as an index holds it: its chunks in reading order, under their headings."""

from __future__ import annotations

from mcp_servers.retrieval.chunking import Chunking, chunk_spans
from mcp_servers.retrieval.chunks import Slice
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.files import Document
from mcp_servers.retrieval.headings import headings_of


def slices(document: Document, embedder: Embedder, chunking: Chunking | None = None) -> list[Slice]:
    """The chunks of all pages; one goes without its heading where both are too much to embed."""
    headings = headings_of(document)
    found = []
    for at, page in enumerate(document.pages):
        for start, end in chunk_spans(page.text, embedder.fits, chunking, embedder.tokens):
            text = page.text[start:end]
            chunk = Slice(page.number, text, headings.trail(at, start))
            fits = not chunk.heading or embedder.fits(chunk.searched)
            found.append(chunk if fits else Slice(page.number, text))
    return found
