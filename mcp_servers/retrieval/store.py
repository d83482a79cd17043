"""An index's truth: one SQLite file with documents, pages, chunks and vectors.

A document enters or leaves in one transaction, so that a job killed at any moment leaves an index
that can be read; what else there is (Chroma's graph, BM25) is derived from it and follows its
`stamp`. Vectors are kept by the hash of their text: equal texts share one, and what a killed job
has embedded is there when it starts again. Files with the same bytes are one document that knows
all their paths.
"""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home
from mcp_servers.retrieval.chunks import Chunk, Slice, text_hash, under
from mcp_servers.retrieval.files import Document
from mcp_servers.retrieval.paths import detach, drop_vectors
from mcp_servers.retrieval.schema import VERSION, migrate

_AT_ONCE = 500  # parameters of one statement; SQLite's limit is 999 in old builds


class DocumentRow(TypedDict):
    """One indexed document. `pages` is null for a file without pages; sizes are in characters.

    `other_paths` are files with the same bytes as `source`; `chunking` says how it was cut.
    """

    source: str
    other_paths: list[str]
    title: str
    pages: int | None
    chunks: int
    added: str
    sha256: str
    characters: int
    chunking: str


@dataclass(frozen=True)
class Known:
    """How a path was indexed: its file's hash, the chunking, the folder that it came through."""

    sha256: str
    chunking: str
    folder: str | None


def index_names() -> list[str]:
    """The names of all indexes, sorted."""
    return sorted(path.parent.name for path in (dure_home() / "indexes").glob("*/index.sqlite"))


class Store:
    """One index's folder and database. Every call opens and closes its own connection."""

    def __init__(self, name: str) -> None:
        """Raises `EngineError` for a name that is not letters, digits, - and _."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise EngineError(
                f"{name!r} is not an index name. Use up to 64 letters, digits, - and _."
            )
        self.name = name
        self.folder = dure_home() / "indexes" / name
        self._path = self.folder / "index.sqlite"

    def create(self, embedder: str, name: str = "") -> None:
        """Make the index if there is none, and record whose vectors it holds.

        `embedder` is the embedder's identity, `name` that by which `embedding.of` finds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")  # readers go on while a job writes
            migrate(database)
            facts = {"embedder": embedder, **({"embedder_name": name} if name else {})}
            with database:
                database.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", facts.items())

    def is_unused(self) -> bool:
        """Whether this is the default index before its first document: empty, not missing."""
        return self.name == "default" and not self._path.exists()

    def exists(self) -> bool:
        """Whether there is such an index."""
        return self._path.exists()

    def must_exist(self) -> None:
        """Raises `EngineError` that names the indexes there are."""
        if not self._path.exists():
            known = ", ".join(index_names()) or "none yet"
            raise EngineError(
                f"There is no index {self.name!r} (there are: {known}). Add files to it with add."
            )

    def must_match(self, embedder: str) -> None:
        """Raises `EngineError` when the index holds another embedder's vectors.

        An index that was killed while it was made has no embedder yet, and no vectors.
        """
        recorded = self.meta("embedder")
        if recorded and recorded != embedder:
            raise EngineError(
                f"Index {self.name!r} was built with {recorded}, but this installation embeds "
                f"with {embedder}: their vectors cannot be compared. Rebuild it: add its files "
                f"to a new index, or delete {self.folder} and add them again."
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self.must_exist()
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            # With a write-ahead log this outlives a kill too; only a power cut may take the last
            # transactions, and it leaves the index whole.
            database.execute("PRAGMA synchronous = NORMAL")
            if database.execute("PRAGMA user_version").fetchone()[0] < VERSION:
                migrate(database)
            yield database

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Spare a job of many small writes their price.

        SQLite folds its log into the database, and waits for the disk, whenever the last
        connection closes. 300 files of one passage took 12 s beside their embedding so, and with
        one connection held open (and `synchronous` as it is) 2 to 3 s.
        """
        with self._reading():
            yield

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    def meta(self, key: str) -> str:
        """One fact about the index, or an empty string.

        `embedder` (its identity), `embedder_name`, `chunking` (what new documents get), `stamp`
        (changes with the content) or `graph` (the stamp Chroma is at).
        """
        with self._reading() as database:
            row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Record one fact about the index."""
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def documents(self) -> list[DocumentRow]:
        """All documents, oldest first."""
        query = """
            SELECT id, source, title, added, sha256, chunking,
                (SELECT count(number) FROM pages WHERE document = documents.id),
                (SELECT count(*) FROM chunks WHERE document = documents.id),
                (SELECT sum(length(text)) FROM pages WHERE document = documents.id)
            FROM documents ORDER BY id"""
        with self._reading() as database:
            rows = database.execute(query).fetchall()
            paths: dict[int, list[str]] = {}
            for path, id_ in database.execute("SELECT path, document FROM paths ORDER BY path"):
                paths.setdefault(id_, []).append(path)
        return [
            {
                "source": source,
                "other_paths": [path for path in paths.get(id_, []) if path != source],
                "title": title,
                "pages": pages or None,
                "chunks": chunks,
                "added": added,
                "sha256": sha256,
                "characters": characters,
                "chunking": chunking,
            }
            for id_, source, title, added, sha256, chunking, pages, chunks, characters in rows
        ]

    def document_ids(self, sources: Sequence[str]) -> set[int]:
        """The ids of the documents with these exact paths."""
        query = "SELECT id FROM documents WHERE source IN ({})"
        with self._reading() as database:
            return {row[0] for row in _in_batches(database, query, sources)}

    def known(self, path: str) -> Known | None:
        """What is recorded of a path, or None."""
        query = """SELECT sha256, chunking, folder FROM paths
            JOIN documents ON documents.id = document WHERE path = ?"""
        with self._reading() as database:
            row = database.execute(query, (path,)).fetchone()
        return None if row is None else Known(*row)

    def twin(self, path: Path, sha256: str, chunking: str) -> str | None:
        """The source of the document that a file with these bytes would be, if it is there."""
        query = "SELECT source FROM documents WHERE sha256 = ? AND chunking = ?"
        with self._reading() as database:
            rows = database.execute(query, (sha256, chunking)).fetchall()
        same_kind = (source for (source,) in rows if _suffix(source) == _suffix(str(path)))
        return next(same_kind, None)

    def came_from(self, folder: Path) -> list[str]:
        """The paths at or below a folder that came into the index through a folder."""
        query = "SELECT path FROM paths WHERE folder IS NOT NULL ORDER BY path"
        with self._reading() as database:
            rows = database.execute(query).fetchall()
        return [path for (path,) in rows if Path(path).is_relative_to(folder)]

    def known_vectors(self, hashes: Iterable[bytes]) -> set[bytes]:
        """Which of these texts are embedded already."""
        wanted = list(dict.fromkeys(hashes))
        with self._reading() as database:
            rows = _in_batches(database, "SELECT hash FROM vectors WHERE hash IN ({})", wanted)
        return {row[0] for row in rows}

    def keep_vectors(self, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep (hash of the text, float32 bytes of its vector) until a document needs them."""
        with self._writing() as database:
            database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", vectors)

    def put(
        self,
        document: Document,
        chunks: Sequence[Slice],
        chunking: str = "",
        folder: str | None = None,
    ) -> None:
        """Put a document, replacing what its source held.

        `folder` is the one through which its file was found. All or nothing. The vectors must be
        there already.
        """
        with self._writing() as database:
            unused = detach(database, document.source)
            added = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            row = database.execute(
                "INSERT INTO documents (source, title, sha256, added, chunking) "
                "VALUES (?, ?, ?, ?, ?)",
                (document.source, document.title, document.sha256, added, chunking),
            ).lastrowid
            database.execute("INSERT INTO paths VALUES (?, ?, ?)", (document.source, row, folder))
            database.executemany(
                "INSERT INTO pages VALUES (?, ?, ?)",
                [(row, page.number, page.text) for page in document.pages],
            )
            database.executemany(
                "INSERT INTO chunks (document, page, text, heading, hash) VALUES (?, ?, ?, ?, ?)",
                [(row, *chunk, text_hash(chunk.searched)) for chunk in chunks],
            )
            drop_vectors(database, unused)
            _stamp(database)

    def join(self, path: str, source: str, folder: str | None) -> None:
        """Make a path one of a document's; what the path held before loses it."""
        with self._writing() as database:
            unused = detach(database, path)
            database.execute(
                "INSERT INTO paths SELECT ?, id, ? FROM documents WHERE source = ?",
                (path, folder, source),
            )
            drop_vectors(database, unused)
            _stamp(database)

    def found_in(self, path: str, folder: str) -> None:
        """Record that a path came through a folder too."""
        with self._writing() as database:
            database.execute("UPDATE paths SET folder = ? WHERE path = ?", (folder, path))

    def forget(self, path: str) -> None:
        """Take a path out; its document goes with its last path, else goes by another of them."""
        with self._writing() as database:
            drop_vectors(database, detach(database, path))
            _stamp(database)

    def remove(self, source: str) -> None:
        """Take a document out with all its paths, and the vectors that nothing else uses."""
        with self._writing() as database:
            database.execute("DELETE FROM documents WHERE source = ?", (source,))
            _stamp(database)
        self.drop_unused_vectors()

    def drop_unused_vectors(self) -> None:
        """Forget vectors that belong to no document: a removed one, or a job given up."""
        with self._writing() as database:
            database.execute("DELETE FROM vectors WHERE hash NOT IN (SELECT hash FROM chunks)")

    def page_text(self, source: str, page: int | None) -> str | None:
        """A page's text, or None where there is no such page. `source` is the exact path."""
        query = """SELECT text FROM pages JOIN documents ON documents.id = document
            WHERE source = ? AND number IS ?"""
        with self._reading() as database:
            row = database.execute(query, (source, page)).fetchone()
        return None if row is None else str(row[0])

    def snapshot(self) -> tuple[str, list[tuple[int, int, int | None, str]]]:
        """The stamp, and every chunk as (id, document, page, what is searched), at one moment."""
        with self._reading() as database:
            database.execute("BEGIN")
            stamp = database.execute("SELECT value FROM meta WHERE key = 'stamp'").fetchone()[0]
            rows = database.execute(
                "SELECT id, document, page, heading, text FROM chunks ORDER BY id"
            ).fetchall()
        return str(stamp), [(*placed, under(heading, text)) for *placed, heading, text in rows]

    def chunk_ids(self) -> set[int]:
        """The ids of all chunks. An id is never used twice."""
        with self._reading() as database:
            return {row[0] for row in database.execute("SELECT id FROM chunks")}

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The chunks with these ids; unknown ones are left out."""
        query = """SELECT chunks.id, document, source, title, page, text, heading
            FROM chunks JOIN documents ON documents.id = document WHERE chunks.id IN ({})"""
        with self._reading() as database:
            return {row[0]: Chunk(*row) for row in _in_batches(database, query, ids)}

    def vectors(self, ids: Sequence[int]) -> dict[int, tuple[int, bytes]]:
        """For chunk ids, their document and the float32 bytes of their vector."""
        query = """SELECT id, document, vector
            FROM chunks JOIN vectors ON vectors.hash = chunks.hash WHERE id IN ({})"""
        with self._reading() as database:
            return {row[0]: (row[1], row[2]) for row in _in_batches(database, query, ids)}

    def neighbours(self, chunk: Chunk, before: int, after: int) -> tuple[list[int], list[int]]:
        """The ids of the chunks before and after one, in its document, in reading order."""
        with self._reading() as database:
            earlier = database.execute(
                "SELECT id FROM chunks WHERE document = ? AND id < ? ORDER BY id DESC LIMIT ?",
                (chunk.document, chunk.id, before),
            ).fetchall()
            later = database.execute(
                "SELECT id FROM chunks WHERE document = ? AND id > ? ORDER BY id LIMIT ?",
                (chunk.document, chunk.id, after),
            ).fetchall()
        return [row[0] for row in reversed(earlier)], [row[0] for row in later]

    @contextmanager
    def writer_lock(self) -> Iterator[bool]:
        """Whether this process is the index's one writer, for as long as the block lasts.

        The lock is a transaction on a database of its own: SQLite locks files alike on every
        system, and the lock dies with its process.
        """
        self.must_exist()
        with closing(sqlite3.connect(self.folder / "writer.lock", timeout=0)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                yield False
            else:
                yield True


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _stamp(database: sqlite3.Connection) -> None:
    database.execute("UPDATE meta SET value = ? WHERE key = 'stamp'", (uuid.uuid4().hex,))


def _in_batches(
    database: sqlite3.Connection,
    query: str,
    values: Sequence[int] | Sequence[bytes] | Sequence[str],
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for at in range(0, len(values), _AT_ONCE):
        some = values[at : at + _AT_ONCE]
        rows += database.execute(query.format(",".join("?" * len(some))), list(some))
    return rows
