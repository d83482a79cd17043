"""Long work as jobs: a detached process, and a folder that tells all about it.

A job's folder, `DURE_HOME/jobs/<id>/`, holds `spec.json` (what was asked), `state.json` (rewritten
whole at each step), `log.txt`, `lock` (held while a process works in it) and `pid` (that process:
its number, and when it began). The process survives whoever started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
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

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home, process_exists, process_started, write_atomically

_PATIENCE = 20.0  # seconds that a process which said "paused" may take to be gone
_TO_START = 30.0  # seconds after which a process that has not written its number is no more awaited
Status = Literal["running", "done", "failed", "cancelled", "paused"]


class JobState(TypedDict):
    """What `state.json` holds. `done` and `total` count steps of the job's own unit.

    `resumed` is when its present process was started, `earlier` the seconds that it ran before.
    """

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
    resumed: float
    earlier: float


class Cancelled(Exception):
    """The user cancelled the job; raised inside the worker at its next step."""


class Paused(Exception):
    """The job has saved where it is and ends, to be resumed later; raised by the worker."""


def start(kind: str, module: str, spec: dict[str, Any]) -> JobState:
    """Start `python -m module FOLDER` detached and answer at once with its first state."""
    folder = create(kind, spec)
    state = _read(folder)
    pid = _spawn(folder, module, state)
    _tell_pid(folder, pid)
    return {**state, "pid": pid}


def create(kind: str, spec: dict[str, Any]) -> Path:
    """A new job's folder: what is asked, and its first state; no process works in it yet."""
    job = f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = _folder(job)
    folder.mkdir(parents=True)
    write_atomically(folder / "spec.json", json.dumps(spec, ensure_ascii=False, indent=1))
    now = time.time()
    _write(
        folder,
        {
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
            "resumed": now,
            "earlier": 0.0,
        },
    )
    return folder


def resume(job: str, module: str) -> JobState:
    """Start a job's process again, in its folder, from what it left there.

    Raises `EngineError` for a job that is running or done.
    """
    current = state(job)
    if current["status"] in ("running", "done"):
        raise EngineError(f"{job} is {current['status']}. Only a job that stopped can be resumed.")
    folder = _folder(job)
    # Without a pid a running job counts as starting: nobody sees it failed in between. Of two
    # who resume at once, the process that gets the lock writes its own.
    for mark in ("pid", "cancel", "pause"):
        (folder / mark).unlink(missing_ok=True)
    now = time.time()
    again: JobState = {
        **current,
        "status": "running",
        "message": "resuming",
        "error": None,
        "updated": now,
        "resumed": now,
        "earlier": seconds(current),
    }
    _write(folder, again)
    return {**again, "pid": _spawn(folder, module, again)}


def _spawn(folder: Path, module: str, state: JobState) -> int:
    """The job's process, detached; its output goes to the log. Answers its process id.

    Raises `EngineError` where the system starts no process; the job has failed then.
    """
    try:
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "DURE_HOME": str(dure_home())},
            )
    except OSError as error:
        said = f"The job's process could not be started: {error}. Try again when that is mended."
        _write(folder, {**state, "status": "failed", "error": said, "updated": time.time()})
        raise EngineError(said) from None
    return process.pid


def _tell_pid(folder: Path, pid: int) -> None:
    write_atomically(folder / "pid", f"{pid} {process_started(pid)}")


def _process(folder: Path) -> tuple[int, str]:
    """The job's process, and when it began; 0 while nobody has written it."""
    try:
        pid, _, started = (folder / "pid").read_text(encoding="utf-8").partition(" ")
    except OSError:
        return 0, ""
    return int(pid), started


def _gone(folder: Path, found: JobState) -> bool:
    """Whether the process of a job that says it runs has ended, or has never begun."""
    pid, started = _process(folder)
    if not pid:
        return time.time() - found["updated"] > _TO_START
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child would stay a zombie
    return not process_exists(pid, started)


def state(job: str) -> JobState:
    """A job's state now. A job whose process is gone without a word has failed."""
    folder = _folder(job)
    try:
        found = _read(folder)
    except OSError:
        known = ", ".join(listing()[:5]) or "none"
        raise EngineError(f"There is no job {job!r}. The latest: {known}.") from None
    if found["status"] == "running" and _gone(folder, found):
        # The worker may have finished between the two reads: look once more before judging.
        found = _read(folder)
        if found["status"] == "running":
            found["status"] = "failed"
            found["error"] = f"The job's process ended unexpectedly. See {folder / 'log.txt'}."
    found["pid"] = _process(folder)[0]
    return found


def seconds(state: JobState) -> float:
    """How long a job has run, without the pauses in between."""
    until = time.time() if state["status"] == "running" else state["updated"]
    return state["earlier"] + until - state["resumed"]


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
        self._state = _read(folder)

    def claim(self) -> bool:
        """Take the job's lock for as long as this process lives, and what it becomes by exec.

        False where another process keeps it: this one then has nothing to do or to say.
        """
        lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    return False
                time.sleep(0.1)
        os.set_inheritable(lock, True)
        _tell_pid(self.folder, os.getpid())
        return True

    def step(self, done: int, total: int, message: str) -> None:
        """Report progress. Raises `Cancelled` if the user asked for it."""
        if self.cancelling:
            raise Cancelled
        self.report(done, total, message)

    def report(self, done: int, total: int, message: str) -> None:
        """Report progress alone, where an exception would come at a bad moment."""
        self._update(done=done, total=total, message=message)

    @property
    def status(self) -> Status:
        """How the job stands."""
        return self._state["status"]

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


def work(run: Callable[[Worker], dict[str, Any]], *, claimed: bool = False) -> Status:
    """The `main` of a job module: run it and leave its outcome in the folder; answers its status.

    `claimed` says that the process which started this one holds the job's lock.
    """
    worker = Worker(Path(sys.argv[1]))
    if not claimed and not worker.claim():
        print("Another process works on this job: nothing is done here.", file=sys.stderr)
        return "running"
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
    gc.freeze()  # the process ends, and all with it: to collect it first took 0.2 s of a core
    return worker.status


def _folder(job: str) -> Path:
    if not job or "/" in job or "\\" in job or job.startswith("."):
        raise EngineError(f"{job!r} is not a job id.")
    return dure_home() / "jobs" / job


def _read(folder: Path) -> JobState:
    found: JobState = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    found.setdefault("resumed", found["started"])  # of a job that an older Dure started
    found.setdefault("earlier", 0.0)
    return found


def _write(folder: Path, state: JobState) -> None:
    write_atomically(folder / "state.json", json.dumps(state, ensure_ascii=False))
