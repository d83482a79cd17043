"""Patterns in words, in both languages; every piece of a pattern is told."""

from __future__ import annotations

import random
import re
import warnings

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.regex.explanation import explain
from mcp_servers.regex.results import Language

CONSTRUCTS = [
    r"^a.c$",
    r"[^0-9]+?\d\D\s\S\w\W",
    r"\A\bcat\B\Z",
    r"(?P<year>\d{4})-(?P=year)\1",
    r"(?:a|b){2,}(?>c+)d++e*+f?+",
    r"(?=a)(?!b)(?<=c)(?<!d)",
    r"(a)?(?(1)b|c)",
    r"(?P<q>['\"])?(?(q)x)",
    r"(?im)^x(?s-i:.y)(?a:\w)$",
    r"(?#comment)a(?x: b # note" + "\n c)",
    r"[가-힣ㄱ-ㅎㅏ-ㅣ一-龥ぁ-んa-zA-Z0-9\-\]^\u3131-\u314E\x41]",
    r"\0\012\123\x41\uAC00\N{BULLET}\t\n\\\.",
    "a{,3}b{}c{x}d{,}e{2}?",
    "",
    "a||b|",
    "()",
]


def meaning(pattern: str, language: Language = "en", flags: str = "") -> str:
    parts = explain(pattern, language, flags)["parts"]
    assert len(parts) == 1
    return parts[0]["meaning"]


@pytest.mark.parametrize("pattern", CONSTRUCTS)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_piece_is_told(pattern: str, language: Language) -> None:
    told = explain(pattern, language, "")
    assert "".join(part["text"] for part in told["parts"] if part["depth"] == 0) == pattern
    assert all(part["meaning"] for part in told["parts"])
    words = told["summary"] + "".join(part["meaning"] for part in told["parts"])
    assert bool(re.search("[가-힣]{2}", words)) is (language == "ko") or "가" in pattern


def test_random_patterns_are_told_completely() -> None:
    pieces = [*"ab가.^$*+?|()[]{}\\-,# ", "(?:", "(?=", "(?<!", "(?>", "(?i:", "(?(1)", "[^", "\\d"]
    pieces += ["\\1", "{2}", "{1,}", "++", "*?", "(?x)", "(?#c)", "[가-힣]", "(?P<n>", "(?P=n)"]
    chance = random.Random(4)
    told = 0
    while told < 150:
        pattern = "".join(chance.choices(pieces, k=chance.randint(1, 8)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                groups = re.compile(pattern).groups
            except re.error:
                continue
        parts = explain(pattern, "ko", "")["parts"]
        assert "".join(part["text"] for part in parts if part["depth"] == 0) == pattern
        assert sum(bool(re.match(r"그룹 \d", part["meaning"])) for part in parts) == groups
        told += 1


def test_depth_follows_the_groups() -> None:
    parts = explain(r"x(a(b|c)+)?", "en", "")["parts"]
    told = [(part["text"], part["depth"]) for part in parts]
    assert told[:3] == [("x", 0), ("(a(b|c)+)?", 0), ("a", 1)]
    assert told[3:] == [("(b|c)+", 1), ("b", 2), ("|", 2), ("c", 2)]


@pytest.mark.parametrize(
    ("pattern", "english", "korean"),
    [
        ("[가-힣]", "a Hangul syllable (가-힣)", "한글 음절(가-힣)"),
        ("[ㄱ-ㅎ]", "a single Hangul consonant (ㄱ-ㅎ)", "한글 자음 낱자(ㄱ-ㅎ)"),
        (r"[\uac00-\ud7a3]", "a Hangul syllable (가-힣)", "한글 음절(가-힣)"),
        (r"\d{3}", "a digit (exactly 3 times)", "숫자 하나(정확히 3번)"),
        (
            r"\d{2,3}",
            "a digit (2 to 3 times, as many as possible)",
            "숫자 하나(2~3번 반복, 되도록 많이)",
        ),
        (r"\d??", "a digit (optional, as few as possible)", "숫자 하나(없어도 됨, 되도록 적게)"),
        ("python", 'the text "python"', '글자 그대로 "python"'),
        ("[^>]", 'one character other than ">"', '다음을 뺀 한 글자: ">"'),
        (r"\t", "a tab", "탭"),
        (r"\b", "a word boundary", "단어 경계"),
    ],
)
def test_meanings(pattern: str, english: str, korean: str) -> None:
    assert meaning(pattern, "en") == english
    assert meaning(pattern, "ko") == korean


def test_flags_change_the_meaning() -> None:
    assert meaning(".") != meaning(".", flags="s")
    assert meaning("^") == "the start of the text"
    assert meaning("^", flags="m") == "the start of a line"
    assert "대소문자 구분 없음" in explain("a", "ko", "i")["summary"]
    assert "대소문자 구분 없음" in explain("(?i)a", "ko", "")["summary"]
    assert [part["text"] for part in explain("a + # x", "en", "x")["parts"]] == ["a +", " # x"]


def test_the_summary_is_one_sentence() -> None:
    told = explain(r"\d{2,3}-\d{4}|없음", "en", "")["summary"]
    assert told == (
        'Matches a digit (2 to 3 times), then the character "-", then a digit (exactly 4 times) '
        'or the text "없음".'
    )


def test_invalid_and_too_deep_patterns_are_refused() -> None:
    with pytest.raises(EngineError, match="Invalid pattern at position 0"):
        explain("*", "en", "")
    with pytest.raises(EngineError, match="Simplify"):
        explain("(" * 100 + ")" * 100, "en", "")
