"""A run's own copy of its rows, so that it can be resumed and judged whatever becomes of the files.

In the run's folder: `rows/train.jsonl` and `rows/held_out.jsonl`, and `data.json` with where they
came from, their hashes and counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.home import write_atomically
from mcp_servers.training import data
from mcp_servers.training.rows import Row, Rows, Shape, place
from mcp_servers.training.settings import Settings
from mcp_servers.training.templates import (
    chat_template,
    encode,
    encode_labels,
    preference_records,
)

_PROBLEMS_KEPT = 20


@dataclass
class Examples:
    """What a trainer takes, and what became of rows that did not fit."""

    train: Sequence[Any]
    held_out: Sequence[Any]
    labels: list[str] = field(default_factory=list)
    truncated: int = 0
    dropped: int = 0


def shapes(settings: Settings) -> tuple[Shape, ...]:
    """The shapes of rows that the method learns from."""
    if settings.method == "dpo":
        return ("preference",)
    return ("label",) if settings.task_type == "SEQ_CLS" else ("conversation", "text")


def usable(names: Sequence[str], weights: Sequence[float] | None, settings: Settings) -> Rows:
    """The rows that the method learns from. Raises `EngineError` where there are none.

    A file that breaks off is refused, too: a piece of the data is not what was meant.
    """
    rows = data.load(names, weights)
    for problem in rows.problems:
        if problem.get("cut"):
            raise EngineError(
                f"{place(problem)}: {problem['reason']}. Mend the file there, and start again."
            )
    return data.of_shape(rows, *shapes(settings))


def keep(
    folder: Path, names: Sequence[str], weights: Sequence[float] | None, settings: Settings
) -> dict[str, Any]:
    """Read, split and copy the rows into the run's folder; what `data.json` then says.

    Raises `EngineError` where no row can be used, or none is left to train on.
    """
    rows = usable(names, weights, settings)
    train, held_out = data.split(rows, settings.test_size, settings.seed)
    if not train:
        raise EngineError("No row is left to train on. Add rows, or lower test_size.")
    written = {
        name: _write(folder / "rows" / f"{name}.jsonl", part)
        for name, part in (("train", train), ("held_out", held_out))
    }
    said = {
        "sha256": rows.sha256,
        "sources": rows.sources,
        "train_rows": len(train),
        "held_out_rows": len(held_out),
        "copies": written,
        "problem_count": len(rows.problems),
        "problems": rows.problems[:_PROBLEMS_KEPT],
    }
    write_atomically(folder / "data.json", json.dumps(said, ensure_ascii=False, indent=1))
    return said


def kept(folder: Path) -> tuple[list[Row], list[Row]]:
    """The run's rows, (train, held out). Raises `EngineError` if its copy was changed."""
    said = told(folder)
    parts = []
    for name in ("train", "held_out"):
        path = folder / "rows" / f"{name}.jsonl"
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != said["copies"][name]:
            raise EngineError(
                f"{path} is not what this run was started with. Start a new run on the data."
            )
        parts.append([_row(line) for line in content.decode("utf-8").splitlines()])
    return parts[0], parts[1]


def told(folder: Path) -> dict[str, Any]:
    """What `data.json` says; empty before the rows are read."""
    path = folder / "data.json"
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return said


def changed(folder: Path) -> list[str]:
    """Which of the files that the rows came from have changed or are gone since."""
    found = []
    for source in told(folder).get("sources", ()):
        try:
            now = data.hash_now(source["name"])
        except (EngineError, OSError):
            found.append(f"{source['name']} is gone")
            continue
        if now and now != source["sha256"]:
            found.append(f"{source['name']} has changed")
    return found


def examples(
    train: Sequence[Row], held_out: Sequence[Row], tokenizer: Any, settings: Settings
) -> Examples:
    """The rows as the method's trainer takes them. Raises `EngineError` if none fits.

    Where prompts are learnt the tokenizer gets the template that they were written with, so that
    what is published with it asks as training did.
    """
    if settings.method == "dpo":
        tokenizer.chat_template = chat_template(tokenizer, settings.template)
        return Examples(preference_records(train), preference_records(held_out))
    if settings.task_type == "SEQ_CLS":
        labels = sorted({row.label for row in (*train, *held_out)})
        if len(labels) < 2:
            raise EngineError(f"All rows have the label {labels[0]!r}. Add rows of another.")
        taught, cut = encode_labels(train, tokenizer, labels, settings.max_length)
        judged, _ = encode_labels(held_out, tokenizer, labels, settings.max_length)
        return Examples(taught, judged, labels, truncated=cut)
    options = (tokenizer, settings.template, settings.max_length, settings.loss_on)
    taught_on, judged_on = encode(train, *options), encode(held_out, *options)
    if not taught_on.examples:
        raise EngineError(
            f"Every row is longer than max_length={settings.max_length} before its answer begins. "
            "Raise max_length."
        )
    tokenizer.chat_template = chat_template(tokenizer, settings.template)
    return Examples(
        taught_on.examples,
        judged_on.examples,
        truncated=taught_on.truncated,
        dropped=taught_on.dropped,
    )


def _write(path: Path, rows: Sequence[Row]) -> str:
    text = "".join(
        json.dumps({k: v for k, v in asdict(row).items() if v}, ensure_ascii=False) + "\n"
        for row in rows
    )
    write_atomically(path, text)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _row(line: str) -> Row:
    held = json.loads(line)
    messages = tuple(held.pop("messages", ()))
    return Row(**{"file": "", "line": 0, **held, "messages": messages})
