"""Pairs of a sentence and its translation: the packaged set, or a file of the user's own."""

from __future__ import annotations

import hashlib
import json
import random
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from mcp_servers import two_columns
from mcp_servers.errors import EngineError
from mcp_servers.retrieval.decoding import Unreadable, decoded

MAX_BYTES = 50_000_000
MIN_PAIRS = 20
PACKAGED = "packaged English-Korean set"
_NAMES = (
    ("en", "ko"),
    ("source", "target"),
    ("src", "tgt"),
    ("english", "korean"),
    ("영어", "한국어"),
    ("원문", "번역"),
)


class Pair(NamedTuple):
    """A sentence, and what it shall become."""

    source: str
    target: str


@dataclass(frozen=True)
class ParallelSet:
    """Pairs to learn from and pairs to be judged by; `sha256` is that of what was read.

    `skipped` tells which lines of the user's file were left out, and why.
    """

    name: str
    sha256: str
    train: list[Pair]
    held_out: list[Pair]
    skipped: list[str]


def packaged() -> ParallelSet:
    """The set that Dure brings: patterns of everyday Korean, held-out combinations unseen."""
    data = files("mcp_servers.foundations").joinpath("pairs.jsonl").read_bytes()
    parts: dict[str, list[Pair]] = {"train": [], "held-out": []}
    for line in data.decode("utf-8").splitlines():
        row = json.loads(line)
        parts[row["split"]].append(Pair(row["en"], row["ko"]))
    sha256 = hashlib.sha256(data).hexdigest()
    return ParallelSet(PACKAGED, sha256, parts["train"], parts["held-out"], [])


def read(path: Path, seed: int, share: float = 0.1) -> ParallelSet:
    """A file of the user's: TSV, CSV or JSONL, one pair a row. Raises `EngineError`.

    The first two columns are taken, or those that a header names (en and ko, source and target).
    Pairs are in composed form (NFC) with single spaces. `share` of them is held out by the seed;
    the same source stays on one side.
    """
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise EngineError(
                f"{path.name} has {len(data) / 1e6:.0f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB. "
                "Train on a part of it."
            )
        text = decoded(data)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be read ({error.strerror}). Name a TSV, CSV or JSONL file."
        ) from None
    except Unreadable as error:
        raise EngineError(f"{path.name}: {error}") from None
    pairs: dict[Pair, None] = {}
    skipped: list[str] = []
    for number, row in two_columns.rows(text, path.suffix.lower(), _NAMES):
        pair = None if isinstance(row, str) else Pair(*map(_normalised, row))
        if pair and all(pair):
            pairs[pair] = None
        else:
            skipped.append(f"line {number}: {row if isinstance(row, str) else 'a side is empty'}")
    if len(pairs) < MIN_PAIRS:
        reason = f" The first problem: {skipped[0]}." if skipped else ""
        raise EngineError(
            f"{path.name} holds {len(pairs)} different pairs; training needs {MIN_PAIRS} at least."
            f"{reason} Write one pair a line, the sentence and its translation parted by a tab."
        )
    if len({pair.source for pair in pairs}) == 1:
        raise EngineError(
            f"All pairs of {path.name} translate one sentence, so none is left to judge by. Add "
            "pairs of other sentences, or put the sentences that differ first."
        )
    train, held_out = _split(list(pairs), seed, share)
    return ParallelSet(path.name, hashlib.sha256(data).hexdigest(), train, held_out, skipped)


def _normalised(text: str) -> str:
    """Composed form and single spaces, as `translate` reads what it is given."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _split(pairs: list[Pair], seed: int, share: float) -> tuple[list[Pair], list[Pair]]:
    sources = list(dict.fromkeys(pair.source for pair in pairs))
    random.Random(seed).shuffle(sources)
    chosen = set(sources[: max(1, round(len(sources) * share))])
    return (
        [pair for pair in pairs if pair.source not in chosen],
        [pair for pair in pairs if pair.source in chosen],
    )
