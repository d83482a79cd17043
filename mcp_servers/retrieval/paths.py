"""Which files a document stands for: paths come and go, the document stays while one is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from mcp_servers.retrieval.cleaning import composed


def detach(database: sqlite3.Connection, path: str) -> list[bytes]:
    """Part a path from its document; the hashes of the document's texts if it went with it."""
    row = database.execute("SELECT document FROM paths WHERE path = ?", (path,)).fetchone()
    if row is None:
        return []
    database.execute("DELETE FROM paths WHERE path = ?", (path,))
    other = database.execute(
        "SELECT path FROM paths WHERE document = ? ORDER BY path LIMIT 1", row
    ).fetchone()
    if other is None:
        hashes = database.execute("SELECT DISTINCT hash FROM chunks WHERE document = ?", row)
        unused = [hash_ for (hash_,) in hashes.fetchall()]
        database.execute("DELETE FROM documents WHERE id = ?", row)
        return unused
    database.execute(
        "UPDATE documents SET source = ?, title = ? WHERE id = ? AND source = ?",
        (other[0], composed(Path(other[0]).name), row[0], path),
    )
    return []


def drop_vectors(database: sqlite3.Connection, hashes: Sequence[bytes]) -> None:
    """Forget those of these vectors that no chunk uses; a cancelled job's others stay."""
    database.executemany(
        "DELETE FROM vectors WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM chunks WHERE hash = ?1)",
        [(hash_,) for hash_ in hashes],
    )
