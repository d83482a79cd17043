"""A look at training data before anything is trained."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.training.bases import DEFAULT, load_tokenizer, resolve
from mcp_servers.training.data import load
from mcp_servers.training.rows import (
    Problem,
    Row,
    Rows,
    Source,
    identity,
    left_out,
    normalised,
    place,
)
from mcp_servers.training.templates import (
    MIN_LENGTH,
    LossOn,
    Template,
    chat_template,
    encode,
    marked,
    named,
)

MAX_MEASURED = 20_000  # rows whose tokens are counted; more are estimated by a fixed draw
MAX_PROBLEMS = 50
_BINS = 10
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f가-힣]")
_LETTER = re.compile(r"[^\W\d_]")
FEW_ROWS = 1000  # chapter 9.5: from 1,000 rows on, LoRA learns well


class Lengths(TypedDict):
    """Token counts of rows; `histogram` has [from, to, rows] bins, both ends included."""

    min: int
    median: int
    p95: int
    p99: int
    max: int
    histogram: list[list[int]]
    measured: int  # rows that were counted: all, or a fixed draw of a big set


class Rendered(TypedDict):
    """A row as the model sees it; what is trained stands between ⟦ and ⟧.

    Of preferences and labels the parts by their names, `trained_tokens` 0.
    """

    file: str
    line: int
    text: str
    tokens: int
    trained_tokens: int


class Inspection(TypedDict):
    """What `inspect_dataset` tells. Counts of tokens are those of the measured rows."""

    rows: int
    shapes: dict[str, int]
    forms: dict[str, int]
    sources: list[Source]
    sha256: str
    template: str
    max_length: int
    lengths: Lengths | None
    truncated: int
    dropped: int
    duplicates: int
    near_duplicates: int
    languages: dict[str, float]
    labels: dict[str, int]
    problems: list[Problem]
    problem_count: int
    example: Rendered | None
    advice: list[str]


def inspect(
    data: Sequence[str],
    base: str = DEFAULT,
    template: Template = "auto",
    max_length: int = 512,
    loss_on: LossOn = "answer",
    weights: Sequence[float] | None = None,
) -> Inspection:
    """Counts, lengths, duplicates, problems and a rendered example. Raises `EngineError`."""
    if max_length < MIN_LENGTH:
        raise EngineError(f"max_length is at least {MIN_LENGTH}, not {max_length}.")
    rows = load(data, weights)
    # Pickled or not, its weights are not loaded for a look.
    tokenizer = load_tokenizer(resolve(base, pickled=True, described=True))
    chosen = named(tokenizer, template)
    drawn = rows.rows
    if len(drawn) > MAX_MEASURED:
        drawn = random.Random(0).sample(drawn, MAX_MEASURED)
    counts, truncated, dropped = _measured(drawn, tokenizer, chosen, max_length, loss_on)
    exact, near = _duplicates(rows.rows)
    found: Inspection = {
        "rows": len(rows.rows),
        "shapes": dict(Counter(row.shape for row in rows.rows).most_common()),
        "forms": dict(Counter(row.form for row in rows.rows).most_common()),
        "sources": rows.sources,
        "sha256": rows.sha256,
        "template": chosen,
        "max_length": max_length,
        "lengths": _lengths(counts),
        "truncated": truncated,
        "dropped": dropped,
        "duplicates": exact,
        "near_duplicates": near,
        "languages": _languages(rows.rows),
        "labels": dict(Counter(row.label for row in rows.rows if row.shape == "label")),
        "problems": rows.problems[:MAX_PROBLEMS],
        "problem_count": len(rows.problems),
        "example": _example(rows.rows, tokenizer, chosen, max_length, loss_on),
        "advice": [],
    }
    found["advice"] = _advice(found, rows)
    return found


def _measured(
    rows: Sequence[Row], tokenizer: Any, template: Template, max_length: int, loss_on: LossOn
) -> tuple[list[int], int, int]:
    """Tokens of each row before any cut, and how many rows are cut and dropped."""
    trained = [row for row in rows if row.shape in ("conversation", "text")]
    encoded = encode(trained, tokenizer, template, max_length, loss_on)
    counts, truncated = encoded.lengths, encoded.truncated
    source = chat_template(tokenizer, template)
    for row in rows:
        if row.shape == "label":
            counts.append(len(tokenizer(row.text)["input_ids"]))
        elif row.shape == "preference":
            longer = max(row.chosen, row.rejected, key=len)
            messages = (*row.messages, {"role": "assistant", "content": longer})
            as_conversation = Row("conversation", row.file, row.line, messages=messages)  # type: ignore[arg-type]
            text = marked(as_conversation, tokenizer, source)[-1][0]
            counts.append(len(tokenizer(text, add_special_tokens=False)["input_ids"]))
        else:
            continue
        truncated += counts[-1] > max_length
    return counts, truncated, encoded.dropped


def _lengths(counts: Sequence[int]) -> Lengths | None:
    if not counts:
        return None
    ordered = sorted(counts)
    low, high = ordered[0], ordered[-1]
    width = max(1, -(-(high - low + 1) // _BINS))
    bins = Counter((count - low) // width for count in ordered)
    histogram = [
        [low + at * width, min(high, low + (at + 1) * width - 1), bins[at]]
        for at in range(max(bins) + 1)
    ]
    return {
        "min": low,
        "median": _quantile(ordered, 0.5),
        "p95": _quantile(ordered, 0.95),
        "p99": _quantile(ordered, 0.99),
        "max": high,
        "histogram": histogram,
        "measured": len(ordered),
    }


def _quantile(ordered: Sequence[int], share: float) -> int:
    """The smallest count that at least this share of the rows does not exceed."""
    return ordered[max(0, -(-round(share * len(ordered) * 1000) // 1000) - 1)]


def _duplicates(rows: Sequence[Row]) -> tuple[int, int]:
    """Rows that repeat an earlier one exactly, and others that do so but for case and signs."""
    exact: set[bytes] = set()
    near: set[bytes] = set()
    repeated = alike = 0
    for row in rows:
        text = identity(row)
        key = hashlib.blake2b(text.encode(), digest_size=12).digest()
        loose = hashlib.blake2b(normalised(text).encode(), digest_size=12).digest()
        if key in exact:
            repeated += 1
        elif loose in near:
            alike += 1
        exact.add(key)
        near.add(loose)
    return repeated, alike


def _languages(rows: Sequence[Row]) -> dict[str, float]:
    """The share of rows whose text is Korean (a fifth of the letters is Hangul), or is not."""
    counts: Counter[str] = Counter()
    for row in rows:
        said = " ".join([*(turn["content"] for turn in row.messages), row.text, row.chosen])
        letters = len(_LETTER.findall(said[:5000]))
        hangul = len(_HANGUL.findall(said[:5000]))
        counts["none" if not letters else "ko" if hangul * 5 >= letters else "other"] += 1
    return {name: round(count / len(rows), 3) for name, count in counts.most_common()}


def _example(
    rows: Sequence[Row], tokenizer: Any, template: Template, max_length: int, loss_on: LossOn
) -> Rendered | None:
    """The first row as it is trained, cut where training cuts it; else its parts by their names."""
    row = next((row for row in rows if row.shape in ("conversation", "text")), None)
    if row is None:
        return _parts(rows[0], tokenizer)
    encoded = encode([row], tokenizer, template, max_length, loss_on)
    if not encoded.examples:
        return None
    example = encoded.examples[0]
    text, trained = "", False
    run: list[int] = []
    for token, label in [*zip(example["input_ids"], example["labels"], strict=True), (-1, None)]:
        now = label is not None and label >= 0
        if (now != trained or label is None) and run:
            piece = tokenizer.decode(run, clean_up_tokenization_spaces=False)
            text += f"⟦{piece}⟧" if trained else piece
            run = []
        trained = now
        run.append(token)
    return {
        "file": row.file,
        "line": row.line,
        "text": text,
        "tokens": len(example["input_ids"]),
        "trained_tokens": sum(label >= 0 for label in example["labels"]),
    }


def _parts(row: Row, tokenizer: Any) -> Rendered:
    """A preference or a labelled text. Nothing of it is learnt word by word."""
    if row.shape == "label":
        named = [("text", row.text), ("label", row.label)]
    else:
        named = [(turn["role"], turn["content"]) for turn in row.messages]
        named += [("chosen", row.chosen), ("rejected", row.rejected)]
    text = "\n".join(f"{name}: {said}" for name, said in named)
    tokens = len(tokenizer(text)["input_ids"])
    return {
        "file": row.file,
        "line": row.line,
        "text": text,
        "tokens": tokens,
        "trained_tokens": 0,
    }


def _advice(found: Inspection, rows: Rows) -> list[str]:
    """What to change before training, most important first."""
    advice = []
    lengths, limit = found["lengths"], found["max_length"]
    conversations = found["shapes"].get("conversation", 0)
    if len(found["shapes"]) > 1:
        shapes = ", ".join(f"{count} {shape}" for shape, count in found["shapes"].items())
        advice.append(
            f"The rows have several shapes ({shapes}): a method trains on those that fit it and "
            "leaves the rest out. Give them as separate runs if that is not meant."
        )
    for problem in (problem for problem in rows.problems if problem.get("cut")):
        where, reason = place(problem), problem["reason"]
        advice.append(f"{where}: {reason}. Training refuses the file until it is mended there.")
    lost = [problem for problem in rows.problems if not problem.get("cut")]
    if warning := left_out(len(lost), lost):
        advice.append(warning)
    if lengths and found["truncated"]:
        fitting = -(-lengths["p99"] // 8) * 8
        advice.append(
            f"{found['truncated']} of {lengths['measured']} measured rows are longer than "
            f"max_length={limit} and lose their end ({found['dropped']} lose the whole answer): "
            f"max_length={fitting} fits 99% of them."
        )
    elif lengths and conversations and lengths["max"] * 2 < limit:
        advice.append(
            f"The longest row has {lengths['max']} tokens: "
            f"max_length={-(-lengths['max'] // 8) * 8} is enough."
        )
    if found["duplicates"] or found["near_duplicates"]:
        advice.append(
            f"{found['duplicates']} rows repeat another exactly and {found['near_duplicates']} "
            "but for case, spaces and punctuation: they count more than once. Remove them."
        )
    if len(found["labels"]) == 1:
        advice.append("All rows have the same label: there is nothing to tell apart. Add others.")
    if found["rows"] < FEW_ROWS:
        advice.append(
            f"{found['rows']} rows are few: 1,000 to 10,000 suit LoRA. Expect the "
            "model to learn these rows rather than what they have in common."
        )
    return advice
