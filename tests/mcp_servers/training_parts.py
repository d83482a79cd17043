"""What training tests share: a base so small that a step takes milliseconds, rows, and jobs.

The base is a real `LlamaForCausalLM` (or Qwen2, which has biases) with random weights and a real
byte-level tokenizer, trained here on a few words. Nothing of it is a stand-in but its size.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp_servers import jobs
from mcp_servers.training import runs, starting
from mcp_servers.training.results import RunState

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_base(folder: Path, kind: str = "llama") -> Path:
    """Write a two-layer model with its tokenizer into a folder."""
    from mcp_servers.torch_runtime import torch  # isort: skip
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    plain.train_from_iterator(["the colour of the sky is blue", "user assistant system"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|im_start|>",
    )
    tokenizer.chat_template = CHATML
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(0)
    if kind == "qwen":
        model: Any = Qwen2ForCausalLM(Qwen2Config(**sizes))
    else:
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(folder: Path, count: int = 40, name: str = "rows.json") -> Path:
    """Questions with short answers, in the textbook's `responses` form."""
    rows = [
        {"question": f"What is number {n}?", "answer": f"It is {n * 7 % 13}, a number."}
        for n in range(count)
    ]
    path = folder / name
    path.write_text(json.dumps({"responses": rows}), encoding="utf-8")
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prepared(data: Path, base: Path, method: str = "lora", **settings: Any) -> Path:
    """A run's folder as `train` makes it, without its process: for a job run in this one."""
    name = runs.new_name(None, [str(data)])
    spec = {"name": name, "base": str(base), "method": method, "data": [str(data)]}
    return jobs.create("train", {**spec, "weights": None, "settings": settings})


def run_here(data: Path, base: Path, method: str = "lora", **settings: Any) -> tuple[Path, Any]:
    """The training job in this process: its folder and its result."""
    from mcp_servers.training import run

    folder = prepared(data, base, method, **settings)
    worker = jobs.Worker(folder)
    result = run.train(worker)
    worker._update(status="done", result=result)
    return folder, result


def judge_here(run: Path, rows: int) -> Any:
    """The evaluation job on a finished run, in this process: what it found."""
    from mcp_servers.training import evaluating

    folder = run.with_name(f"evaluate-of-{run.name}")
    folder.mkdir()
    (folder / "state.json").write_text((run / "state.json").read_text())
    (folder / "spec.json").write_text(json.dumps({"run": run.name, "rows": rows}))
    return evaluating.evaluate(jobs.Worker(folder))


def start(data: Path, base: Path, method: str = "lora", **settings: Any) -> RunState:
    """The training job as users start it, in a process of its own."""
    return starting.train([str(data)], str(base), method, None, None, settings)


def now(state: RunState) -> RunState:
    return runs.state(Path(state["folder"]))


def losses(folder: Path | str) -> list[float]:
    lines = runs.lines_of(Path(folder) / "metrics.jsonl")
    return [line["loss"] for line in lines if "loss" in line]
