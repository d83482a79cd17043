"""A question in one language finds text in another, and code, by the other names of its things."""

from __future__ import annotations

from collections import Counter

import pytest

from graphs.glossary import other_names
from prompts import table


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("CLIP 예제의 학습률은 얼마야?", "lr"),
        ("What is the learning rate?", "학습률"),
        ("lr=2e-4는 무슨 뜻이야?", "learning rate"),
        ("데이터를 섞을 때 쓴 시드 값은?", "seed"),
        ("가중치감쇠는 얼마로 둬?", "weight decay"),
        ("What does the Positional-Encoding add?", "위치 인코딩"),
    ],
)
def test_a_thing_has_other_names(question: str, name: str) -> None:
    assert name in other_names(question)


@pytest.mark.parametrize(
    "question",
    [
        "연차 휴가는 며칠이야?",
        "How many days off do I have?",
        "Who wrote clr_4?",
        "기획서를 찾아 줘",
    ],
)
def test_other_questions_are_searched_as_they_are(question: str) -> None:
    assert other_names(question) == []


def test_names_in_the_question_are_not_repeated() -> None:
    assert other_names("학습률(learning rate, lr)은?") == ["학습율", "learning_rate"]


def test_each_name_stands_for_one_thing() -> None:
    names = Counter(name for names in table("glossary")["terms"] for name in names)
    assert [name for name, times in names.items() if times > 1] == []
