"""From passages to what can be asked about them: statements, order, splits, distractors."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Sequence

from graphs.training_checks import normalised, stands_in
from graphs.training_rows import SourcePassage, Split

_SHORTEST, _LONGEST = 25, 220  # characters of a statement
_WRAPPED = 60  # columns; a line this wide without an end is continued by the next one
_TEST_EACH = 10  # every tenth passage is for testing: the textbook's 9:1

_SENTENCE = re.compile(r"(?:[^.!?。]|[.!?](?=[^\s\"'”’)]))+[.!?。][\"'”’)]*(?=\s|$)")
_ITEM = re.compile(r"^\s*(?:[-*+•▸▪●○o]|\d+(?:\.\d+)*[.)]?|#{1,6})\s+")
_ENDED = re.compile(r"[.!?。:;…][\"'”’)]*\s*$")
_STATES = re.compile(r"(다|요|음|임|함|됨)\.[\"'”’)]*$|[a-z0-9)\"'”’%]\.[\"'”’)]*$", re.IGNORECASE)
_CODE = re.compile(r"[={}<>\[\]\\|_`#]|\w\(\)|://|^\s*(import|from|def|class|return)\b")
_LEANING = re.compile(
    r"^(이는|이를|이와|이에|이때|이후|이로|이런|이러한|이처럼|이 |그 |그는|그러나"
    r"|그리고|그런|그래서|그중|또한|또 |하지만|따라서|그러므로|즉|예를 들|예컨대|반면|한편|특히"
    r"|해당|위 |위의|아래|앞서|본 |여기|다음|첫째|둘째|셋째|마지막|먼저|결과적|결국|다만|두 "
    r"|각 |각각|및 "
    r"|(this|that|these|those|it|its|they|their|he|she|we|you|i|here|there|however|therefore|thus"
    r"|moreover|furthermore|also|then|so|but|and|or|for example|for instance|in addition|instead"
    r"|such|both|each|another|as (a result|shown|above)|see|note|first|second|third|finally)\b)"
    r"|\s(이러한|이런|그러한|해당|위의|앞서|아래의|다음의)\s"
    r"|다음과 같|아래와 같|위와 같|본 교안|본 문서|이 문서|이 장"
    r"|as follows|this (chapter|document|book)",
    re.IGNORECASE,
)


def statements(text: str) -> list[str]:
    """The sentences of a passage that state something by themselves, in order.

    Verbatim but for white space. Headings, code, links, sentences that lean on the one before
    ("However, it …") and those that only announce a list are left out.
    """
    found = []
    for block in _blocks(text):
        for sentence in _SENTENCE.findall(block):
            statement = normalised(_ITEM.sub("", sentence, count=1))
            if (
                _SHORTEST <= len(statement) <= _LONGEST
                and len(statement.split()) >= 4
                and _STATES.search(statement)
                and not _CODE.search(statement)
                and not _LEANING.search(statement)
            ):
                found.append(statement)
    return list(dict.fromkeys(found))


def _blocks(text: str) -> list[str]:
    """Paragraphs and items: lines that a page's width broke are joined, others are not."""
    blocks: list[str] = []
    open_line = ""
    for line in text.splitlines():
        if open_line and line.strip() and not _ITEM.match(line):
            blocks[-1] += " " + line.strip()
        else:
            blocks.append(line.strip())
        open_line = line if _columns(line) >= _WRAPPED and not _ENDED.search(line) else ""
    return blocks


def _columns(line: str) -> int:
    """Width in a fixed-width font, where a Hangul syllable takes two columns."""
    return len(line) + sum("가" <= char <= "힣" for char in line)


def randomness(seed: int, *about: str) -> random.Random:
    """A generator that depends on the seed and on what it is for, not on what was drawn before."""
    return random.Random(json.dumps([seed, *about]))


def in_order(passages: Sequence[SourcePassage], seed: int) -> list[SourcePassage]:
    """The passages shuffled, so that a limit samples the whole of the documents."""
    shuffled = list(passages)
    randomness(seed, "order").shuffle(shuffled)
    return shuffled


def splits(passages: Sequence[SourcePassage], seed: int) -> dict[str, Split]:
    """Each passage's split by id: in the shuffled order every tenth, from the second on, tests."""
    order = in_order(passages, seed)
    return {
        passage["id"]: "test" if place % _TEST_EACH == 1 else "train"
        for place, passage in enumerate(order)
    }


def data_hash(passages: Sequence[SourcePassage]) -> str:
    """SHA-256 of all passages with their ids and places: another index has another hash."""
    digest = hashlib.sha256()
    for p in passages:
        entry = [p["id"], p["source"], p["page"], p["text"]]
        digest.update(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


class Library:
    """All passages of an index, for choosing distractors."""

    def __init__(self, passages: Sequence[SourcePassage], seed: int) -> None:
        self.passages = list(passages)
        self.splits = splits(passages, seed)
        self._seed = seed
        self._places = {passage["id"]: place for place, passage in enumerate(passages)}

    def distractors(
        self, gold: SourcePassage, near: Sequence[str], count: int, answer: str
    ) -> list[SourcePassage]:
        """Up to `count` passages that look like the answer's place and are not it.

        `near` are ids by nearness to the question: the nearest of them are the hardest. Where they
        do not suffice, others are drawn. All are of the gold passage's split, so that no passage is
        in both; none is its neighbour (chunks overlap) or holds the answer.
        """
        drawn = [p["id"] for p in self.passages]
        randomness(self._seed, "distractors", gold["id"]).shuffle(drawn)
        chosen: dict[str, SourcePassage] = {}
        texts = {normalised(gold["text"])}
        for id_ in [*near, *drawn]:
            place = self._places.get(id_)
            if len(chosen) == count or place is None or id_ in chosen:
                continue
            passage = self.passages[place]
            if (
                self.splits[id_] == self.splits[gold["id"]]
                and not self._beside(passage, gold)
                and not stands_in(answer, passage["text"])
                and normalised(passage["text"]) not in texts
            ):
                chosen[id_] = passage
                texts.add(normalised(passage["text"]))
        return list(chosen.values())

    def _beside(self, one: SourcePassage, other: SourcePassage) -> bool:
        apart = abs(self._places[one["id"]] - self._places[other["id"]])
        return one["source"] == other["source"] and apart <= 1
