"""Where Dure keeps what users make: one folder, `DURE_HOME`."""

from __future__ import annotations

import os
from pathlib import Path


def dure_home() -> Path:
    """The folder that holds conversations, indexes, jobs, pictures, models and logs.

    `DURE_HOME` where set, else the platform's place for user data. It is created on first use,
    readable by its owner alone: conversations and documents are private.
    """
    chosen = os.environ.get("DURE_HOME")
    if chosen:
        home = Path(chosen).expanduser()
    else:
        from platformdirs import user_data_path

        home = user_data_path("dure", appauthor=False)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home.resolve()


def write_atomically(path: Path, text: str) -> None:
    """Write beside the target, then rename: a reader or a crash never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def process_exists(pid: int) -> bool:
    """Whether a process of this number runs, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
