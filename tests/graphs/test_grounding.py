"""What the request says in so many words beats what a small model copied."""

from __future__ import annotations

import re

import pytest

from graphs.grounding import grounded
from graphs.settled import settled


@pytest.mark.parametrize(
    ("request_text", "candidate", "reference"),
    [
        ("정답 '가나다라', 모델 '가나'로 rouge", "가나", "가나다라"),
        (
            'The system said "a cat sat", the reference is "the cat sat".',
            "a cat sat",
            "the cat sat",
        ),
        (
            "chrF → 시스템: 커피를 마셔요 | 참조: 커피를 마십니다",
            "커피를 마셔요",
            "커피를 마십니다",
        ),
        ("ROUGE please\nreference: the cat sat\ncandidate: a cat sat", "a cat sat", "the cat sat"),
    ],
)
def test_roles_are_those_that_the_request_names(
    request_text: str, candidate: str, reference: str
) -> None:
    swapped = {"candidate": reference, "reference": candidate}
    expected = {"candidate": candidate, "reference": reference}
    assert grounded(swapped, request_text) == expected


def test_references_stay_a_list() -> None:
    request = "BLEU: reference: the cat sat\ncandidate: a cat sat"
    mended = grounded({"candidate": "?", "references": ["?"]}, f"score\n{request[6:]}")
    assert mended == {"candidate": "a cat sat", "references": ["the cat sat"]}


def test_texts_without_a_role_stay_as_the_model_took_them() -> None:
    arguments = {"candidate": "one", "reference": "two"}
    assert grounded(arguments, "compare 'one' and 'two'") == arguments


def test_a_pattern_copied_almost_right_becomes_the_users_own() -> None:
    mended = grounded({"pattern": r"\d{4}-d{2}-\d{2}"}, r"find `\d{4}-\d{2}-\d{2}` in 2024-05-17")
    assert mended == {"pattern": r"\d{4}-\d{2}-\d{2}"}


def test_a_backspace_in_a_pattern_was_a_word_boundary() -> None:
    assert grounded({"pattern": "\x08cat\x08"}, "find the word cat") == {"pattern": r"\bcat\b"}


def test_what_is_not_text_is_left_alone() -> None:
    arguments = {"y_true": ["1", "0"], "n": 2}
    assert grounded(arguments, "정답 1 0") == arguments


def test_the_one_quote_is_the_text_whole_and_alone() -> None:
    asked = "문자열 'a1b22' 에서 `\\d+` 를 찾아줘"
    for taken in ("a1", "문자열 'a1b22'", "a1b22"):
        assert grounded({"pattern": r"\d+", "text": taken}, asked)["text"] == "a1b22"
    assert grounded({"pattern": "a", "text": "b"}, "find 'a' in 'b' or 'bc'")["text"] == "b"


def test_prose_in_brackets_is_no_pattern() -> None:
    asked = 'how often is "error" a word here? (errors don\'t count) error errors'
    assert grounded({"pattern": "\berrors?\b"}, asked)["pattern"] == r"\berrors?\b"


def test_the_one_pattern_that_the_request_quotes_is_the_pattern() -> None:
    asked = "`^(\\d+|\\d+\\.)*x$` 사용자 입력에 써도 안전해?"
    assert settled("check", ["pattern"], asked)["pattern"] == r"^(\d+|\d+\.)*x$"
    asked = "split at pipes: `alice | bob||carol`"
    assert "pattern" not in settled("split", ["pattern"], asked)
    assert grounded({"pattern": r"\s*\|+\s*"}, asked)["pattern"] == r"\s*\|+\s*"


def test_what_stands_below_the_first_line_is_the_text() -> None:
    asked = "화살표에서 나눠줘. '->' 와 '=>' 둘 다야\n접수 -> 심사=>발송"
    whole = "접수 -> 심사=>발송"
    for taken in ("화살표에서 나눠줘.", "접수 -> 심사", whole):
        assert grounded({"text": taken}, asked)["text"] == whole
    assert grounded({"text": "a1"}, "find digits\na1\nis that all?")["text"] == "a1"
    assert grounded({"text": "k"}, "grep k\nlog: k is one letter of a long line")["text"] == "k"


def test_texts_under_headings_have_the_roles_of_their_headings() -> None:
    asked = "ROUGE 부탁해요\n\n[모델 요약]\n비가 온다\n\n[정답 요약]\n비가 많이 온다"
    mended = grounded({"candidate": "x", "reference": "y"}, asked)
    assert mended == {"candidate": "비가 온다", "reference": "비가 많이 온다"}


def test_a_quote_inside_the_text_is_not_the_text() -> None:
    text = 'Hello <a href="/about">us</a>'
    assert grounded({"text": text}, f"Strip the tags: {text}")["text"] == text


def test_a_word_ends_before_a_korean_particle() -> None:
    asked = "주문 번호를 뽑아줘: A-1204는 발송, B-77도 발송"
    pattern = grounded({"pattern": r"\b[A-Z]-\d+\b"}, asked)["pattern"]
    assert re.findall(pattern, asked) == ["A-1204", "B-77"]


def test_a_quote_without_a_role_has_the_role_of_the_one_before_it() -> None:
    asked = '번역문 "비가 온다" 를 chrF로. 참조 번역은 "비가 내린다" 와 "비 온다" 두 개'
    mended = grounded({"candidate": "x", "references": ["y"]}, asked)
    assert mended == {"candidate": "비가 온다", "references": ["비가 내린다", "비 온다"]}
    assert grounded({"candidate": "x", "reference": "y"}, asked)["reference"] == "y"  # takes one
