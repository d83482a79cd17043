"""Loss, perplexity and answers of one model on rows; the same for a base and a trained model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from typing_extensions import TypedDict

from mcp_servers.metrics.answers import answer_match
from mcp_servers.metrics.summaries import rouge
from mcp_servers.torch_runtime import torch
from mcp_servers.training.rows import Row
from mcp_servers.training.settings import Settings
from mcp_servers.training.templates import IGNORED, encode, prompt_ids

BATCH = 8
_ROOM = 64  # new tokens that an answer may always take; twice its reference's where that is more
Step = Callable[[int], None]


class Scores(TypedDict):
    """`loss` is the mean over the answer tokens of `rows` rows, and null where none counts.

    The matches are means over the `answered` ones; texts have no answer.
    """

    rows: int
    answered: int
    loss: float | None
    perplexity: float | None
    exact_match: float | None
    token_f1: float | None
    rouge1: float | None
    rouge2: float | None
    rougeL: float | None


def loss(
    model: Any, rows: Sequence[Row], tokenizer: Any, settings: Settings, step: Step
) -> float | None:
    """Mean cross-entropy of the tokens that training counts, over all of these rows.

    None where no token counts: max_length cuts every answer off.
    """
    examples = encode(
        rows, tokenizer, settings.template, settings.max_length, settings.loss_on
    ).examples
    total, counted = 0.0, 0
    for batch in _batches(examples):
        longest = max(len(one["input_ids"]) for one in batch)
        ids = torch.full((len(batch), longest), tokenizer.pad_token_id)
        labels = torch.full((len(batch), longest), IGNORED)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for at, one in enumerate(batch):
            size = len(one["input_ids"])
            ids[at, :size] = torch.tensor(one["input_ids"])
            labels[at, :size] = torch.tensor(one["labels"])
            mask[at, :size] = 1
        with torch.inference_mode():
            where = model.device
            logits = model(input_ids=ids.to(where), attention_mask=mask.to(where)).logits
            # Prefixes and prompts put learnt positions in front: the last ones are the row's.
            logits = logits[:, -longest:][:, :-1].float()
            wanted = labels[:, 1:].to(where)
            total += float(
                torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
                )
            )
            counted += int((wanted != IGNORED).sum())
        step(len(batch))
    return total / counted if counted else None


def answers(
    model: Any, rows: Sequence[Row], tokenizer: Any, settings: Settings, step: Step
) -> list[str]:
    """Greedy answers to conversations, each after the prompt as training saw it."""
    prompts = [prompt_ids(row.messages[:-1], tokenizer, settings.template) for row in rows]
    wanted = [len(tokenizer(row.messages[-1]["content"])["input_ids"]) for row in rows]
    # Alike lengths in a batch waste the fewest steps.
    order = sorted(range(len(rows)), key=lambda at: (wanted[at], len(prompts[at])))
    found = [""] * len(rows)
    stops = _stops(model, tokenizer)
    for batch in _batches(order):
        longest = max(len(prompts[at]) for at in batch)
        ids = torch.full((len(batch), longest), tokenizer.pad_token_id)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for line, at in enumerate(batch):
            size = len(prompts[at])
            ids[line, longest - size :] = torch.tensor(prompts[at])
            mask[line, longest - size :] = 1
        room = min(max(_ROOM, 2 * max(wanted[at] for at in batch)), settings.max_length)
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=room,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=tokenizer.pad_token_id,
            )
        for line, at in enumerate(batch):
            said = out[line, longest:].tolist()
            end = next((n for n, token in enumerate(said) if token in stops), len(said))
            found[at] = tokenizer.decode(said[:end], skip_special_tokens=True).strip()
        step(len(batch))
    return found


def _stops(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the model's own, and those that end a turn in our templates."""
    own = model.generation_config.eos_token_id
    stops = set(own) if isinstance(own, list) else {own}
    stops.add(tokenizer.eos_token_id)
    for word in ("<|im_end|>", "<|eot_id|>", "<end_of_turn>"):
        token = tokenizer.convert_tokens_to_ids(word)
        if token is not None and token != tokenizer.unk_token_id:
            stops.add(token)
    return sorted(stop for stop in stops if stop is not None)


def matches(said: Sequence[str], rows: Sequence[Row]) -> list[dict[str, float]]:
    """Exact match, token F1 and ROUGE of each answer against its row's."""
    found = []
    for answer, row in zip(said, rows, strict=True):
        wanted = row.messages[-1]["content"]
        scores = dict.fromkeys(("exact_match", "token_f1", "rouge1", "rouge2", "rougeL"), 0.0)
        if answer.strip() and wanted.strip():
            match = answer_match(answer, [wanted])
            scores["exact_match"], scores["token_f1"] = float(match["exact_match"]), match["f1"]
            if any(c.isalnum() for c in answer) and any(c.isalnum() for c in wanted):
                overlap = rouge(answer, wanted, "characters")
                for name in ("rouge1", "rouge2", "rougeL"):
                    scores[name] = overlap[name]["f1"]
        found.append(scores)
    return found


def scores(found_loss: float | None, each: Sequence[dict[str, float]], rows: int) -> Scores:
    """The means, rounded."""

    def mean(name: str) -> float | None:
        return round(sum(one[name] for one in each) / len(each), 4) if each else None

    return {
        "rows": rows,
        "answered": len(each),
        "loss": None if found_loss is None else round(found_loss, 4),
        "perplexity": None if found_loss is None else round(math.exp(min(found_loss, 50)), 3),
        "exact_match": mean("exact_match"),
        "token_f1": mean("token_f1"),
        "rouge1": mean("rouge1"),
        "rouge2": mean("rouge2"),
        "rougeL": mean("rougeL"),
    }


def accuracy(
    model: Any, rows: Sequence[Row], tokenizer: Any, labels: Sequence[str], longest: int, step: Step
) -> float:
    """Share of labelled texts whose label the classification head names."""
    right = 0
    for batch in _batches(rows):
        read = tokenizer(
            [row.text for row in batch],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=longest,
        )
        with torch.inference_mode():
            chosen = model(**read.to(model.device)).logits.argmax(-1).tolist()
        right += sum(labels[at] == row.label for at, row in zip(chosen, batch, strict=True))
        step(len(batch))
    return right / max(len(rows), 1)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), BATCH):
        yield items[at : at + BATCH]
