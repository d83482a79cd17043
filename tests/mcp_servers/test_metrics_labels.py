"""Accuracy, precision, recall, F1 and confusion counts: textbook 3.6 and scikit-learn's answers."""

from __future__ import annotations

import random
import unicodedata

import pytest
from sklearn.metrics import classification_report
from sklearn.metrics import confusion_matrix as sklearn_matrix

from mcp_servers.errors import EngineError
from mcp_servers.metrics.labels import (
    MAX_MATRIX_LABELS,
    MAX_SAMPLES,
    classification,
    confusion_counts,
    from_counts,
    markdown_table,
)


def drawn(seed: int, names: list[str]) -> tuple[list[str], list[str]]:
    source = random.Random(seed)
    true = [source.choice(names) for _ in range(200)]
    predicted = [label if source.random() < 0.6 else source.choice(names) for label in true]
    return true, predicted


def test_the_example_of_textbook_3_6() -> None:
    scores = from_counts(40, 5, 5, 50)
    assert scores["accuracy"] == 0.9
    assert scores["precision"] == scores["recall"] == pytest.approx(40 / 45)
    assert scores["f1"] == pytest.approx(40 / 45)
    assert scores["formula"].splitlines() == [
        "Accuracy = (TP + TN) / (TP + TN + FP + FN) = (40 + 50) / (40 + 50 + 5 + 5) = 0.9000",
        "Precision = TP / (TP + FP) = 40 / (40 + 5) = 0.8889",
        "Recall = TP / (TP + FN) = 40 / (40 + 5) = 0.8889",
        "F1 = 2 x Precision x Recall / (Precision + Recall) "
        "= 2 x 0.8889 x 0.8889 / (0.8889 + 0.8889) = 0.8889",
    ]
    assert scores["warnings"] == []


def test_accuracy_is_unknown_without_true_negatives() -> None:
    scores = from_counts(45, 5, 0, None)
    assert scores["accuracy"] is None
    assert scores["precision"] == 0.9  # 3.6: 45 of 50 predicted positives
    assert "Accuracy" not in scores["formula"]


def test_zero_over_zero_is_zero_and_said() -> None:
    scores = from_counts(0, 0, 3, 7)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0, 0, 0)
    assert scores["warnings"] == ["Precision is 0/0 -> 0", "F1 is 0/0 -> 0"]


@pytest.mark.parametrize(("counts", "word"), [((-1, 0, 0, 1), "tp"), ((0, 0, 0, None), "All")])
def test_impossible_counts(counts: tuple[int, int, int, int | None], word: str) -> None:
    with pytest.raises(EngineError, match=f"{word}.*Pass"):
        from_counts(*counts)


@pytest.mark.parametrize("names", [["긍정", "부정", "중립"], ["a", "b"], list("0123456789")])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_to_scikit_learn(names: list[str], seed: int) -> None:
    true, predicted = drawn(seed, names)
    ours = classification(true, predicted, None)
    theirs = classification_report(true, predicted, output_dict=True, zero_division=0)
    assert ours["accuracy"] == pytest.approx(theirs["accuracy"])
    for row in ours["labels"]:
        wanted = theirs[row["label"]]
        assert row["f1"] == pytest.approx(wanted["f1-score"])
        assert row["precision"] == pytest.approx(wanted["precision"])
        assert row["recall"] == pytest.approx(wanted["recall"])
        assert row["support"] == wanted["support"]
    for average in ("macro", "weighted"):
        assert ours[average]["f1"] == pytest.approx(theirs[f"{average} avg"]["f1-score"])
        assert ours[average]["recall"] == pytest.approx(theirs[f"{average} avg"]["recall"])
    assert ours["micro"]["f1"] == pytest.approx(ours["accuracy"])
    labels, matrix = confusion_counts(true, predicted)
    assert matrix == sklearn_matrix(true, predicted, labels=labels).tolist()


def test_korean_labels_worked_out_by_hand() -> None:
    # 긍정: TP 2, FP 1, FN 1; 부정: TP 1, FP 1, FN 1
    result = classification(
        ["긍정", "긍정", "긍정", "부정", "부정"], ["긍정", "긍정", "부정", "긍정", "부정"], None
    )
    assert result["accuracy"] == 0.6
    assert result["binary"] == {
        "positive": "긍정",
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }
    assert result["macro"]["f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result["weighted"]["f1"] == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 5)


def test_labels_are_compared_as_text() -> None:
    result = classification([1, "1", 1.0, True, 2], ["1", 1, 1, "true", 2.0], None)
    assert result["accuracy"] == 1
    decomposed = unicodedata.normalize("NFD", "긍정")
    assert classification([decomposed, "부정"], ["긍정", "부정"], None)["accuracy"] == 1


def test_numbers_are_ordered_by_size() -> None:
    assert confusion_counts([10, 9, 2], [10, 9, 9])[0] == ["2", "9", "10"]


@pytest.mark.parametrize(
    ("true", "wanted"),
    [([0, 1], "1"), ([True, False], "true"), (["spam", "ham"], "spam"), (["yes", "no"], "yes")],
)
def test_which_of_two_labels_is_positive(true: list[str], wanted: str) -> None:
    binary = classification(true, true, None)["binary"]
    assert binary is not None and binary["positive"] == wanted


def test_positive_may_be_one_of_many() -> None:
    result = classification(["a", "b", "c"], ["a", "a", "c"], "a")
    assert result["binary"] == {
        "positive": "a",
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
    }
    assert classification(["a", "b", "c"], ["a", "a", "c"], None)["binary"] is None
    with pytest.raises(EngineError, match=r"No sample has the label 'd'.*a, b, c"):
        classification(["a", "b", "c"], ["a", "a", "c"], "d")


def test_undefined_scores_are_named() -> None:
    result = classification(["a", "b"], ["a", "c"], None)
    assert result["warnings"] == ["precision of b is 0/0 -> 0", "recall of c is 0/0 -> 0"]


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        (["a", "b"], ["a"], r"y_true has 2 labels and y_pred has 1"),
        ([], [], "are empty"),
        (["a", " "], ["a", "b"], r"y_true\[1\] is an empty label"),
        (["a"] * (MAX_SAMPLES + 1), ["a"] * (MAX_SAMPLES + 1), "200,001 samples"),
        ([str(n) for n in range(1001)], ["x"] * 1001, "1,002 different labels"),
    ],
)
def test_bad_labels(true: list[str], predicted: list[str], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        classification(true, predicted, None)


def test_a_matrix_too_large_to_read() -> None:
    many = [f"label {n}" for n in range(MAX_MATRIX_LABELS + 1)]
    with pytest.raises(EngineError, match="use classification"):
        confusion_counts(many, many)


def test_the_table_survives_pipes_and_line_breaks() -> None:
    assert markdown_table(["a|b", "c\nd"], [[1, 2], [3, 4]], "t") == (
        "| t | a\\|b | c d |\n| --- | ---: | ---: |\n| a\\|b | 1 | 2 |\n| c d | 3 | 4 |"
    )
