"""Catastrophic backtracking: known-bad patterns are caught and proven, known-safe ones pass."""

from __future__ import annotations

import re

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.regex import matching
from mcp_servers.regex.automaton import build
from mcp_servers.regex.checking import check
from mcp_servers.regex.examining import examine
from mcp_servers.regex.samples import sample_texts
from mcp_servers.regex.sandbox import TimedOut

# From OWASP's ReDoS page, Weideman (2016), Davis (2018) and RXXR; the Hangul ones are ours.
EMAIL = (
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}"
    r"(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$"
)
EXPONENTIAL = [
    "(a+)+$",
    "(a|aa)+$",
    "(a|a)*$",
    "(.*)*x",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(\d+)*\..",
    "([가-힣]+)+!",
    "(가나|가나다라|다라)+!",
    "^(ㄱ|ㄱㄴ|ㄴ)*$",
    EMAIL,
    "(x+x+)+y",
    r"(\w+\s?)*$",
    "((a?|b?)c)*d",
    r"(?:\.|[^\\]|\\.)*!",
    "(a{1,30}){1,30}$",
    "^(?=(a+)+b)",
    r"^((a)\2?)+$",
]
POLYNOMIAL = [
    (r"\s+$", 2),
    (r"^\s+|\s+$", 2),
    (".*.*=.*", 3),
    (r"\d+-\d+", 2),
    ("<[^>]+>", 2),
    ("(a++a?)*b", 2),
]
SAFE = [
    "",
    "abc",
    r"\bpython\b",
    r"\d{2,3}-\d{3,4}-\d{4}",
    r"^[가-힣]+$",
    r"(?:월|화|수|목|금|토|일)요일",
    r"^[\w.]+@\w+\.com$",
    r"(ab|cd)*",
    "^a*b*c*$",
    "^(?>a+)+$",
    "^(a++)*b",
    r"(?<!\s)\s+$",
    r"^(\w+\s)*\w+$",
    r"^(\d{1,3}\.){3}\d{1,3}$",
    r"^(?=.*\d)(?=.*[a-z]).{8,}$",
    r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$",
]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_exponential_patterns_are_caught(pattern: str) -> None:
    finding = examine(pattern, 0)
    growth = finding.growth
    assert finding.verdict == "exponential" and growth is not None
    assert len(growth.attack.text(growth.repeats[-1])) < 200 and growth.seconds[-1] > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_the_attack_stops_the_pattern_for_good(pattern: str) -> None:
    growth = examine(pattern, 0).growth
    assert growth is not None
    with pytest.raises(TimedOut):
        matching.one_match(growth.call, pattern, growth.attack.text(200), "")


@pytest.mark.timed
@pytest.mark.parametrize(("pattern", "degree"), POLYNOMIAL)
def test_polynomial_patterns_are_caught_with_their_degree(pattern: str, degree: int) -> None:
    finding = examine(pattern, 0)
    growth = finding.growth
    assert finding.verdict == "polynomial" and growth is not None
    assert growth.rate == pytest.approx(degree, abs=0.4)


@pytest.mark.parametrize("pattern", SAFE)
def test_safe_patterns_come_out_safe(pattern: str) -> None:
    finding = examine(pattern, 0)
    assert finding.verdict == "safe" and finding.growth is not None
    assert finding.growth.lengths[-1] > 50_000  # it was put to the test


def test_flags_matter() -> None:
    assert examine("^(ab|AB)*$", 0).verdict == "safe"
    assert examine("^(ab|AB)*$", re.I).verdict == "exponential"
    assert examine("^(?:가.|..)*끝", re.S).verdict == "exponential"


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["a*a*a*a*a*b", "(.*)(.*)(.*)=", r"\[(.*?)\]\((.*?)\)"])
def test_steep_polynomials_are_not_taken_for_exponential(pattern: str) -> None:
    assert examine(pattern, 0).verdict == "polynomial"


@pytest.mark.slow
def test_a_check_proves_itself() -> None:
    told = check("(a+)+$", "en", "")
    assert told["verdict"] == "exponential"
    assert told["attack"] is not None and told["attack_code"] is not None
    assert eval(told["attack_code"], {}) == told["attack"]
    assert len(told["attack"]) < 40
    with pytest.raises(TimedOut):
        matching.one_match("search", "(a+)+$", told["attack"], "")
    lengths = [timing["length"] for timing in told["growth"]]
    seconds = [timing["seconds"] for timing in told["growth"]]
    assert lengths == sorted(lengths) and seconds[-1] > 20 * seconds[0]
    assert "re.search" in told["reason"] and "(a+)+" in told["reason"]


def test_a_safe_check_says_so_in_both_languages() -> None:
    told = check(r"^\d+$", "ko", "")
    assert (told["verdict"], told["attack"], told["rewrite"]) == ("safe", None, None)
    assert "안전" in told["reason"] and "없습니다" in told["rewrite_note"]
    assert "Safe" in check(r"^\d+$", "en", "")["reason"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "rewrite"),
    [
        ("^(a+)+$", "^a+$"),
        ("(a+)+$", "(?<!a)a+$"),  # a+$ alone is still quadratic in a search
        ("(a|a)*", "(a)*"),
        (r"^(\w+\s?)*$", r"^(\w\s?)*$"),
        (r"\s+$", r"(?<!\s)\s+$"),
        ("^([a-z]+)+@(\\w+)$", "^([a-z]+)@(\\w+)$"),  # other groups keep their numbers
        ("^(ㄱ|ㄱㄴ|ㄴ)*$", "^(ㄱ|ㄴ)*$"),
        ("^(?=(a+)+b)", "^(?=a+b)"),
        (r"(?m)^(\s*\w+)*:$", r"(?m)^(\s*\w)*:$"),
    ],
)
def test_rewrites(pattern: str, rewrite: str) -> None:
    told = check(pattern, "en", "")
    assert told["rewrite"] == rewrite
    assert examine(rewrite, 0).verdict == "safe"
    for text in sample_texts(build(pattern, 0))[:400]:
        if len(text) <= 12:
            spans = [match.span() for match in re.finditer(pattern, text)]
            assert [match.span() for match in re.finditer(rewrite, text)] == spans


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern",
    [
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(a*)*$",  # a*$ also finds nothing twice at the end; no lookbehind may forbid that
    ],
)
def test_no_rewrite_is_better_than_a_wrong_one(pattern: str) -> None:
    told = check(pattern, "en", "")
    assert told["verdict"] == "exponential" and told["rewrite"] is None
    assert told["rewrite_note"].startswith("No rule gave")


def test_a_pattern_too_large_to_analyse_is_unknown_unless_it_proves_bad() -> None:
    large = "^" + "|".join(f"w{number}ord" for number in range(600)) + "$"
    told = check(large, "ko", "")
    assert told["verdict"] == "unknown" and "알 수 없음" in told["reason"]


def test_an_invalid_pattern_is_refused() -> None:
    with pytest.raises(EngineError, match="Invalid pattern at position 0"):
        check("(a", "en", "")
