"""Starting, pausing, resuming and following jobs of the training server; loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home
from mcp_servers.training import data as datasets
from mcp_servers.training import dataset, runs
from mcp_servers.training import settings as options
from mcp_servers.training.results import RunState

_MODULES = {
    "train": "mcp_servers.training.run",
    "evaluate": "mcp_servers.training.evaluating",
    "merge": "mcp_servers.training.merging",
    "export": "mcp_servers.training.exporting",
    "push": "mcp_servers.training.pushing",
}


def train(
    data: Sequence[str],
    base: str,
    method: str,
    name: str | None,
    weights: Sequence[float] | None,
    given: dict[str, Any],
) -> RunState:
    """Check the request and start the job. Raises `EngineError`."""
    if not data:
        raise EngineError("No data is given. Name at least one file, folder or hub data set.")
    if weights is not None and (len(weights) != len(data) or any(w <= 0 for w in weights)):
        raise EngineError("weights needs one number above 0 for each of data.")
    settings = options.of(method, given)
    if datasets.is_quick(data):  # else the job says so; what needs the base is for estimate
        dataset.usable(data, weights, settings)
    spec = {
        "name": runs.new_name(name, data),
        "base": base,
        "method": method,
        "data": list(data),
        "weights": list(weights) if weights is not None else None,
        "settings": settings.model_dump(exclude={"method"}),
    }
    job = jobs.start("train", _MODULES["train"], spec)
    return runs.state(dure_home() / "jobs" / job["job"])


def follow_up(
    kind: Literal["evaluate", "merge", "export", "push"], run: str | None, asked: dict[str, Any]
) -> RunState:
    """Start a job that works on a finished run. Raises `EngineError`."""
    folder = finished(run, runs.MAKING if kind == "export" else ("train",))
    told = runs.spec(folder)
    spec = {
        **{key: told.get(key) for key in ("base", "method", "data")},
        "name": runs.made_name(folder),
        "run": folder.name,
        **asked,
    }
    job = jobs.start(kind, _MODULES[kind], spec)
    return runs.state(dure_home() / "jobs" / job["job"])


def merge(run: str | None, name: str | None) -> RunState:
    """Start the merging of a run's adapter into a model of this name."""
    folder = finished(run)
    stem = f"{runs.spec(folder)['name']}-merged"
    taken = runs.taken_names()
    merged = runs.new_name(name, ()) if name is not None else runs.unused(stem, taken)
    return follow_up("merge", folder.name, {"merged": merged})


def finished(run: str | None, kinds: Sequence[str] = ("train",)) -> Path:
    """The folder of a run that is done and whose result is still there."""
    folder = runs.find(run, kinds if run else ("train",))
    state = jobs.state(folder.name)
    if state["status"] != "done":
        raise EngineError(
            f"{folder.name} is {state['status']}. "
            + (
                "Wait until it is done."
                if state["status"] == "running"
                else "Resume it, or name another run."
            )
        )
    if runs.published(folder) is None:
        raise EngineError(f"What {folder.name} published is gone. Name another run.")
    return folder


def pause(run: str | None) -> RunState:
    """Ask a run to save a checkpoint and end."""
    folder = _running(run)
    jobs.pause(folder.name)
    return runs.state(folder)


def cancel(run: str | None) -> RunState:
    """Ask a job to end at its next step."""
    folder = _running(run, runs.KINDS)
    jobs.cancel(folder.name)
    return runs.state(folder)


def _running(run: str | None, kinds: Sequence[str] = ("train",)) -> Path:
    folder = runs.find(run, kinds)
    status = jobs.state(folder.name)["status"]
    if status != "running":
        raise EngineError(f"{folder.name} is not running, it is {status}.")
    return folder


def resume(run: str | None) -> RunState:
    """Go on with a run that stopped, from its last whole checkpoint or from the start."""
    folder = runs.find(run)
    jobs.resume(folder.name, _MODULES["train"])
    return runs.state(folder)
