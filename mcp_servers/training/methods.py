"""A base made trainable by a method: whole, by an adapter of peft, or by a few of its own terms.

Chapters 8.2 (full), 9.2 and 9.3 (LoRA, prefix and prompt tuning), 9.4 and 10.6 (QLoRA). The
textbook's LoRA scales by alpha alone, peft's by alpha / r, and by alpha / sqrt(r) with `rslora`.
10.6 reads QLoRA as "Q-formatted"; it is LoRA on a quantised base.

peft has no BitFit (Ben Zaken et al., 2022): it learns terms that the base already has, so these
are simply the ones that stay trainable. Bases of Llama's kind have no biases at all; their norms'
scales are offered instead (`bitfit_terms="norm"`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import device, torch
from mcp_servers.training.bases import Base, load_tokenizer
from mcp_servers.training.settings import Settings

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_ADAPTERS = ("lora", "prefix", "prompt", "dpo")


@dataclass(frozen=True)
class Trainable:
    """A model ready for a trainer; DPO's trainer wants the adapter's config by itself."""

    model: Any
    config: Any | None
    parameters: int
    trainable: int


def is_adapter(settings: Settings) -> bool:
    """Whether the result is an adapter beside the base, rather than a whole model."""
    return settings.method in _ADAPTERS


def precision(settings: Settings) -> Precision:
    """What is computed in. Raises `EngineError` where the machine cannot.

    `auto` is bf16 on a GPU that has it, and for adapters on a processor that multiplies bf16 in
    hardware; else fp32, which a processor without it does several times quicker.
    """
    where = device().type
    if where == "cuda":
        has_bf16 = bool(torch.cuda.is_bf16_supported())
    elif where == "cpu":
        has_bf16 = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    else:
        has_bf16 = False
    if settings.dtype == "auto":
        frozen = is_adapter(settings) or where == "cuda"
        return "bf16" if has_bf16 and frozen else "fp32"
    if settings.dtype == "fp16" and where != "cuda":
        raise EngineError("dtype fp16 needs a CUDA GPU. Use bf16, fp32 or auto.")
    if settings.dtype == "bf16" and where == "cuda" and not has_bf16:
        raise EngineError("This GPU has no bf16. Use dtype fp16 or auto.")
    return settings.dtype


def check_machine(settings: Settings) -> None:
    """Refuse what this machine or this installation cannot do, before anything is loaded."""
    where = device().type
    of_bitsandbytes = any(w in settings.optimizer for w in ("paged", "8bit", "lion", "ademamix"))
    if of_bitsandbytes and where != "cuda":
        raise EngineError(
            f"optimizer {settings.optimizer} is bitsandbytes' and needs a CUDA GPU. "
            "Use adamw_torch."
        )
    if settings.quantize or of_bitsandbytes:
        _need_bitsandbytes(where)
    if "wandb" in settings.report_to and find_spec("wandb") is None:
        raise EngineError("report_to wandb needs the package. Run: pip install wandb.")
    if settings.strategy == "deepspeed" and find_spec("deepspeed") is None:
        raise EngineError("strategy deepspeed needs the package. Run: pip install deepspeed.")
    if settings.strategy == "fsdp" and settings.quantize:
        raise EngineError("fsdp here shards whole weights. Use strategy ddp with quantize.")
    if where == "cuda" and settings.processes > torch.cuda.device_count():
        raise EngineError(
            f"processes={settings.processes}, but this machine has {torch.cuda.device_count()} "
            "GPUs. Use as many processes as GPUs."
        )
    precision(settings)


def _need_bitsandbytes(where: str) -> None:
    if find_spec("bitsandbytes") is None:
        raise EngineError("quantize needs the package. Run: pip install 'dure[training]'.")
    import bitsandbytes

    supported = getattr(bitsandbytes, "supported_torch_devices", {"cuda"})
    if where not in supported:
        raise EngineError(
            f"bitsandbytes cannot quantise on {where}, only on {', '.join(sorted(supported))}. "
            "Leave quantize out."
        )


def quiet() -> None:
    """No telemetry, no bars in the log, no forked tokenizers."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def load_model(base: Base, settings: Settings, labels: Sequence[str] = ()) -> Any:
    """The base's weights, quantised if asked for; with a new head for `labels` for SEQ_CLS.

    The head is drawn by the seed, so that judging begins with the one that training began with.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, set_seed

    options: dict[str, Any] = {"dtype": _weights_dtype(settings)}
    if settings.quantize:
        options["quantization_config"] = _quantization(settings)
        options["device_map"] = {"": device()}
    try:
        if settings.task_type == "SEQ_CLS":
            options["num_labels"] = len(labels)
            options["id2label"] = dict(enumerate(labels))
            options["label2id"] = {label: at for at, label in enumerate(labels)}
            set_seed(settings.seed)
            model = AutoModelForSequenceClassification.from_pretrained(base.folder, **options)
            # It reads a row's last token before the padding, which not all configurations name.
            model.config.pad_token_id = load_tokenizer(base).pad_token_id
            return model
        return AutoModelForCausalLM.from_pretrained(base.folder, **options)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{base.name} cannot be loaded: {error} Name another base, or mend its folder."
        ) from None


def _weights_dtype(settings: Settings) -> Any:
    """Frozen weights are kept as they are computed with; those that are learnt in fp32."""
    if is_adapter(settings) and not settings.quantize:
        return _DTYPES[precision(settings)]
    return torch.float32 if not settings.quantize else _compute_dtype(settings)


def _compute_dtype(settings: Settings) -> Any:
    chosen = settings.compute_dtype
    return _DTYPES[precision(settings) if chosen == "auto" else chosen]


def _quantization(settings: Settings) -> Any:
    from transformers import BitsAndBytesConfig

    if settings.quantize == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quantize,
        bnb_4bit_use_double_quant=settings.double_quant,
        bnb_4bit_compute_dtype=_compute_dtype(settings),
    )


def attach(model: Any, settings: Settings, base: Base) -> Trainable:
    """Make of the loaded base what the method trains. Seeds torch, since adapters start random."""
    from transformers import set_seed

    set_seed(settings.seed)
    if settings.quantize:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            model, use_gradient_checkpointing=settings.gradient_checkpointing
        )
    config = _adapter(model, settings, base)
    if settings.method == "bitfit":
        _keep_terms(model, settings)
    whole = sum(parameter.numel() for parameter in model.parameters())
    if config is not None:
        from peft import get_peft_model

        if settings.method == "dpo":
            # Counted on an adapter that is taken off again: the trainer puts on its own.
            probe = get_peft_model(model, config)
            learnt = sum(p.numel() for p in probe.parameters() if p.requires_grad)
            return Trainable(probe.unload(), config, whole + learnt, learnt)
        model = get_peft_model(model, config)
        if settings.gradient_checkpointing:
            model.enable_input_require_grads()
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    return Trainable(model, config, max(whole, total), learnt)


def _adapter(model: Any, settings: Settings, base: Base) -> Any | None:
    """peft's config for the method; None for methods that need no adapter."""
    import peft

    task: dict[str, Any] = {"task_type": settings.task_type}
    if settings.method in ("lora", "dpo"):
        _check_targets(model, settings)
        return peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # halves are fine with peft
            lora_dropout=settings.dropout,
            target_modules=list(settings.targets) if settings.targets else "all-linear",
            bias=settings.bias,
            use_rslora=settings.rslora,
            use_dora=settings.dora,
            modules_to_save=settings.modules_to_save,
            **task,
        )
    if settings.method == "prefix":
        return peft.PrefixTuningConfig(
            num_virtual_tokens=settings.virtual_tokens,
            prefix_projection=settings.prefix_projection,
            encoder_hidden_size=model.config.get_text_config().hidden_size,
            **task,
        )
    if settings.method == "prompt":
        words: dict[str, Any] = {
            "prompt_tuning_init": peft.PromptTuningInit.TEXT,
            "prompt_tuning_init_text": settings.prompt_text,
            "tokenizer_name_or_path": base.folder,
        }
        return peft.PromptTuningConfig(
            num_virtual_tokens=settings.virtual_tokens,
            **(words if settings.prompt_text else {}),
            **task,
        )
    return None


def _check_targets(model: Any, settings: Settings) -> None:
    """Raises `EngineError` for a target that the base lacks; peft passes over some of these."""
    names = [name for name, _ in model.named_modules()]
    for option in ("targets", "modules_to_save"):
        for target in getattr(settings, option) or ():
            if not any(name == target or name.endswith(f".{target}") for name in names):
                linear = sorted(
                    {
                        name.rpartition(".")[2]
                        for name, module in model.named_modules()
                        if isinstance(module, torch.nn.Linear)
                    }
                )
                raise EngineError(
                    f"The base has no module {target!r} for {option}. "
                    f"Its linear ones: {', '.join(linear)}."
                )
    if settings.targets and "lm_head" in settings.targets and settings.task_type == "CAUSAL_LM":
        raise EngineError(
            "trl cannot train LoRA on lm_head. Leave it out of targets, or name it in "
            "modules_to_save."
        )


def _keep_terms(model: Any, settings: Settings) -> None:
    """Freeze all but the biases, or all but the norms (and a new classification head)."""
    kept = 0
    for name, parameter in model.named_parameters():
        owner, _, last = name.rpartition(".")
        if settings.bitfit_terms == "bias":
            parameter.requires_grad = last == "bias"
        else:
            parameter.requires_grad = "norm" in owner.rpartition(".")[2].lower()
        kept += parameter.requires_grad
        if settings.task_type == "SEQ_CLS" and owner in ("score", "classifier"):
            parameter.requires_grad = True
    if not kept:
        other = "norm" if settings.bitfit_terms == "bias" else "bias"
        raise EngineError(
            f"This base has no {settings.bitfit_terms} terms for BitFit to learn. "
            f"Set bitfit_terms={other}, or use method lora."
        )
