"""The small English-Korean parallel set: a grammar's sentences, and others written by hand.

`python -m mcp_servers.foundations.grammar` prints `pairs.jsonl`. A held-out sentence is a new
combination: its words and its pattern are in the training part, together they are not.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from typing import NamedTuple

from mcp_servers.foundations import lexicon
from mcp_servers.foundations.by_hand import BY_HAND
from mcp_servers.foundations.korean_forms import is_formal, with_particle
from mcp_servers.foundations.lexicon import Noun, Subject, Verb

SEED = 65
_PATTERN_LIMIT = 300  # sentences of one pattern, so that no pattern drowns the others
_HELD_OUT = 0.1


class Pair(NamedTuple):
    """An English sentence and its Korean translation."""

    en: str
    ko: str


def _sentence(*parts: str) -> str:
    text = " ".join(part for part in parts if part)
    return text[0].upper() + text[1:] + "."


def _question(*parts: str) -> str:
    return _sentence(*parts)[:-1] + "?"


def _topic(subject: Subject) -> str:
    return with_particle(subject.ko, "은/는")


def _object(noun: Noun) -> str:
    return with_particle(noun.ko, "을/를")


def _present(subject: Subject, verb: Verb) -> str:
    return verb.third if subject.third else verb.en


def _acts(subject: str) -> Iterator[tuple[Verb, Noun]]:
    """Verbs with what they take; nobody (in Korean, `subject`) meets himself."""
    for verb in lexicon.VERBS:
        for kind in verb.takes:
            for noun in lexicon.THINGS[kind]:
                if noun.ko != subject:
                    yield verb, noun


def _times(verb: Verb, times: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """When one does it; nobody loves the cat on weekends."""
    return times[:1] if verb.lasting else times


def _habits() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            for en_time, ko_time in _times(verb, lexicon.HABITUAL):
                en = _sentence(subject.en, _present(subject, verb), noun.en, en_time)
                yield Pair(en, _sentence(_topic(subject), ko_time, _object(noun), verb.formal))


def _denials() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            do = "does not" if subject.third else "do not"
            yield Pair(
                _sentence(subject.en, do, verb.en, noun.en),
                _sentence(_topic(subject), _object(noun), verb.ko + "지 않습니다"),
            )


def _past() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            for en_time, ko_time in _times(verb, lexicon.PAST):
                yield Pair(
                    _sentence(subject.en, verb.past, noun.en, en_time),
                    _sentence(_topic(subject), ko_time, _object(noun), verb.ko_past + "습니다"),
                )


def _future() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            if verb.lasting:
                continue
            for en_time, ko_time in lexicon.FUTURE:
                yield Pair(
                    _sentence(subject.en, "will", verb.en, noun.en, en_time),
                    _sentence(_topic(subject), ko_time, _object(noun), verb.to_come + " 것입니다"),
                )


def _ongoing() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            if verb.lasting:
                continue
            for en_time, ko_time in (("", ""), ("now", "지금")):
                yield Pair(
                    _sentence(subject.en, subject.be, verb.ing, noun.en, en_time),
                    _sentence(_topic(subject), ko_time, _object(noun), verb.ko + "고 있습니다"),
                )


def _wishes() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            if verb.lasting:
                continue
            own = subject.ko in ("저", "우리")
            want = "wants to" if subject.third else "want to"
            yield Pair(
                _sentence(subject.en, want, verb.en, noun.en),
                _sentence(
                    _topic(subject),
                    _object(noun),
                    verb.ko + ("고 싶습니다" if own else "고 싶어 합니다"),
                ),
            )


def _abilities() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            if verb.lasting:
                continue
            yield Pair(
                _sentence(subject.en, "can", verb.en, noun.en),
                _sentence(_topic(subject), _object(noun), verb.to_come + " 수 있습니다"),
            )


def _places_of_acts() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for verb, noun in _acts(subject.ko):
            for place in lexicon.PLACES:
                if verb.lasting or place.ko not in verb.at:
                    continue
                yield Pair(
                    _sentence(subject.en, _present(subject, verb), noun.en, place.there),
                    _sentence(_topic(subject), place.ko + "에서", _object(noun), verb.formal),
                )


def _goings() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for place in lexicon.PLACES:
            goes = "goes" if subject.third else "go"
            to = place.ko + "에"
            for en, ko in lexicon.HABITUAL:
                yield Pair(
                    _sentence(subject.en, goes, place.to, en),
                    _sentence(_topic(subject), ko, to, "갑니다"),
                )
            for en, ko in lexicon.PAST:
                yield Pair(
                    _sentence(subject.en, "went", place.to, en),
                    _sentence(_topic(subject), ko, to, "갔습니다"),
                )
            for en, ko in lexicon.FUTURE:
                yield Pair(
                    _sentence(subject.en, "will go", place.to, en),
                    _sentence(_topic(subject), ko, to, "갈 것입니다"),
                )
            for friend in lexicon.COMPANIONS:
                if friend.ko == subject.ko:
                    continue
                with_friend = with_particle(friend.ko, "과/와")
                yield Pair(
                    _sentence(subject.en, goes, place.to, "with", friend.en),
                    _sentence(_topic(subject), with_friend, "함께", to, "갑니다"),
                )


def _whereabouts() -> Iterator[Pair]:
    for spot_en, spot_ko in lexicon.SPOTS:
        for thing in lexicon.OBJECTS:
            there = f"{spot_ko}에"
            exists = with_particle(thing.ko, "이/가")
            yield Pair(
                _sentence("there is", thing.en, spot_en), _sentence(there, exists, "있습니다")
            )
            yield Pair(
                _sentence("the", thing.bare_name, "is", spot_en),
                _sentence(with_particle(thing.ko, "은/는"), there, "있습니다"),
            )
            yield Pair(
                _question("is the", thing.bare_name, spot_en),
                _question(with_particle(thing.ko, "이/가"), there, "있습니까"),
            )


def _qualities() -> Iterator[Pair]:
    for en_this, ko_this in lexicon.POINTING:
        for quality in lexicon.QUALITIES:
            for kind in quality.fits:
                for noun in lexicon.DESCRIBED[kind]:
                    topic = with_particle(f"{ko_this} {noun.ko}", "은/는")
                    name = f"{en_this} {noun.bare_name}"
                    yield Pair(
                        _sentence(name, "is", quality.en), _sentence(topic, is_formal(quality.ko))
                    )
                    yield Pair(
                        _sentence(name, "is very", quality.en),
                        _sentence(topic, "아주", is_formal(quality.ko)),
                    )
                    yield Pair(
                        _sentence(name, "is not", quality.en),
                        _sentence(topic, quality.ko + "지 않습니다"),
                    )
                    yield Pair(
                        _sentence(name, "was", quality.en),
                        _sentence(topic, quality.past + "습니다"),
                    )


def _being() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for work in lexicon.OCCUPATIONS:
            if subject.plural or work.ko == subject.ko:
                continue
            topic = _topic(subject)
            yield Pair(
                _sentence(subject.en, subject.be, work.en), _sentence(topic, work.ko + "입니다")
            )
            yield Pair(
                _sentence(subject.en, subject.be, "not", work.en),
                _sentence(topic, with_particle(work.ko, "이/가"), "아닙니다"),
            )
            yield Pair(
                _sentence(subject.en, "wants" if subject.third else "want", "to be", work.en),
                _sentence(
                    topic,
                    with_particle(work.ko, "이/가"),
                    "되고 싶습니다" if subject.ko == "저" else "되고 싶어 합니다",
                ),
            )


def _questions() -> Iterator[Pair]:
    for verb, noun in _acts("당신"):
        asked = verb.formal[:-1] + "까"
        yield Pair(_question("do you", verb.en, noun.en), _question("당신은", _object(noun), asked))
        en_time, ko_time = ("", "") if verb.lasting else ("yesterday", "어제")
        yield Pair(
            _question("did you", verb.en, noun.en, en_time),
            _question("당신은", ko_time, _object(noun), verb.ko_past + "습니까"),
        )
        yield Pair(
            _question("who", verb.third, noun.en),
            _question("누가", _object(noun), asked),
        )
    for place in lexicon.PLACES:
        if place.en.startswith("the "):
            where = f"{with_particle(place.ko, '은/는')} 어디에 있습니까"
            yield Pair(_question("where is", place.en), _question(where))


def _gifts() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for friend in lexicon.COMPANIONS:
            if friend.ko == subject.ko:
                continue
            for thing in lexicon.GIFTS:
                to = friend.ko + "에게"
                for en, ko in (
                    ("gives" if subject.third else "give", "줍니다"),
                    ("gave", "주었습니다"),
                    ("will give", "줄 것입니다"),
                ):
                    yield Pair(
                        _sentence(subject.en, en, thing.en, "to", friend.en),
                        _sentence(_topic(subject), to, _object(thing), ko),
                    )


def _needs() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        for thing in lexicon.GIFTS + lexicon.OBJECTS:
            needed = with_particle(thing.ko, "이/가")
            need = "needs" if subject.third else "need"
            do = "does not" if subject.third else "do not"
            yield Pair(
                _sentence(subject.en, need, thing.en),
                _sentence(_topic(subject), needed, "필요합니다"),
            )
            yield Pair(
                _sentence(subject.en, do, "need", thing.en),
                _sentence(_topic(subject), needed, "필요하지 않습니다"),
            )


def _joined() -> Iterator[Pair]:
    for subject in lexicon.SUBJECTS:
        acts = [(verb, noun) for verb, noun in _acts(subject.ko) if not verb.lasting]
        for number, (verb, noun) in enumerate(acts):
            other, its = acts[(number * 7 + 11) % len(acts)]
            if other is verb:
                continue
            yield Pair(
                _sentence(
                    subject.en,
                    _present(subject, verb),
                    noun.en,
                    "and",
                    _present(subject, other),
                    its.en,
                ),
                _sentence(
                    _topic(subject), _object(noun), verb.ko + "고", _object(its), other.formal
                ),
            )


_PATTERNS = (
    _habits, _denials, _past, _future, _ongoing, _wishes, _abilities, _places_of_acts, _goings,
    _whereabouts, _qualities, _being, _questions, _gifts, _needs, _joined,
)  # fmt: skip


def rows() -> list[dict[str, str]]:
    """Every row of `pairs.jsonl`: `en`, `ko`, `split` ("train" or "held-out"); always the same.

    Sentences by hand are for training alone: no pattern would let a model guess them.
    """
    chance = random.Random(SEED)
    seen: set[str] = set()
    made: list[dict[str, str]] = []
    for en, ko in BY_HAND:
        seen.add(en)
        made.append({"en": en, "ko": ko, "split": "train"})
    for pattern in _PATTERNS:
        pairs = [pair for pair in dict.fromkeys(pattern()) if pair.en not in seen]
        chosen = chance.sample(pairs, min(_PATTERN_LIMIT, len(pairs)))
        seen.update(pair.en for pair in chosen)
        held_out = round(len(chosen) * _HELD_OUT)
        made += [
            {"en": en, "ko": ko, "split": "held-out" if number < held_out else "train"}
            for number, (en, ko) in enumerate(chosen)
        ]
    return _with_known_words(made)


def _with_known_words(made: list[dict[str, str]]) -> list[dict[str, str]]:
    """A held-out row with a word that training never shows goes to training."""

    def words(row: dict[str, str]) -> set[str]:
        return set(f"{row['en'].lower()} {row['ko']}".rstrip(".?").split())

    known = {word for row in made if row["split"] == "train" for word in words(row)}
    for row in made:
        if not words(row) <= known:
            row["split"] = "train"
            known |= words(row)
    return made


def _main() -> None:
    for row in rows():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _main()
