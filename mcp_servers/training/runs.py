"""Which runs there are and how each stands, read from their folders without loading torch."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home
from mcp_servers.training.results import Deleted, Logs, RunState

KINDS = ("train", "evaluate", "merge", "export", "push")
MAKING = ("train", "merge")  # what leaves an adapter or a model
_NAME = re.compile(r"[^\W_][\w-]{0,63}")
_RESERVED = ("off", "끄기", "embedded")  # words of /adapter and /model
_TAIL = 64 << 10  # bytes of metrics in which the latest loss surely is


def folders(kinds: Sequence[str] = ("train",)) -> list[Path]:
    """The folders of all jobs of these kinds, newest first."""
    root = dure_home() / "jobs"
    found = [path.parent for kind in kinds for path in root.glob(f"{kind}-*/state.json")]
    return sorted(found, key=_started, reverse=True)


def _started(folder: Path) -> float:
    try:
        started: float = json.loads((folder / "state.json").read_text(encoding="utf-8"))["started"]
    except (OSError, ValueError, KeyError):
        return 0.0
    return started


def find(run: str | None, kinds: Sequence[str] = ("train",)) -> Path:
    """The folder of a run by its name or id; the newest if None. Raises `EngineError`.

    Among several kinds the newest job that runs, of this name if one is given, goes before a run
    that is done: who asks how far "faq" is while it is judged means that.
    """
    found = folders(kinds)
    if not found:
        raise EngineError("Nothing has been trained yet. Start with train.")
    if len(kinds) > 1:
        for folder in found:
            named = run is None or spec(folder).get("name") == run
            if named and jobs.state(folder.name)["status"] == "running":
                return folder
    if run is None:
        return found[0]
    for folder in found:
        if folder.name == run:
            return folder
    for folder in found:
        if made_name(folder) == run:
            return folder
    known = ", ".join(dict.fromkeys(str(spec(folder).get("name")) for folder in found[:5]))
    raise EngineError(f"There is no run {run!r}. The latest: {known}.")


def spec(folder: Path) -> dict[str, Any]:
    """What the job was asked to do."""
    try:
        held: dict[str, Any] = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held


def made_name(folder: Path) -> str | None:
    """What the adapter or model of a job is called; None of a job that makes none."""
    asked = spec(folder)
    kind = folder.name.partition("-")[0]
    return {"train": asked.get("name"), "merge": asked.get("merged")}.get(kind)


def taken_names() -> set[str]:
    """Names of runs, and of adapters and models that were published."""
    home = dure_home()
    names = {str(spec(folder).get("name")) for folder in folders()}
    for place in ("adapters", "models"):
        if (home / place).is_dir():
            names |= {path.stem for path in (home / place).iterdir()}
    return names


def new_name(wanted: str | None, data: Sequence[str]) -> str:
    """A name for a new run: the user's, else one after the data. Raises `EngineError`."""
    taken = taken_names() | set(_RESERVED)
    if wanted is not None:
        if not _NAME.fullmatch(wanted):
            raise EngineError(
                f"{wanted!r} cannot be a name. Use letters, digits, - and _, at most 64."
            )
        if wanted in _RESERVED:
            raise EngineError(f"{wanted!r} means something else in the chat. Choose another name.")
        if wanted in taken:
            raise EngineError(f"The name {wanted!r} is taken. Choose another, or delete that run.")
        return wanted
    stem = Path(data[0]).stem if data else ""
    stem = re.sub(r"[\W_]+", "-", stem).strip("-")[:48] or "run"
    return unused(stem, taken)


def unused(stem: str, taken: set[str]) -> str:
    """The stem itself, or with the first number that makes it new."""
    if stem not in taken:
        return stem
    return next(f"{stem}-{n}" for n in range(2, len(taken) + 3) if f"{stem}-{n}" not in taken)


def state(folder: Path) -> RunState:
    """How a run, or a job that works on one, stands."""
    job = jobs.state(folder.name)
    asked = spec(folder)
    latest = figures(folder)
    left = job["total"] - job["done"]
    each = latest.get("seconds_per_step")
    running = job["status"] == "running"
    return {
        "run": folder.name,
        "name": asked.get("name", ""),
        "kind": job["kind"],  # type: ignore[typeddict-item]
        "status": job["status"],
        "message": job["message"],
        "base": asked.get("base", ""),
        "method": asked.get("method", ""),
        "data": asked.get("data", []),
        "step": job["done"],
        "steps": job["total"],
        "epoch": latest.get("epoch"),
        "loss": latest.get("loss"),
        "eval_loss": latest.get("eval_loss"),
        "learning_rate": latest.get("learning_rate"),
        "tokens_per_second": latest.get("tokens_per_second"),
        "seconds": round(jobs.seconds(job), 1),
        # Of a run that loads, nothing is known yet.
        "seconds_left": round(left * each, 1) if running and each and job["total"] else None,
        "result": job["result"],
        "error": job["error"],
        "folder": str(folder),
    }


def perplexity(folder: Path, loss: float | None) -> float | None:
    """exp of a run's loss, where it is a language model's: of preferences and labels it is not."""
    asked = spec(folder)
    labels = asked.get("settings", {}).get("task_type") == "SEQ_CLS"
    if loss is None or labels or asked.get("method") == "dpo":
        return None
    return round(math.exp(min(loss, 50)), 3)


def figures(folder: Path) -> dict[str, float]:
    """The latest value of everything that a run logs."""
    found: dict[str, float] = {}
    for line in _last_lines(folder / "metrics.jsonl"):
        try:
            found.update(json.loads(line))
        except ValueError:
            continue  # cut at the front, or by a kill at the end
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file, without a last one that a kill cut off."""
    found = []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _last_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            yield from file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return


def logs(run: str | None, lines: int) -> Logs:
    """The last lines of a job's log."""
    if lines < 1:
        raise EngineError("lines must be 1 or more.")
    folder = find(run, KINDS)
    return {"run": folder.name, "lines": list(_last_lines(folder / "log.txt"))[-lines:]}


def published(folder: Path) -> Path | None:
    """The adapter or model that a run published or a merging made, if it is still there."""
    home = dure_home()
    name = made_name(folder)
    for path in (home / "adapters" / f"{name}", home / "models" / f"{name}"):
        try:
            told = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if told.get("run") == folder.name:
            return path
    return None


def delete(run: str, keep_result: bool) -> Deleted:
    """Remove a run's folder, its evaluations, and what it published unless that is to be kept.

    A model that was merged from it stays: it has a name of its own, by which it is deleted.
    Raises `EngineError` while anything of it runs.
    """
    folder = find(run, MAKING)
    with_it = [other for other in folders(KINDS[1:]) if spec(other).get("run") == folder.name]
    for one in (folder, *with_it):
        if jobs.state(one.name)["status"] == "running":
            raise EngineError(f"{one.name} is running. Cancel it first.")
    name = made_name(folder) or ""
    gone = [folder, *with_it]
    result = published(folder)
    if result is not None and not keep_result:
        gone.append(result)
        gone += result.parent.glob(f"{result.name}.gguf")
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return {"run": folder.name, "name": name, "folders": [str(path) for path in gone]}
