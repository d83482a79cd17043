"""The metrics agent: scores computed, never guessed."""

from __future__ import annotations

from typing import Any

from agents.registry import Agent
from graphs.language import Language

_HEADS = {
    "ko": "| | 정밀도 | 재현율 | F1 | 개수 |",
    "en": "| | Precision | Recall | F1 | Support |",
}
_KOREAN = {"Precision": "정밀도", "Recall": "재현율", "Accuracy": "정확도"}
_AVERAGES = ("micro", "macro", "weighted")


def _scores(name: str, scores: Any, support: object = "") -> str:
    values = " | ".join(f"{scores[key]:.4f}" for key in ("precision", "recall", "f1"))
    return f"| {name} | {values} | {support} |"


def _classification(result: Any, language: Language) -> str:
    accuracy = "정확도" if language == "ko" else "Accuracy"
    lines = [
        f"**{accuracy} {result['accuracy']:.4f}** (n = {result['samples']})",
        "",
        _HEADS[language],
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [_scores(row["label"], row, row["support"]) for row in result["labels"]]
    if result["binary"]:
        positive = "양성" if language == "ko" else "positive"
        lines.append(_scores(f"{positive} = {result['binary']['positive']}", result["binary"]))
    lines += [_scores(name, result[name]) for name in _AVERAGES]
    return _warned(lines, result)


def _from_counts(result: Any, language: Language) -> str:
    formula = result["formula"]
    if language == "ko":
        for english, korean in _KOREAN.items():
            formula = formula.replace(english, korean)
    return _warned([f"- {line}" for line in formula.splitlines()], result)


def _confusion_matrix(result: Any, language: Language) -> str:
    saved = "그림" if language == "ko" else "Picture"
    return f"{result['table']}\n\n{saved}: `{result['picture']}`"


def _bleu(result: Any, language: Language) -> str:
    lines = [f"**BLEU {result['score']:.4f}** ({result['score_100']:.2f} / 100)", ""]
    if result.get("derivation"):
        lines += ["```text", *result["derivation"], "```"]
    else:
        for row in result["precisions"]:
            ratio = f"{row['matches']}/{row['total']} = {row['precision']:.4f}"
            lines.append(f"- {row['n']}-gram: {ratio}")
        lines.append(f"- BP: {result['brevity_penalty']:.4f}")
    lines += [f"> {note}" for note in result.get("notes", [])]
    return "\n".join(lines)


def _chrf(result: Any, language: Language) -> str:
    return f"**{result['name']} {result['score']:.4f}** ({result['score_100']:.2f} / 100)"


def _rouge(result: Any, language: Language) -> str:
    head = "| | 정밀도 | 재현율 | F1 |" if language == "ko" else "| | Precision | Recall | F1 |"
    lines = [head, "| --- | ---: | ---: | ---: |"]
    for key, name in (("rouge1", "ROUGE-1"), ("rouge2", "ROUGE-2"), ("rougeL", "ROUGE-L")):
        scores = result[key]
        values = " | ".join(f"{scores[part]:.4f}" for part in ("precision", "recall", "f1"))
        lines.append(f"| {name} | {values} |")
    return "\n".join(lines)


def _answer_match(result: Any, language: Language) -> str:
    if language == "ko":
        exact = "예" if result["exact_match"] else "아니요"
        return f"정확히 일치: **{exact}**, F1 **{result['f1']:.4f}** ({result['method']})"
    exact = "yes" if result["exact_match"] else "no"
    return f"Exact match: **{exact}**, F1 **{result['f1']:.4f}** ({result['method']})"


def _ngrams(result: Any, language: Language) -> str:
    total = f"{result['n']}-gram {result['total']}"
    head = (
        f"{total}개, 서로 다른 것 {result['distinct']}개"
        if language == "ko"
        else (f"{total} in all, {result['distinct']} distinct")
    )
    listed = [f"- {row['ngram']} × {row['count']}" for row in result["ngrams"]]
    return "\n".join([head, "", *listed])


def _warned(lines: list[str], result: Any) -> str:
    return "\n".join([*lines, *(f"> {warning}" for warning in result["warnings"])])


AGENT = Agent(
    name="metrics",
    servers=("metrics",),
    titles={"ko": "평가 지표 계산", "en": "evaluation scores"},
    purpose="compute scores from given values: accuracy, precision, recall, F1, confusion matrix, "
    "BLEU, chrF, ROUGE, exact match, n-grams",
    prompt="metrics",
    tools=(
        "classification",
        "from_counts",
        "confusion_matrix",
        "bleu",
        "corpus_bleu",
        "chrf",
        "rouge",
        "answer_match",
        "ngrams",
    ),
    renderers={
        "classification": _classification,
        "from_counts": _from_counts,
        "confusion_matrix": _confusion_matrix,
        "bleu": _bleu,
        "corpus_bleu": _bleu,
        "chrf": _chrf,
        "rouge": _rouge,
        "answer_match": _answer_match,
        "ngrams": _ngrams,
    },
)
