"""An index of pictures: unit vectors in a memory-mapped file, and SQLite that says whose they are.

Vectors are written and flushed before the transaction that names them: a job killed in between
leaves rows that nothing names, and the next one writes over them. Files of equal bytes share a
vector. No row is used again, so that a reader's map stays true; when most rows are unused, the
others move into a new file in one transaction.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers import folders
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DEFAULT = "pictures"
_BYTES = 4  # of a float32
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS folders (path TEXT PRIMARY KEY, include TEXT, exclude TEXT);
CREATE TABLE IF NOT EXISTS pictures (id INTEGER PRIMARY KEY, sha256 TEXT UNIQUE, slot INTEGER);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, picture INTEGER, reason TEXT
);
CREATE INDEX IF NOT EXISTS files_of_picture ON files (picture);
CREATE INDEX IF NOT EXISTS pictures_by_slot ON pictures (slot);
"""


@dataclass(frozen=True)
class File:
    """A file as it was seen: its size in bytes, its time of change in nanoseconds."""

    path: str
    size: int
    mtime: int


@dataclass(frozen=True)
class Folder:
    """A folder of an index, and which of its files are meant."""

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """An index at one moment: row i of `matrix` is a vector that counts where `live[i]`."""

    stamp: str
    matrix: Floats
    live: NDArray[np.bool_]


def names() -> list[str]:
    """The names of all indexes, sorted."""
    return sorted(path.parent.name for path in _root().glob("[!.]*/index.sqlite"))


def _root() -> Path:
    return dure_home() / "clip"


_snapshots: dict[Path, Snapshot] = {}


class Store:
    """One index's folder. Every call opens and closes its own connection."""

    def __init__(self, name: str) -> None:
        """Raises `EngineError` for what is no name."""
        if not re.fullmatch(r"[\w-]{1,64}", name):
            raise EngineError(f"{name!r} is no index name. Use up to 64 letters, digits, - and _.")
        self.name = name
        self.folder = _root() / name
        self._path = self.folder / "index.sqlite"

    def exists(self) -> bool:
        """Whether there is such an index."""
        return self._path.exists()

    def must_exist(self) -> None:
        """Raises `EngineError` that names the indexes there are."""
        if not self.exists():
            known = ", ".join(names()) or "none yet"
            raise EngineError(
                f"There is no index {self.name!r} (there are: {known}). Make it with "
                "index_pictures."
            )

    def create(self) -> None:
        """Make the index if there is none, whole at once; it holds no model's vectors yet.

        The caller holds it by `writing_alone`.
        """
        if self.exists():
            return
        aside = self.folder / "new.sqlite"
        aside.unlink(missing_ok=True)
        with closing(sqlite3.connect(aside)) as database:
            database.execute("PRAGMA journal_mode = WAL")  # readers go on while a job writes
            database.executescript(_SCHEMA)
        aside.replace(self._path)

    def remove(self) -> None:
        """Delete the index. Raises `EngineError` while a job writes it."""
        with self.writing_alone() as mine:
            if not mine:
                raise EngineError(f"A job writes index {self.name!r}. Cancel it first.")
            folders.remove(self.folder)
        _snapshots.pop(self.folder, None)

    @contextmanager
    def writing_alone(self) -> Iterator[bool]:
        """Hold the index against other writers; False where another process has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Spare a job of many small writes SQLite's tidying at each last connection's end."""
        with self._reading():
            yield

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self.must_exist()
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            try:
                database.execute("PRAGMA synchronous = NORMAL")
                yield database
            except sqlite3.OperationalError as error:  # the disk is full, or another holds it
                raise EngineError(
                    f"Index {self.name!r} cannot be used ({error}). Make room in {self.folder}, "
                    "then try again."
                ) from None
            except sqlite3.DatabaseError as error:
                raise self._broken(error) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            _set(database, stamp=uuid.uuid4().hex)

    def meta(self, key: str) -> str:
        """One fact, or an empty string: `model`, `identity`, `dimension`, `vectors`, `slots`."""
        with self._reading() as database:
            return _meta(database, key)

    def reset(self, model: str, identity: str, dimension: int) -> None:
        """Forget all pictures; from now on the index holds this model's vectors."""
        with self._writing() as database:
            for table in ("pictures", "files"):
                database.execute(f"DELETE FROM {table}")
            number = int(_meta(database, "vectors") or 0) + 1
            self._vectors(number).unlink(missing_ok=True)
            _set(database, model=model, identity=identity, dimension=dimension, vectors=number)
            _set(database, slots=0)
        self.sweep()

    def call_model(self, name: str) -> None:
        """Record another name of the model whose vectors these are."""
        with self._writing() as database:
            _set(database, model=name)

    def sweep(self) -> None:
        """Delete files of vectors that are used no more."""
        used = self._vectors(int(self.meta("vectors") or 0))
        for path in self.folder.glob("vectors-*.f32"):
            if path != used:
                path.unlink(missing_ok=True)

    def _vectors(self, number: int) -> Path:
        return self.folder / f"vectors-{number}.f32"

    def set_folder(self, folder: Folder) -> None:
        """Record a folder of the index."""
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO folders VALUES (?, ?, ?)",
                (folder.path, "\n".join(folder.include), "\n".join(folder.exclude)),
            )

    def folders(self) -> list[Folder]:
        """The folders of the index."""
        with self._reading() as database:
            rows = database.execute("SELECT path, include, exclude FROM folders ORDER BY path")
            return [
                Folder(path, *(tuple(filter(None, each.split("\n"))) for each in patterns))
                for path, *patterns in rows.fetchall()
            ]

    def files(self) -> dict[str, File]:
        """Every file that is known, those that could not be opened too, by path."""
        with self._reading() as database:
            rows = database.execute("SELECT path, size, mtime FROM files").fetchall()
        return {row[0]: File(*row) for row in rows}

    def join(self, file: File, sha256: str) -> bool:
        """Name a file for a picture that is here by its bytes; False where there is none."""
        with self._writing() as database:
            row = database.execute("SELECT id FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
            if row:
                _put(database, file, row[0], None)
        return row is not None

    def refuse(self, file: File, reason: str) -> None:
        """Record why a file cannot be opened, so that it is not tried again until it changes."""
        with self._writing() as database:
            _put(database, file, None, reason)

    def add(self, new: Sequence[tuple[File, str]], vectors: Floats) -> None:
        """Add pictures (file and its SHA-256) with their vectors, all or none.

        Raises `EngineError` where the disk is full.
        """
        with self._writing() as database:
            slot, dimension = int(_meta(database, "slots")), int(_meta(database, "dimension"))
            path = self._vectors(int(_meta(database, "vectors")))
            _write_rows(path, slot * dimension * _BYTES, vectors)
            for at, (file, sha256) in enumerate(new):
                database.execute(
                    "INSERT OR IGNORE INTO pictures (sha256, slot) VALUES (?, ?)",
                    (sha256, slot + at),
                )
                found = database.execute("SELECT id FROM pictures WHERE sha256 = ?", (sha256,))
                _put(database, file, found.fetchone()[0], None)
            _set(database, slots=slot + len(new))

    def forget(self, paths: Iterable[str]) -> None:
        """Take files out, and pictures that no file shows any more."""
        with self._writing() as database:
            database.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])
            database.execute(
                "DELETE FROM pictures WHERE NOT EXISTS "
                "(SELECT 1 FROM files WHERE picture = pictures.id)"
            )

    def compact(self) -> None:
        """Move the vectors into a new file where most rows of the old one are unused."""
        found = self.snapshot()
        if 2 * int(found.live.sum()) >= len(found.live):
            return
        slots = found.live.nonzero()[0].tolist()
        with self._writing() as database:
            number = int(_meta(database, "vectors")) + 1
            path = self._vectors(number)
            path.unlink(missing_ok=True)
            _write_rows(path, 0, found.matrix[found.live])
            database.executemany(
                "UPDATE pictures SET slot = ? WHERE slot = ?", list(enumerate(slots))
            )  # from low to high: no row's new place is one that is still to move
            _set(database, vectors=number, slots=len(slots))
        self.sweep()

    def snapshot(self) -> Snapshot:
        """The index now; the same object as long as nothing changes."""
        with suppress(OSError, ValueError):  # a job may move the vectors in this very moment
            return self._snapshot()
        try:
            return self._snapshot()
        except (OSError, ValueError):
            raise self._broken("its vectors are not whole") from None

    def _broken(self, reason: object) -> EngineError:
        return EngineError(
            f"Index {self.name!r} is broken ({reason}). Delete it with remove_index and index its "
            "folders again."
        )

    def _snapshot(self) -> Snapshot:
        import numpy as np

        with self._reading() as database:
            database.execute("BEGIN")
            stamp = _meta(database, "stamp")
            known = _snapshots.get(self.folder)
            if known and known.stamp == stamp:
                return known
            slots = int(_meta(database, "slots") or 0)
            shape = slots, int(_meta(database, "dimension") or 0)
            path = self._vectors(int(_meta(database, "vectors") or 0))
            rows = database.execute("SELECT slot FROM pictures").fetchall()
        live = np.zeros(slots, bool)
        live[[slot for (slot,) in rows]] = True
        matrix = np.memmap(path, np.float32, "r", 0, shape) if slots else np.zeros(shape)
        found = Snapshot(stamp, np.asarray(matrix, np.float32), live)
        _snapshots[self.folder] = found
        return found

    def paths(self, slot: int) -> list[str]:
        """The files that show the picture of a row, sorted."""
        query = "SELECT path FROM files JOIN pictures ON picture = id WHERE slot = ? ORDER BY path"
        with self._reading() as database:
            return [path for (path,) in database.execute(query, (slot,)).fetchall()]

    def usable(self) -> list[str]:
        """All files with a picture, sorted."""
        query = "SELECT path FROM files WHERE picture IS NOT NULL ORDER BY path"
        with self._reading() as database:
            return [path for (path,) in database.execute(query).fetchall()]

    def different(self) -> int:
        """How many different pictures there are."""
        with self._reading() as database:
            return int(database.execute("SELECT count(*) FROM pictures").fetchone()[0])

    def unusable(self) -> list[tuple[str, str]]:
        """Files that cannot be opened, and why."""
        query = "SELECT path, reason FROM files WHERE picture IS NULL ORDER BY path"
        with self._reading() as database:
            return [(path, reason) for path, reason in database.execute(query).fetchall()]

    def bytes(self) -> int:
        """What the index takes on the disk."""
        with suppress(OSError):
            return sum(path.stat().st_size for path in self.folder.iterdir())
        return 0


def _meta(database: sqlite3.Connection, key: str) -> str:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def _set(database: sqlite3.Connection, **facts: object) -> None:
    rows = [(key, str(value)) for key, value in facts.items()]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def _put(database: sqlite3.Connection, file: File, picture: int | None, reason: str | None) -> None:
    """Record a file; the picture that it showed before goes if nothing else shows it."""
    old = database.execute("SELECT picture FROM files WHERE path = ?", (file.path,)).fetchone()
    database.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
        (file.path, file.size, file.mtime, picture, reason),
    )
    if old:
        database.execute(
            "DELETE FROM pictures WHERE id = ?1 AND NOT EXISTS "
            "(SELECT 1 FROM files WHERE picture = ?1)",
            old,
        )


def _write_rows(path: Path, offset: int, vectors: Floats) -> None:
    """Write vectors at that byte and flush them to the disk. Raises `EngineError`."""
    try:
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(offset)
            file.write(vectors.tobytes())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EngineError(
            f"The vectors cannot be written to {path.parent} ({error.strerror}). Make room there, "
            "or set DURE_HOME to a folder on another disk."
        ) from None
