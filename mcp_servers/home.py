"""Where Dure keeps what users make: one folder, `DURE_HOME`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_STARTED = 22 - 3  # starttime in what `_stat` answers


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


def link_or_copy(source: str, target: str) -> None:
    """A second name for the same bytes where the disk allows it, else a copy; for `copytree`."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def process_exists(pid: int, started: str = "") -> bool:
    """Whether a process of this number runs, whoever's it is; with `started`, that very process.

    One that has ended and that its parent has not asked after yet does not run.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    stat = _stat(pid)
    return not stat or (stat[0] != "Z" and started in ("", stat[_STARTED]))


def process_started(pid: int) -> str:
    """When a process began, in ticks of the kernel; empty where the system has no /proc.

    Numbers of processes are given anew, after a restart of the machine at the latest: only both
    together are one process for ever.
    """
    stat = _stat(pid)
    return stat[_STARTED] if stat else ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, as proc(5) lists them from the third on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
