"""A finished run's base and what it learnt, loaded again for judging and merging."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import device, torch
from mcp_servers.training import bases, dataset, methods, runs
from mcp_servers.training import settings as options
from mcp_servers.training.settings import Settings


@dataclass(frozen=True)
class Finished:
    """A run that is done: its folder, its settings, its base, and the published result."""

    folder: Path
    settings: Settings
    base: bases.Base
    result: Path


def finished(run: str) -> Finished:
    """The run of this id. Raises `EngineError` if its result is gone or its base has changed."""
    folder = runs.find(run)
    spec = runs.spec(folder)
    result = runs.published(folder)
    if result is None:
        raise EngineError(f"What {run} published is gone. Name another run.")
    settings = options.of(spec["method"], spec["settings"])
    base = bases.resolve(spec["base"], pickled=settings.allow_pickle)
    written = json.loads((result / "passport.json").read_text(encoding="utf-8"))
    now = bases.passport(base)
    wrong = [key for key, value in now.items() if written.get(key) != value]
    if wrong:
        raise EngineError(
            f"{base.name} is not what {result.name} was trained on ({', '.join(wrong)} differ). "
            "Train again."
        )
    return Finished(folder, settings, base, result)


def labels_of(one: Finished) -> list[str]:
    """The labels of a classification run, in the order of its head."""
    if one.settings.task_type != "SEQ_CLS":
        return []
    train, held_out = dataset.kept(one.folder)
    return sorted({row.label for row in (*train, *held_out)})


def base_model(one: Finished) -> Any:
    """The base as the run used it, ready to judge."""
    model = methods.load_model(one.base, one.settings, labels_of(one))
    return (model if one.settings.quantize else model.to(device())).eval()


def trained_model(one: Finished, base: Any | None = None) -> Any:
    """The base with its adapter, or the trained model itself, ready to judge."""
    if methods.is_adapter(one.settings):
        from peft import PeftModel

        base = base if base is not None else base_model(one)
        return PeftModel.from_pretrained(base, str(one.result)).eval()
    as_base = bases.Base(one.base.name, str(one.result), None)
    return methods.load_model(as_base, one.settings, labels_of(one)).to(device()).eval()


def whole(one: Finished) -> Any:
    """Base and adapter in one model, in float32: what is merged is rounded once, when saved."""
    if not methods.is_adapter(one.settings):
        raise EngineError(f"{one.result.name} is a whole model already. Use it as it is.")
    if one.settings.method in ("prefix", "prompt"):
        raise EngineError(
            f"An adapter of method {one.settings.method} is learnt tokens and cannot be merged "
            "into weights. Use it beside its base, or train with method lora."
        )
    from peft import PeftModel

    plain = one.settings.model_copy(update={"quantize": None, "dtype": "fp32"})
    base = methods.load_model(one.base, plain, labels_of(one)).to(torch.float32)
    merged = PeftModel.from_pretrained(base, str(one.result)).merge_and_unload()
    return merged.eval()
