"""A job module for the tests of jobs: counts steps until it is told to stop."""

from __future__ import annotations

import time
from typing import Any

from mcp_servers.jobs import Paused, Worker, work
from mcp_servers.serving import EngineError


def run(worker: Worker) -> dict[str, Any]:
    if worker.spec.get("fail") == "mendable":
        raise EngineError("There is nothing to count. Give a total.")
    if worker.spec.get("fail"):
        raise ZeroDivisionError("by zero")
    total = int(worker.spec["total"])
    kept = worker.folder / "counted"
    first = int(kept.read_text()) if kept.exists() else 0
    for done in range(first, total):
        if worker.pausing:
            kept.write_text(str(done))
            raise Paused
        worker.step(done, total, f"counted {done}")
        time.sleep(worker.spec.get("pause", 0))
    return {"counted": total}


if __name__ == "__main__":
    work(run)
