"""Resuming: runs killed with -9 at random moments end as an undisturbed one does.

Each run is killed once, somewhere between its start and the time at which the undisturbed one
ended, loading, saving and publishing included, and then resumed. A run that had ended before its
moment does not count.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from evals.training_runs import data, ended, result, runs_home, start
from mcp_servers import jobs
from mcp_servers.training import runs, starting
from mcp_servers.training.results import RunState

_STEPS = 20
_NOISE = 0.01  # of the last loss; on one machine the difference is that of rounding


def main(model: str, limit: int | None) -> bool:
    """`limit` is how many runs are killed, by default ten; True if all end alike."""
    files = data()
    if not files:
        return False
    moments = random.Random(0)
    alike = killed = 0
    kills = limit or 10
    settings = {"max_steps": _STEPS, "batch_size": 2, "save_steps": 4, "logging_steps": 1}
    with runs_home():
        began = time.monotonic()
        undisturbed = start(files, **settings)
        wanted = result(undisturbed)
        whole = time.monotonic() - began
        print(f"undisturbed: {wanted['steps']} steps, loss {wanted['loss']:.5f}, {whole:.0f} s")
        for number in range(1, kills + 1):
            state = start(files, **settings)
            moment = moments.uniform(0.5, whole)
            deadline = time.monotonic() + moment
            while time.monotonic() < deadline and _running(state):
                time.sleep(0.02)
            reached = runs.state(Path(state["folder"]))["step"]
            if _running(state):
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(jobs.state(state["run"])["pid"], signal.SIGKILL)
            cut_off = ended(state)["status"] != "done"
            if cut_off:
                starting.resume(state["run"])
            found = result(state)
            same = (
                found["steps"] == wanted["steps"]
                and abs(found["loss"] - wanted["loss"]) <= _NOISE * wanted["loss"]
            )
            alike += same and cut_off
            killed += cut_off
            print(
                f"{number}: {'killed' if cut_off else 'had ended'} after {moment:.1f} s at step "
                f"{reached}; {found['steps']} steps, loss {found['loss']:.5f}",
                flush=True,
            )
    print(f"{alike}/{killed} end with as many steps and the same loss within {_NOISE:.0%}")
    return alike == killed > 0


def _running(state: RunState) -> bool:
    """Whether the job still runs."""
    return runs.state(Path(state["folder"]))["status"] == "running"
