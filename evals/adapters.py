"""Adapters: a LoRA trained here answers through llama.cpp as it does through PEFT.

The adapter is trained by the training server on the shared questions, converted as it is
published, and put on its base as the chat does it. Greedy answers of float32 PyTorch are compared
with those of llama.cpp on the same weights, and with those on the base's own 4-bit file, which
rounds what it multiplies to 8 bits.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from agents.settings import load_settings
from evals.collections import DATA
from evals.homes import own_home

_QUESTIONS = DATA / "finetune"
_STEPS = 40
_TOKENS = 48  # of an answer
_TARGET = 0.9


def main(model: str, limit: int | None) -> bool:
    """How many greedy answers are the same; True if at least 18 of 20 on the same weights."""
    wanted = limit or 20
    with own_home(models=True) as home:
        base, folder = _trained(model)
        rows = [
            row
            for file in sorted(_QUESTIONS.glob("*.json"))
            for row in json.loads(file.read_text(encoding="utf-8"))["responses"]
        ]
        step = max(1, len(rows) // wanted)
        questions = [str(row["question"]) for row in rows[::step][:wanted]]
        plain, meant = _by_torch(base, folder, questions)
        changed = sum(a != b for a, b in zip(plain, meant, strict=True))
        print(f"adapters, {model}: training changed {changed} of {len(questions)} answers")
        from mcp_servers.training.gguf_models import convert_model

        same = home / "base-f32.gguf"
        convert_model(Path(base.folder), same, "f32", base)
        alike = _compare("the same weights, f32", meant, _by_llama(same, folder, questions))
        _compare(f"its own file, {base.gguf.name}", meant, _by_llama(base.gguf, folder, questions))
    return alike >= _TARGET * len(questions)


def _trained(model: str) -> tuple[Any, Path]:
    """The base, and the folder of an adapter that the training server made on it."""
    from mcp_servers.training import bases, runs, starting

    given = {"max_steps": _STEPS, "max_length": 128, "learning_rate": 5e-4, "dtype": "fp32"}
    began = time.perf_counter()
    state = starting.train([str(_QUESTIONS)], model, "lora", "evaluated", None, given)
    while state["status"] == "running":
        time.sleep(1)
        state = runs.state(Path(state["folder"]))
    if state["status"] != "done":
        raise SystemExit(f"training failed: {state['error']}")
    print(f"{_STEPS} steps of LoRA in {time.perf_counter() - began:.0f} s: {state['message']}")
    return bases.resolve(model), load_settings().home / "adapters" / "evaluated"


def _by_torch(base: Any, adapter: Path, questions: list[str]) -> tuple[list[str], list[str]]:
    """Greedy answers in float32, without and with the adapter."""
    from mcp_servers.torch_runtime import torch  # noqa: I001 - before transformers
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from mcp_servers.training.templates import prompt_ids

    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32)
    adapted: Any = PeftModel.from_pretrained(model, str(adapter)).eval()

    def answer(question: str) -> str:
        prompt = prompt_ids([{"role": "user", "content": question}], tokenizer, "auto")
        ids = torch.tensor([prompt])
        with torch.no_grad():
            said = adapted.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=_TOKENS,
                do_sample=False,
                repetition_penalty=1.0,
                pad_token_id=tokenizer.eos_token_id,
            )
        return str(tokenizer.decode(said[0, len(prompt) :], skip_special_tokens=True)).strip()

    with adapted.disable_adapter():
        plain = [answer(question) for question in questions]
    return plain, [answer(question) for question in questions]


def _by_llama(file: Path, adapter: Path, questions: list[str]) -> list[str]:
    """The answers of the chat model with the adapter on."""
    from langchain_core.messages import HumanMessage

    from agents import adapters
    from agents.adapted import adapted
    from agents.embedded import EmbeddedChatModel

    settings = load_settings()
    base = EmbeddedChatModel(
        spec=f"gguf:{file}",
        file=file,
        home=settings.home,
        context=2048,
        threads=settings.threads,
        max_tokens=_TOKENS,
    )
    model = adapted(base, adapters.find(adapter.name, settings.home))
    answers = [str(model.invoke([HumanMessage(question)]).text).strip() for question in questions]
    model.load().close()
    return answers


def _compare(what: str, meant: list[str], said: list[str]) -> int:
    """Print how many are the same and where the first others part; the number of the same."""
    alike = sum(a == b for a, b in zip(meant, said, strict=True))
    print(f"{what}: {alike} of {len(meant)} greedy answers the same")
    for number, (a, b) in enumerate(zip(meant, said, strict=True), start=1):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
            start = max(0, at - 30)
            print(f"  {number}: …{a[start:at]}[{a[at : at + 30]} | {b[at : at + 30]}]")
    return alike
