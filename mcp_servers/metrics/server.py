"""The metrics server: how good a classification, translation, summary or answer is."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.types import CallToolResult
from pydantic import Field
from typing_extensions import TypedDict

from mcp_servers import pictures
from mcp_servers.metrics import answers, labels, picture, summaries, translation
from mcp_servers.metrics import ngrams as ngram_counts
from mcp_servers.serving import Engine, run, tool, with_picture

Labels = list[str | int | float | bool]
TrueLabels = Annotated[Labels, Field(description="True labels")]
PredictedLabels = Annotated[Labels, Field(description="Predicted labels, in the same order")]
Candidate = Annotated[str, Field(description="The text to score")]
References = Annotated[list[str], Field(description="One or more correct texts")]
Tokenize = Annotated[
    translation.Tokenize,
    Field(description="Keep auto; characters compares Korean by syllables"),
]
Language = Annotated[Literal["ko", "en"], Field(description="Language of the explanation")]


class ConfusionMatrix(TypedDict):
    """Counts: rows are true labels, columns predicted ones; `picture` is the path of a PNG."""

    labels: list[str]
    matrix: list[list[int]]
    table: str
    picture: str


@tool("Accuracy, precision, recall, F1 from labels")
def classification(
    y_true: TrueLabels,
    y_pred: PredictedLabels,
    positive: Annotated[
        str | int | float | bool | None, Field(description="The positive label")
    ] = None,
) -> labels.Classification:
    """Accuracy, precision, recall and F1 of predicted labels against true labels."""
    return labels.classification(y_true, y_pred, positive)


@tool("Accuracy, precision, recall, F1 from counts")
def from_counts(
    tp: Annotated[int, Field(description="True positives")],
    fp: Annotated[int, Field(description="False positives")],
    fn: Annotated[int, Field(description="False negatives")],
    tn: Annotated[int | None, Field(description="True negatives, if known")] = None,
) -> labels.CountScores:
    """Accuracy, precision, recall and F1 when the counts TP, FP, FN, TN are given."""
    return labels.from_counts(tp, fp, fn, tn)


@tool("Confusion matrix", read_only=False)
def confusion_matrix(
    y_true: TrueLabels, y_pred: PredictedLabels, language: Language = "en"
) -> Annotated[CallToolResult, ConfusionMatrix]:
    """Confusion matrix of predicted against true labels, as a table and a picture."""
    names, matrix = labels.confusion_counts(y_true, y_pred)
    png = picture.draw(names, matrix, language)
    corner = "정답 \\ 예측" if language == "ko" else "true \\ predicted"
    result: ConfusionMatrix = {
        "labels": names,
        "matrix": matrix,
        "table": labels.markdown_table(names, matrix, corner),
        "picture": str(pictures.save(png, "confusion")),
    }
    return with_picture(result, png)


@tool("BLEU of a sentence")
def bleu(
    candidate: Candidate,
    references: References,
    tokenize: Tokenize = "auto",
    explain: Annotated[bool, Field(description="Show the calculation step by step")] = False,
    language: Language = "en",
) -> translation.SentenceBleu:
    """BLEU of one translation against its references; explain=true shows how it is computed."""
    return translation.bleu(candidate, references, tokenize, explain, language)


@tool("BLEU of a corpus")
def corpus_bleu(
    candidates: Annotated[list[str], Field(description="The translations to score")],
    references: Annotated[
        list[str | list[str]],
        Field(description="For each translation its reference, or a list of them"),
    ],
    tokenize: Tokenize = "auto",
) -> translation.CorpusBleu:
    """BLEU of many translations together, as papers report it."""
    return translation.corpus_bleu(candidates, references, tokenize)


@tool("chrF")
def chrf(
    candidate: Candidate,
    references: References,
    word_order: Annotated[int, Field(description="2 for chrF++")] = 0,
) -> translation.Chrf:
    """chrF: similarity of a translation to its references by characters; good for Korean."""
    return translation.chrf(candidate, references, word_order)


@tool("ROUGE")
def rouge(
    candidate: Annotated[str, Field(description="The summary to score")],
    reference: Annotated[str, Field(description="The correct summary")],
    unit: Annotated[
        Literal["words", "characters"],
        Field(description="characters compares Korean by syllables, so stems match"),
    ] = "words",
) -> summaries.Rouge:
    """ROUGE-1, ROUGE-2 and ROUGE-L of a summary against a reference summary."""
    return summaries.rouge(candidate, reference, unit)


@tool("Exact match and F1 of an answer")
def answer_match(
    prediction: Annotated[str, Field(description="The answer to score")],
    references: Annotated[list[str], Field(description="The correct answers")],
) -> answers.AnswerMatch:
    """Exact match and F1 of a short answer, as SQuAD (English) or KorQuAD (Korean) score it."""
    return answers.answer_match(prediction, references)


@tool("N-grams")
def ngrams(
    text: Annotated[str, Field(description="The text")],
    n: Annotated[int, Field(description="Tokens in an n-gram: 2 for bigrams")],
    unit: Annotated[Literal["words", "characters"], Field(description="What a token is")] = "words",
    top: Annotated[int, Field(description="How many to list")] = 100,
) -> ngram_counts.Ngrams:
    """Count the n-grams of a text, most frequent first."""
    return ngram_counts.ngrams(text, n, unit, top)


ENGINE = Engine(
    name="metrics",
    summary="Accuracy, precision, recall, F1, confusion matrix, BLEU, chrF, ROUGE, exact match, "
    "n-grams: scores of labels, translations, summaries and answers.",
    tools=(
        classification,
        from_counts,
        confusion_matrix,
        bleu,
        corpus_bleu,
        chrf,
        rouge,
        answer_match,
        ngrams,
    ),
)

if __name__ == "__main__":
    run(ENGINE)
