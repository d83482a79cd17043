"""Long work as jobs: a detached process, and a folder that tells all about it.

A job's folder, `DURE_HOME/jobs/<id>/`, holds `spec.json` (what was asked), `state.json` (rewritten
whole at each step) and `log.txt`. The process survives whoever started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from mcp_servers.home import dure_home, write_atomically
from mcp_servers.serving import EngineError

Status = Literal["running", "done", "failed", "cancelled", "paused"]


class JobState(TypedDict):
    """What `state.json` holds. `done` and `total` count steps of the job's own unit."""

    job: str
    kind: str
    status: Status
    done: int
    total: int
    message: str
    result: dict[str, Any] | None
    error: str | None
    pid: int
    started: float
    updated: float


class Cancelled(Exception):
    """The user cancelled the job; raised inside the worker at its next step."""


class Paused(Exception):
    """The job has saved where it is and ends, to be resumed later; raised by the worker."""


def start(kind: str, module: str, spec: dict[str, Any]) -> JobState:
    """Start `python -m module FOLDER` detached and answer at once with its first state."""
    job = f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = _folder(job)
    folder.mkdir(parents=True)
    write_atomically(folder / "spec.json", json.dumps(spec, ensure_ascii=False, indent=1))
    now = time.time()
    state: JobState = {
        "job": job,
        "kind": kind,
        "status": "running",
        "done": 0,
        "total": 0,
        "message": "starting",
        "result": None,
        "error": None,
        "pid": 0,
        "started": now,
        "updated": now,
    }
    _write(folder, state)
    return {**state, "pid": _spawn(folder, module)}


def resume(job: str, module: str) -> JobState:
    """Start a job's process again, in its folder, from what it left there.

    Raises `EngineError` for a job that is running or done.
    """
    current = state(job)
    if current["status"] in ("running", "done"):
        raise EngineError(f"{job} is {current['status']}. Only a job that stopped can be resumed.")
    folder = _folder(job)
    # Without a pid a running job counts as starting: nobody sees it failed in between.
    for mark in ("pid", "cancel", "pause"):
        (folder / mark).unlink(missing_ok=True)
    again: JobState = {
        **current,
        "status": "running",
        "message": "resuming",
        "error": None,
        "updated": time.time(),
    }
    _write(folder, again)
    return {**again, "pid": _spawn(folder, module)}


def _spawn(folder: Path, module: str) -> int:
    """The job's process, detached; its output goes to the log. Answers its process id."""
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "DURE_HOME": str(dure_home())},
        )
    write_atomically(folder / "pid", str(process.pid))
    return process.pid


def state(job: str) -> JobState:
    """A job's state now. A job whose process is gone without a word has failed."""
    folder = _folder(job)
    try:
        found: JobState = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except OSError:
        known = ", ".join(listing()[:5]) or "none"
        raise EngineError(f"There is no job {job!r}. The latest: {known}.") from None
    pid = folder / "pid"
    found["pid"] = int(pid.read_text()) if pid.exists() else 0
    if found["status"] == "running" and found["pid"] and not _alive(found["pid"]):
        # The worker may have finished between the two reads: look once more before judging.
        latest: JobState = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        latest["pid"] = found["pid"]
        found = latest
        if found["status"] == "running":
            found["status"] = "failed"
            found["error"] = f"The job's process ended unexpectedly. See {folder / 'log.txt'}."
    return found


def listing() -> list[str]:
    """The ids of all jobs, newest first."""
    root = dure_home() / "jobs"
    found = list(root.glob("*/state.json")) if root.is_dir() else []
    return [path.parent.name for path in sorted(found, key=lambda p: -p.stat().st_mtime)]


def cancel(job: str) -> JobState:
    """Ask a running job to stop at its next step; a finished job is left as it is."""
    current = state(job)
    if current["status"] == "running":
        (_folder(job) / "cancel").touch()
    return current


def pause(job: str) -> JobState:
    """Ask a running job to save where it is and end, where its kind can (`Worker.pausing`)."""
    current = state(job)
    if current["status"] == "running":
        (_folder(job) / "pause").touch()
    return current


class Worker:
    """The job's own side: reads the spec, reports steps, notices a cancel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec: dict[str, Any] = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        self._state: JobState = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        self._state["pid"] = os.getpid()

    def step(self, done: int, total: int, message: str) -> None:
        """Report progress. Raises `Cancelled` if the user asked for it."""
        if self.cancelling:
            raise Cancelled
        self._update(done=done, total=total, message=message)

    @property
    def cancelling(self) -> bool:
        """Whether the user asked for the end."""
        return (self.folder / "cancel").exists()

    @property
    def pausing(self) -> bool:
        """Whether the user asked for a pause; a job that can then saves and raises `Paused`."""
        return (self.folder / "pause").exists()

    def _update(self, **changes: Any) -> None:
        self._state.update(changes)  # type: ignore[typeddict-item]
        self._state["updated"] = time.time()
        _write(self.folder, self._state)


def work(run: Callable[[Worker], dict[str, Any]]) -> None:
    """The `main` of a job module: run it and leave its outcome in the folder."""
    worker = Worker(Path(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(Cancelled()))
    try:
        result = run(worker)
    except Cancelled:
        worker._update(status="cancelled", message="cancelled")
    except Paused:
        worker._update(status="paused", message="paused")
    except EngineError as error:
        worker._update(status="failed", error=str(error))
    except Exception as error:
        traceback.print_exc()
        worker._update(status="failed", error=f"{error}. See {worker.folder / 'log.txt'}.")
    else:
        worker._update(status="done", result=result, message="done")


def _folder(job: str) -> Path:
    if not job or "/" in job or "\\" in job or job.startswith("."):
        raise EngineError(f"{job!r} is not a job id.")
    return dure_home() / "jobs" / job


def _write(folder: Path, state: JobState) -> None:
    write_atomically(folder / "state.json", json.dumps(state, ensure_ascii=False))


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child would stay a zombie, and look alive
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # Dead, but not yet reaped by the server that started it, which may be another process.
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return status.rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True  # no such file system here
