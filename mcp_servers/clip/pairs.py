"""The user's pictures with their captions: a table, or a folder as Hugging Face's has it."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mcp_servers import two_columns
from mcp_servers.clip.opening import opened
from mcp_servers.errors import EngineError
from mcp_servers.retrieval.decoding import Unreadable, decoded
from mcp_servers.retrieval.files import sha256_of

LEAST = 8  # different pictures
MAX_BYTES = 100_000_000
METADATA = ("metadata.jsonl", "metadata.csv")
_NAMES = (
    ("image", "caption"),
    ("file_name", "text"),
    ("image", "text"),
    ("file_name", "caption"),
    ("filepath", "title"),  # open_clip's
    ("picture", "caption"),
    ("path", "caption"),
    ("그림", "설명"),
    ("이미지", "캡션"),
    ("이미지", "설명"),
    ("사진", "설명"),
)


class Pair(NamedTuple):
    """A picture's file and what it shows."""

    picture: Path
    caption: str


@dataclass(frozen=True)
class Pairs:
    """What a table holds; `skipped` says which rows were left out, and why."""

    pairs: list[Pair]
    skipped: list[str]


@dataclass(frozen=True)
class Data:
    """Pairs to learn from and pairs to be judged by, no picture in both; `sha256` is of all."""

    train: list[Pair]
    held_out: list[Pair]
    skipped: list[str]
    sha256: str


def table_of(data: Path) -> Path:
    """The table that a path means: itself, or a folder's metadata. Raises `EngineError`."""
    if data.is_file():
        return data
    if not data.is_dir():
        raise EngineError(f"There is no file or folder {data}. Check the spelling.")
    for name in METADATA:
        if (data / name).is_file():
            return data / name
    raise EngineError(
        f"{data} has no {' or '.join(METADATA)}. Write one with a line for each picture: "
        '{"file_name": "1.png", "text": "a red circle"}.'
    )


def read(data: Path, allowed: Callable[[Path], bool]) -> Pairs:
    """The rows of a table whose pictures are there; paths are taken from the table's folder.

    `allowed` says whether a picture may be opened. Raises `EngineError` for fewer than `LEAST`
    different pictures, or captions that are all the same.
    """
    table = table_of(data)
    try:
        if table.stat().st_size > MAX_BYTES:
            raise EngineError(f"{table.name} is larger than {MAX_BYTES / 1e6:.0f} MB. Split it.")
        text = decoded(table.read_bytes())
    except OSError as error:
        raise EngineError(
            f"{table} cannot be read ({error.strerror}). Check that it is there."
        ) from None
    except Unreadable as reason:
        raise EngineError(f"{table.name}: {reason}") from None
    pairs: dict[Pair, None] = {}
    skipped: list[str] = []
    for number, row in two_columns.rows(text, table.suffix.lower(), _NAMES):
        found = row if isinstance(row, str) else _pair(*row, table.parent, allowed)
        if isinstance(found, str):
            skipped.append(f"line {number}: {found}")
        else:
            pairs[found] = None
    _must_be_enough(list(pairs), skipped, table.name)
    return Pairs(list(pairs), skipped)


def split(pairs: Pairs, share: float, seed: int, report: Callable[[int, int], None]) -> Data:
    """Look at every picture, and hold a share of them out by the seed.

    Files of equal bytes stay on one side. Raises `EngineError` where too few can be opened.
    """
    groups: dict[str, list[Pair]] = {}
    bytes_of: dict[Path, str] = {}
    skipped = list(pairs.skipped)
    for number, pair in enumerate(pairs.pairs):
        if number % 32 == 0:
            report(number, len(pairs.pairs))
        if pair.picture not in bytes_of:
            try:
                opened(pair.picture)
                bytes_of[pair.picture] = sha256_of(pair.picture)
            except (EngineError, Unreadable) as reason:
                bytes_of[pair.picture] = ""
                skipped.append(str(reason))
        if sha256 := bytes_of[pair.picture]:
            groups.setdefault(sha256, []).append(pair)
    good = [pair for several in groups.values() for pair in several]
    _must_be_enough(good, skipped, "The data")
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    number = min(len(order) - 2, max(2, round(len(order) * share)))
    held_out, train = order[:number], order[number:]
    digest = hashlib.sha256()
    for sha256 in sorted(groups):
        digest.update(f"{sha256} {sorted(pair.caption for pair in groups[sha256])}".encode())
    return Data(
        [pair for sha256 in train for pair in groups[sha256]],
        [pair for sha256 in held_out for pair in groups[sha256]],
        skipped,
        digest.hexdigest(),
    )


def _pair(picture: str, caption: str, folder: Path, allowed: Callable[[Path], bool]) -> Pair | str:
    said = " ".join(unicodedata.normalize("NFC", caption).split())
    if not picture.strip() or not said:
        return "the picture or its caption is empty"
    path = (folder / picture.strip()).resolve()
    if not path.is_relative_to(folder.resolve()) and not allowed(path):
        return f"{path} is outside the folders that Dure may use"
    return Pair(path, said) if path.is_file() else f"there is no file {path}"


def _must_be_enough(pairs: Sequence[Pair], skipped: Sequence[str], what: str) -> None:
    pictures = {pair.picture for pair in pairs}
    reason = f" The first problem: {skipped[0].rstrip('.')}." if skipped else ""
    if len(pictures) < LEAST:
        raise EngineError(
            f"{what} names {len(pictures)} pictures that can be used; fine-tuning needs {LEAST} at "
            f"least, better some hundreds.{reason} Name columns image and caption."
        )
    if len({pair.caption for pair in pairs}) < 2:
        raise EngineError(
            f"All captions of {what} are the same, so there is nothing to tell apart. Add others."
        )
