"""Where translators in training keep their state: a checkpoint and a lock for each request."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home


def path_of(name: str, digest: str) -> Path:
    """The checkpoint of a translator's name and of all that was asked for (16 hex digits)."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{digest}.safetensors"


@contextlib.contextmanager
def only_one(checkpoint: Path) -> Iterator[None]:
    """Hold a run's checkpoint; the lock goes with the process. Raises `EngineError`."""
    held = _locked(checkpoint.with_suffix(".lock"))
    if held is None:
        raise EngineError(
            "A job is training this very translator. Wait for it, or cancel it first."
        )
    try:
        yield
    finally:
        os.close(held)


def forget(name: str) -> int:
    """Delete what runs of this name left that nobody trains now. Returns how many there were."""
    runs = {
        found[0]
        for path in _folder().glob(f"{name}-*")
        if (found := re.match(rf"{re.escape(name)}-[0-9a-f]{{16}}(?=\.)", path.name))
    }
    forgotten = 0
    for run in runs:
        lock = _folder() / f"{run}.lock"
        held = _locked(lock)
        if held is None:
            continue
        for path in _folder().glob(f"{run}.*"):
            path.unlink(missing_ok=True)  # the lock too, while it is held
        os.close(held)
        forgotten += 1
    return forgotten


def _locked(lock: Path) -> int | None:
    """The lock's descriptor, or None where another process holds it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # `forget` deleted the file in between


def _folder() -> Path:
    return dure_home() / "models" / "translators" / ".training"
