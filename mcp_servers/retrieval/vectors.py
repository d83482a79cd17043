"""Where an index's vectors are searched: embedded Chroma, a Chroma server, or FAISS.

All of it is derived from the store and follows its stamp; the store keeps the vectors themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.store import Store

if TYPE_CHECKING:
    from mcp_servers.retrieval.embedding import Vector

DEFAULT = "chroma"
FAISS_KINDS = ("faiss-flat", "faiss-ivf", "faiss-hnsw")


class VectorIndex(Protocol):
    """The nearest passages of one index, for one process. Safe to call from several threads."""

    def nearest(self, query: Vector, k: int, documents: set[int] | None) -> list[int]:
        """The ids of the k nearest chunks by cosine, nearest first; of some documents if given.

        They may include chunks that have just left the store, and lack ones that have just come.
        """

    def prepare(self) -> None:
        """Make ready what `refresh` needs. For a thread beside others; again, it does nothing."""

    def refresh(self) -> None:
        """Bring it to what the store holds. The caller holds the writer lock."""

    def close(self) -> None:
        """Let go of files and connections."""


def checked(kind: str) -> str:
    """The kind, if there is such a one. Raises `EngineError`."""
    if kind == DEFAULT or kind in FAISS_KINDS:
        return kind
    where = urlsplit(kind)
    if where.scheme in ("http", "https") and where.hostname:
        return kind
    raise EngineError(
        f"{kind!r} is no vector store. Choose chroma, {', '.join(FAISS_KINDS)}, or the URL of a "
        "Chroma server such as http://localhost:8000."
    )


def vectors_of(store: Store) -> VectorIndex:
    """The vector index that this index was made with (its meta `vectors`)."""
    kind = store.meta("vectors") or DEFAULT
    if kind in FAISS_KINDS:
        from mcp_servers.retrieval.faiss_vectors import FaissVectors

        return FaissVectors(store, kind)
    from mcp_servers.retrieval.chroma import ChromaVectors

    return ChromaVectors(store, None if kind == DEFAULT else kind)
