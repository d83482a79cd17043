"""BM25 over passages, in two fields by script, kept on disk between processes.

Hangul and other scripts are counted apart: a passage's length in syllables says nothing about its
few Latin words, and in a Korean question a number or a Latin name is the rarest thing asked for.
The parameters were fitted on KorQuAD questions 501 to 2,500 and every second Cranfield query.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.retrieval.analysis import Terms, content_tokens, question_terms, tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Scores = NDArray[np.float32]

_K1_B = {"hangul": (0.9, 0.4), "words": (2.0, 0.75)}
WEIGHT = {"hangul": 1.0, "words": 4.0}
"""How much a field's BM25 counts. In a corpus of one script it changes no ranking."""

_FORMAT = "1"  # of the files and of the analysis; others are built anew


class _Field:
    """BM25 (Lucene's variant) over one script's terms of every text."""

    def __init__(self, bm25: Any, size: int) -> None:
        self._bm25 = bm25
        self.size = size

    @classmethod
    def build(cls, name: str, listed: Sequence[Sequence[str]]) -> _Field:
        if not any(listed):
            return cls(None, len(listed))
        k1, b = _K1_B[name]
        bm25 = _bm25s().BM25(k1=k1, b=b)
        bm25.index([list(found) for found in listed], show_progress=False)
        return cls(bm25, len(listed))

    def postings(self, term: str) -> tuple[NDArray[np.int32], Scores] | None:
        """The rows that hold a term, ascending, and what it adds to the score of each."""
        column = self._bm25.vocab_dict.get(term) if self._bm25 else None
        if column is None:
            return None
        held = self._bm25.scores
        start, end = held["indptr"][column], held["indptr"][column + 1]
        return held["indices"][start:end], held["data"][start:end]

    def frequency(self, term: str) -> int:
        """In how many texts a term occurs."""
        found = self.postings(term)
        return 0 if found is None else len(found[0])

    def inverse_frequency(self, term: str) -> float:
        frequency = self.frequency(term)
        return math.log(1 + (self.size - frequency + 0.5) / (frequency + 0.5))

    def save(self, folder: Path) -> None:
        if self._bm25:
            self._bm25.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path, size: int) -> _Field:
        if not folder.is_dir():
            return cls(None, size)
        return cls(_bm25s().BM25.load(folder, mmap=True, show_progress=False), size)


class LexicalIndex:
    """Scores of texts that stay as they are, each in the row of its place among them."""

    def __init__(self, fields: Mapping[str, _Field], size: int) -> None:
        self._fields = fields
        self.size = size

    @classmethod
    def build(cls, texts: Iterable[Terms]) -> LexicalIndex:
        """Of the terms of every text, in order."""
        listed = list(texts)
        fields = {
            "hangul": _Field.build("hangul", [found.hangul for found in listed]),
            "words": _Field.build("words", [found.words for found in listed]),
        }
        return cls(fields, len(listed))

    def scores(self, query: str) -> tuple[Scores, float]:
        """The score of every text, in their order, and what no text's score can exceed.

        Only the question's content counts: 무엇인가요 would find the page that asks the most.
        """
        import numpy as np

        scores = np.zeros(self.size, np.float32)
        attainable = 0.0
        for field, term, weight in self._weighted(question_terms(query)):
            attainable += weight * field.inverse_frequency(term)
            if found := field.postings(term):
                rows, added = found
                scores[rows] += np.float32(weight) * added
        return scores, attainable

    def expanded_scores(self, weights: Mapping[tuple[str, str], float], rows: Rows) -> Scores:
        """The scores of some texts (ascending rows) for terms (field, term) of given weights.

        Only these rows are looked up, so that forty terms cost as little as four.
        """
        import numpy as np

        scores = np.zeros(len(rows), np.float32)
        for (name, term), weight in weights.items():
            if found := self._fields[name].postings(term):
                holding, added = found
                at = np.searchsorted(holding, rows)
                at[at == len(holding)] = 0
                hit = holding[at] == rows
                scores[hit] += np.float32(weight * WEIGHT[name]) * added[at[hit]]
        return scores

    def inverse_frequency(self, field: str, term: str) -> float:
        """How rare a term is, as BM25 counts it."""
        return self._fields[field].inverse_frequency(term)

    def coverage(self, query: str, text: str) -> float:
        """The share (0 to 1) of the question's content that occurs in a text, weighted by IDF.

        A token that occurs nowhere in the index weighs most: a question about what no document
        mentions must not look covered. 0 where the question has no content of its own.
        """
        wanted = content_tokens(query)
        weights = {token: self._rarity(token) for token in wanted}
        total = sum(weights.values())
        if not total:
            return 0.0
        present = wanted.intersection(tokens(text))
        return sum(weights[token] for token in present) / total

    def _rarity(self, token: str) -> float:
        return min(field.inverse_frequency(token) for field in self._fields.values())

    def _weighted(self, wanted: Terms) -> Iterable[tuple[_Field, str, float]]:
        for name, listed in zip(Terms._fields, wanted, strict=True):
            for term in listed:
                yield self._fields[name], term, WEIGHT[name]

    def save(self, folder: Path, beside: Callable[[Path], None]) -> None:
        """Write the index, and what `beside` adds; a reader sees all of it or nothing."""
        aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, field in self._fields.items():
            field.save(aside / name)
        beside(aside)
        (aside / "index.json").write_text(json.dumps({"format": _FORMAT, "size": self.size}))
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex | None:
        """What `save` wrote, or None where there is none of this version."""
        try:
            about = json.loads((folder / "index.json").read_text())
            if about["format"] != _FORMAT:
                return None
            size = int(about["size"])
            return cls({name: _Field.load(folder / name, size) for name in Terms._fields}, size)
        except (OSError, ValueError, KeyError):
            return None


def _bm25s() -> Any:
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG
    return bm25s
