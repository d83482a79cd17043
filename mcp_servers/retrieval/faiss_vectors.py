"""Nearest passages by FAISS (chapter 11.3.1.8): Flat, IVF and HNSW over inner products.

Vectors are of unit length, so the inner product is the cosine. Flat compares all and is exact;
IVF compares those of the nearest clusters; HNSW walks a graph of neighbours. `dure eval vectors`
shows what each costs and finds.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mcp_servers.retrieval.embedding import Vector

_AT_ONCE = 10_000  # vectors read from the store at a time: 15 MB
_NEIGHBOURS = 32  # edges of a node of the graph
_CONSTRUCTION = 200  # candidates looked at when a node is put into the graph
_SEARCH = 128  # and when it is searched
_PROBES = 16  # clusters that a search looks into
_PER_CLUSTER = 39  # vectors that FAISS wants at least to learn a cluster from
_SAMPLED = 64  # and those that it gets where there are more


class FaissVectors:
    """One index's FAISS file in this process."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._path = store.folder / f"{kind}.index"
        self._index: Any = None
        self._documents: dict[int, int] = {}  # of each chunk
        self._at = ""
        self._lock = threading.RLock()

    def nearest(self, query: Vector, k: int, documents: set[int] | None) -> list[int]:
        """See `VectorIndex`."""
        faiss = _faiss()
        with self._lock:
            if self._index is None or self._at != self._store.meta("graph"):
                self._open()
            if self._at != self._store.meta("stamp"):
                with self._store.writer_lock() as mine:
                    if mine:  # else a job is at it: this search does with what there was
                        self.refresh()
            if not self._index.ntotal:
                return []
            chosen: dict[str, Any] = {}
            if documents is not None:
                ids = [id_ for id_, document in self._owners().items() if document in documents]
                chosen["sel"] = faiss.IDSelectorBatch(ids)
            _, found = self._index.search(query[None, :], k, params=self._parameters(**chosen))
        return [int(id_) for id_ in found[0] if id_ >= 0]

    def _parameters(self, **chosen: Any) -> Any:
        faiss = _faiss()
        if self._kind == "faiss-hnsw":
            return faiss.SearchParametersHNSW(efSearch=_SEARCH, **chosen)
        if self._kind == "faiss-ivf":
            return faiss.SearchParametersIVF(nprobe=_PROBES, **chosen)
        return faiss.SearchParameters(**chosen)

    def prepare(self) -> None:
        """See `VectorIndex`."""
        _faiss()

    def refresh(self) -> None:
        """See `VectorIndex`. New vectors are added; where some have gone, it is built anew."""
        faiss = _faiss()
        with self._lock:
            stamp = self._store.meta("stamp")
            wanted = self._store.chunk_ids()
            if self._index is None or self._at != self._store.meta("graph"):
                self._open()
            held = self._ids()
            if held - wanted or len(wanted) > 2 * len(held):  # or its clusters are out of date
                self._index, held = self._empty(len(wanted)), set()
            for ids, vectors in self._batches(sorted(wanted - held)):
                if not self._index.is_trained:
                    self._index.train(self._sample(len(wanted)))
                self._index.add_with_ids(vectors, ids)
            aside = self._path.with_suffix(".tmp")
            faiss.write_index(self._index, str(aside))
            aside.replace(self._path)
            self._store.set_meta("graph", stamp)
            self._at, self._documents = stamp, {}

    def close(self) -> None:
        """See `VectorIndex`."""
        with self._lock:
            self._index, self._documents = None, {}

    def _open(self) -> None:
        at, self._documents = self._store.meta("graph"), {}
        try:
            self._index, self._at = _faiss().read_index(str(self._path)), at
        except RuntimeError:  # absent or damaged: derived data
            self._index, self._at = self._empty(0), "nowhere"

    def _empty(self, size: int) -> Any:
        faiss = _faiss()
        dimension = self._dimension()
        metric = faiss.METRIC_INNER_PRODUCT
        if self._kind == "faiss-hnsw":
            inner = faiss.IndexHNSWFlat(dimension, _NEIGHBOURS, metric)
            inner.hnsw.efConstruction = _CONSTRUCTION
        elif self._kind == "faiss-ivf":
            clusters = max(1, min(int(4 * size**0.5), size // _PER_CLUSTER))
            self._quantizer = faiss.IndexFlatIP(dimension)
            return faiss.IndexIVFFlat(self._quantizer, dimension, clusters, metric)
        else:
            inner = faiss.IndexFlatIP(dimension)
        return faiss.IndexIDMap2(inner)

    def _ids(self) -> set[int]:
        faiss = _faiss()
        if self._kind == "faiss-ivf":
            lists = self._index.invlists
            return {
                int(id_)
                for number in range(lists.nlist)
                if lists.list_size(number)
                for id_ in faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))
            }
        return {int(id_) for id_ in faiss.vector_to_array(self._index.id_map)}

    def _dimension(self) -> int:
        first = next(self._batches(sorted(self._store.chunk_ids())[:1]), None)
        return 1 if first is None else int(first[1].shape[1])

    def _batches(self, ids: list[int]) -> Any:
        import numpy as np

        for at in range(0, len(ids), _AT_ONCE):
            rows = self._store.vectors(ids[at : at + _AT_ONCE])
            if rows:
                vectors = [np.frombuffer(vector, np.float32) for _, vector in rows.values()]
                yield np.array(list(rows), np.int64), np.stack(vectors)

    def _sample(self, size: int) -> NDArray[np.float32]:
        """Vectors to learn clusters from, from all over the index."""
        import numpy as np

        step = max(1, size // (_SAMPLED * int(self._index.nlist)))
        ids = sorted(self._store.chunk_ids())[::step]
        return np.concatenate([vectors for _, vectors in self._batches(ids)])

    def _owners(self) -> dict[int, int]:
        if not self._documents:
            _, rows = self._store.snapshot()
            self._documents = {id_: document for id_, document, *_ in rows}
        return self._documents


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise EngineError(
            "This index is searched by FAISS, which is not installed. "
            "Install it: pip install 'dure[faiss]'"
        ) from None
    return faiss
