"""Korean particles and formal endings by the sound of the syllable before them."""

from __future__ import annotations

_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28
_RIEUL, _BIEUP = 8, 17  # numbers of ㄹ and ㅂ among a syllable's 28 finals

# particle pair, written after a final consonant first -> (after a consonant, after a vowel)
_PARTICLES = {
    "은/는": ("은", "는"),
    "이/가": ("이", "가"),
    "을/를": ("을", "를"),
    "과/와": ("과", "와"),
    "으로/로": ("으로", "로"),
}
_PRONOUNS = {("저", "이/가"): "제가", ("나", "이/가"): "내가", ("누구", "이/가"): "누가"}


def with_particle(noun: str, particle: str) -> str:
    """A noun of Hangul with its particle: 책 and 은/는 are 책은; 으로/로 takes ㄹ for a vowel."""
    if (noun, particle) in _PRONOUNS:
        return _PRONOUNS[noun, particle]
    closed, open_ = _PARTICLES[particle]
    final = _final(noun)
    return noun + (open_ if not final or (particle == "으로/로" and final == _RIEUL) else closed)


def is_formal(stem: str) -> str:
    """The formal present of a stem: 마시 is 마십니다, 읽 is 읽습니다, 만들 is 만듭니다."""
    final = _final(stem)
    if final and final != _RIEUL:
        return stem + "습니다"
    return _with_final(stem, _BIEUP) + "니다"


def to_come(stem: str) -> str:
    """A stem before 것입니다 or 수 있습니다: 마시 is 마실, 읽 is 읽을, 만들 is 만들."""
    final = _final(stem)
    if final and final != _RIEUL:
        return stem + "을"
    return _with_final(stem, _RIEUL)


def _final(word: str) -> int:
    """The number of the last syllable's final consonant; 0 for none."""
    code = ord(word[-1])
    if not _FIRST <= code <= _LAST:
        raise ValueError(f"{word!r} does not end in a Hangul syllable")
    return (code - _FIRST) % _FINALS


def _with_final(word: str, final: int) -> str:
    return word[:-1] + chr(ord(word[-1]) - _final(word) + final)
