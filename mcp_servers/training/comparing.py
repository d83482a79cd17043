"""Several runs side by side, and answers before and after training."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp_servers import pictures
from mcp_servers.errors import EngineError
from mcp_servers.training import curves, runs
from mcp_servers.training.results import Comparison, RunRow, Samples

_ALWAYS = ("base", "method")


def compare(names: Sequence[str]) -> tuple[Comparison, bytes]:
    """Figures, differing settings and curves of two or more runs. Raises `EngineError`."""
    if len(set(names)) < 2:
        raise EngineError("Name at least two runs to compare.")
    folders = [runs.find(name) for name in names]
    specs = [runs.spec(folder) for folder in folders]
    settings = [spec.get("settings", {}) for spec in specs]
    differing = [key for key in settings[0] if len({json.dumps(s.get(key)) for s in settings}) > 1]
    rows = [
        _row(folder, {key: chosen.get(key) for key in differing})
        for folder, chosen in zip(folders, settings, strict=True)
    ]
    hashes = {_data_hash(folder) for folder in folders}
    png = curves.draw([curves.losses(folder) for folder in folders])
    found: Comparison = {
        "runs": rows,
        "table": _table(rows, differing),
        "picture": str(pictures.save(png, "runs")),
        "same_data": len(hashes) == 1,
    }
    return found, png


def _row(folder: Path, settings: dict[str, Any]) -> RunRow:
    state = runs.state(folder)
    held_out = state["eval_loss"]
    figures = state["result"] or {}
    return {
        "run": state["run"],
        "name": state["name"],
        "status": state["status"],
        "base": state["base"],
        "method": state["method"],
        "steps": state["step"],
        "loss": state["loss"],
        "eval_loss": held_out,
        "perplexity": runs.perplexity(folder, held_out),
        "tokens_per_second": figures.get("tokens_per_second", state["tokens_per_second"]),
        "seconds": figures.get("seconds", state["seconds"]),
        "settings": settings,
    }


def _data_hash(folder: Path) -> str:
    try:
        told: dict[str, Any] = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return folder.name
    return json.dumps([told["sha256"], told["copies"]])


def _table(rows: Sequence[RunRow], differing: Sequence[str]) -> str:
    """Runs as columns, figures and differing settings as rows."""
    figures = ("status", *_ALWAYS, "steps", "loss", "eval_loss", "perplexity")
    lines = [
        f"| | {' | '.join(row['name'] for row in rows)} |",
        f"| --- |{' ---: |' * len(rows)}",
    ]
    for key in (*figures, "tokens_per_second", "seconds"):
        lines.append(f"| {key} | {' | '.join(_shown(row[key]) for row in rows)} |")  # type: ignore[literal-required]
    for key in differing:
        lines.append(f"| {key} | {' | '.join(_shown(row['settings'][key]) for row in rows)} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def samples(run: str | None, n: int) -> Samples:
    """Answers side by side, held-out ones first, from the run's last evaluation."""
    if n < 1:
        raise EngineError("n must be 1 or more.")
    folder = runs.find(run)
    path = folder / "samples.json"
    if not path.exists():
        raise EngineError(f"{folder.name} has no answers yet. Run evaluate first.")
    found = json.loads(path.read_text(encoding="utf-8"))
    unseen = [sample for sample in found if not sample["seen"]]
    seen = [sample for sample in found if sample["seen"]]
    share = min(len(unseen), math.ceil(n / 2))
    chosen = [*unseen[:share], *seen[: n - share]]
    return {"run": folder.name, "samples": chosen or found[:n]}
