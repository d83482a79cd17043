"""What a process needs of an index between searches: which passages there are, and BM25 over them.

It is derived from the store and kept beside it under the store's stamp, so that a search in a new
process loads it in milliseconds. Terms are kept by the hash of their text: when files are added to
a large index, only new passages are analysed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.analysis import Terms, terms
from mcp_servers.retrieval.chunks import text_hash
from mcp_servers.retrieval.lexical import LexicalIndex
from mcp_servers.retrieval.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ANALYSIS = "1"  # changes with `analysis.terms`
_NO_PAGE = -1


class EmptyIndex(EngineError):
    """An index without passages; it may hold pictures."""


@dataclass(frozen=True)
class Snapshot:
    """The passages of an index at one stamp, by ascending id; `pages` is -1 where there is none."""

    stamp: str
    ids: NDArray[np.int64]
    documents: NDArray[np.int64]
    pages: NDArray[np.int64]
    lexical: LexicalIndex


def snapshot_of(store: Store) -> Snapshot:
    """The snapshot at the store's stamp, from disk where it is there.

    Raises `EmptyIndex` for an index without passages.
    """
    return _load(store) or _build(store)


def refresh(store: Store) -> None:
    """Bring the files to the store's stamp. The caller holds the writer lock."""
    if _folder(store, store.meta("stamp")).is_dir() or not store.chunk_ids():
        return
    built = _build(store)
    _save(store, built)
    _forget_gone(store)


def _folder(store: Store, stamp: str) -> Path:
    return store.folder / "lexical" / f"{_ANALYSIS}-{stamp}"


def _build(store: Store) -> Snapshot:
    import numpy as np

    stamp, rows = store.snapshot()
    if not rows:
        raise EmptyIndex(f"Index {store.name!r} is empty. Add files to it with add.")
    lexical = LexicalIndex.build(_terms(store, [text for *_, text in rows]))
    ids, documents, pages = (
        np.array([_NO_PAGE if row[at] is None else row[at] for row in rows], np.int64)
        for at in range(3)
    )
    return Snapshot(stamp, ids, documents, pages, lexical)


def _load(store: Store) -> Snapshot | None:
    import numpy as np

    stamp = store.meta("stamp")
    folder = _folder(store, stamp)
    lexical = LexicalIndex.load(folder)
    if lexical is None:
        return None
    try:
        ids, documents, pages = np.load(folder / "passages.npy")
    except (OSError, ValueError):
        return None
    return Snapshot(stamp, ids, documents, pages, lexical)


def _save(store: Store, snapshot: Snapshot) -> None:
    import numpy as np

    folder = _folder(store, snapshot.stamp)
    passages = np.stack([snapshot.ids, snapshot.documents, snapshot.pages])
    snapshot.lexical.save(folder, lambda aside: np.save(aside / "passages.npy", passages))
    for old in folder.parent.iterdir():
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def analyse(store: Store, texts: Sequence[str]) -> None:
    """Keep the terms of these texts, so that `refresh` finds them. For a thread beside others."""
    by_hash = {text_hash(text): text for text in texts}
    with _kept_terms(store) as database:
        query = "SELECT 1 FROM terms WHERE hash = ? AND analysis = ?"
        _keep(
            database,
            {
                hash_: terms(text)
                for hash_, text in by_hash.items()
                if not database.execute(query, (hash_, _ANALYSIS)).fetchone()
            },
        )


def _terms(store: Store, texts: Sequence[str]) -> list[Terms]:
    """The terms of every text; those that are new are kept for the next time."""
    hashes = [text_hash(text) for text in texts]
    with _kept_terms(store) as database:
        kept = database.execute("SELECT hash, terms FROM terms WHERE analysis = ?", (_ANALYSIS,))
        known = {hash_: unpacked(blob) for hash_, blob in kept}
        by_hash = dict(zip(hashes, texts, strict=True))
        new = {hash_: terms(text) for hash_, text in by_hash.items() if hash_ not in known}
        _keep(database, new)
    known |= new
    return [known[hash_] for hash_ in hashes]


def _forget_gone(store: Store) -> None:
    """Delete the terms of texts that the store no longer has.

    For a writer alone: a search would delete those of files that are still being embedded.
    """
    held = {text_hash(text) for *_, text in store.snapshot()[1]}
    with _kept_terms(store) as database:
        kept = database.execute("SELECT hash FROM terms").fetchall()
        gone = [(hash_,) for (hash_,) in kept if hash_ not in held]
        database.executemany("DELETE FROM terms WHERE hash = ?", gone)


@contextmanager
def _kept_terms(store: Store) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.folder / "terms.sqlite", timeout=30)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS terms (hash BLOB PRIMARY KEY, analysis TEXT, terms BLOB)"
        )
        yield database


def _keep(database: sqlite3.Connection, new: Mapping[bytes, Terms]) -> None:
    database.executemany(
        "INSERT OR REPLACE INTO terms VALUES (?, ?, ?)",
        [(hash_, _ANALYSIS, packed(listed)) for hash_, listed in new.items()],
    )


def packed(listed: Terms) -> bytes:
    """Terms as they are kept."""
    return zlib.compress(json.dumps(listed, ensure_ascii=False).encode(), 1)


def unpacked(kept: bytes) -> Terms:
    """What `packed` made."""
    return Terms(*json.loads(zlib.decompress(kept)))
