"""Sentences of an answer are tied to verbatim quotes, or to nothing where nothing supports them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from graphs.citing import cite, closest, sentences

PASSAGES: list[dict[str, Any]] = [
    {
        "title": "guide.pdf",
        "page": 3,
        "text": "LoRA freezes the pretrained weights. It trains two small matrices A and B.\n"
        "The rank r is usually 8 or 16.",
    },
    {
        "title": "규정.md",
        "page": None,
        "text": "제3조 연차 휴가는 1년에 15일이다. 남은 휴가는 다음 해 3월까지 쓸 수 있다.",
    },
]


def unmarked(text: str) -> str:
    return re.sub(r" \[\d+\]", "", text)


def test_each_supported_sentence_gets_the_number_of_its_quote() -> None:
    answer = "LoRA freezes the pretrained weights. Leave is 15 days."
    marked, citations = cite(answer, PASSAGES)
    assert marked == "LoRA freezes the pretrained weights. [1] Leave is 15 days."
    assert citations == [
        {
            "n": 1,
            "source": "guide.pdf",
            "page": 3,
            "quote": "LoRA freezes the pretrained weights.",
        }
    ]


def test_korean_sentences_find_their_source_in_spite_of_particles() -> None:
    marked, citations = cite("연차 휴가는 1년에 15일입니다.", PASSAGES)
    assert marked.endswith("[1]")
    assert citations[0]["source"] == "규정.md"
    assert citations[0]["page"] is None
    assert citations[0]["quote"] == "제3조 연차 휴가는 1년에 15일이다."


@pytest.mark.parametrize(
    "answer",
    [
        "The moon is made of green cheese. Nobody knows why!",
        "달은 치즈로 만들어졌습니다.",
        "Yes.",
        "",
    ],
)
def test_unsupported_sentences_stay_unmarked(answer: str) -> None:
    assert cite(answer, PASSAGES) == (answer, [])


def test_quotes_are_verbatim_and_numbered_in_order_without_repeats() -> None:
    answer = (
        "The rank r is usually 8 or 16. LoRA trains two small matrices A and B. "
        "So the rank r is usually 8 or 16. 남은 휴가는 다음 해 3월까지 쓸 수 있습니다."
    )
    _, citations = cite(answer, PASSAGES)
    assert [citation["n"] for citation in citations] == list(range(1, len(citations) + 1))
    assert len({citation["quote"] for citation in citations}) == len(citations) >= 3
    texts = {passage["title"]: passage["text"] for passage in PASSAGES}
    for citation in citations:
        assert citation["quote"] in texts[citation["source"]]


def test_a_long_quote_is_cut_at_a_word_and_stays_verbatim() -> None:
    text = "adapters " + "and more words about matrices " * 20 + "end."
    _, citations = cite(text, [{"title": "a.md", "page": None, "text": text}])
    (citation,) = citations
    assert len(citation["quote"]) <= 240
    assert text.startswith(citation["quote"] + " ")


@pytest.mark.parametrize(
    "answer",
    [
        "LoRA freezes the pretrained weights.\n\nIt trains two small matrices A and B.",
        "LoRA freezes the pretrained weights.\nThe rank r is usually 8 or 16.\n",
        "- LoRA freezes the pretrained weights\n- The rank r is usually 8 or 16\n\n끝.",
        "\n  LoRA freezes the pretrained weights.  Nothing else.\n\n\nBye",
        "```\nx = 1.5\n\ny = 2\n```",
    ],
)
def test_citing_only_adds_marks(answer: str) -> None:
    marked, _ = cite(answer, PASSAGES)
    assert unmarked(marked) == answer


def test_sentences_end_at_points_not_at_decimals() -> None:
    assert sentences("The rate is 3.5 percent. It was 2.0 before.") == [
        "The rate is 3.5 percent.",
        "It was 2.0 before.",
    ]
    assert sentences("하나다. 둘이다!\n셋") == ["하나다.", "둘이다!", "셋"]


def test_an_answer_in_another_language_gets_the_closest_span() -> None:
    found = closest("LoRA의 rank는?", "보통 8 또는 16", PASSAGES)
    assert found is not None
    assert found["quote"].endswith("The rank r is usually 8 or 16.")
    assert found["quote"] in PASSAGES[0]["text"]
    assert closest("anything", "16", []) is None


def test_an_answer_that_no_span_says_gets_no_citation() -> None:
    assert closest("What is the rank r of LoRA?", "It is 128.", PASSAGES) is None
