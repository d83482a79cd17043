"""Korean nouns without the particles that a request puts after them.

Code tells a particle by the sound before it; where noun and particle could be cut in two places
(고양이랑, 책상이랑), a list of nouns in -이 decides.
"""

from __future__ import annotations

import re

_IN_I = re.compile(
    r"(?:고양|호랑|원숭|어린|젊은|늙은|거북|달팽|올챙|지렁|부엉|멍멍|야옹|냥|종|놀|먹|높|깊|넓|구"
    r"|목걸|귀걸|떡볶|손잡|쌍둥|막둥|바람둥|엉덩|방망|지팡|곰팡|몽둥|구덩|주둥|맏|쟁)이"
)
_IN_RANG = {"사랑", "자랑"}


def without_companion(word: str) -> str:
    """A word without 와, 과, 랑, 이랑, 하고, 의 or 에 at its end, where its sound fits."""
    if word in _IN_RANG:
        return word
    for particle, fits in (("이랑", True), ("랑", False), ("과", True), ("와", False)):
        noun = word.removesuffix(particle)
        if noun == word or not noun or is_closed(noun) not in (fits, None):
            continue
        if particle != "이랑" or not _IN_I.fullmatch(f"{noun}이"):
            return noun
    return re.sub(r"(?<=.)(?:하고|의|에)$", "", word)


def bare_noun(word: str, subject: bool) -> str:
    """A word without 은, 는, 을 or 를 at its end; with `subject` also without 이 or 가.

    A `subject` has more after it (여자가 뭐야?), else 아이 and 고양이 would lose their ends.
    """
    pairs = (("은", "는"), ("을", "를"), *([("이", "가")] if subject else []))
    word = re.sub(r"(?<=[은는])요$", "", word)
    for particles in pairs:
        for particle, fits in zip(particles, (True, False), strict=True):
            noun = word.removesuffix(particle)
            if noun and noun != word and is_closed(noun) is fits and not _IN_I.fullmatch(word):
                return noun
    return word


def without_object(text: str) -> str:
    """A text without 을 or 를 at its end, where that fits the sound before it: not 가을."""
    for particle, fits in (("을", True), ("를", False)):
        noun = text.removesuffix(particle)
        if noun and noun != text and is_closed(noun) is fits:
            return noun
    return text


def is_closed(noun: str) -> bool | None:
    """Whether a word ends in a final consonant; None where it is not Hangul."""
    code = ord(noun[-1])
    return (code - 0xAC00) % 28 > 0 if 0xAC00 <= code <= 0xD7A3 else None
