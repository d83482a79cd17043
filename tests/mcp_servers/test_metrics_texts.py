"""ROUGE, answer matching and n-grams: textbook 3.5 and 3.7, rouge-score, SQuAD and KorQuAD."""

from __future__ import annotations

import random
import unicodedata

import pytest
from rouge_score.rouge_scorer import RougeScorer

from mcp_servers.errors import EngineError
from mcp_servers.metrics.answers import answer_match
from mcp_servers.metrics.ngrams import ngrams
from mcp_servers.metrics.summaries import rouge

KINDS = ("rouge1", "rouge2", "rougeL")


def test_the_rouge_example_of_textbook_3_7() -> None:
    result = rouge("the cat sat mat", "the cat sat on the mat", "words")
    assert result["rouge1"] == {
        "precision": 1.0,
        "recall": pytest.approx(4 / 6),
        "f1": pytest.approx(0.8),
    }
    assert result["tokens"] == {"candidate": 4, "reference": 6}


def test_rouge_equals_rouge_score_on_english() -> None:
    source = random.Random(4)
    words = [
        "The",
        "cat's",
        "dog,",
        "mat.",
        "(on)",
        "is_not",
        "3.14",
        "half-price",
        "SAT",
        "the",
        "--",
        "e-mail",
    ]
    theirs = RougeScorer(list(KINDS), use_stemmer=False)
    for _ in range(100):
        candidate, reference = (
            "a " + " ".join(source.choice(words) for _ in range(source.randint(1, 25)))
            for _ in range(2)
        )
        ours = rouge(candidate, reference, "words")
        wanted = theirs.score(reference, candidate)
        for kind in KINDS:
            assert ours[kind] == {
                "precision": pytest.approx(wanted[kind].precision),
                "recall": pytest.approx(wanted[kind].recall),
                "f1": pytest.approx(wanted[kind].fmeasure),
            }


def test_rouge_keeps_hangul() -> None:
    # Words: 고양이가 and 매트에 differ by a particle; only 앉았다 matches.
    words = rouge("고양이가 매트에 앉았다.", "고양이는 매트 위에 앉았다", "words")
    assert words["rouge1"]["recall"] == pytest.approx(1 / 4)
    assert words["rouge1"]["precision"] == pytest.approx(1 / 3)
    assert words["rouge2"]["recall"] == 0
    # Syllables: 고 양 이 매 트 에 앉 았 다 of the candidate's 10 and the reference's 11.
    syllables = rouge("고양이가 매트에 앉았다.", "고양이는 매트 위에 앉았다", "characters")
    assert syllables["tokens"] == {"candidate": 10, "reference": 11}
    assert syllables["rouge1"]["precision"] == pytest.approx(9 / 10)
    assert syllables["rougeL"]["recall"] == pytest.approx(9 / 11)
    # Bigrams: 고양 양이 매트 앉았 았다; the candidate has 9, the reference 10, 에앉 is shared too.
    assert syllables["rouge2"]["precision"] == pytest.approx(6 / 9)


def test_syllables_leave_other_words_whole() -> None:
    assert rouge("GPT-2를 씀", "gpt", "characters")["tokens"] == {"candidate": 4, "reference": 1}


@pytest.mark.parametrize(
    ("candidate", "reference", "words"),
    [
        ("", "a", "candidate is empty"),
        ("a", "  ", "reference is empty"),
        ("...", "a", "candidate has no letter or digit"),
        ("a " * 4000, "a " * 4000, "Score shorter passages"),
    ],
)
def test_bad_rouge_texts(candidate: str, reference: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        rouge(candidate, reference, "words")


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], True, 1),
        # "in Paris" against "Paris, France": 1 of 2 and 1 of 2
        ("in Paris", ["Paris, France"], False, 0.5),
        ("U.S.", ["US"], True, 1),
        ("a cat and dog", ["dog and cat", "horse"], False, 1),
        ("London", ["Paris"], False, 0),
        ("the", ["a"], True, 1),
        ("an", ["Paris"], False, 0),
    ],
)
def test_answers_as_squad(prediction: str, references: list[str], exact: bool, f1: float) -> None:
    result = answer_match(prediction, references)
    assert (result["exact_match"], result["f1"]) == (exact, pytest.approx(f1))
    assert result["method"] == "SQuAD 1.1"


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("《베토벤의 교향곡》", ["베토벤의 교향곡"], True, 1),
        ("‘파우스트’.", ["파우스트"], True, 1),
        # 5 characters of which 3 are expected, 3 of 3: 2 x 0.6 x 1 / 1.6
        ("이순신장군", ["이순신"], False, 0.75),
        ("오대호 지역", ["오대호지역"], False, 1),  # F1 is over characters without spaces
        ("BTS", ["BTS", "방탄소년단"], True, 1),
        # English articles stay: T, h, e of 6 characters against 3
        ("the 비", ["비"], False, 0.4),
        ("서울", ["부산"], False, 0),
    ],
)
def test_answers_as_korquad(prediction: str, references: list[str], exact: bool, f1: float) -> None:
    result = answer_match(prediction, references)
    assert (result["exact_match"], result["f1"]) == (exact, pytest.approx(f1))
    assert result["method"] == "KorQuAD 1.0"


def test_the_best_reference_is_named() -> None:
    assert answer_match("1592년 4월", ["1598년", "1592년"])["reference"] == "1592년"
    decomposed = unicodedata.normalize("NFD", "이순신")
    assert answer_match(decomposed, ["세종", "이순신"])["exact_match"]


@pytest.mark.parametrize(
    ("prediction", "references", "words"),
    [
        ("", ["a"], "prediction is empty"),
        ("a", [], "references is empty"),
        ("a", [" "], r"references\[0\] is empty"),
    ],
)
def test_bad_answers(prediction: str, references: list[str], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        answer_match(prediction, references)


@pytest.mark.parametrize(
    ("n", "wanted"),
    [
        (1, ["나는", "밥을", "먹었다"]),
        (2, ["나는 밥을", "밥을 먹었다"]),
        (3, ["나는 밥을 먹었다"]),
    ],
)
def test_the_ngrams_of_textbook_3_5(n: int, wanted: list[str]) -> None:
    result = ngrams("나는 밥을 먹었다", n, "words", 100)
    assert [row["ngram"] for row in result["ngrams"]] == wanted
    assert result["total"] == result["distinct"] == len(wanted)


def test_ngrams_are_listed_most_frequent_first() -> None:
    result = ngrams("on the mat, on the 'mat'; don't!", 2, "words", 2)
    assert result["ngrams"] == [{"ngram": "on the", "count": 2}, {"ngram": "the mat", "count": 2}]
    assert (result["total"], result["distinct"]) == (6, 4)


def test_ngrams_of_characters() -> None:
    decomposed = unicodedata.normalize("NFD", "가나  가나")
    result = ngrams(decomposed, 2, "characters", 100)
    assert result["ngrams"] == [
        {"ngram": "가나", "count": 2},
        {"ngram": "나 ", "count": 1},
        {"ngram": " 가", "count": 1},
    ]


@pytest.mark.parametrize(
    ("text", "n", "top", "words"),
    [
        ("", 1, 1, "text is empty"),
        ("a b", 0, 1, "Pass n=1 or more"),
        ("a b", -2, 1, "Pass n=1 or more"),
        ("a b", 3, 1, "The text has 2 words, so it holds no 3-gram"),
        ("a b", 1, 0, "Pass top=1 or more"),
        ("a" * 100_001, 1, 1, "the limit is 100,000"),
    ],
)
def test_bad_ngrams(text: str, n: int, top: int, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        ngrams(text, n, "words", top)
