"""Checks of training rows that need neither a model nor a search."""

from __future__ import annotations

import pytest

from graphs import training_checks as checks

KOREAN = "LoRA는 원본 가중치를 고정하고 저랭크 행렬 두 개만 학습한다. 랭크 r은 보통 8 또는 16이다."
ENGLISH = "LoRA freezes the pretrained weights and trains two small matrices. The rank is 8 or 16."


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("LoRA는 어떤 행렬을 학습하나요?", KOREAN),
        ("LoRA의 랭크 r은 보통 얼마인가요?", KOREAN),
        ("Which weights does LoRA freeze?", ENGLISH),
        ("What is the rank that LoRA usually has?", ENGLISH),
        ("기본값으로 쓰이는 랭크는 얼마인가요?", KOREAN),
    ],
)
def test_good_questions_pass(question: str, passage: str) -> None:
    assert checks.wrong_question(question, passage) is None


@pytest.mark.parametrize(
    ("question", "passage", "reason"),
    [
        ("", KOREAN, "no_text"),
        (" ?! ", KOREAN, "no_text"),
        ("LoRA는 저랭크 행렬을 학습한다.", KOREAN, "not_a_question"),
        ("LoRA trains matrices.", ENGLISH, "not_a_question"),
        ("LoRA는 저랭크 행렬을 학습한다?", KOREAN, "not_a_question"),
        ("LoRA가 무엇을 학습하는지?", KOREAN, "not_a_question"),
        ("LoRA는 무엇을 학습한다.}}`python` #가요?", KOREAN, "not_a_question"),
        ("LoRA는 행렬을 학습한다. 무엇을 학습하나요?", KOREAN, "not_a_question"),
        ("LoRA trains ____ matrices. What kind?", ENGLISH, "not_a_question"),
        ("LoRA는 저랭크 행렬을 학습하나요?", KOREAN, "not_a_question"),  # yes or no teaches little
        ("LoRA trains matrices?", ENGLISH, "not_a_question"),
        ("이 글에서 설명하는 방법은 무엇인가요?", KOREAN, "not_standalone"),
        ("이 방법은 무엇을 고정하나요?", KOREAN, "not_standalone"),
        ("이것은 무엇을 학습하나요?", KOREAN, "not_standalone"),
        ("위 문장에서 랭크는 얼마인가요?", KOREAN, "not_standalone"),
        ("다음 중 LoRA가 고정하는 것은 무엇인가요?", KOREAN, "not_standalone"),
        ("해당 모델의 랭크는 얼마인가요?", KOREAN, "not_standalone"),
        ("What does the passage say about LoRA?", ENGLISH, "not_standalone"),
        ("What does this method freeze?", ENGLISH, "not_standalone"),
        ("What does it freeze?", ENGLISH, "not_standalone"),
        ("What are the above matrices of LoRA?", ENGLISH, "not_standalone"),
        ("What does LoRA freeze?", KOREAN, "other_language"),
        ("LoRA는 무엇을 고정하나요?", ENGLISH, "other_language"),
        ("LoRA는 어떤 权重를 고정하나요?", KOREAN, "other_language"),
    ],
)
def test_bad_questions_are_told_apart(question: str, passage: str, reason: str) -> None:
    assert checks.wrong_question(question, passage) == reason
    assert reason in checks.REASONS


def test_spans_are_compared_word_for_word_whatever_the_white_space() -> None:
    text = "The rank\n  is 8 or\t16."
    assert checks.stands_in("rank is 8 or 16", text)
    assert not checks.stands_in("rank is 8 and 16", text)
    assert not checks.stands_in("  ", text)
    assert checks.stands_in("가", "\u1100\u1161")  # decomposed, as file names on some systems


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("LoRA의 랭크가 8 또는 16인가요?", "8 또는 16", True),
        ("LoRA의 랭크는 얼마인가요?", "8 또는 16", False),
        ("LoRA는 원본 가중치를 고정하고 저랭크 행렬 두 개만 학습하나요?", KOREAN[:39], True),
        ("LoRA는 어떻게 학습하나요?", KOREAN[:39], False),
        ("Does LoRA train two small matrices?", "two small matrices", True),
    ],
)
def test_questions_that_tell_their_answer(question: str, answer: str, told: bool) -> None:
    assert checks.gives_away(question, answer) is told


@pytest.mark.parametrize(
    ("read", "expected", "question", "same"),
    [
        ("8 또는 16", "8 또는 16", "LoRA의 랭크는 얼마인가요?", True),
        ("LoRA의 랭크는 8 또는 16이다.", "8 또는 16", "LoRA의 랭크는 얼마인가요?", True),
        ("저랭크 행렬 두 개", "저랭크 행렬", "LoRA는 무엇을 학습하나요?", True),
        ("8", "8 또는 16", "LoRA의 랭크는 얼마인가요?", False),  # a number is missing
        ("원본 가중치", "저랭크 행렬", "LoRA는 무엇을 학습하나요?", False),
        (KOREAN, "저랭크 행렬", "LoRA는 무엇을 학습하나요?", False),  # the passage, not an answer
        ("LoRA", "저랭크 행렬", "LoRA는 무엇을 학습하나요?", False),
        ("", "저랭크 행렬", "LoRA는 무엇을 학습하나요?", False),
        ("LoRA trains two small matrices.", "two small matrices", "What does LoRA train?", True),
        ("the pretrained weights", "two small matrices", "What does LoRA train?", False),
    ],
)
def test_a_reader_must_find_what_was_blanked(
    read: str, expected: str, question: str, same: bool
) -> None:
    assert checks.reads(read, expected, question) is same


def test_a_question_names_its_subject() -> None:
    assert checks.names_subject("확산 모델이란 무엇인가요?", "확산 모델")
    assert not checks.names_subject("이미지를 만드는 방식은 무엇인가요?", "확산 모델")
    assert checks.names_subject("What is it?", "")


def test_pointing_at_an_unseen_text_is_told() -> None:
    assert checks.points("Stable Diffusion은 이를 위해 어떤 모델을 사용하나요?")
    assert not checks.points("Stable Diffusion은 어떤 모델을 사용하나요?")


@pytest.mark.parametrize(
    ("question", "pointing"),
    [
        ("FAISS는 벡터를 어디에 저장하나요?", False),
        ("저장된 벡터는 어디에 있나요?", False),
        ("위장 질환은 무엇으로 치료하나요?", False),
        ("이식된 신장은 어디에 놓이나요?", False),
        ("문이 저절로 열리는 까닭은 무엇인가요?", False),
        ("지문 인식은 무엇을 비교하나요?", False),
        ("이 식의 값은 얼마인가요?", True),
        ("다음 표에서 가장 큰 값은 무엇인가요?", True),
        ("위의 글은 무엇을 설명하나요?", True),
        ("지문에서 말하는 랭크는 얼마인가요?", True),
        ("이 지문이 설명하는 것은 무엇인가요?", True),
        ("이방법은 무엇을 고정하나요?", True),
    ],
)
def test_words_that_only_begin_like_pointing_ones_point_at_nothing(
    question: str, pointing: bool
) -> None:
    assert checks.points(question) is pointing


def test_the_same_question_in_other_clothes_is_the_same() -> None:
    assert checks.question_key("LoRA 는 무엇인가요 ?") == checks.question_key("lora는 무엇인가요?")
    assert checks.question_key("LoRA란?") != checks.question_key("QLoRA란?")


def test_a_re_read_answer_agrees_in_spite_of_endings() -> None:
    assert checks.agrees("저랭크 행렬 두 개", "저랭크 행렬 두 개만 학습한다.")
    assert not checks.agrees("보통 8 또는 16이다", "저랭크 행렬 두 개만 학습한다.")
    assert not checks.agrees("", "저랭크 행렬 두 개만 학습한다.")


@pytest.mark.parametrize(
    ("reasoning", "bad"),
    [
        ("LoRA의 랭크 r은 보통 8 또는 16이라고 합니다.", False),
        ("LoRA의 랭크 r은 보통 32이다.", True),
        ("The rank is 8 or 16.", True),
        ("서울의 날씨는 맑고 바람이 분다.", True),
        ("LoRA의 랭크 r은 8 ##Answer: 16", True),
        ("", True),
    ],
)
def test_reasoning_must_be_founded_in_its_sources(reasoning: str, bad: bool) -> None:
    assert checks.is_unfounded(reasoning, KOREAN, "LoRA의 랭크는 얼마인가요?") is bad


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("8 또는 16", None),
        ("랭크 r은 보통 8 또는 16이다.", None),
        ("8 그리고 16", "answer_not_in_passage"),
        ("저랭크 행렬 두 개", "not_answered"),
        ("랭크", "answer_in_question"),
        ("!", "no_text"),
    ],
)
def test_an_answer_is_a_span_of_the_sentence_it_was_asked_about(
    answer: str, reason: str | None
) -> None:
    quote = "랭크 r은 보통 8 또는 16이다."
    assert checks.wrong_span(answer, "LoRA의 랭크는 얼마인가요?", quote, KOREAN) == reason
