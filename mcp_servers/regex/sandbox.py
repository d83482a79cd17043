"""Worker processes that run patterns under a time limit, and are killed when they exceed it."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.regex import worker

TIME_LIMIT_SECONDS = 1.0
SECONDS_PER_CHARACTER = 1e-7  # large texts take their time in any pattern: 10 MB one second more
WAIT_SECONDS = 10.0


class TimedOut(EngineError):
    """The pattern was still running at its time limit and was killed."""


class Sandbox:
    """A few workers, started at first use and again after a kill. Safe to call from any thread."""

    def __init__(self, workers: int) -> None:
        self._free: queue.LifoQueue[_Process] = queue.LifoQueue()
        for _ in range(workers):
            self._free.put(_Process())

    def ask(self, request: dict[str, Any], seconds: float = TIME_LIMIT_SECONDS) -> dict[str, Any]:
        """Send one request (see `worker.CALLS`) and return its answer.

        `seconds` limits the wall-clock time. Raises `TimedOut`, or `EngineError` when the answer
        would be too large or every worker stays busy.
        """
        try:
            process = self._free.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise EngineError(
                "All pattern workers are busy with slow patterns. Call again in a few seconds."
            ) from None
        try:
            answer = process.ask({**request, "seconds": seconds}, seconds)
        finally:
            self._free.put(process)
        if answer.get("error") == "memory":
            raise EngineError(
                f"The pattern needs more than {worker.MEMORY_BYTES >> 20} MB of memory on this "
                "text. Use a shorter text or a simpler pattern."
            )
        if answer.get("error") == "size":
            raise EngineError(
                "The result is too large. Ask for less: a narrower pattern, a shorter text, "
                "or a limit on the number of replacements or splits."
            )
        return answer


class _Process:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = _start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        expired = threading.Event()

        def stop() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            worker.write_frame(process.stdin, request)
            answer = worker.read_frame(process.stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
            timer.join()
        if expired.is_set() or answer is None:
            self._bury(process)
        if expired.is_set():
            raise TimedOut(
                f"The pattern was stopped after {seconds:.1f} s: perhaps it backtracks "
                "catastrophically. Ask `check` about the pattern, or use a shorter text."
            )
        if answer is None:
            raise EngineError(
                "The process that ran the pattern ended unexpectedly, perhaps for lack of memory. "
                "Use a shorter text or a simpler pattern."
            )
        return answer

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                pass  # what was left in the buffer had nobody to go to
        self._process = None


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-W", "ignore", worker.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


SANDBOX = Sandbox(workers=2)
