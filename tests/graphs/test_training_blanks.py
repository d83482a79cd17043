"""Which spans of a sentence can be asked for, and what asks for them."""

from __future__ import annotations

import pytest

from graphs.training_blanks import MARK, Blank, blanks
from graphs.training_checks import asks, gives_away, stands_in
from graphs.training_korean import with_topic_marker

KOREAN = [
    (
        "양자화는 모델 파라미터를 적은 비트로 나타내어 자원 사용을 줄이는 기술이다.",
        "term",
        "양자화",
        "모델 파라미터를 적은 비트로 나타내어 자원 사용을 줄이는 기술은 무엇인가요?",
    ),
    (
        "LCEL은 LangChain의 구성 요소를 연결하는 간단하고 표현적인 방식이다.",
        "meaning",
        "LangChain의 구성 요소를 연결하는 간단하고 표현적인 방식",
        "LCEL은 무엇인가요?",
    ),
    (
        "Stable Diffusion의 가장 큰 장점은 개방성과 효율성이다.",
        "meaning",
        "개방성과 효율성",
        "Stable Diffusion의 가장 큰 장점은 무엇인가요?",
    ),
    (
        "토큰은 텍스트를 일정한 크기로 나눈 조각을 의미한다.",
        "meaning",
        "텍스트를 일정한 크기로 나눈 조각",
        "토큰은 무엇인가요?",
    ),
    (
        "서울숲은 2005 년에 뚝섬 일대에서 문을 열었다.",
        "date",
        "2005 년",
        "서울숲은 언제 뚝섬 일대에서 문을 열었나요?",
    ),
    (
        "경인선은 1899년 9월 18일부터 승객을 태웠다.",
        "date",
        "1899년 9월 18일",
        "경인선은 언제부터 승객을 태웠나요?",
    ),
    (
        "경인선은 1899년에 개통되어 오래된 철도 노선 가운데 가장 붐빈다고 알려져 더 길다.",
        "date",
        "1899년",
        None,  # an ending that does not turn into a question by itself
    ),
    (
        "BERT 임베딩은 일반적으로 768 차원의 고차원 공간에 놓인다.",
        "number",
        "768 차원",
        "BERT 임베딩은 일반적으로 몇 차원의 고차원 공간에 놓이나요?",
    ),
    (
        "GPT-3.5-turbo는 4,097 tokens의 입력 제한이 있다.",
        "number",
        "4,097 tokens",
        "GPT-3.5-turbo는 몇 tokens의 입력 제한이 있나요?",
    ),
    (
        "VAE는 인코더와 디코더를 포함한 세 가지 구성 요소로 이루어져 있다.",
        "number",
        "세 가지",
        "VAE는 인코더와 디코더를 포함한 몇 가지 구성 요소로 이루어져 있나요?",
    ),
    (
        "대표적인 임베딩 모델에는 Word2Vec, GloVe, FastText가 있다.",
        "list",
        "Word2Vec, GloVe, FastText",
        "대표적인 임베딩 모델에는 무엇이 있나요?",
    ),
    (
        "Stable Diffusion은 텍스트를 이미지로 변환하기 위해 CLIP 모델을 사용한다.",
        "name",
        "CLIP 모델",
        "Stable Diffusion은 텍스트를 이미지로 변환하기 위해 어떤 모델을 사용하나요?",
    ),
    (
        "CLIP은 OpenAI에서 개발한 모델로 텍스트와 이미지를 함께 학습한다.",
        "name",
        "OpenAI",
        "CLIP은 어디에서 개발한 모델로 텍스트와 이미지를 함께 학습하나요?",
    ),
    (
        "정규식의 개념은 미국 수학자 Stephen Kleene에 의해 처음 소개되었다.",
        "name",
        None,  # "미국 수학자 Stephen Kleene": a border that is not plain to see
        None,
    ),
    (
        '추론 과정은 "완전한 노이즈"로 시작하여 이미지를 복원하는 방식으로 진행된다.',
        "quoted",
        "완전한 노이즈",
        "추론 과정은 무엇으로 시작하여 이미지를 복원하는 방식으로 진행되나요?",
    ),
    (
        "VAE는 Autoencoder의 한계를 극복하기 위해 확률적 접근 방식을 도입하였다.",
        "object",
        "확률적 접근 방식",
        "VAE는 Autoencoder의 한계를 극복하기 위해 무엇을 도입하였나요?",
    ),
    (
        "LoRA: 저랭크 행렬을 삽입하여 Linear 연산을 보완함.",
        "object",
        "저랭크 행렬",
        "LoRA는 무엇을 삽입하여 Linear 연산을 보완하나요?",
    ),
]
ENGLISH = [
    ("Dropout was proposed by Geoffrey Hinton in 2012.", "date", "2012", "when"),
    ("Apollo 11 landed on the Moon on July 20, 1969.", "date", "July 20, 1969", "when"),
    ("Dropout was proposed by Geoffrey Hinton in 2012.", "name", "Geoffrey Hinton", "who"),
    ("Employees receive 25 days of leave.", "number", "25 days", "how many days"),
    (
        "Alma grows pears on seventeen hectares.",
        "number",
        "seventeen hectares",
        "how many hectares",
    ),
    ("The library supports Python, Rust and Go.", "list", "Python, Rust and Go", "what"),
    ("Bronn grows plums near the river Volda.", "name", "the river Volda", "what"),
    ('The clause "best effort" binds nobody.', "quoted", "best effort", "what"),
    ("LoRA freezes the weights of a model.", "object", "the weights of a model", "what"),
    ("BM25 is the ranking function that most engines use.", "term", "BM25", "what"),
]


def one(statement: str, sort: str, span: str | None = None) -> Blank | None:
    found = [b for b in blanks(statement) if b.sort == sort and span in (None, b.span)]
    return found[0] if found else None


@pytest.mark.parametrize(("statement", "sort", "span", "plain"), KOREAN)
def test_korean_spans_and_the_questions_that_come_of_them(
    statement: str, sort: str, span: str | None, plain: str | None
) -> None:
    blank = one(statement, sort, span)
    if span is None:
        assert blank is None
        return
    assert blank is not None
    assert (blank.span, blank.plain) == (span, plain)


@pytest.mark.parametrize(("statement", "sort", "span", "asking"), ENGLISH)
def test_english_spans_and_what_asks_for_them(
    statement: str, sort: str, span: str, asking: str
) -> None:
    blank = one(statement, sort)
    assert blank is not None
    assert (blank.span, blank.asks) == (span, asking)


@pytest.mark.parametrize(
    ("statement", "span"),
    [
        ("GPT has 96 layers and a wide context.", "96 layers"),
        ("About 12 children of Seoul joined the class.", "12 children"),
        ("Stable Diffusion 3 has a new encoder.", None),
        ("Stable Diffusion 3 uses a new encoder.", None),
        ("Claude 3 runs faster than the others.", None),
        ("The Transformer of 2017 was the first of its kind.", None),
    ],
)
def test_only_what_is_counted_is_asked_for_by_how_many(statement: str, span: str | None) -> None:
    blank = one(statement, "number")
    assert (blank.span if blank else None) == span


@pytest.mark.parametrize(
    ("statement", "question"),
    [
        ("Adapters are the small layers that are trained.", "What are Adapters?"),
        ("The rank is a number of columns.", "What is the rank?"),
    ],
)
def test_an_english_definition_tells_its_question(statement: str, question: str) -> None:
    blank = one(statement, "meaning")
    assert blank is not None and blank.plain == question


@pytest.mark.parametrize("statement", [row[0] for row in KOREAN + ENGLISH])
def test_a_span_stands_in_its_statement_and_its_blank_does_not_tell_it(statement: str) -> None:
    found = blanks(statement)
    assert found or "Kleene" in statement
    for blank in found:
        assert stands_in(blank.span, blank.statement) and blank.statement == statement
        assert blank.cloze.count(MARK) == 1
        assert not gives_away(blank.cloze, blank.span)
        if blank.plain:
            assert asks(blank.plain) and not gives_away(blank.plain, blank.span)


@pytest.mark.parametrize(
    "statement",
    [
        "결과를 합쳐서 최종 출력으로 만든다.",  # nothing says of what
        "모델은 이미지를 복원하여 노이즈를 제거한다.",  # which model?
        '"이라는 질문을 했을 때 관련 문서만 연속해서 선택됨.',  # half a quotation
        "Below is an instruction.",
        "Use the following context to answer the question.",
        "The model uses two layers.",
    ],
)
def test_a_sentence_that_does_not_name_its_subject_is_not_asked_about(statement: str) -> None:
    assert blanks(statement) == []


def test_half_a_noun_phrase_is_never_blanked() -> None:
    spans = [
        blank.span
        for statement in (
            "LCEL은 LangChain의 구성 요소를 연결하는 간단하고 표현적인 방식을 제공한다.",
            "PEFT는 거대 언어 모델의 모든 가중치를 조정하지 않는다.",
            "LoRA는 특정 모듈 혹은 계층만을 학습한다.",
            "RAG는 질의에 대한 응답을 생성한다.",
        )
        for blank in blanks(statement)
    ]
    assert not set(spans) & {"방식", "모델의 모든 가중치", "계층만", "응답"}
    assert "LangChain의 구성 요소" in spans


def test_only_a_wide_span_leaves_the_whole_statement_to_be_said() -> None:
    statement = "VAE는 변분 추정을 활용하여 잠재 변수의 분포를 학습하는 생성 모델이다."
    meaning, term = one(statement, "meaning"), one(statement, "term")
    assert meaning is not None and meaning.wide
    assert term is not None and not term.wide


def test_the_subject_is_what_a_question_must_name() -> None:
    assert [b.subject for b in blanks("LCEL은 구성 요소를 잇는 간단한 표현 방식이다.")][:2] == [
        "",
        "LCEL",
    ]
    assert {b.subject for b in blanks("Dropout was proposed by Geoffrey Hinton in 2012.")} == {
        "Dropout"
    }


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("양자화", "양자화는"),
        ("토큰", "토큰은"),
        ("Retrieval", "Retrieval은"),
        ("RAG", "RAG는"),
        ("OCR", "OCR은"),
    ],
)
def test_a_topic_marker_fits_how_the_noun_is_read(noun: str, expected: str) -> None:
    assert with_topic_marker(noun) == expected
