"""The retrieval collections: passages, questions and which passages answer them.

They are not part of this repository: `DURE_DATA` names the folder that holds them, else
`../shared/data` beside the checkout. Cranfield is the public one of 1,400 abstracts; KorQuAD 1.0's
development set asks 5,774 questions about 964 paragraphs.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(os.environ.get("DURE_DATA") or Path(__file__).parents[2] / "shared" / "data")


@dataclass(frozen=True)
class Collection:
    """`relevant[q]` are the passages (by number) that answer question q.

    Whatever was fitted was fitted on the questions `fitted`; figures are those of `held_out`.
    """

    name: str
    passages: list[str]
    questions: list[str]
    relevant: list[frozenset[int]]
    fitted: Sequence[int]
    held_out: Sequence[int]


def korquad() -> Collection:
    """KorQuAD: its questions shuffled with seed 0; the first 500 are held out."""
    told = json.loads((DATA / "KorQuAD_v1.0_dev.json").read_text(encoding="utf-8"))
    passages: list[str] = []
    pairs: list[tuple[str, int]] = []
    for article in told["data"]:
        for paragraph in article["paragraphs"]:
            pairs += [(asked["question"], len(passages)) for asked in paragraph["qas"]]
            passages.append(paragraph["context"])
    random.Random(0).shuffle(pairs)
    questions = [question for question, _ in pairs[:2500]]
    relevant = [frozenset([passage]) for _, passage in pairs[:2500]]
    return Collection("KorQuAD", passages, questions, relevant, range(500, 2500), range(500))


def cranfield() -> Collection:
    """Cranfield: title and abstract; every second query is held out."""
    folder = DATA / "cranfield"
    passages = []
    for record in _records(folder / "cran.all.1400"):
        title, text = (" ".join(record[field].split()) for field in ("T", "W"))
        passages.append(text if text.startswith(title) else f"{title}\n{text}")
    questions = [" ".join(record["W"].split()) for record in _records(folder / "cran.qry")]
    relevant: list[set[int]] = [set() for _ in questions]
    for line in (folder / "QRelsCorrectedforTRECeval").read_text().splitlines():
        question, _, passage, grade = line.split()
        if int(grade) > 0:  # the grades are not ordered by relevance
            relevant[int(question) - 1].add(int(passage) - 1)
    size = len(questions)
    found = [frozenset(some) for some in relevant]
    return Collection("Cranfield", passages, questions, found, range(0, size, 2), range(1, size, 2))


def _records(path: Path) -> list[dict[str, str]]:
    """SMART's format: `.I` starts a record, `.T`, `.A`, `.B` and `.W` its fields."""
    records: list[dict[str, str]] = []
    for part in re.split(r"^\.I \d+\n", path.read_text(), flags=re.MULTILINE)[1:]:
        fields = re.split(r"^\.([TABW])\n", part, flags=re.MULTILINE)[1:]
        records.append(dict(zip(fields[::2], fields[1::2], strict=True)))
    return records
