"""The nine stages of textbook 2.3 for a sentence pair, with the very numbers of the forward pass.

Where the textbook errs: K and V are projections of the encoder's output, not that output itself
(2.3.1 against 2.3.2); PyTorch's cross-entropy takes logits, not probabilities (2.3.9).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_servers import torch_runtime
from mcp_servers.errors import EngineError
from mcp_servers.foundations import parallel, translator
from mcp_servers.foundations.attention import Attended, MultiHeadAttention
from mcp_servers.foundations.stages import (
    Language,
    Matrix,
    Prediction,
    Stage,
    Which,
    Words,
    matrix_of,
    words_of,
)
from mcp_servers.foundations.transformer import Shape, Transformer
from mcp_servers.foundations.translator import Translator
from mcp_servers.foundations.vocabulary import Vocabulary
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor

MAX_TOKENS = 40
MAX_PADDING = 8
_LEARNING_RATE = 0.1  # of the one step of gradient descent that stage 9 shows
_SMALL = {"d_model": 4, "heads": 2, "hidden": 8, "layers": 1, "dropout": 0.0}  # as in 2.3
_SEED = 0


@dataclass(frozen=True)
class Request:
    """What to explain. Layers and heads count from 1; None is the last layer, the first head.

    `padding` is cut to what the model's longest sentence leaves.
    """

    source: str
    target: str | None
    attention: Which
    layer: int | None
    head: int | None
    padding: int
    language: Language


@dataclass(frozen=True)
class Explained:
    """The stages, and what the heat map shows: (head, query, key) weights and their labels.

    `nexts` is what a decoder's row is to say next; the encoder says nothing.
    """

    stages: list[Stage]
    predictions: list[Prediction]
    weights: list[list[list[float]]]
    rows: list[str]
    columns: list[str]
    nexts: list[str]
    source: str
    target: str
    layer: int
    head: int
    sizes: dict[str, int]

    @property
    def heading(self) -> dict[str, str]:
        """What the walk-through says on top."""
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        return {"source": self.source, "target": self.target, "sizes": sizes}


@dataclass(frozen=True)
class _Pass:
    """One forward pass: ids with padding, their labels, and what the chosen attention did."""

    source: Tensor
    target: Tensor
    expected: Tensor
    query: Tensor
    memory: Tensor
    mask: Tensor
    attended: Attended
    logits: Tensor


def explain(of: Translator, request: Request) -> Explained:
    """Run one pair through the model and lay every stage open. Raises `EngineError`."""
    if not 0 <= request.padding <= MAX_PADDING:
        raise EngineError(f"padding is {request.padding}. Pass 0 to {MAX_PADDING}.")
    source_ids = of.source_ids(request.source)
    target_text, target_ids = _target(of, request)
    for name, ids in (("source", source_ids), ("target", target_ids)):
        if len(ids) > MAX_TOKENS:
            raise EngineError(
                f"{name} has {len(ids)} tokens; {MAX_TOKENS} can be shown. Pass a shorter sentence."
            )
    chosen, layer = _chosen(of.model, request)
    head = request.head or 1
    if not 1 <= head <= chosen.heads:
        raise EngineError(f"head is {head}; there are {chosen.heads}. Pass 1 to {chosen.heads}.")
    padding = min(request.padding, of.model.shape.longest - len(source_ids))
    found = _forward(of.model, chosen, source_ids, target_ids, padding)
    sources = of.source.shown(found.source[0].tolist())
    targets = of.target.shown(found.target[0].tolist())
    rows = sources if request.attention == "encoder" else targets
    columns = targets if request.attention == "decoder" else sources
    words = words_of(request.language)
    stages = _stages(found, request.attention, head - 1, rows, columns, chosen, words)
    loss_stage, predictions = _loss(of, found, chosen, targets, words)
    return Explained(
        stages=[*stages, loss_stage],
        predictions=predictions,
        weights=found.attended.heads.weights[0].tolist(),
        rows=rows,
        columns=columns,
        nexts=[] if request.attention == "encoder" else [each["expected"] for each in predictions],
        source=request.source,
        target=target_text,
        layer=layer,
        head=head,
        sizes={
            "d_model": of.model.shape.d_model,
            "heads": chosen.heads,
            "d_k": of.model.shape.d_model // chosen.heads,
            "layers": of.model.shape.layers,
        },
    )


def untrained(source: str, target: str | None) -> Translator:
    """A small seeded model that knows this pair's words and nothing else: numbers to follow.

    Without a target, that of the packaged set is taken. Raises `EngineError` where it has none.
    """
    source = translator.checked_sentence(source, "source")
    if target is None:
        target = _packaged_target(source)
    target = translator.checked_sentence(target, "target")
    vocabularies = [
        Vocabulary.learned([text], 500, lower_case=lower)
        for text, lower in ((source, True), (target, False))
    ]
    shape = Shape(
        source_words=len(vocabularies[0]),
        target_words=len(vocabularies[1]),
        pad=Vocabulary.pad,
        **_SMALL,  # type: ignore[arg-type]
    )
    torch_runtime.seed(_SEED)
    model = Transformer(shape).eval()
    return Translator("untrained", model, vocabularies[0], vocabularies[1], {})


def _packaged_target(source: str) -> str:
    def plain(text: str) -> str:
        return text.lower().rstrip(".?! ")

    for pair in parallel.packaged().train:
        if plain(pair.source) == plain(source):
            return pair.target
    raise EngineError(
        "No translator is trained, and the packaged set has no translation of this sentence. "
        "Pass target=… with its translation, or train one with train_translator."
    )


def _target(of: Translator, request: Request) -> tuple[str, list[int]]:
    """The target's text and tokens; without one, what the model itself says or was made with."""
    text = request.target
    if text is None and of.config:
        text = translator.translate(of, request.source, "greedy", 1, 0.0)["translation"]
        if not text:
            raise EngineError("The translator says nothing to this sentence. Pass target=….")
    elif text is None:
        text = _packaged_target(request.source)
    text = translator.checked_sentence(text, "target")
    ids = of.target.ids(text)
    if len(ids) + 1 > of.model.shape.longest:
        raise EngineError(
            f"target has {len(ids)} tokens; this translator takes {of.model.shape.longest - 1}. "
            "Pass a shorter sentence."
        )
    return text, ids


def _chosen(model: Transformer, request: Request) -> tuple[MultiHeadAttention, int]:
    layers = len(model.decoder)
    layer = layers if request.layer is None else request.layer
    if not 1 <= layer <= layers:
        raise EngineError(f"layer is {layer}; there are {layers}. Pass 1 to {layers}.")
    if request.attention == "encoder":
        found = model.encoder[layer - 1].self_attention
    elif request.attention == "decoder":
        found = model.decoder[layer - 1].self_attention
    else:
        found = model.decoder[layer - 1].cross_attention
    assert isinstance(found, MultiHeadAttention)
    return found, layer


def _forward(
    model: Transformer,
    chosen: MultiHeadAttention,
    source_ids: Sequence[int],
    target_ids: Sequence[int],
    padding: int,
) -> _Pass:
    """The pass with gradients, listening at the chosen attention."""
    filled = [Vocabulary.pad] * padding
    source = torch.tensor([[*source_ids, *filled]])
    target = torch.tensor([[Vocabulary.bos, *target_ids]])
    heard: list[tuple[tuple[Tensor, Tensor, Tensor], Attended]] = []
    listening = chosen.register_forward_hook(
        lambda _module, given, result: heard.append((given, result))
    )
    try:
        logits = model(source, target)
    finally:
        listening.remove()
    (query, memory, mask), attended = heard[0]
    expected = torch.tensor([*target_ids, Vocabulary.eos])
    return _Pass(source, target, expected, query, memory, mask, attended, logits)


def _stages(
    found: _Pass,
    which: Which,
    head: int,
    rows: list[str],
    columns: list[str],
    chosen: MultiHeadAttention,
    words: Words,
) -> list[Stage]:
    """Stages 1 to 8, for one head."""
    attended, heads = found.attended, found.attended.heads
    d_k = attended.keys.shape[-1]
    shape = found.mask.expand(1, 1, len(rows), len(columns))[0, 0]
    inputs: dict[str, tuple[Tensor, list[str], list[str] | None]] = {
        "query input": (found.query[0], rows, None)
    }
    if which == "cross":
        inputs["encoder output"] = (found.memory[0], columns, None)
    shown: list[dict[str, tuple[Tensor, list[str], list[str] | None]]] = [
        inputs,
        {
            "Q": (attended.queries[0, head], rows, None),
            "K": (attended.keys[0, head], columns, None),
            "V": (attended.values[0, head], columns, None),
        },
        {"scores": (heads.scores[0, head], rows, columns)},
        {"scaled": (heads.scaled[0, head], rows, columns)},
        {
            "mask": (shape.float(), rows, columns),
            "masked": (heads.masked[0, head], rows, columns),
        },
        {"weights": (heads.weights[0, head], rows, columns)},
        {"context": (heads.context[0, head], rows, None)},
        {"output": (attended.output[0], rows, None)},
    ]
    weights = {
        2: {"W_Q, W_K, W_V": list(chosen.query_projection.weight.shape)},
        8: {"W_O": list(chosen.output_projection.weight.shape)},
    }
    whole = {
        1: {"source ids": list(found.source.shape), "target ids": list(found.target.shape)},
        2: {"Q": list(attended.queries.shape), "K, V": list(attended.keys.shape)},
        3: {"scores": list(heads.scores.shape)},
        4: {"scaled": list(heads.scaled.shape)},
        5: {"mask": list(found.mask.shape), "masked": list(heads.masked.shape)},
        6: {"weights": list(heads.weights.shape)},
        7: {"context": list(heads.context.shape)},
        8: {
            "concatenated": [1, len(rows), chosen.heads * d_k],
            "output": list(attended.output.shape),
        },
    }
    filled = {
        "d_k": d_k,
        "root": f"{math.sqrt(d_k):.3f}",
        "heads": chosen.heads,
        "hidden": int((~shape).sum()),
        "cells": shape.numel(),
        "strongest": _strongest(heads.weights[0, head], rows, columns),
        "which": words.attentions[which],
        "inputs": words.inputs[which],
    }
    return [
        {
            "step": number,
            "title": words.titles[number - 1].format(**filled),
            "formula": words.formulas[number - 1].format(**filled),
            "shapes": whole.get(number, {}) | weights.get(number, {}),
            "matrices": [matrix_of(name, *each) for name, each in shown[number - 1].items()],
            "note": words.notes[number - 1].format(**filled),
        }
        for number in range(1, 9)
    ]


def _strongest(weights: Tensor, rows: list[str], columns: list[str]) -> str:
    """For each query the key it looks at most: "저는 → i (0.91)"."""
    best = weights.detach().max(dim=-1)
    return ", ".join(
        f"{row} → {columns[int(at)]} ({float(value):.2f})"
        for row, at, value in zip(rows, best.indices, best.values, strict=True)
    )


def _loss(
    of: Translator, found: _Pass, chosen: MultiHeadAttention, targets: list[str], words: Words
) -> tuple[Stage, list[Prediction]]:
    """Stage 9: probabilities, loss, gradients, and the loss after one step down the gradient."""
    loss = torch.nn.functional.cross_entropy(found.logits[0], found.expected)
    parameters = {
        "W_Q": chosen.query_projection.weight,
        "W_K": chosen.key_projection.weight,
        "W_V": chosen.value_projection.weight,
        "W_O": chosen.output_projection.weight,
    }
    gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)
    probabilities = found.logits[0].detach().softmax(dim=-1)
    names = of.target.shown(found.expected.tolist())
    predictions: list[Prediction] = []
    for row, token, name, after in zip(probabilities, found.expected, names, targets, strict=True):
        best = row.topk(min(3, len(row)))
        guesses = of.target.shown(best.indices.tolist())
        right = float(row[int(token)])
        predictions.append(
            {
                "after": after,
                "expected": name,
                "probability": round(right, 4),
                "loss": round(-math.log(max(right, 1e-30)), 4),
                "best": [
                    {"token": guess, "probability": round(float(value), 4)}
                    for guess, value in zip(guesses, best.values, strict=True)
                ],
            }
        )
    after_step = _after_one_step(of.model, found, loss)
    norms = {
        f"|dLoss/d{name}|": round(float(gradient.norm()), 4)
        for name, gradient in zip(parameters, gradients, strict=True)
    }
    filled = {
        "loss": f"{loss.item():.4f}",
        "perplexity": f"{math.exp(min(loss.item(), 50.0)):.2f}",
        "after": f"{after_step:.4f}",
        "rate": _LEARNING_RATE,
        "gradients": ", ".join(f"{name} = {value}" for name, value in norms.items()),
        "words": found.logits.shape[-1],
    }
    stage: Stage = {
        "step": 9,
        "title": words.titles[8],
        "formula": words.formulas[8].format(**filled),
        "shapes": {
            "logits": list(found.logits.shape),
            "decoder_label_ids": [1, *found.expected.shape],
        },
        "matrices": [_probability_matrix(probabilities, found.expected, targets, names)],
        "note": words.notes[8].format(**filled),
    }
    return stage, predictions


def _probability_matrix(
    probabilities: Tensor, expected: Tensor, targets: list[str], names: list[str]
) -> Matrix:
    """Positions by the sentence's own next tokens: the diagonal is what the loss is made of."""
    return matrix_of("p(next token)", probabilities[:, expected], targets, names)


def _after_one_step(model: Transformer, found: _Pass, loss: Tensor) -> float:
    """The loss once a copy of the model has gone one step of plain gradient descent."""
    stepped = copy.deepcopy(model)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(stepped.parameters(), gradients, strict=True):
            parameter.sub_(_LEARNING_RATE * gradient)
        logits = stepped(found.source, found.target)
        return float(torch.nn.functional.cross_entropy(logits[0], found.expected))
