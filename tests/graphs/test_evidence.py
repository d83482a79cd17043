"""The chance that passages answer a question: its signs, its fitted weights, its thresholds."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graphs.evidence import (
    Stage,
    chance,
    denies,
    enough,
    lacks_number,
    quotes_answer,
    signs,
    yes_or_no,
)
from graphs.state import Citation
from tests.graphs.scripted import Scripted

QUESTION = "LoRA의 r 값은 일반적으로 어느 범위인가요?"
TEXT = "r 값은 학습 능력을 조절한다. LoRA에서는 일반적으로 r=8~64 사이에서 설정한다."


def found(yes: float, quoted: float, coverage: float, text: str = TEXT) -> dict[str, float]:
    passages: list[dict[str, Any]] = [{"text": text, "scores": {"coverage": coverage}}]
    return signs(QUESTION, passages, [text], yes, quoted)


@pytest.mark.parametrize("stage", ["read", "answered"])
def test_good_evidence_is_enough_and_none_is_not(stage: Stage) -> None:
    good = found(0.9, 0.8, 0.8)
    bad = found(0.2, 0.1, 0.05, "고양이는 낮잠을 잔다.")
    assert chance(stage, bad) < enough(stage) <= chance(stage, good) <= 1


@pytest.mark.parametrize("stage", ["read", "answered"])
def test_the_models_yes_and_the_coverage_speak_for_an_answer(stage: Stage) -> None:
    middle = chance(stage, found(0.5, 0.5, 0.4))
    assert chance(stage, found(0.8, 0.5, 0.4)) > middle
    assert chance(stage, found(0.5, 0.5, 0.8)) > middle


def test_nothing_found_is_a_low_chance_and_no_error() -> None:
    assert chance("read", signs("왜?", [], [], 0.0)) < 0.5
    assert 0 <= chance("answered", signs("", [], [], 1.0, 1.0)) <= 1


def test_quotes_that_do_not_answer_take_back_what_the_passages_seemed_to_say() -> None:
    assert chance("answered", found(0.8, 0.3, 0.6)) < enough("answered")
    assert chance("answered", found(0.6, 0.8, 0.6)) > enough("answered")


@pytest.mark.parametrize(
    ("reply", "denied"),
    [
        ("이 질문의 답은 문서에 나와 있지 않습니다.", True),
        ("관련 정보가 없습니다.", True),
        ("The passages do not mention a licence.", True),
        ("LoRA의 r 값은 8~64입니다.", False),
        ("GPU 없이도 실행 가능합니다.", False),
        ("It does not need a GPU.", False),
    ],
)
def test_a_reply_that_says_nothing_was_found_is_no_answer(reply: str, denied: bool) -> None:
    assert denies(reply) is denied


@pytest.mark.parametrize(("said", "expected"), [("Yes.", 0.95), ("no", 0.05), ("네", 0.95)])
async def test_a_model_without_probabilities_is_taken_at_its_word(
    said: str, expected: float
) -> None:
    model = Scripted(replies=[AIMessage(said)])
    assert await yes_or_no(model, [HumanMessage("?")]) == expected


async def test_quotes_are_judged_under_their_headings() -> None:
    model = Scripted(replies=[AIMessage("yes")])
    cited: list[Citation] = [
        {"n": 1, "source": "a.pdf", "page": 1, "heading": "Gemma > Training", "quote": "steps=100"},
        {"n": 2, "source": "a.pdf", "page": 2, "heading": None, "quote": "It runs on a laptop."},
    ]
    assert await quotes_answer(model, cited, "How many steps?") == 0.95
    told = str(model.asked[0][-1].content)
    assert "<passage>\nGemma > Training\nsteps=100\n</passage>" in told
    assert "<passage>\nIt runs on a laptop.\n</passage>" in told


@pytest.mark.parametrize(
    ("question", "answer", "lacking"),
    [
        ("GPU는 몇 개 필요해?", "GPU가 필요합니다. [1]", True),
        ("2B 모델은 얼마야?", "2B 모델은 저렴합니다. [2]", True),
        ("How many layers has it?", "It has layers. [1]", True),
        ("In which year was it released?", "It was released by a lab. [1]", True),
        ("GPU는 몇 개 필요해?", "GPU 두 개가 필요합니다. [1]", False),
        ("GPU는 몇 개 필요해?", "GPU는 필요 없습니다. [1]", False),
        ("How many layers has it?", "It has twelve layers. [1]", False),
        ("How many layers has it?", "It has 12 layers. [1]", False),
        ("몇 가지 방법이 있어?", "정규화와 드롭아웃이 있습니다. [1]", False),
        ("얼마나 중요한가요?", "매우 중요합니다. [1]", False),
        ("GPU는 몇 개 필요해?", "1. GPU가 필요합니다. [1]", True),
        ("GPU는 몇 개 필요해?", "네, GPU가 필요합니다. [1]", True),
        ("모두 몇 명이야?", "세명입니다. [1]", False),
        ("모두 몇 명이야?", "칠십억 명입니다. [1]", False),
        ("몇 개 토큰이야?", "모델마다 다르지만 보통 이렇다. [1]", True),
        ("참가비는 얼마야?", "무료입니다. [1]", False),
        ("2개와 4개 중 몇 개를 써?", "4개를 씁니다. [1]", False),
        ("LoRA를 몇 문장으로 설명해 줘", "LoRA는 행렬을 더합니다. [1]", False),
        ("몇몇 모델은 왜 느려?", "크기 때문입니다. [1]", False),
        ("How much does dropout help?", "It helps against overfitting. [1]", False),
        ("How many of the 12 layers are trained?", "All 12 are. [1]", False),
    ],
)
def test_an_answer_without_the_number_that_is_asked_for_is_none(
    question: str, answer: str, lacking: bool
) -> None:
    assert lacks_number(question, answer) is lacking
