"""How long a caller waits for pictures, before a job draws them instead."""

from __future__ import annotations

import time
from collections.abc import Callable

Report = Callable[[int, int, str], None]  # done, total, what it says
SECONDS = 40.0  # clients give a call up after 60


class TooLong(Exception):
    """By the first steps, all will take longer than anybody waits."""


def watched(report: Report, seconds: float) -> Report:
    """A report that raises `TooLong` once the steps so far tell that time will not do.

    Looks at the first tenth of the steps only: later on, drawing again would cost more.
    """
    began = time.monotonic()
    first = began

    def watch(done: int, total: int, said: str) -> None:
        nonlocal first
        now = time.monotonic()
        if done <= 1:
            first = now
        elif done <= max(2, total // 10):
            left = (now - first) / (done - 1) * (total - done)
            if now - began + left > seconds:
                raise TooLong
        report(done, total, said)

    return watch
