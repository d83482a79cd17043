"""The memory and the time that a run will take, said before anything is trained.

Memory is counted by parts: weights, gradients and the optimizer's state from the model's shape
alone, activations from what a block of a decoder keeps for the backward pass. Time is the
arithmetic of a step over the speed at which this machine multiplies matrices, which a probe of
half a second measures on matrices of the model's own size. No weight is loaded.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import device, torch
from mcp_servers.training import bases, data, dataset, methods, trainers
from mcp_servers.training import settings as options
from mcp_servers.training.methods import precision
from mcp_servers.training.results import Estimate, Part
from mcp_servers.training.settings import Settings

_MEASURED_ROWS = 400  # of a big set, a draw of so many is encoded
_OPTIMIZER = {"sgd": 0, "8bit": 2, "adafactor": 1, "lion": 4, "adagrad": 4, "rmsprop": 4}
_ADAM = 8  # bytes of state a parameter that is learnt
# A step's arithmetic runs at this share of the speed of bare matrix products: norms, softmax,
# the loss and the optimizer move memory and multiply little. Fitted to measured runs.
_EFFICIENCY = {"cpu": 0.50, "cuda": 0.40, "mps": 0.35}
_LIBRARIES = 700 << 20  # bytes of torch, transformers, peft and trl in a process
_STARTING = 15.0  # seconds until the first step: libraries and weights
_ROOM = 0.9  # of the free memory may be taken


@dataclass(frozen=True)
class Shape:
    """A model by its numbers; `multiplied` are the parameters that take part in products."""

    parameters: int
    trainable: int
    linear: int
    multiplied: int
    hidden: int
    inner: int
    layers: int
    vocabulary: int


def estimate(
    names: Sequence[str],
    base_name: str,
    method: str,
    given: dict[str, Any],
    *,
    weights: Sequence[float] | None = None,
    probe: bool,
) -> Estimate:
    """What a run with these settings would take here. Raises `EngineError` as the run would."""
    settings = options.of(method, given)
    methods.check_machine(settings)
    base = bases.resolve(base_name, pickled=settings.allow_pickle, described=True)
    tokenizer = bases.load_tokenizer(base)
    rows = dataset.usable(names, weights, settings)
    train, held_out = data.split(rows, settings.test_size, settings.seed)
    drawn = random.Random(settings.seed).sample(train, min(len(train), _MEASURED_ROWS))
    lengths = _lengths(drawn, tokenizer, settings)
    count = round(len(lengths) * len(train) / max(len(drawn), 1))
    if settings.packing:
        count = math.ceil(sum(lengths) / len(lengths) * count / settings.max_length)
    shape = _shape(base, settings)
    tokens = _padded(lengths, settings)
    widest = settings.batch_size * max(lengths if not settings.packing else [settings.max_length])
    steps = trainers.steps_of(count, settings)
    memory = parts(shape, settings, widest)
    total = sum(part["bytes"] for part in memory)
    free = _free()
    speed = _speed(shape, settings) if probe else _usual_speed()
    per_token = work(shape, settings)
    where = device().type
    rate = speed * _EFFICIENCY.get(where, 0.35)
    batches = settings.gradient_accumulation
    passes = 1 + (
        1 / settings.eval_steps if settings.eval_steps < 1 else steps / settings.eval_steps
    )
    judged = passes * sum(lengths) / len(lengths) * len(held_out) * shape.multiplied * 2
    seconds = _STARTING + (steps * batches * tokens * per_token + judged) / rate
    told = _advice(shape, settings, widest, total, free, seconds)
    if settings.max_steps and given.get("epochs"):
        told.append(f"epochs has no effect beside max_steps={settings.max_steps}")
    return {
        "base": base.name,
        "method": settings.method,
        "parameters": shape.parameters,
        "trainable": shape.trainable,
        "memory": memory,
        "memory_total": total,
        "memory_free": free,
        "device": torch.cuda.get_device_name() if where == "cuda" else where,
        "fits": total <= _ROOM * free,
        "rows": len(train),
        "tokens_per_step": round(tokens * batches * settings.processes),
        "steps": steps,
        "seconds": round(seconds, 1),
        "probed": probe,
        "advice": told,
    }


def _lengths(rows: Sequence[Any], tokenizer: Any, settings: Settings) -> list[int]:
    """Tokens of each example, as the trainer will get them; both answers of a preference."""
    found = dataset.examples(rows, (), tokenizer, settings).train
    if settings.method == "dpo":
        ids = [
            tokenizer.apply_chat_template([*one["prompt"], *one[key]], tokenize=False)
            for one in found
            for key in ("chosen", "rejected")
        ]
        return [min(len(tokenizer(text)["input_ids"]), settings.max_length) for text in ids]
    return [len(one["input_ids"]) for one in found]


def _padded(lengths: Sequence[int], settings: Settings) -> float:
    """Tokens of a batch, padding included: its rows are as long as its longest."""
    if settings.packing:
        return settings.batch_size * settings.max_length
    rows = settings.batch_size * (2 if settings.method == "dpo" else 1)
    order = sorted(lengths) if settings.group_by_length else list(lengths)
    if not settings.group_by_length:
        random.Random(0).shuffle(order)
    batches = [order[at : at + rows] for at in range(0, len(order), rows)]
    whole = [batch for batch in batches if len(batch) == rows] or batches
    return sum(rows * max(batch) for batch in whole) / len(whole)


def _shape(base: bases.Base, settings: Settings) -> Shape:
    """The model's numbers, from its configuration: built without memory for its weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base.folder)
        with torch.device("meta"):
            make: Any = AutoModelForCausalLM
            model = make.from_config(config)
            plain = settings.model_copy(update={"quantize": None, "prompt_text": None})
            found = methods.attach(model, plain, base)
    except (OSError, ValueError) as error:
        raise EngineError(f"{base.name} cannot be read: {error} Name another base.") from None
    text = config.get_text_config()
    parameters = found.parameters - (found.trainable if methods.is_adapter(settings) else 0)
    embedding = model.get_input_embeddings().weight.numel()
    tied = bool(getattr(text, "tie_word_embeddings", False))
    linear = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name and "lm_head" not in name
    )
    return Shape(
        parameters=parameters,
        trainable=found.trainable,
        linear=linear,
        multiplied=parameters if tied else parameters - embedding,
        hidden=text.hidden_size,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
    )


def parts(shape: Shape, settings: Settings, tokens: int) -> list[Part]:
    """The memory of a process in bytes, with so many tokens, padding included, in a batch."""
    number = 4 if precision(settings) == "fp32" else 2
    adapter = methods.is_adapter(settings)
    if settings.quantize:
        constant = {"int8": 0.0, "nf4": 0.5, "fp4": 0.5}[settings.quantize] / 8
        constant = 0.127 / 8 if settings.double_quant and constant else constant
        each = 1.0 if settings.quantize == "int8" else 0.5
        weights = shape.linear * (each + constant) + (shape.parameters - shape.linear) * 4.0
    else:
        weights = shape.parameters * (float(number) if adapter else 4.0)
    if adapter:
        weights += shape.trainable * 4
    shared = settings.processes if settings.strategy in ("fsdp", "deepspeed") else 1
    state = next((b for word, b in _OPTIMIZER.items() if word in settings.optimizer), _ADAM)
    sequences = 2 if settings.method == "dpo" else 1
    found: dict[str, float] = {
        "libraries": _LIBRARIES if device().type == "cpu" else 0,
        "weights": weights / (shared if not adapter and settings.zero_stage == 3 else 1),
        "gradients": shape.trainable * 4 / shared,
        "optimizer": shape.trainable * state / shared,
        "activations": _activations(shape, settings, tokens * sequences, number),
    }
    return [{"part": part, "bytes": round(size)} for part, size in found.items()]


def _activations(shape: Shape, settings: Settings, tokens: int, number: int) -> float:
    """What the forward pass keeps. `number` is the bytes of a number.

    A block keeps its norms' inputs in float32, queries, keys, values and the attention's output,
    the gate, the up-projection and their product. LoRA keeps each module's input once more, in
    float32 and dropped out, with the mask. The head works through the tokens in tiles.
    """
    block = shape.hidden * (10 * number + 16) + 4 * shape.inner * number
    if settings.method in ("lora", "dpo"):
        each = 4 + (5 if settings.dropout else 0)
        block += (6 * shape.hidden + shape.inner) * each
    kept = tokens * shape.layers * block
    if settings.gradient_checkpointing:
        kept = tokens * (shape.layers * shape.hidden * number + block)
    tile = min(tokens, 1024) * shape.vocabulary * 4 * 2
    return kept + tile


def work(shape: Shape, settings: Settings) -> float:
    """Floating-point operations a token in a step: 2 a weight forward, as many for what passes
    back through it, and as many again for a weight that is learnt."""
    forward = 2.0 * shape.multiplied
    done = 2 * forward
    if settings.method == "full":
        done += forward
    elif methods.is_adapter(settings):
        done += 6 * min(shape.trainable, shape.multiplied)
    if settings.gradient_checkpointing:
        done += forward
    if settings.method == "dpo":
        done += forward  # the reference
    if settings.quantize:
        done *= 1.5  # weights are unpacked in each pass
    return done


def _speed(shape: Shape, settings: Settings) -> float:
    """Operations a second of products of the model's own size, measured for half a second."""
    where = device()
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    number = kind[precision(settings)]
    left = torch.randn(256, shape.hidden, device=where).to(number)
    right = torch.randn(shape.hidden, shape.inner, device=where).to(number)

    def wait() -> None:
        if where.type == "cuda":
            torch.cuda.synchronize()

    left @ right
    wait()
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < 0.5:
        for _ in range(8):
            left @ right
        wait()
        rounds += 8
    seconds = time.perf_counter() - began
    return 2 * 256 * shape.hidden * shape.inner * rounds / seconds


def _usual_speed() -> float:
    """Without a probe: a GPU of some years, or so much a thread of a processor."""
    if device().type == "cuda":
        return 60e12
    return 60e9 * float(torch.get_num_threads())


def _free() -> int:
    """Bytes that a run may take: the GPU's, else the machine's."""
    if device().type == "cuda":
        free: int = torch.cuda.mem_get_info()[0]
        return free
    import psutil

    available: int = psutil.virtual_memory().available
    return available


def _advice(
    shape: Shape, settings: Settings, tokens: int, total: int, free: int, seconds: float
) -> list[str]:
    """What to change where it does not fit, each with what it would then take."""
    told = []
    if settings.method == "lora" and shape.parameters > 2e9 and settings.learning_rate > 5e-4:
        told.append("a base of this size learns steadier with learning_rate=2e-4")
    if total > _ROOM * free:
        tries: list[tuple[str, dict[str, Any], int]] = []
        if settings.batch_size > 1:
            share = settings.batch_size
            gathered = settings.gradient_accumulation * share
            name = f"batch_size=1 with gradient_accumulation={gathered}"
            tries.append((name, {"batch_size": 1}, tokens // share))
        if not settings.gradient_checkpointing and settings.method != "prefix":
            tries.append(("gradient_checkpointing", {"gradient_checkpointing": True}, tokens))
        if settings.quantize is None and methods.is_adapter(settings):
            tries.append(("quantize=nf4", {"quantize": "nf4"}, tokens))
        for name, change, left in tries:
            needed = sum(p["bytes"] for p in parts(shape, settings.model_copy(update=change), left))
            told.append(f"{name} takes {needed / 1e9:.1f} GB")
        if settings.method == "full":
            told.append("method lora keeps gradients and optimizer for a hundredth of the weights")
        told.append("or take a smaller base")
    if seconds > 6 * 3600:
        hours = f"{seconds / 3600:.0f} hours"
        told.append(f"{hours}: fewer epochs, max_steps or a smaller base would shorten it")
    return told
