"""What a finished run leaves: an adapter or a model under its name, with its passport."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_servers import folders
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home, link_or_copy, write_atomically
from mcp_servers.training.bases import Base, passport
from mcp_servers.training.dataset import Examples, changed, told
from mcp_servers.training.methods import Trainable, is_adapter
from mcp_servers.training.rows import left_out
from mcp_servers.training.runs import lines_of, perplexity
from mcp_servers.training.settings import Settings


def place(kind: str, name: str) -> Path:
    """`DURE_HOME/adapters/<name>` or `DURE_HOME/models/<name>`; `kind` is adapter or model."""
    return dure_home() / f"{kind}s" / name


@contextlib.contextmanager
def appearing(target: Path, run: str) -> Iterator[Path]:
    """A folder to fill, which is renamed to the target when all went well.

    What the same run published before is replaced; raises `EngineError` for another's.
    """
    if target.exists() and _owner(target) != run:
        raise EngineError(f"{target} exists. Rename it, and resume the run.")
    with folders.replaced(target) as aside:
        yield aside


def _owner(target: Path) -> str:
    try:
        told: dict[str, Any] = json.loads((target / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("run", ""))


def finish(
    trainer: Any,
    folder: Path,
    spec: dict[str, Any],
    settings: Settings,
    base: Base,
    tokenizer: Any,
    trainable: Trainable,
    examples: Examples,
    first: bool,
) -> dict[str, Any]:
    """Save what was learnt into the run's folder and publish it; the job's result.

    Every process of a run calls this, since shards are gathered from all; the `first` writes.
    """
    judged = any(
        "eval_loss" in line and line["step"] == trainer.state.global_step
        for line in trainer.state.log_history
    )
    if examples.held_out and not judged:
        trainer.evaluate()
    kind = "adapter" if is_adapter(settings) else "model"
    own = folder / kind
    trainer.save_model(str(own))
    if not first:
        return {}
    (own / "training_args.bin").unlink(missing_ok=True)  # a pickle, and of no use
    figures = _figures(folder, trainer, trainable)
    notes = [
        f"{what} since the run began; it went on with its own copy" for what in changed(folder)
    ]
    rows = told(folder)
    if warning := left_out(rows["problem_count"], rows["problems"]):
        notes.append(warning)
    said = {
        "run": folder.name,
        "base": base.name,
        "method": settings.method,
        "task_type": settings.task_type,
        "template": settings.template,
        "data": rows.get("sources", []),
        "settings": settings.model_dump(),
        "figures": figures,
    }
    tokenizer.save_pretrained(own)
    write_atomically(own / "passport.json", json.dumps(passport(base), indent=1))
    write_atomically(own / "run.json", json.dumps(said, ensure_ascii=False, indent=1))
    target = place(kind, spec["name"])
    with appearing(target, folder.name) as aside:
        shutil.copytree(own, aside, copy_function=link_or_copy, dirs_exist_ok=True)
        if kind == "adapter" and (reason := _to_gguf(aside, base, settings)):
            notes.append(f"no GGUF: {reason}")
    gguf = target / "adapter.gguf"
    return {
        "name": spec["name"],
        kind: str(target),
        "gguf": str(gguf) if gguf.exists() else None,
        "parameters": trainable.parameters,
        "trainable": trainable.trainable,
        "rows": len(examples.train),
        "held_out_rows": len(examples.held_out),
        "truncated": examples.truncated,
        "dropped": examples.dropped,
        **figures,
        "notes": notes,
    }


def _figures(folder: Path, trainer: Any, trainable: Trainable) -> dict[str, Any]:
    """The run in numbers, from all of its log, that before a resume included."""
    lines = lines_of(folder / "metrics.jsonl")
    losses = [line["loss"] for line in lines if "loss" in line]
    judged = [line["eval_loss"] for line in lines if "eval_loss" in line]
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return {
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch or 0.0, 3),
        "loss": losses[-1] if losses else None,
        "eval_loss_before": judged[0] if judged else None,
        "eval_loss": judged[-1] if judged else None,
        "perplexity": perplexity(folder, judged[-1] if judged else None),
        "tokens_per_second": round(statistics.mean(speeds), 1) if speeds else None,
        "seconds": lines[-1]["seconds"] if lines else None,
    }


def _to_gguf(folder: Path, base: Base, settings: Settings) -> str | None:
    """Write `adapter.gguf` where llama.cpp can use it; else the reason why there is none."""
    if settings.method not in ("lora", "dpo") or settings.task_type != "CAUSAL_LM":
        return f"llama.cpp has no adapters of method {settings.method} for {settings.task_type}"
    from mcp_servers.training import gguf_adapters

    try:
        gguf_adapters.convert_adapter(folder, base)
    except EngineError as error:
        return str(error)
    return None
