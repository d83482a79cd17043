"""An index's pictures: which document shows which, where, and what is said around them.

They have a SQLite file and a folder of their own beside the index's, so that an index of texts
alone stays what it is, and one without pictures has neither. A document is known here by its
bytes and kind (`key_of`): its pictures enter in one transaction, and count while the index holds
it. Equal pictures are kept once, however many places show them.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.picture_files import png_of
from mcp_servers.retrieval.analysis import Terms, terms
from mcp_servers.retrieval.chunks import text_hash
from mcp_servers.retrieval.snapshot import packed, unpacked
from mcp_servers.retrieval.store import DocumentRow, Store

if TYPE_CHECKING:
    from PIL.Image import Image

    from mcp_servers.retrieval.figures import Figure

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS places (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
    page INTEGER, picture TEXT NOT NULL, caption TEXT NOT NULL, words TEXT NOT NULL,
    hash BLOB NOT NULL, terms BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS looks (picture TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS word_vectors (hash BLOB PRIMARY KEY, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS places_document ON places (document);
"""


@dataclass(frozen=True)
class Place:
    """Where a picture is shown. `document` is a key, `picture` the hash of its pixels in hex."""

    id: int
    document: str
    page: int | None
    picture: str
    caption: str
    words: str


def key_of(sha256: str, path: str) -> str:
    """How a document is known here: the hash of its bytes, and its kind."""
    return sha256 + Path(path).suffix.lower()


def pixels_hash(image: Image) -> str:
    """The same for the same pixels, whatever file they came in."""
    digest = hashlib.blake2b(f"{image.mode} {image.size}".encode(), digest_size=16)
    digest.update(image.tobytes())
    return digest.hexdigest()


class PictureStore:
    """The pictures of one index. Every call opens and closes its own connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.folder = store.folder / "pictures"
        self._path = self.folder / "pictures.sqlite"

    def exists(self) -> bool:
        """Whether the index has ever had pictures."""
        return self._path.exists()

    def create(self) -> None:
        """Make the tables if there are none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")  # readers go on while a job writes
            with database:
                database.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(
                    "INSERT OR IGNORE INTO meta VALUES ('stamp', ?)", (uuid.uuid4().hex,)
                )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("PRAGMA synchronous = NORMAL")
            yield database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("UPDATE meta SET value = ? WHERE key = 'stamp'", (uuid.uuid4().hex,))

    def stamp(self) -> str:
        """Changes with the content."""
        with self._reading() as database:
            found = database.execute("SELECT value FROM meta WHERE key = 'stamp'").fetchone()
        return str(found[0])

    def meta(self, key: str) -> str:
        """One fact, or an empty string.

        `clip` (the identity of the model whose vectors are held), `clip_name`, or `fits` (from
        which of its cosines on a picture fits a text).
        """
        with self._reading() as database:
            row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def set_model(self, identity: str, name: str, fits: float) -> None:
        """Record whose vectors are held from now on; those of another model go."""
        facts = {"clip": identity, "clip_name": name, "fits": repr(fits)}
        with self._writing() as database:
            database.execute("DELETE FROM looks")
            database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())

    def has(self, document: str) -> bool:
        """Whether a document has been looked at, with pictures or without."""
        with self._reading() as database:
            query = "SELECT 1 FROM documents WHERE key = ?"
            return database.execute(query, (document,)).fetchone() is not None

    def path_of(self, picture: str) -> Path:
        """The PNG file of a picture."""
        return self.folder / f"{picture}.png"

    def keep(self, image: Image) -> str:
        """Write a picture's file unless it is there; its hash."""
        picture = pixels_hash(image)
        path = self.path_of(picture)
        if not path.exists():
            aside = path.with_name(f".{picture}.{os.getpid()}.tmp")
            try:
                aside.write_bytes(png_of(image))
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
        return picture

    def put(self, document: str, found: Sequence[tuple[str, Figure]]) -> None:
        """Put a document's pictures, which `keep` has written, in reading order."""
        rows = [
            (
                *(document, item.page, picture, item.caption, item.words),
                *(text_hash(item.words), packed(terms(item.words))),
            )
            for picture, item in found
        ]
        with self._writing() as database:
            database.execute("DELETE FROM documents WHERE key = ?", (document,))
            database.execute("INSERT INTO documents VALUES (?)", (document,))
            database.executemany(
                "INSERT INTO places (document, page, picture, caption, words, hash, terms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def forget_gone(self, documents: Iterable[DocumentRow]) -> set[str]:
        """Drop what belongs to no document of these, files included; the pictures that are left.

        For the index's one writer alone: a file may have been written that no place knows yet.
        """
        held = {key_of(row["sha256"], row["source"]) for row in documents}
        with self._writing() as database:
            known = database.execute("SELECT key FROM documents").fetchall()
            gone = [(key,) for (key,) in known if key not in held]
            database.executemany("DELETE FROM documents WHERE key = ?", gone)
            database.execute("DELETE FROM word_vectors WHERE hash NOT IN (SELECT hash FROM places)")
            database.execute("DELETE FROM looks WHERE picture NOT IN (SELECT picture FROM places)")
            left = {str(row[0]) for row in database.execute("SELECT DISTINCT picture FROM places")}
        for path in self.folder.glob("*.png"):
            if path.stem not in left:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)
        return left

    def places(self) -> list[Place]:
        """Every place, in the order in which they came."""
        query = "SELECT id, document, page, picture, caption, words FROM places ORDER BY id"
        with self._reading() as database:
            return [Place(*row) for row in database.execute(query)]

    def without_vector(self) -> list[str]:
        """The words of places that have no vector yet, none twice."""
        query = (
            "SELECT DISTINCT words FROM places WHERE hash NOT IN (SELECT hash FROM word_vectors)"
        )
        with self._reading() as database:
            return [str(row[0]) for row in database.execute(query)]

    def keep_vectors(self, vectors: Iterable[tuple[str, bytes]]) -> None:
        """Put float32 vectors by their words."""
        rows = [(text_hash(words), vector) for words, vector in vectors]
        with self._writing() as database:
            database.executemany("INSERT OR REPLACE INTO word_vectors VALUES (?, ?)", rows)

    def terms(self) -> dict[int, Terms]:
        """The terms of each place's words, by the place's id."""
        with self._reading() as database:
            rows = database.execute("SELECT id, terms FROM places").fetchall()
        return {id_: unpacked(kept) for id_, kept in rows}

    def vectors(self) -> dict[int, bytes]:
        """The vector of each place's words, by the place's id."""
        query = "SELECT id, vector FROM places JOIN word_vectors USING (hash)"
        with self._reading() as database:
            return dict(database.execute(query).fetchall())

    def without_looks(self) -> list[str]:
        """The pictures that CLIP has not embedded yet."""
        query = """SELECT DISTINCT picture FROM places
            WHERE picture NOT IN (SELECT picture FROM looks) ORDER BY id"""
        with self._reading() as database:
            return [str(row[0]) for row in database.execute(query)]

    def keep_looks(self, vectors: Iterable[tuple[str, bytes]]) -> None:
        """Put float32 vectors of pictures."""
        with self._writing() as database:
            database.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?)", vectors)

    def looks(self) -> dict[str, bytes]:
        """The vector of each picture."""
        with self._reading() as database:
            return dict(database.execute("SELECT picture, vector FROM looks").fetchall())
