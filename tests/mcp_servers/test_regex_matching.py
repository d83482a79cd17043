"""The calls of `re` in the sandbox: the textbook's examples, limits, errors, Hangul."""

from __future__ import annotations

import re
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.regex import matching
from mcp_servers.regex.results import OneMatch
from mcp_servers.regex.sandbox import SANDBOX, TimedOut

RUNAWAY = "(a+)+$"
RUNAWAY_TEXT = "a" * 10_000 + "!"


def found(pattern: str, text: str, flags: str = "") -> list[str]:
    return [match["text"] for match in matching.findall(pattern, text, flags)["matches"]]


def search(pattern: str, text: str, flags: str = "") -> OneMatch:
    return matching.one_match("search", pattern, text, flags)


@pytest.mark.parametrize(
    ("pattern", "matching_texts", "other_texts"),
    [
        ("a.c", ["abc", "axc"], ["ac", "a\nc"]),
        ("^a", ["apple"], ["banana"]),
        ("e$", ["apple", "title"], ["tell"]),
        ("[aeiou]", ["u"], ["xyz"]),
        ("[^0-9]", ["a1"], ["123"]),
        ("a*", ["", "a", "aa"], []),
        ("a+", ["a", "aa"], [""]),
        ("a?", ["", "a"], []),
        ("a{3}", ["aaa"], ["aa"]),
        ("a{2,}", ["aa", "aaa"], ["a"]),
        ("a{1,3}", ["a", "aa", "aaa"], [""]),
        (r"\d+", ["123", "5"], ["abc"]),
        (r"\w+", ["abc123", "_", "한글"], ["!"]),
        (r"\s+", [" ", "\t", "\n"], ["a"]),
        ("(abc)+", ["abc", "abcabc"], ["ab"]),
    ],
)
def test_the_table_of_section_4_3(
    pattern: str, matching_texts: list[str], other_texts: list[str]
) -> None:
    assert all(search(pattern, text)["matched"] for text in matching_texts)
    assert not any(search(pattern, text)["matched"] for text in other_texts)


def test_the_examples_of_section_4_4() -> None:
    phones = "집 02-123-4567, 휴대전화 010-1234-5678, 번호 아님 1-2-3"
    assert found(r"\d{2,3}-\d{3,4}-\d{4}", phones) == ["02-123-4567", "010-1234-5678"]
    assert search(r"\bpython\b", "I like python.")["matched"]
    assert not search(r"\bpython\b", "pythonic")["matched"]
    # The textbook's own `<[>]+>` lost its ^ and strips nothing.
    assert matching.replace("<[^>]+>", "", "<b>굵게</b>", 0, "")["text"] == "굵게"
    assert matching.replace("<[>]+>", "", "<b>굵게</b>", 0, "")["text"] == "<b>굵게</b>"


def test_the_five_calls_of_section_4_5() -> None:
    assert search("apple", "I like apple")["match"] == {
        "text": "apple",
        "start": 7,
        "end": 12,
        "groups": [],
        "named": {},
    }
    assert matching.one_match("match", "apple", "apple pie", "")["matched"]
    assert found(r"\d+", "There are 24 cats and 3 dogs.") == ["24", "3"]
    assert matching.replace("cat", "dog", "I have a cat", 0, "")["text"] == "I have a dog"
    parts = matching.split(r"\s+", "split by space or tab", 0, "")["parts"]
    assert parts == ["split", "by", "space", "or", "tab"]


def test_groups_names_and_flags() -> None:
    match = search(r"(?P<year>\d{4})년(?: (\d+)월)?", "서기 2024년")["match"]
    assert match is not None
    assert match["groups"] == ["2024", None] and match["named"] == {"year": "2024"}
    assert found("^b", "a\nB", "im") == ["B"]
    assert found(r"\w+", "한글 abc", "a") == ["abc"]
    with pytest.raises(EngineError, match=r"no flag 'q'.*'aimsx'"):
        search("a", "a", "iq")


def test_match_fullmatch_and_search_differ() -> None:
    calls = ("search", "match", "fullmatch")
    told = {call: matching.one_match(call, "나다", "가나다", "")["matched"] for call in calls}
    assert told == {"search": True, "match": False, "fullmatch": False}
    assert matching.one_match("match", "가나", "가나다", "")["matched"]
    assert matching.one_match("fullmatch", "[가-힣]+", "가나다", "")["matched"]


def test_empty_patterns_and_texts_do_as_re_does() -> None:
    assert matching.findall("", "ab", "")["count"] == len(re.findall("", "ab")) == 3
    assert matching.split("", "ab", 0, "")["parts"] == re.split("", "ab")
    assert matching.one_match("fullmatch", "", "", "")["matched"]
    assert matching.replace("x*", "-", "axb", 0, "")["text"] == re.sub("x*", "-", "axb")
    assert matching.split("(-)|(,)", "a-b,c", 0, "")["parts"] == re.split("(-)|(,)", "a-b,c")


def test_counts_and_limits_of_replace_and_split() -> None:
    replaced = matching.replace(r"(\w)(\w)", r"\2\g<1>", "abcd", 1, "")
    assert (replaced["text"], replaced["count"]) == ("bacd", 1)
    assert matching.split(",", "a,b,c", 1, "")["parts"] == ["a", "b,c"]
    with pytest.raises(EngineError, match="give 0"):
        matching.replace("a", "b", "a", -1, "")
    with pytest.raises(EngineError, match="give 0"):
        matching.split("a", "a", -1, "")
    with pytest.raises(EngineError, match="invalid group reference 3"):
        matching.replace("(a)", r"\3", "a", 0, "")
    with pytest.raises(EngineError, match="unknown group name 'who'"):
        matching.replace("(a)", r"\g<who>", "a", 0, "")


def test_a_thousand_matches_are_returned_and_all_are_counted() -> None:
    told = matching.findall(".", "가" * 1500, "")
    assert (told["count"], len(told["matches"]), told["truncated"]) == (1500, 1000, True)
    assert not matching.findall(".", "가" * 1000, "")["truncated"]


def test_an_invalid_pattern_is_shown_with_a_caret_that_minds_wide_hangul() -> None:
    with pytest.raises(EngineError) as raised:
        search("가나(b", "x")
    first, shown, caret = str(raised.value).split("\n")
    assert first.startswith("Invalid pattern at position 2: missing ), unterminated subpattern.")
    assert shown == "가나(b" and caret == "    ^"


@pytest.mark.parametrize(
    ("pattern", "flags", "told"),
    [
        ("a\n*+*b", "", "at position 4: multiple repeat"),
        ("(?<=a+)b", "", "look-behind requires fixed-width pattern"),
        ("a{99999999999}", "", "repetition number is too large"),
        ("(" * 2000 + ")" * 2000, "", "nested too deeply"),
        ("(?u)a", "a", "incompatible"),
        ("\\", "", "at position 0: bad escape"),
    ],
)
def test_other_invalid_patterns(pattern: str, flags: str, told: str) -> None:
    with pytest.raises(EngineError, match=re.escape(told)):
        search(pattern, "x", flags)


def test_decomposed_hangul_is_pointed_out() -> None:
    decomposed = unicodedata.normalize("NFD", "한글 파일.txt")
    for call in ("search", "match"):
        told = matching.one_match(call, "한글", decomposed, "")
        assert not told["matched"] and told["note"] is not None and "NFC" in told["note"]
    told_all = matching.findall("[가-힣]+", decomposed, "")
    assert told_all["count"] == 0 and told_all["note"] is not None
    # No note where something matched, nothing would match, or the text is composed already.
    assert search("txt", decomposed)["note"] is None
    assert search("그림", decomposed)["note"] is None
    assert search("그림", "한글")["note"] is None


@pytest.mark.timed
def test_a_runaway_pattern_is_stopped_and_the_next_call_answered_at_once() -> None:
    search("a", "a")
    start = time.monotonic()
    with pytest.raises(TimedOut, match=r"backtracks catastrophically\. Ask `check`"):
        search(RUNAWAY, RUNAWAY_TEXT)
    stopped = time.monotonic()
    assert found(r"\d+", "24 cats, 3 dogs") == ["24", "3"]
    assert stopped - start < 2
    assert time.monotonic() - stopped < 0.5


def test_concurrent_calls_get_their_own_answers_beside_runaways() -> None:
    def call(number: int) -> str | None:
        if number % 5 == 0:
            with pytest.raises(TimedOut):
                search(RUNAWAY, RUNAWAY_TEXT)
            return None
        match = search(rf"<{number}>", f"a <{number}> b")["match"]
        return match and match["text"]

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(call, range(15)))
    assert told == [None if number % 5 == 0 else f"<{number}>" for number in range(15)]


def test_ten_megabytes_pass_and_more_is_refused() -> None:
    text = "가" * (matching.MOST_TEXT_CHARACTERS - 1) + "끝"
    match = search("끝", text)["match"]
    assert match is not None and match["start"] == len(text) - 1
    with pytest.raises(EngineError, match="pieces of 10,000,000 at most"):
        search("끝", text + "!")
    with pytest.raises(EngineError, match="shorten it to 10,000"):
        search("a" * 10_001, "a")


def test_memory_and_results_are_bounded() -> None:
    with pytest.raises(EngineError, match=r"too large|memory"):
        matching.replace("", "x" * 10_000, "a" * 1_000_000, 0, "")
    with pytest.raises(EngineError, match="too large"):
        matching.split("", "a" * 200_000, 0, "")
    with pytest.raises(EngineError, match=r"memory|stopped"):
        matching.one_match("match", "(?:(a)|b)*", "ab" * 5_000_000, "")
    assert search("a", "a")["matched"]


def test_a_worker_that_dies_is_replaced() -> None:
    for _ in range(3):  # more often than there are workers
        with pytest.raises(EngineError, match="ended unexpectedly"):
            SANDBOX.ask({"do": "no such request", "pattern": "a", "flags": 0})
    assert search("a", "a")["matched"]


def test_verify_wants_whole_matches() -> None:
    told = matching.verify(r"\d{3}", ["123", "000"], ["12", "1234", "12a"], "")
    assert told["passed"] and len(told["results"]) == 5
    told = matching.verify("[가-힣]+", ["한글", "hangul"], ["ㅋㅋ"], "")
    assert not told["passed"]
    assert told["results"][1] == {"text": "hangul", "expected": True, "matched": False}
    with pytest.raises(EngineError, match="at least one example"):
        matching.verify("a", [], [], "")
    with pytest.raises(TimedOut):
        matching.verify(RUNAWAY, [RUNAWAY_TEXT], [], "")
