"""The curve of a run, or of several: a PNG, and the same in characters for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_servers.errors import EngineError
from mcp_servers.training import runs
from mcp_servers.training.results import Curve

_WIDTH, _HEIGHT = 64, 14  # of the curve in characters


@dataclass(frozen=True)
class Losses:
    """(step, loss) of training and of held-out rows."""

    name: str
    trained: list[tuple[int, float]]
    judged: list[tuple[int, float]]


def losses(folder: Path) -> Losses:
    """What a run has logged so far. Raises `EngineError` if that is nothing yet."""
    lines = runs.lines_of(folder / "metrics.jsonl")
    found = Losses(
        runs.spec(folder).get("name", folder.name),
        [(line["step"], line["loss"]) for line in lines if "loss" in line],
        [(line["step"], line["eval_loss"]) for line in lines if "eval_loss" in line],
    )
    if not found.trained and not found.judged:
        raise EngineError(f"{folder.name} has not logged a loss yet. Ask again later.")
    return found


def curve(run: str | None) -> tuple[Curve, bytes]:
    """A run's curve with its figures, and the PNG, which is kept in the run's folder."""
    folder = runs.find(run)
    found = losses(folder)
    png = draw([found])
    path = folder / "curve.png"
    path.write_bytes(png)
    told: Curve = {
        "run": folder.name,
        "picture": str(path),
        "terminal": in_characters(found),
        "steps": [step for step, _ in found.trained],
        "loss": [loss for _, loss in found.trained],
        "eval_steps": [step for step, _ in found.judged],
        "eval_loss": [loss for _, loss in found.judged],
    }
    return told, png


def draw(several: Sequence[Losses]) -> bytes:
    """One figure: thin lines for training, dots on thick ones for held-out rows."""
    from mcp_servers import pictures

    with pictures.drawing() as family:
        figure = pictures.new_figure(7.5, 4.2)
        axes = figure.add_subplot()
        for at, one in enumerate(several):
            colour = f"C{at}"
            label = pictures.short(one.name, 32)
            if one.trained:
                axes.plot(*zip(*one.trained, strict=True), color=colour, lw=1, alpha=0.6)
            if one.judged:
                axes.plot(*zip(*one.judged, strict=True), color=colour, lw=2, marker="o", ms=4)
            axes.plot([], [], color=colour, label=label)
        axes.plot([], [], color="grey", lw=1, alpha=0.6, label="training")
        axes.plot([], [], color="grey", lw=2, marker="o", ms=4, label="held out")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.grid(alpha=0.3)
        axes.legend(prop={"family": family})
        return pictures.png_of(figure)


def in_characters(found: Losses) -> str:
    """The curve for a terminal: `·` is training, `o` held-out rows."""
    points = [*found.trained, *found.judged]
    lowest, highest = min(loss for _, loss in points), max(loss for _, loss in points)
    last = max(step for step, _ in points)
    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for mark, series in (("·", found.trained), ("o", found.judged)):
        for step, loss in series:
            column = round(step / max(last, 1) * (_WIDTH - 1))
            row = round((highest - loss) / max(highest - lowest, 1e-12) * (_HEIGHT - 1))
            grid[row][column] = mark
    labels = [f"{highest:8.3f}", *[" " * 8] * (_HEIGHT - 2), f"{lowest:8.3f}"]
    drawn = [f"{label} │{''.join(row).rstrip()}" for label, row in zip(labels, grid, strict=True)]
    axis = " " * 9 + "└" + "─" * _WIDTH
    foot = " " * 10 + "0".ljust(_WIDTH - len(str(last))) + str(last)
    return "\n".join([*drawn, axis, foot, " " * 10 + "· training   o held out"])
