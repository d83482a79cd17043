"""Reading cases and printing results, the same for every suite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any


def cases(name: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The cases of `evals/cases/<name>.jsonl`, one a line; the first `limit` of them."""
    text = files("evals.cases").joinpath(f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()][:limit]


def shown(steps: range, what: str) -> Iterable[int]:
    """The steps, with a progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    return track(steps, what, console=Console(stderr=True), transient=True)


def share(right: int, total: int) -> str:
    """`114/120 = 95.0% (± 2.0)`: a proportion with its standard error, in points."""
    p = right / total if total else 0.0
    error = (p * (1 - p) / total) ** 0.5 if total else 0.0
    return f"{right}/{total} = {100 * p:.1f}% (± {100 * error:.1f})"


def confusion_table(labels: Sequence[str], pairs: Sequence[tuple[str, str]]) -> str:
    """(true, decided) pairs as a table; rows are true labels, columns decisions."""
    columns = [*labels, *sorted({decided for _, decided in pairs} - set(labels))]
    width = max(len(label) for label in columns) + 2
    lines = ["".rjust(width) + "".join(label.rjust(width) for label in columns)]
    for true in labels:
        counts = [sum(pair == (true, column) for pair in pairs) for column in columns]
        lines.append(true.rjust(width) + "".join(str(count).rjust(width) for count in counts))
    return "\n".join(lines)
