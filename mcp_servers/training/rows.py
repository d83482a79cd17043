"""What training data is once it was read: rows, where each is from, and what was wrong."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NotRequired

from typing_extensions import TypedDict

Shape = Literal["conversation", "text", "preference", "label"]


class Message(TypedDict):
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row. What it holds depends on its shape.

    conversation: `messages`, the last of them the assistant's.
    text: `text`, all of which is to be learnt.
    preference: `messages` are the prompt; `chosen` and `rejected` answer it.
    label: `text` and its `label`.
    """

    shape: Shape
    file: str
    line: int  # of the row's beginning, from 1; the number of the row where a file has no lines
    messages: tuple[Message, ...] = ()
    text: str = ""
    chosen: str = ""
    rejected: str = ""
    label: str = ""
    weight: float = 1.0  # how often it is trained on
    form: str = ""  # as it was written: alpaca, sharegpt, messages, responses ...


class Problem(TypedDict):
    """A row that cannot be used, or a file that cannot be read (line 0)."""

    file: str
    line: int
    reason: str
    cut: NotRequired[bool]  # the file breaks off there: rows may follow that were not read


class Source(TypedDict):
    """A file or a hub data set as it was read; `sha256` is that of its bytes (or its rows)."""

    name: str
    sha256: str
    rows: int
    weight: float


@dataclass
class Rows:
    """Everything that was read. `sha256` stands for the rows, their order and their weights."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    sha256: str = ""


def place(problem: Problem) -> str:
    """The file and the line of a problem, as people say them."""
    name = Path(problem["file"]).name
    return f"{name}, line {problem['line']}" if problem["line"] else name


def left_out(count: int, problems: Sequence[Problem]) -> str | None:
    """What is said of rows and files that cannot be used; None where there are none."""
    if not count:
        return None
    first = f"{place(problems[0])}: {problems[0]['reason'].rstrip('.')}"
    return (
        f"{count} rows or files cannot be used and are left out (the first: {first}). "
        "Mend or remove them."
    )


def identity(row: Row) -> str:
    """What a row says, wherever it is from."""
    return json.dumps(
        [row.shape, row.messages, row.text, row.chosen, row.rejected, row.label],
        ensure_ascii=False,
    )


def normalised(text: str) -> str:
    """A text without the differences that do not matter: case, spaces, punctuation, composition."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", "", composed) or composed.strip()


def asked(row: Row) -> str:
    """What a row asks, normalised; of a text, the text itself."""
    if not row.messages:
        return normalised(row.text)
    turns = row.messages[:-1] if row.shape == "conversation" else row.messages
    return normalised(" ".join(turn["content"] for turn in turns))
