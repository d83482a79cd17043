"""In which language a request is, and whether an answer keeps to it."""

from __future__ import annotations

import pytest

from graphs.language import language_of, strays_from


@pytest.mark.parametrize(
    "request_text",
    [
        "안녕",
        "F1은?",
        "TP 40, FP 5, FN 5일 때 F1은?",
        "BLEU score 좀 알려줘",
        '"the cat is on the mat and the dog is not" 이 문장을 나눠줘',
        "`(a+)+$` 위험해?",
        "```python\nfor line in open('a.txt'): print(line)\n```\n이 코드 설명해줘",
        "ㅋㅋ 뭐야",
        "파이썬으로 regular expression 쓰는 법",
    ],
)
def test_korean_requests_are_korean_whatever_is_pasted_into_them(request_text: str) -> None:
    assert language_of(request_text) == "ko"


@pytest.mark.parametrize(
    "request_text",
    [
        "hello",
        "what's the F1 with tp=1?",
        'split "가 나 다 라 마 바 사" on spaces please',
        "how do you say thank you in Korean, is it 감사합니다?",
        "don't translate, it's fine",
        "1 + 2",
        "",
    ],
)
def test_english_requests_are_english_whatever_is_pasted_into_them(request_text: str) -> None:
    assert language_of(request_text) == "en"


def test_a_request_of_nothing_but_a_quote_has_the_quotes_language() -> None:
    assert language_of('"안녕하세요"') == "ko"
    assert language_of('"good morning"') == "en"


ENGLISH = "The capital of the Republic of Korea is Seoul, a city of ten million people."
KOREAN = "대한민국의 수도는 서울이며 천만 명에 가까운 사람이 살고 있는 큰 도시입니다."


def test_an_answer_in_the_other_language_strays() -> None:
    assert strays_from("ko", "대한민국의 수도는?", ENGLISH)
    assert strays_from("en", "What is the capital of South Korea, please?", KOREAN) is True


def test_an_answer_in_the_requests_language_does_not_stray() -> None:
    assert not strays_from("ko", "수도는?", KOREAN)
    assert not strays_from("en", "the capital?", ENGLISH)
    assert not strays_from("ko", "LoRA가 뭐야?", "LoRA(Low-Rank Adaptation)는 가중치를 고정합니다.")


def test_translations_and_code_are_left_as_they_are() -> None:
    assert not strays_from("ko", "이 문장을 영어로 번역해줘: 서울은 수도다", ENGLISH)
    assert not strays_from("en", "Translate this into Korean", KOREAN)
    assert not strays_from("ko", "리스트 뒤집는 함수", "```python\ndef reverse(xs): return xs\n```")


def test_a_few_letters_are_too_few_to_judge() -> None:
    assert not strays_from("ko", "약자는?", "BLEU, ROUGE")
