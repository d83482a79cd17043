"""Training data by name: files, folders and hub data sets, read, checked, weighted and split.

Chapter 10.2 (a folder of `responses` files), 10.5 (shuffled with seed 65), 10.9 (several sets
put together, one part in ten held out).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import Context

from mcp_servers.decoding import Unreadable
from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_path
from mcp_servers.training.records import SUFFIXES, Broken, records
from mcp_servers.training.rows import Problem, Row, Rows, Shape, asked, identity, place
from mcp_servers.training.shapes import KNOWN, Misshapen, row_of

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_TEXTS = (".txt", ".md")
MAX_WEIGHT = 100.0
_QUICK = 16 << 20  # bytes
_LANGUAGE = "Questions with answers, and texts, need task_type=CAUSAL_LM and a method such as lora."
_REMEDIES: dict[Shape, str] = {
    "conversation": _LANGUAGE,
    "text": _LANGUAGE,
    "preference": "Rows with chosen and rejected need method=dpo (--method dpo).",
    "label": "Rows with a label need task_type=SEQ_CLS (--set task_type=SEQ_CLS).",
}


def allowed(data: Sequence[str], context: Context[Any, Any, Any] | None) -> list[str]:
    """The names with local paths made absolute. Raises `EngineError` for one outside the roots.

    What is here is never a hub name, with `#split` or without: only its path decides.
    """
    return [
        name if _is_hub_name(name) and not _is_here(name) else str(allowed_path(name, context))
        for name in data
    ]


def load(data: Sequence[str], weights: Sequence[float] | None = None) -> Rows:
    """All rows of these files, folders and hub data sets, and the problems by file and line.

    A weight of 2 has a source's rows trained on twice, 0.5 half of them (a fixed draw).
    Raises `EngineError` where nothing at all can be used.
    """
    if isinstance(data, str):
        data = [data]
    chosen = list(weights) if weights else [1.0] * len(data)
    if not data:
        raise EngineError("No data was named. Name a file, a folder or a hub data set.")
    if len(chosen) != len(data):
        raise EngineError(
            f"{len(chosen)} weights were given for {len(data)} sources. Give one for each."
        )
    if not all(0 < weight <= MAX_WEIGHT for weight in chosen):
        raise EngineError(f"A weight lies above 0 and up to {MAX_WEIGHT:g}. Choose others.")
    everything = Rows()
    total = hashlib.sha256()
    for name, weight in zip(data, chosen, strict=True):
        before = len(everything.rows)
        if _is_hub_name(name):
            read = _of_hub(name)
            bytes_hash = ""
        else:
            files = _files(Path(name).expanduser().resolve())
            read = _of_files(files)
            bytes_hash = _bytes_hash(files)
        rows_hash = hashlib.sha256()
        for found in read:
            if isinstance(found, Row):
                everything.rows.append(replace(found, weight=weight) if weight != 1 else found)
                rows_hash.update(identity(found).encode() + b"\0")
            else:
                everything.problems.append(found)
        total.update(f"{rows_hash.hexdigest()} {weight}\n".encode())
        everything.sources.append(
            {
                "name": name,
                "sha256": bytes_hash or rows_hash.hexdigest(),
                "rows": len(everything.rows) - before,
                "weight": weight,
            }
        )
    everything.sha256 = total.hexdigest()
    if not everything.rows:
        raise EngineError(_nothing_usable(everything.problems))
    return everything


def hash_now(name: str) -> str:
    """What `load` would record as a source's hash now; empty for a hub's. Raises `EngineError`."""
    return "" if _is_hub_name(name) else _bytes_hash(_files(Path(name).expanduser().resolve()))


def of_shape(rows: Rows, *shapes: Shape) -> Rows:
    """The rows of these shapes; the others become problems. Raises `EngineError` if none is."""
    fitting = [row for row in rows.rows if row.shape in shapes]
    others: list[Problem] = [
        {
            "file": row.file,
            "line": row.line,
            "reason": f"a row of shape {row.shape}, where {' or '.join(shapes)} is needed",
        }
        for row in rows.rows
        if row.shape not in shapes
    ]
    if not fitting:
        found = sorted({row.shape for row in rows.rows})
        remedies = dict.fromkeys(_REMEDIES[shape] for shape in found)
        raise EngineError(
            f"None of the {len(rows.rows)} rows is of shape {' or '.join(shapes)} (they are of "
            f"{', '.join(found)}). {' '.join(remedies)} Else name other data."
        )
    return Rows(fitting, rows.problems + others, rows.sources, rows.sha256)


def is_quick(names: Sequence[str]) -> bool:
    """Whether these are files here that are read in a moment. Raises `EngineError` as `load`."""
    if any(_is_hub_name(name) for name in names):
        return False
    files = [file for name in names for file in _files(Path(name).expanduser().resolve())]
    return sum(file.stat().st_size for file in files) <= _QUICK


def split(rows: Rows, share: float = 0.1, seed: int = 65) -> tuple[list[Row], list[Row]]:
    """(train, held out), shuffled. Rows that ask the same stay on one side; weights apply to train.

    `share` is the held-out part, 0 for none; with at least two different rows, at least one is
    held out and at least one trained on.
    """
    if not 0 <= share < 1:
        raise EngineError(f"The held-out share is at least 0 and below 1, not {share}.")
    generator = random.Random(seed)
    groups: dict[str, list[Row]] = {}
    for row in rows.rows:
        groups.setdefault(asked(row), []).append(row)
    order = list(groups.values())
    generator.shuffle(order)
    wanted = round(share * len(rows.rows))
    if share and len(order) > 1:
        wanted = max(1, wanted)
    held_out: list[Row] = []
    while len(order) > 1 and len(held_out) < wanted:
        held_out += order.pop()
    train: list[Row] = []
    for row in (row for group in order for row in group):
        whole = int(row.weight)
        train += [row] * (whole + (generator.random() < row.weight - whole))
    if not train:  # tiny weights drew nothing
        train = [order[0][0]]
    generator.shuffle(train)
    return train, held_out


def _is_hub_name(name: str) -> bool:
    """`owner/name` or `owner/name#split`, where it does not look like a file."""
    plain = name.partition("#")[0]
    return bool(_HUB_NAME.fullmatch(plain)) and Path(plain).suffix.lower() not in SUFFIXES


def _is_here(name: str) -> bool:
    """Whether a hub name is also that of a file or folder below the working directory."""
    return os.path.lexists(name) or os.path.lexists(name.partition("#")[0])


def _files(path: Path) -> list[Path]:
    """The data files that a path names. Raises `EngineError`.

    Of a folder: its tables and JSON files, or, where there are none, its texts. A folder that
    `dure dataset make` wrote holds the same rows in several shapes: its alpaca training rows are
    taken.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise EngineError(f"There is no file or folder {path}. Check the spelling.")
    made = path / "alpaca" / "train.jsonl"
    if made.is_file() and (path / "sharegpt").is_dir():
        return [made]
    found = []
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if not name.startswith(".") and file.resolve().is_relative_to(path):
                found.append(file)
    tables = [file for file in found if file.suffix.lower() in set(SUFFIXES) - set(_TEXTS)]
    texts = [file for file in found if file.suffix.lower() in _TEXTS]
    if not tables and not texts:
        raise EngineError(
            f"{path} holds no training data. Put files there that end in one of: "
            f"{', '.join(SUFFIXES)}."
        )
    return tables or texts


def _of_files(files: Sequence[Path]) -> Iterator[Row | Problem]:
    for file in files:
        name = str(file)
        count = 0
        try:
            for line, record in records(file):
                count += 1
                yield _row_or_problem(record, name, line)
        except (Broken, Unreadable, OSError, UnicodeError) as error:
            reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else error
            line = error.line if isinstance(error, Broken) else 0
            if not line and not count:
                yield {"file": name, "line": 0, "reason": str(reason)}
                continue
            reason = f"{reason}: nothing after it can be read, only {count} rows before it were"
            yield {"file": name, "line": line, "reason": reason, "cut": True}
            continue
        if not count:
            yield {"file": name, "line": 0, "reason": "The file holds no rows."}


def _row_or_problem(record: Any, name: str, line: int) -> Row | Problem:
    if isinstance(record, Broken):
        return {"file": name, "line": line, "reason": str(record)}
    try:
        return row_of(record, name, line)
    except Misshapen as error:
        return {"file": name, "line": line, "reason": str(error)}


def _of_hub(name: str) -> Iterator[Row | Problem]:
    """A data set of the hub, its split `train` or the one after `#`. Raises `EngineError`.

    Paths come here made absolute (`allowed`). The library would read a folder of the hub name
    below the working directory, which nobody allowed.
    """
    repository, _, part = name.partition("#")
    if _is_here(name):
        raise EngineError(
            f"{repository} is a file or folder here, and a name of the hub. Name it by its whole "
            f"path ({Path(repository).absolute()}), or start Dure in another folder."
        )
    try:
        from datasets import load_dataset

        found = load_dataset(repository, split=part or "train")
    except ImportError:
        raise EngineError(
            "Hub data sets need the library datasets. Run: pip install 'dure[training]'."
        ) from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"{name!r} is neither a file here nor can it be had from the Hugging Face hub "
            f"({reason}). Check the network and the spelling (owner/name, or owner/name#split), "
            "or name a local file."
        ) from None
    for number, record in enumerate(found, 1):
        yield _row_or_problem(record, name, number)


def _bytes_hash(files: Sequence[Path]) -> str:
    """SHA-256 of a file's bytes; of the files' hashes where there are more."""
    hashes = []
    for file in files:
        try:
            with file.open("rb") as opened:
                hashes.append(hashlib.file_digest(opened, "sha256").hexdigest())
        except OSError:
            hashes.append("unreadable")
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _nothing_usable(problems: Sequence[Problem]) -> str:
    if not problems:
        return f"The data holds no rows. Wanted is {KNOWN}."
    shown = "; ".join(
        f"{place(problem)}: {problem['reason'].rstrip('.')}" for problem in problems[:3]
    )
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"No row can be used ({shown}{more}). Mend them, or name other data."


def as_json(row: Row) -> str:
    """A row as one line of JSON in the shape that `load` reads, for files that go with a run."""
    if row.shape == "conversation":
        record: dict[str, Any] = {"messages": list(row.messages)}
    elif row.shape == "preference":
        turns = {"chosen": row.chosen, "rejected": row.rejected}
        record = {
            key: [*row.messages, {"role": "assistant", "content": said}]
            for key, said in turns.items()
        }
    else:
        record = {"text": row.text} | ({"label": row.label} if row.shape == "label" else {})
    return json.dumps(record, ensure_ascii=False)
