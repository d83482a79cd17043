"""What an explanation of attention holds, its texts in both languages, and its Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from torch import Tensor

Language = Literal["ko", "en"]
Which = Literal["cross", "encoder", "decoder"]

MAX_ROWS, MAX_COLUMNS = 12, 12  # of a matrix in the result; its shape tells the rest
MAX_DIMENSIONS = 6  # of a token's vector
_PLACES = 3  # decimal places


class Matrix(TypedDict):
    """Rounded numbers of one head; null is minus infinity. `cut` says that more rows or columns
    exist than are shown.
    """

    name: str
    shape: list[int]
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    cut: bool


class Stage(TypedDict):
    """One step of textbook 2.3; `shapes` are those of the whole tensors, batch and heads first."""

    step: int
    title: str
    formula: str
    shapes: dict[str, list[int]]
    matrices: list[Matrix]
    note: str


class Guess(TypedDict):
    """A token that the model holds likely."""

    token: str
    probability: float


class Prediction(TypedDict):
    """What the model expects after a token; `loss` is -ln of the expected one's probability."""

    after: str
    expected: str
    probability: float
    loss: float
    best: list[Guess]


class Words(NamedTuple):
    """An explanation's fixed texts in one language."""

    titles: list[str]
    formulas: list[str]
    notes: list[str]
    inputs: dict[Which, str]
    attentions: dict[Which, str]
    heading: str
    shapes: str
    cut: str
    prediction: list[str]
    untrained: str


_FORMULAS = [
    "{which}",
    "Q = X_q W_Q + b_Q,  K = X_kv W_K + b_K,  V = X_kv W_V + b_V",
    "Scores = Q K^T",
    "Scaled = Scores / sqrt(d_k) = Scores / sqrt({d_k}) = Scores / {root}",
    "Masked = Scaled, -inf where mask = 0",
    "Weights = softmax(Masked)",
    "Context = Weights V",
    "Output = concat(Head_1 ... Head_{heads}) W_O + b_O",
    "Loss = mean(-ln p(next token)) = {loss}",
]

_EN = Words(
    titles=[
        "{inputs}",
        "Linear projections Q, K, V",
        "Attention scores",
        "Scaling",
        "Masking",
        "Softmax: attention weights",
        "Weighted sum: context vectors",
        "Output projection",
        "Loss and backpropagation",
    ],
    formulas=_FORMULAS,
    notes=[
        "One row a token. Queries ask, keys are looked at, values are what is taken.",
        "Three learned matrices project the inputs; each head gets {d_k} of the dimensions.",
        "One dot product for each query and key: how well they match.",
        "Without it large d_k would make the softmax so steep that its gradient vanishes.",
        "{hidden} of {cells} places are hidden (padding, or the future), so their weight is 0.",
        "Each row sums to 1. A decoder's row looks for the token after it. Strongest: {strongest}.",
        "Each query's row is the mean of the values, weighted by its attention.",
        "The {heads} heads' contexts, side by side, are mixed back to d_model dimensions.",
        "Cross-entropy over {words} words; perplexity {perplexity}. Gradients: {gradients}. "
        "One step of gradient descent ({rate}) brings the loss to {after}.",
    ],
    inputs={
        "cross": "Encoder output and decoder input",
        "encoder": "Encoder layer's input",
        "decoder": "Decoder layer's input",
    },
    attentions={
        "cross": "Cross-attention: queries from the decoder, keys and values from the encoder",
        "encoder": "Encoder self-attention: queries, keys and values from the source",
        "decoder": "Decoder self-attention: queries, keys and values from the target so far",
    },
    heading="Attention step by step: “{source}” → “{target}”",
    shapes="Shapes",
    cut="(first {rows} x {columns} of {shape})",
    prediction=["After", "Expected", "p", "-ln p", "Likeliest"],
    untrained="No translator is trained: these numbers are of a small random model (seed 0) that "
    "knows only this pair. Train one with train_translator to see attention that has learned.",
)

_KO = Words(
    titles=[
        "{inputs}",
        "Q, K, V 선형 변환",
        "어텐션 스코어",
        "스케일링",
        "마스킹",
        "소프트맥스: 어텐션 가중치",
        "가중합: 컨텍스트 벡터",
        "출력 선형 변환",
        "손실 계산과 역전파",
    ],
    formulas=_FORMULAS,
    notes=[
        "한 행이 토큰 하나입니다. 쿼리가 묻고, 키에서 찾고, 값을 가져옵니다.",
        "학습되는 세 행렬이 입력을 투영하고, 헤드마다 {d_k}차원씩 나누어 갖습니다.",
        "쿼리와 키마다 내적 하나: 서로 얼마나 맞는지를 나타냅니다.",
        "나누지 않으면 d_k가 클수록 소프트맥스가 가팔라져 기울기가 사라집니다.",
        "{cells}칸 중 {hidden}칸(패딩 또는 미래)을 가리므로 그 가중치는 0이 됩니다.",
        "각 행의 합은 1입니다. 디코더의 행은 다음 토큰을 위해 봅니다. 가장 강한 곳: {strongest}.",
        "쿼리마다 값들을 어텐션 가중치로 평균한 벡터입니다.",
        "{heads}개 헤드의 컨텍스트를 이어 붙여 다시 d_model 차원으로 섞습니다.",
        "단어 {words}개에 대한 교차 엔트로피입니다. 퍼플렉서티 {perplexity}. 기울기: {gradients}. "
        "경사 하강 한 걸음({rate}) 뒤의 손실은 {after}입니다.",
    ],
    inputs={
        "cross": "인코더 출력과 디코더 입력",
        "encoder": "인코더 층의 입력",
        "decoder": "디코더 층의 입력",
    },
    attentions={
        "cross": "크로스 어텐션: 쿼리는 디코더에서, 키와 값은 인코더에서",
        "encoder": "인코더 셀프 어텐션: 쿼리, 키, 값 모두 원문에서",
        "decoder": "디코더 셀프 어텐션: 쿼리, 키, 값 모두 지금까지의 번역에서",
    },
    heading="어텐션 단계별 계산: “{source}” → “{target}”",
    shapes="모양",
    cut="({shape} 가운데 앞 {rows} x {columns})",
    prediction=["앞 토큰", "정답", "p", "-ln p", "가장 유력한 토큰"],
    untrained="학습된 번역기가 없어, 이 문장 쌍만 아는 작은 무작위 모델(시드 0)의 값입니다. "
    "학습한 어텐션을 보려면 train_translator로 번역기를 먼저 학습하세요.",
)


def words_of(language: Language) -> Words:
    """The fixed texts in a language."""
    return _KO if language == "ko" else _EN


def matrix_of(
    name: str, values: Tensor, rows: Sequence[str], columns: Sequence[str] | None
) -> Matrix:
    """A (rows, columns) tensor, rounded and cut to a readable size; columns may be dimensions."""
    height, width = values.shape
    labels = columns or [str(number) for number in range(1, width + 1)]
    most = MAX_COLUMNS if columns else MAX_DIMENSIONS
    shown = values[:MAX_ROWS, :most].detach().tolist()
    return {
        "name": name,
        "shape": [height, width],
        "rows": list(rows[:MAX_ROWS]),
        "columns": list(labels[:most]),
        "values": [
            [round(value, _PLACES) if math.isfinite(value) else None for value in row]
            for row in shown
        ],
        "cut": height > MAX_ROWS or width > most,
    }


def markdown(
    stages: Sequence[Stage],
    predictions: Sequence[Prediction],
    heading: dict[str, str],
    language: Language,
) -> str:
    """The walk-through as Markdown: a section a stage, a table a matrix."""
    words = words_of(language)
    parts = [f"# {words.heading.format(**heading)}", heading["sizes"]]
    for stage in stages:
        shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in stage["shapes"].items())
        parts += [
            f"## {stage['step']}. {stage['title']}",
            f"`{stage['formula']}`",
            f"{words.shapes}: {shapes}",
        ]
        parts += [_table(matrix, words) for matrix in stage["matrices"]]
        if stage["step"] == 9:
            parts.append(_prediction_table(predictions, words))
        parts.append(stage["note"])
    return "\n\n".join(parts) + "\n"


def _table(matrix: Matrix, words: Words) -> str:
    rows = [
        [label, *("-∞" if value is None else f"{value:g}" for value in values)]
        for label, values in zip(matrix["rows"], matrix["values"], strict=True)
    ]
    name = f"**{matrix['name']}**"
    if matrix["cut"]:
        cut = words.cut.format(
            rows=len(matrix["rows"]),
            columns=len(matrix["columns"]),
            shape=" x ".join(map(str, matrix["shape"])),
        )
        name = f"{name} {cut}"
    return f"{name}\n\n{_grid(['', *matrix['columns']], rows)}"


def _prediction_table(predictions: Sequence[Prediction], words: Words) -> str:
    rows = [
        [
            each["after"],
            each["expected"],
            f"{each['probability']:g}",
            f"{each['loss']:g}",
            ", ".join(f"{guess['token']} {guess['probability']:g}" for guess in each["best"]),
        ]
        for each in predictions
    ]
    return _grid(words.prediction, rows)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

    rule = "| --- |" + " ---: |" * (len(head) - 1)
    return "\n".join([line(head), rule, *(line(row) for row in rows)])


def _cell(text: str) -> str:
    """A token as a table can hold it; <pad> and its like must not be taken for HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
