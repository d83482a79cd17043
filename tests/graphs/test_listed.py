"""Lists of labels that a request writes out are read as written."""

from __future__ import annotations

import pytest

from graphs.listed import listed
from graphs.settled import settled

TRUE, PREDICTED = ["a", "b", "a"], ["a", "a", "b"]


@pytest.mark.parametrize(
    "request_text",
    [
        "y_true = [a, b, a], y_pred = [a, a, b]",
        'predicted ["a", "a", "b"] but actual ["a", "b", "a"], accuracy?',
        "truth: a, b, a. predicted: a, a, b. precision please",
        "정답은 a, b, a이고 모델 예측은 a, a, b",
        "정답 a b a, 예측 a a b의 F1은?",
        "정답 a b a의 예측이 a a b일 때 정확도는?",
        "실제 a b a / 예측 a a b 일 때 정확도",
        "The actual answers were a, b, a; the model said a, a, b.",
        "actual -> predicted\na -> a\nb -> a\na -> b",
        "Here is each prediction => actual label:\na => a\na => b\nb => a",
        "actual,predicted\na,a\nb,a\na,b",
        "id,predicted,actual\n1,a,a\n2,a,b\n3,b,a",
        "(model / true)\n(a / a)\n(a / b)\n(b / a)",
        "Each pair is (said by the model / where it belongs)\n(a / a)\n(a / b)\n(b / a)",
        "Output:\na\na\nb\n\nReferences (same order):\na\nb\na\n\nThanks!",
        "1. 번역: a\n   참조: a\n2. 번역: a\n   참조: b\n3. 번역: b\n   참조: a",
        "참조: a\nMT: a\n참조: b\nMT: a\n참조: a\nMT: b",
        "y_pred = [a, a, b]\ny_test = [a, b, a]\nWhat accuracy?",
        "모델 예측 = a, a, b\n전문의 판정 = a, b, a",
        "내 분류기: a, a, b\n정답: a, b, a",
        "정확도는? (실제 → 예측)\n1. a → a\n2. b → a\n3. a → b",
        "One BLEU.\n\nSystem output:\n1. a\n2. a\n3. b\n\nReferences:\n1. a\n2. b\n3. a",
        "혼동되는 것을 표로.\n1) 정답 a → 예측 a\n2) 정답 b → 예측 a\n3) 정답 a → 예측 b",
        "출력\n- a\n- a\n- b\n\n정답\n- a\n- b\n- a",
        "시스템 1: a / 참조 1: a\n시스템 2: a / 참조 2: b\n시스템 3: b / 참조 3: a",
        "as a matrix pls. real a/b/a guessed a/a/b",
        "| recruiter | screener |\n|---|---|\n| a | a |\n| b | a |\n| a | b |",
        "| 번호 | 실제 | 모델 |\n|---|---|---|\n| 1 | a | a |\n| 2 | b | a |\n| 3 | a | b |",
    ],
)
def test_roles_and_order_are_those_of_the_request(request_text: str) -> None:
    assert listed(request_text) == (TRUE, PREDICTED)


def test_numbered_lines_keep_whole_sentences() -> None:
    request = "번역 1: 나는 간다\n번역 2: 비가 온다\n정답 2: 비가 와\n정답 1: 나는 가"
    assert listed(request) == (["나는 가", "비가 와"], ["나는 간다", "비가 온다"])


def test_several_references_stay_with_their_translation() -> None:
    request = "[1] MT: a b\n참조 A: c\n참조 B: d\n[2] MT: e f\n참조 A: g\n참조 B: h"
    assert listed(request) == ([["c", "d"], ["g", "h"]], ["a b", "e f"])


def test_bracketed_lists_of_unequal_lengths_reach_the_tool_that_says_so() -> None:
    assert listed("true [1, 0, 1], pred [1, 0]") == (["1", "0", "1"], ["1", "0"])


@pytest.mark.parametrize(
    "request_text",
    [
        "",
        "How good is my model?",
        "정답이 뭐야? 예측은?",
        "TP 3, FP 1 of the true labels",
        "actual: a, b, a",
        "actual: a, b. predicted: c, d, e, f",
    ],
)
def test_what_is_not_plain_is_left_to_the_model(request_text: str) -> None:
    assert listed(request_text) is None


def test_only_arguments_that_take_two_lists_are_replaced() -> None:
    request = "y_true = [1, 0], y_pred = [1, 1]"
    lists = {"y_true": ["1", "0"], "y_pred": ["1", "1"]}
    assert settled("classification", ["y_true", "y_pred"], request) == lists
    assert settled("bleu", ["candidate", "references"], request) == {}
