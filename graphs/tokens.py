"""Content tokens of Korean and English text, for comparing what two texts say."""

from __future__ import annotations

import re

_ENDING = re.compile(
    r"(?<=.)(?:(?:하|되|이|였|했|됐|었|있|없)?(?:습니다|었다|였다)|입니다|합니다|됩니다|입니까|이에요|예요|이다|한다|된다|하다"
    r"|되다|했다|됐다|있다|하는|되는)$"
)
"""What ends a word or a sentence and says nothing."""
_ASKING = re.compile(
    r"(?:무엇|무슨|뭐|뭘|뭔|어디|언제|누구|누가|어느|어떤|어떻게|얼마|몇|알려|말해|설명|왜|나요|인가요"
    r"|나왔|나와|나오|했나|했어|있나|있어|되나|하나요|했지|였지)[가-힣]*"
)
_AMOUNT = re.compile(
    r"(?<!몇)몇(?!몇|\s?(?:가지|번째|장|절|항|단계|조|호|위|월|일|주차|문장|줄|단어|마디|글자))"
    r"|얼마(?!나|\s?전)|\bhow many\b|\b(?:what|which) year\b"
    r"|\bhow much\b(?! (?:do|does|did|can|could|will|would|should)\b)",
    re.IGNORECASE,
)
_LATIN = re.compile(r"[a-z][a-z0-9]*(?:[_.'+-][a-z0-9]+)*")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_FUNCTION_WORD = re.compile(
    "an?|the|of|in|on|at|to|for|from|by|with|and|or|as|is|are|was|were|be|been|its?|this|that|these"
    "|those|there|which|who|what|when|where|how|why|does|do|did|has|have|had|can|could|should|would"
    "|will|may|not|no|yes|than|then|so|such|also|only|use[sd]?|using|according"
)


def numbers(text: str) -> set[str]:
    """The numbers in a text, without thousands separators: 1,000~10,000 gives 1000 and 10000.

    3.11.4 gives 3.11 too, and a date its parts, but section 2.2.4 no 4.
    """
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    found = set(_NUMBER.findall(plain))
    for number in [number for number in found if number.count(".") > 1]:
        parts = number.split(".")
        found.update(parts if len(parts[0]) == 4 else [".".join(parts[:2])])
    return found


def latin_words(text: str) -> set[str]:
    """Words in Latin script, in lower case, that are no English function words."""
    return {w for w in _LATIN.findall(text.lower()) if not _FUNCTION_WORD.fullmatch(w)}


def names(text: str) -> set[str]:
    """Numbers and Latin names, which must not be got wrong.

    In Korean every Latin word is one; in English those with a capital, a digit or a mark inside.
    """
    exact = numbers(text)
    if re.search("[가-힣]", text):
        return exact | {word for word in latin_words(text) if len(word) > 1}
    words = re.findall(r"[A-Za-z][\w.'+-]*\w", text)
    marked = [w for n, w in enumerate(words) if n and (w != w.lower() or re.search(r"[\d_]", w))]
    return exact | latin_words(" ".join(marked))


def asks_amount(question: str) -> bool:
    """Whether a question asks how many or how much, and not which one (몇 번째, 몇 월)."""
    return bool(_AMOUNT.search(question))


def content(text: str) -> set[str]:
    """Numbers, Latin words, and Hangul as overlapping pairs: particles then weigh little.

    A compound counts by its parts too: `learning_rate` shares words with "learning rate".
    """
    words = latin_words(text)
    tokens = numbers(text) | words | latin_words(re.sub(r"[_.'+-]", " ", " ".join(words)))
    for word in re.findall(r"[가-힣]+", text):
        bare = _ENDING.sub("", word)
        tokens.update(bare[i : i + 2] for i in range(max(1, len(bare) - 1)))
    return tokens


def asked_words(question: str) -> list[str]:
    """The words of a question that do not merely ask."""
    words = re.findall(r"[가-힣]+|[a-z0-9]+", _ASKING.sub(" ", question).lower())
    return [word for word in words if not _FUNCTION_WORD.fullmatch(word)]


def asked_content(question: str) -> set[str]:
    """What a question is about: its content without the words that merely ask."""
    return content(_ASKING.sub(" ", question)) or content(question)
