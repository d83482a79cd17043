"""Accuracy, precision, recall, F1 and the confusion matrix (textbook 3.6), by scikit-learn."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError

Label = str | int | float | bool

MAX_SAMPLES = 200_000
MAX_LABELS = 1_000
MAX_MATRIX_LABELS = 40

_POSITIVE = frozenset(
    ("1", "true", "yes", "y", "positive", "pos", "+", "참", "예", "네", "긍정", "양성")
)


class Scores(TypedDict):
    """Precision, recall and F1, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


class LabelScores(Scores):
    """One label's scores; `support` is the number of true samples that have it."""

    label: str
    support: int


class BinaryScores(Scores):
    """The scores of the label taken as positive."""

    positive: str


class Classification(TypedDict):
    """`warnings` lists what was 0/0 and is therefore reported as 0."""

    accuracy: float
    samples: int
    labels: list[LabelScores]
    binary: BinaryScores | None
    micro: Scores
    macro: Scores
    weighted: Scores
    warnings: list[str]


class CountScores(Scores):
    """Scores from counts. `accuracy` is null where the true negatives are unknown."""

    accuracy: float | None
    formula: str
    warnings: list[str]


def classification(
    y_true: Sequence[Label], y_pred: Sequence[Label], positive: Label | None
) -> Classification:
    """Scores of predicted labels; undefined values (0/0) are 0, as in scikit-learn, and named.

    Labels are compared as text (true and "true" are one label, as are 1, 1.0 and "1"), in NFC
    and without the spaces around them.
    Of two labels, without `positive`, the one that reads positive (1, true, yes, 긍정, ...) is
    positive, else the second in order.
    """
    true, predicted = paired(y_true, y_pred)
    labels = ordered_labels(true, predicted)
    if len(labels) > MAX_LABELS:
        raise EngineError(
            f"There are {len(labels):,} different labels; the limit is {MAX_LABELS:,}. "
            "Pass categories, not free text or measured values."
        )
    chosen = _positive_label(labels, positive)

    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    def averaged(how: str) -> Scores:
        precision, recall, f1, _ = precision_recall_fscore_support(
            true, predicted, labels=labels, average=how, zero_division=0
        )
        return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}

    columns = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    rows: list[LabelScores] = [
        {
            "label": label,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for label, precision, recall, f1, support in zip(labels, *columns, strict=True)
    ]
    binary: BinaryScores | None = None
    if chosen is not None:
        row = rows[labels.index(chosen)]
        binary = {
            "positive": chosen,
            "precision": row["precision"],
            "recall": row["recall"],
            "f1": row["f1"],
        }
    never_predicted = set(labels).difference(predicted)
    never_true = set(labels).difference(true)
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "samples": len(true),
        "labels": rows,
        "binary": binary,
        "micro": averaged("micro"),
        "macro": averaged("macro"),
        "weighted": averaged("weighted"),
        "warnings": [
            *(f"precision of {label} is 0/0 -> 0" for label in labels if label in never_predicted),
            *(f"recall of {label} is 0/0 -> 0" for label in labels if label in never_true),
        ],
    }


def from_counts(tp: int, fp: int, fn: int, tn: int | None) -> CountScores:
    """The four formulas of textbook 3.6, with the steps as plain text; 0/0 counts as 0."""
    counts = {"tp": tp, "fp": fp, "fn": fn} | ({} if tn is None else {"tn": tn})
    negative = [name for name, count in counts.items() if count < 0]
    if negative:
        raise EngineError(f"{', '.join(negative)} is negative. Pass counts of 0 or more.")
    if not any(counts.values()):
        raise EngineError("All counts are 0. Pass the counts of at least one sample.")
    steps: list[str] = []
    warnings: list[str] = []

    def ratio(name: str, formula: str, filled: str, numerator: float, denominator: float) -> float:
        value = numerator / denominator if denominator else 0.0
        if not denominator:
            warnings.append(f"{name} is 0/0 -> 0")
        steps.append(f"{name} = {formula} = {filled} = {value:.4f}")
        return value

    accuracy = None
    if tn is not None:
        accuracy = ratio(
            "Accuracy",
            "(TP + TN) / (TP + TN + FP + FN)",
            f"({tp} + {tn}) / ({tp} + {tn} + {fp} + {fn})",
            tp + tn,
            tp + tn + fp + fn,
        )
    precision = ratio("Precision", "TP / (TP + FP)", f"{tp} / ({tp} + {fp})", tp, tp + fp)
    recall = ratio("Recall", "TP / (TP + FN)", f"{tp} / ({tp} + {fn})", tp, tp + fn)
    f1 = ratio(
        "F1",
        "2 x Precision x Recall / (Precision + Recall)",
        f"2 x {precision:.4f} x {recall:.4f} / ({precision:.4f} + {recall:.4f})",
        2 * precision * recall,
        precision + recall,
    )
    return {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "formula": "\n".join(steps),
        "warnings": warnings,
    }


def confusion_counts(
    y_true: Sequence[Label], y_pred: Sequence[Label]
) -> tuple[list[str], list[list[int]]]:
    """The labels in order, and the matrix of counts: rows are true, columns predicted."""
    true, predicted = paired(y_true, y_pred)
    labels = ordered_labels(true, predicted)
    if len(labels) > MAX_MATRIX_LABELS:
        raise EngineError(
            f"There are {len(labels):,} different labels; a matrix shows {MAX_MATRIX_LABELS} "
            "at most. Merge the rare ones, or use classification."
        )

    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(true, predicted, labels=labels)
    return labels, [[int(count) for count in row] for row in counts]


def markdown_table(labels: Sequence[str], matrix: Sequence[Sequence[int]], corner: str) -> str:
    """The matrix as a Markdown table, with `corner` above the row labels."""
    names = [" ".join(label.replace("|", "\\|").split()) for label in labels]
    lines = [
        f"| {corner} | {' | '.join(names)} |",
        f"| --- |{' ---: |' * len(names)}",
        *(
            f"| {name} | {' | '.join(map(str, row))} |"
            for name, row in zip(names, matrix, strict=True)
        ),
    ]
    return "\n".join(lines)


def paired(y_true: Sequence[Label], y_pred: Sequence[Label]) -> tuple[list[str], list[str]]:
    """Both lists as text. Raises `EngineError` unless they are of one length above 0."""
    if len(y_true) != len(y_pred):
        raise EngineError(
            f"y_true has {len(y_true):,} labels and y_pred has {len(y_pred):,}. "
            "Pass one prediction for each true label."
        )
    if not y_true:
        raise EngineError("y_true and y_pred are empty. Pass at least one label in each.")
    if len(y_true) > MAX_SAMPLES:
        raise EngineError(
            f"There are {len(y_true):,} samples; the limit is {MAX_SAMPLES:,}. Score a part."
        )
    true, predicted = [_as_text(label) for label in y_true], [_as_text(label) for label in y_pred]
    for name, texts in (("y_true", true), ("y_pred", predicted)):
        if "" in texts:
            raise EngineError(f"{name}[{texts.index('')}] is an empty label. Name every label.")
    return true, predicted


def ordered_labels(true: Sequence[str], predicted: Sequence[str]) -> list[str]:
    """Every label once: numbers by size if all are numbers, else in alphabetical order."""
    labels = sorted({*true, *predicted})
    try:
        return sorted(labels, key=float)
    except ValueError:
        return labels


def _as_text(label: Label) -> str:
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return unicodedata.normalize("NFC", str(label)).strip()


def _positive_label(labels: Sequence[str], positive: Label | None) -> str | None:
    if positive is not None:
        chosen = _as_text(positive)
        if chosen not in labels:
            shown = ", ".join(labels[:20])
            raise EngineError(f"No sample has the label {chosen!r}. Choose positive from: {shown}.")
        return chosen
    if len(labels) != 2:
        return None
    reads_positive = [label for label in labels if label.casefold() in _POSITIVE]
    return reads_positive[0] if len(reads_positive) == 1 else labels[1]
