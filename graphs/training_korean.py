"""Korean as far as blanking and asking need it: topics, borders of noun phrases, endings.

By the script alone, without a morpheme analyser: a word that may be two things is taken for
neither.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from graphs.particles import is_closed

_TOPIC = re.compile(
    r"(?P<name>(?:[^,:()]|\([^()]*\)){1,60}?"
    r"(?:[^\s,.:하되이있없치주리키지오가나보르우으것에높많같좋깊받작크적서]|(?<=[A-Z])[A-Za-z]"
    r"|\([^()]*\)))(?P<marker>은|는|이란|란|에서는|에는) "
)
_GENITIVE = re.compile(r"^(?:\S*[^로서과와\s]의|[가-힣A-Za-z0-9]+[과와]|및)$")
_ADJECTIVE = re.compile(
    r"^(?:\S+적인?|새로운|다양한|대규모|특정|주요|복잡한|단순한|고유한|동일한|유사한|강력한|전체|기존"
    r"|일반|원본|외부|내부|모든)$"
)
_BARE = re.compile(
    r"^[A-Za-z0-9][A-Za-z0-9_.+/-]*(?:\([^()]*\))?$"
    r"|^[가-힣]*[^\W을를은는이가에의도만로서며고해여아어게면지써록와과라니자한된할될인던및등혹또]$"
)
_ADVERB = re.compile(
    r"^(?:직접|주로|매우|미리|서로|함께|각각|모두|다시|특히|보통|자동|항상|처음|먼저|가장|더|잘|또는|혹은|및|등)$"
)
_MARKED = re.compile(
    r"(?:[을를]|[^하되이있없치주리키지오가나보르우으것에높많같좋깊받작크적혹또][은는]|에서는?|에게|에는|으로"
    r"|[가-힣A-Za-z)]로|부터|까지|통해|위해|이용해|활용해|사용해|하여|하고|하며|되며|받아|으로써|에"
    r"|따라|대해|[A-Za-z)][이가]|(?:고|며|여|면|지만|때|해|은|는|후),|직접|주로|매우|미리|자동으로)$"
)
_READ_CLOSED = frozenset("lmnLMNR013678")  # final letters and digits that Koreans read closed
_PARTICLES = {"을": "을", "를": "을", "이": "이", "가": "이", "은": "은", "는": "은"}
_PARTICLES |= {"로": "으로", "으로": "으로", "와": "과", "과": "과"}
_PARTICLE = re.compile(r"(으로써|으로|로써|로|에서|[을를이가은는와과])(?=[ ,]|$)")
_ENDINGS: tuple[tuple[str, str], ...] = (
    (r"이다\.$", "인가요?"),
    (r"임\.$", "인가요?"),
    (r"함\.$", "하나요?"),
    (r"됨\.$", "되나요?"),
    (r"는다\.$", "나요?"),
    (r"([있없았었였했됐렸졌켰갔왔웠])다\.$", r"\1나요?"),
)


_LABEL = re.compile(r"^(?P<name>[A-Za-z][\w /-]{1,24}(?:\([^()]*\))?): (?P<rest>.+)$")


class Topic(NamedTuple):
    """A statement's topic: its name, the name with its marker, and where what is said begins."""

    name: str
    marked: str
    end: int


def topic_of(statement: str) -> Topic | None:
    """What a statement is about ("LoRA는 …"), or None where it does not begin with that."""
    found = _TOPIC.match(statement)
    if found is None:
        return None
    return Topic(found["name"], found["name"] + found["marker"], found.end())


def with_topic(statement: str) -> str:
    """A labelled statement ("LoRA: 행렬을 …") with its label as the topic; others as they are."""
    found = _LABEL.match(statement)
    if found is None or re.search(r"\S[은는] ", found["rest"]):
        return statement
    return f"{with_topic_marker(found['name'])} {found['rest']}"


def is_modifier(word: list[str]) -> bool:
    """Whether a word (none or one) belongs to the noun after it."""
    if not word or not word[0] or _ADVERB.match(word[0]):
        return False
    return any(kind.search(word[0]) for kind in (_GENITIVE, _ADJECTIVE, _BARE))


def is_border(before: str) -> bool:
    """Whether a noun phrase can begin after this: nothing before, or a word with its particle."""
    return not before.strip() or (before.endswith(" ") and bool(_MARKED.search(before.strip())))


def asked_for(name: re.Match[str]) -> str:
    """What asks for a name: "어떤 모델" for a "CLIP 모델", "어디" for who made a thing."""
    if name["kind"]:
        return f"어떤 {name['kind']}"
    following = name.string[name.end() :]
    if name["particle"] == "에 의해":
        return "누구"
    if name["particle"] == "에서" and re.match(
        r" (?:처음 )?(?:개발|제안|발표|공개|만든|출시)", following
    ):
        return "어디"
    return "무엇"


def with_topic_marker(noun: str) -> str:
    """A noun with 은 after a final consonant, else 는."""
    closed = is_closed(noun)
    if closed is None:
        closed = noun[-1] in _READ_CLOSED
    return noun + ("은" if closed else "는")


def ask(before: str, asks: str, after: str) -> str | None:
    """The question that a blanked statement becomes with the asking word put in, or None.

    None where the statement's ending is not one that turns into a question by itself.
    """
    for pattern, ending in _ENDINGS:
        if re.search(pattern, after):
            after = re.sub(pattern, ending, after)
            break
    else:
        after = _plain_present(after)
    if not after.endswith("요?"):
        return None
    return before + _joined(asks, after)


def _joined(asks: str, after: str) -> str:
    """The asking word with the particle that fits it."""
    if asks == "언제":
        return asks + re.sub(r"^ ?에(?= )", "", after)
    found = _PARTICLE.match(after.lstrip())  # a PDF sets "BM25 는" apart
    if found is None:
        return asks + after
    particle, rest = found[1], after.lstrip()[found.end() :]
    if particle == "에서" and asks == "무엇":
        return f"어디에서{rest}"
    if asks == "무엇":
        particle = _PARTICLES.get(particle, particle)
    return asks + particle + rest


def _plain_present(text: str) -> str:
    """한다., 나타낸다. as 하나요?, 나타내나요?; other endings as they are."""
    if not text.endswith("다.") or len(text) < 3 or not "가" <= text[-3] <= "힣":
        return text
    syllable = ord(text[-3]) - 0xAC00
    if syllable % 28 != 4:  # a final ㄴ
        return text
    return f"{text[:-3]}{chr(0xAC00 + syllable - 4)}나요?"
