"""trl's and transformers' trainers, set up from our settings; checkpoints whole or not at all."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp_servers.torch_runtime import device, torch
from mcp_servers.training.methods import Trainable, precision
from mcp_servers.training.settings import Settings

_PREFIX = "checkpoint-"


def last_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint. One that has its name is whole: it is renamed to it once written."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdecimal()]
    return max(found, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name[len(_PREFIX) :])


class WholeCheckpoints:
    """Mixed into a trainer: writes each checkpoint aside and renames it when it is complete.

    So that a kill in the middle of saving leaves the one before as the latest. Resumed from the
    checkpoint of its last step, it trains no more: transformers looks only after a step whether
    it was the last one.
    """

    _aside: Path | None = None

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        state: Any = self.state  # type: ignore[attr-defined]
        if state.global_step >= state.max_steps:
            self.control.should_training_stop = True  # type: ignore[attr-defined]
            return
        super()._run_epoch(*args, **kwargs)  # type: ignore[misc]

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._aside) if self._aside else self.args.output_dir  # type: ignore[attr-defined]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        args: Any = self.args  # type: ignore[attr-defined]
        state: Any = self.state  # type: ignore[attr-defined]
        folder = Path(args.output_dir)
        name = f"{_PREFIX}{state.global_step}"
        if (folder / name).exists():
            return  # resumed and saved at the very step that was resumed from
        self._aside = folder / ".partial"
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        finally:
            self._aside = None
        _wait_for_all()
        if args.should_save:
            (folder / ".partial" / name).rename(folder / name)
            shutil.rmtree(folder / ".partial", ignore_errors=True)
            kept = sorted((p for p in folder.glob(f"{_PREFIX}*")), key=_step)
            for old in kept[: -args.save_total_limit]:
                shutil.rmtree(old, ignore_errors=True)
        _wait_for_all()

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: a run's folder tells what a card would."""


def _wait_for_all() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def score_counted_tokens_alone() -> None:
    """Have trl's loss pass over the tokens that do not count on a processor too.

    trl 1.16 does so where Triton runs, and elsewhere puts every position through the head, for
    compilers that want fixed shapes. A processor does not mind, and two thirds of a question and
    answer's tokens are the question's. The losses are the same; a trl without this switch is left
    as it is.
    """
    from trl.trainer import utils

    if device().type == "cpu" and hasattr(utils, "_use_triton"):
        utils._use_triton = lambda where: where.type in ("cpu", "cuda", "xpu")


def arguments(settings: Settings, folder: Path, held_out: bool) -> dict[str, Any]:
    """What transformers' `TrainingArguments` calls our settings (chapter 10.10)."""
    number = precision(settings)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return {
        "output_dir": str(folder / "checkpoints"),
        "run_name": folder.name,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup_ratio,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "train_sampling_strategy": "group_by_length" if settings.group_by_length else "random",
        "bf16": number == "bf16",
        "fp16": number == "fp16",
        "use_cpu": device().type == "cpu",
        "gradient_checkpointing": settings.gradient_checkpointing,
        "neftune_noise_alpha": settings.neftune_noise_alpha,
        "logging_steps": _steps(settings.logging_steps),
        "logging_first_step": True,
        "eval_strategy": "steps" if held_out else "no",
        "eval_steps": _steps(settings.eval_steps) if held_out else None,
        "save_strategy": "steps",
        "save_steps": _steps(settings.save_steps),
        "save_total_limit": settings.save_total_limit,
        "report_to": ["tensorboard", *settings.report_to],
        "disable_tqdm": True,
        "dataloader_pin_memory": device().type == "cuda",
        "ddp_find_unused_parameters": False,
    }


def _steps(value: float) -> float | int:
    return value if value < 1 else int(value)


def build(
    trainable: Trainable,
    tokenizer: Any,
    settings: Settings,
    folder: Path,
    train: Sequence[Any],
    held_out: Sequence[Any],
    callbacks: list[Any],
) -> Any:
    """The trainer that a run's method and task ask for; its checkpoints are whole."""
    from datasets import Dataset

    common = arguments(settings, folder, bool(held_out))
    if settings.task_type == "SEQ_CLS":
        kind, config, more = _classifier(common, tokenizer)
    elif settings.method == "dpo":
        kind, config, more = _dpo(common, settings, trainable)
    else:
        kind, config, more = _sft(common, settings)

    class Whole(WholeCheckpoints, kind):  # type: ignore[misc,valid-type]
        pass

    return Whole(
        model=trainable.model,
        args=config,
        train_dataset=Dataset.from_list(list(train)),
        eval_dataset=Dataset.from_list(list(held_out)) if held_out else None,
        processing_class=tokenizer,
        callbacks=callbacks,
        **more,
    )


_Recipe = tuple[type[Any], Any, dict[str, Any]]
"""A trainer's class, its arguments, and what only this one takes."""


def _sft(common: dict[str, Any], settings: Settings) -> _Recipe:
    """trl's SFTTrainer over token ids that are there already (chapter 10.11)."""
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    score_counted_tokens_alone()
    config = SFTConfig(
        **common, max_length=settings.max_length, packing=settings.packing, eval_packing=False
    )
    return SFTTrainer, config, {}


def _dpo(common: dict[str, Any], settings: Settings, trainable: Trainable) -> _Recipe:
    """trl's DPOTrainer over chosen and rejected answers; the base itself is the reference."""
    from trl import DPOConfig, DPOTrainer  # type: ignore[attr-defined]

    config = DPOConfig(**common, max_length=settings.max_length, beta=settings.beta)
    return DPOTrainer, config, {"peft_config": trainable.config}


def _classifier(common: dict[str, Any], tokenizer: Any) -> _Recipe:
    """transformers' Trainer over labelled texts (task type SEQ_CLS); logs accuracy."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    def accuracy(prediction: Any) -> dict[str, float]:
        logits = prediction.predictions
        logits = logits[0] if isinstance(logits, tuple) else logits
        return {"accuracy": float((logits.argmax(-1) == prediction.label_ids).mean())}

    config = TrainingArguments(**common, include_num_input_tokens_seen="non_padding")
    collator = DataCollatorWithPadding(tokenizer)
    return Trainer, config, {"data_collator": collator, "compute_metrics": accuracy}


def steps_of(rows: int, settings: Settings) -> int:
    """How many optimizer steps a run of so many examples takes, as transformers counts them."""
    if settings.max_steps:
        return settings.max_steps
    batches = math.ceil(rows / (settings.batch_size * settings.processes))
    in_epoch = max(math.ceil(batches / settings.gradient_accumulation), 1)
    return math.ceil(in_epoch * settings.epochs)
