"""Folders that appear, are replaced and go as one, whatever moment a process is killed at."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mcp_servers.home import process_exists


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder aside to write into, which then takes the folder's name.

    The old one is only renamed until the new one is in its place, and comes back where that
    fails; for the moment between two renames a reader finds neither.
    """
    _sweep(folder)
    aside, old = _aside(folder, "new"), _aside(folder, "old")
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            folder.rename(old)
        try:
            aside.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def remove(folder: Path) -> None:
    """Take a folder away by one rename, then delete its files, and what killed processes left."""
    _sweep(folder)
    gone = _aside(folder, "old")
    if folder.exists():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _aside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{os.getpid()}.{what}")


def _sweep(folder: Path) -> None:
    """Delete what processes that are no more left beside a folder."""
    for left in folder.parent.glob(f".{folder.name}.*.*"):
        owner = left.name.rsplit(".", 2)[1]
        if owner.isdecimal() and (int(owner) == os.getpid() or not process_exists(int(owner))):
            shutil.rmtree(left, ignore_errors=True)
