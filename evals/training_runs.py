"""What the suites on training share: a Dure folder of their own, runs in it, and the data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.collections import DATA
from evals.homes import own_home
from mcp_servers.training import runs, starting
from mcp_servers.training.results import RunState

BASE = "embedded:tiny"
FILES = ("bim_and_gis_qa.json", "mapping_standard_qa.json")


def data() -> list[str]:
    """The two question-answer files of the textbook's repository; empty where they are absent."""
    found = [DATA / "finetune" / name for name in FILES]
    if not all(path.exists() for path in found):
        print(f"{DATA / 'finetune'} is absent. Set DURE_DATA to the folder that holds finetune.")
        return []
    return [str(path) for path in found]


@contextlib.contextmanager
def runs_home() -> Iterator[None]:
    """A Dure folder of its own with the user's models in it, the base dequantised."""
    from mcp_servers.training import bases

    bases.resolve(BASE)
    with own_home(models=True):
        yield


def start(files: list[str], **settings: Any) -> RunState:
    """Start a LoRA run of the base with these settings, else the defaults."""
    return starting.train(files, BASE, "lora", None, None, settings)


def ended(state: RunState) -> RunState:
    """Wait for a job to end."""
    while (seen := runs.state(Path(state["folder"])))["status"] == "running":
        time.sleep(0.2)
    return seen


def result(state: RunState) -> dict[str, Any]:
    """What a job answers. Raises `RuntimeError` if it failed."""
    seen = ended(state)
    if seen["status"] != "done" or seen["result"] is None:
        raise RuntimeError(f"{seen['kind']} {seen['status']}: {seen['error']}")
    return seen["result"]
