"""Nearest passages by Chroma, embedded or a server: an HNSW graph in cosine space.

Measured on Chroma 1.5.9: a `PersistentClient` does not see what another process writes; it
answers from the past, or fails with "Error finding id", even through a second client on the same
folder. Only after every client of a process is closed does the next one read the disk. So each
process holds one client an index, and opens it anew when the store's record of what Chroma holds
has moved. A server has no such trouble, and the same code serves it.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.store import Store

if TYPE_CHECKING:
    from mcp_servers.retrieval.embedding import Vector

_AT_ONCE = 1000  # vectors of one write: 1.5 MB
_logger = logging.getLogger(__name__)


class ChromaVectors:
    """One index's Chroma collection in this process."""

    def __init__(self, store: Store, url: str | None = None) -> None:
        """`url` is that of a Chroma server; without one, Chroma runs embedded."""
        self._store = store
        self._url = url
        self._folder = store.folder / "chroma"
        self._client: Any = None
        self._collection: Any = None
        self._size = 0  # Chroma takes 8 ms to count 100,000
        self._at = ""  # what the store said of Chroma when this client was opened
        self._lock = threading.RLock()

    def nearest(self, query: Vector, k: int, documents: set[int] | None) -> list[int]:
        """The ids of the k nearest chunks, nearest first; within some documents if given.

        They may include chunks that have just left the store, and lack ones that have just come.
        """
        where: Any = {"document": {"$in": sorted(documents)}} if documents is not None else None
        with self._lock:
            if self._store.meta("graph") != self._store.meta("stamp"):
                # A job was killed between its two writes, or is between them now: then it holds
                # the lock, and this search does with what Chroma had.
                with self._store.writer_lock() as mine:
                    if mine:
                        self.refresh()
            try:
                return self._query(query, k, where)
            except EngineError:
                raise
            except Exception:
                # A writer changed the files under this client, or somebody damaged them.
                self.close()
                with self._store.writer_lock() as mine:
                    if mine:
                        self._rebuild()
                return self._query(query, k, where)

    def _query(self, query: Vector, k: int, where: Any) -> list[int]:
        if self._collection is None or self._at != self._store.meta("graph"):
            self._open()
            wanted = len(self._store.chunk_ids())
            self._size = self._collection.count()
            if self._size != wanted and self._at == self._store.meta("stamp"):
                raise LookupError("Chroma does not hold what it should")
        size = min(k, self._size)
        if not size:
            return []
        found = self._collection.query(
            query_embeddings=[query], n_results=size, where=where, include=[]
        )
        return [int(id_) for id_ in found["ids"][0]]

    def prepare(self) -> None:
        """Load Chroma and open its files, which takes half a second and more.

        A server is left alone: one that does not answer would be waited for, needed or not.
        """
        _chromadb()
        with self._lock:
            if self._client is None and not self._url:
                self._open()

    def refresh(self) -> None:
        """Bring Chroma to what the store holds. The caller holds the writer lock."""
        with self._lock:
            stamp = self._store.meta("stamp")
            try:
                self._follow()
            except EngineError:
                raise
            except Exception:
                self._rebuild()
            else:
                self._store.set_meta("graph", stamp)
                self._at, self._size = stamp, self._collection.count()

    def _rebuild(self) -> None:
        """Begin anew: Chroma is derived data, whatever a killed writer left there."""
        _logger.warning("rebuilding Chroma's files of index %s", self._store.name)
        if self._url:
            self._open()
            self._client.delete_collection(self._collection.name)
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        stamp = self._store.meta("stamp")
        self._follow()
        self._store.set_meta("graph", stamp)
        self._at, self._size = stamp, self._collection.count()

    def _follow(self) -> None:
        import numpy as np

        if self._collection is None or self._at != self._store.meta("graph"):
            self._open()
        wanted = self._store.chunk_ids()
        held = {int(id_) for id_ in self._collection.get(include=[])["ids"]}
        gone, new = sorted(held - wanted), sorted(wanted - held)
        for at in range(0, len(gone), _AT_ONCE):
            self._collection.delete(ids=[str(id_) for id_ in gone[at : at + _AT_ONCE]])
        for at in range(0, len(new), _AT_ONCE):
            rows = self._store.vectors(new[at : at + _AT_ONCE])
            self._collection.add(
                ids=[str(id_) for id_ in rows],
                embeddings=[np.frombuffer(vector, np.float32) for _, vector in rows.values()],
                metadatas=[{"document": document} for document, _ in rows.values()],
            )

    def _open(self) -> None:
        self.close()
        self._at = self._store.meta("graph")
        self._client = self._remote(self._url) if self._url else self._embedded()
        self._collection = self._client.get_or_create_collection(
            self._name() if self._url else "passages",
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
        )

    def _embedded(self) -> Any:
        chromadb = _chromadb()
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings

        try:
            settings = Settings(anonymized_telemetry=False)
            return chromadb.PersistentClient(self._folder, settings=settings)
        except Exception:
            # Chroma keeps a half-started system of a damaged folder and would return it for ever.
            SharedSystemClient.clear_system_cache()
            raise

    def _remote(self, url: str) -> Any:
        chromadb = _chromadb()
        from chromadb.config import Settings

        where = urlsplit(url)
        secure = where.scheme == "https"
        try:
            return chromadb.HttpClient(
                host=where.hostname or "localhost",
                port=where.port or (443 if secure else 8000),
                ssl=secure,
                settings=Settings(anonymized_telemetry=False),
            )
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineError(
                f"The Chroma server at {url} does not answer ({reason}). Start it, for instance "
                f"with: chroma run --port {where.port or 8000}"
            ) from None

    def _name(self) -> str:
        """The collection's name on a server that other indexes use too."""
        place = hashlib.sha256(str(self._store.folder).encode()).hexdigest()[:12]
        return f"dure-{self._store.name}-{place}"[:63]

    def close(self) -> None:
        """Let go of Chroma's files."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._collection = None


def _chromadb() -> Any:
    """The package, and numpy whole before it.

    It begins with `numpy.typing`. Where another thread is importing numpy just then, as the one
    that loads the embedder does, Python hands one of them a module that is half there.
    """
    import numpy  # noqa: F401  # isort: skip
    import chromadb

    return chromadb
