"""Every option of a training run as one model: standard names, defaults by method, clear errors.

Names follow the textbook's chapters 9.3 and 10.10, which are those of peft's `LoraConfig`
(`rank` is `r`, `alpha` is `lora_alpha`, `targets` is `target_modules`) and of transformers'
`TrainingArguments` (`batch_size` is `per_device_train_batch_size`, `optimizer` is `optim`).
This module imports no engine: a server describes the options without loading torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mcp_servers.errors import EngineError, wrong_values
from mcp_servers.training.templates import LossOn, Template

Method = Literal["lora", "full", "prefix", "prompt", "bitfit", "dpo"]
TaskType = Literal["CAUSAL_LM", "SEQ_CLS"]
Quantization = Literal["nf4", "fp4", "int8"]

_Share = Annotated[float, Field(ge=0, lt=1)]
_Positive = Annotated[int, Field(ge=1)]
# Below 1 a share of all steps, from 1 on a number of steps, as transformers reads them.
_Steps = Annotated[float, Field(gt=0)]
_Function = TypeVar("_Function", bound=Callable[..., Any])


# Those of transformers that need no package beside this one's and bitsandbytes.
OPTIMIZERS = (
    "adamw_torch",
    "adamw_torch_fused",
    "adafactor",
    "sgd",
    "adagrad",
    "rmsprop",
    "adamw_bnb_8bit",
    "lion_32bit",
    "lion_8bit",
    "ademamix",
    "ademamix_8bit",
    "paged_adamw_32bit",
    "paged_adamw_8bit",
    "paged_lion_32bit",
    "paged_lion_8bit",
)


class Settings(BaseModel):
    """All options of a run, resolved. `of` fills in what depends on the method."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method

    allow_pickle: bool = Field(
        False, description="Load a base's pickled weights, which can run any code"
    )

    # What is learnt from (9.5, 10.5, 10.9)
    template: Template = Field("auto", description="How rows become text: the base's own, or ours")
    max_length: int = Field(512, ge=8, description="Tokens of a row; longer ones are cut")
    loss_on: LossOn = Field("answer", description="Which tokens are learnt")
    test_size: _Share = Field(0.1, description="Share of rows held out to judge by; 0 for none")
    task_type: TaskType = Field("CAUSAL_LM", description="SEQ_CLS learns a label for a text")

    # The schedule (10.10)
    epochs: float = Field(3.0, gt=0, description="Passes over the rows")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many steps, not epochs")
    batch_size: _Positive = Field(4, description="Rows of a step on each process")
    gradient_accumulation: _Positive = Field(1, description="Batches gathered before a step")
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="Its peak; 2e-4 for LoRA on billions"
    )
    scheduler: Literal[
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "constant",
        "constant_with_warmup",
        "inverse_sqrt",
    ] = Field("cosine", description="How the learning rate changes")
    warmup_ratio: _Share = Field(0.03, description="Share of steps in which the rate rises")
    weight_decay: float = Field(0.0, ge=0, description="Pulls weights to zero")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm")
    optimizer: str = Field(
        "adamw_torch", description="As transformers names it: adamw_torch, paged_adamw_32bit, ..."
    )
    seed: int = Field(65, ge=0, le=2**32 - 1, description="Split, order, initialisation, dropout")
    group_by_length: bool = Field(False, description="Batches of rows of like length")
    packing: bool = Field(False, description="Several rows in one sequence of max_length")
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="Precision of the computation; auto is what this machine does best"
    )
    gradient_checkpointing: bool = Field(False, description="Less memory, a third more time")
    neftune_noise_alpha: float | None = Field(None, gt=0, description="Noise on embeddings")

    # What is written, and when
    logging_steps: _Steps = Field(0.01, description="Below 1 a share of all steps")
    eval_steps: _Steps = Field(0.2, description="Held-out loss; below 1 a share of all steps")
    save_steps: _Steps = Field(0.1, description="Checkpoints; below 1 a share of all steps")
    save_total_limit: _Positive = Field(2, description="How many checkpoints are kept")
    report_to: list[Literal["wandb"]] = Field(
        default_factory=list, description="Trackers beside TensorBoard, which always runs"
    )

    # LoRA (9.3)
    rank: _Positive = Field(16, description="r of LoRA")
    alpha: float = Field(32.0, gt=0, description="LoRA scales by alpha / rank")
    dropout: _Share = Field(0.05, description="Dropout before LoRA's matrices")
    targets: list[str] | None = Field(
        None, description="Modules that get LoRA, as q_proj, v_proj; default all linear ones"
    )
    bias: Literal["none", "all", "lora_only"] = Field("none", description="Biases learnt besides")
    rslora: bool = Field(False, description="Scale by alpha / sqrt(rank)")
    dora: bool = Field(False, description="Learn magnitude and direction apart")
    modules_to_save: list[str] | None = Field(
        None, description="Modules learnt whole beside LoRA, as embed_tokens"
    )

    # Prefix and prompt tuning, BitFit, DPO
    virtual_tokens: _Positive = Field(20, description="Learnt tokens of prefix and prompt tuning")
    prompt_text: str | None = Field(None, description="Prompt tuning starts from these words")
    prefix_projection: bool = Field(False, description="Learn the prefix through an MLP")
    bitfit_terms: Literal["bias", "norm"] = Field(
        "bias", description="What BitFit learns; norm for bases that have no biases"
    )
    beta: float = Field(0.1, gt=0, description="DPO: how near to the base it stays")

    # Quantised base (9.4, 10.6)
    quantize: Quantization | None = Field(None, description="QLoRA: how the base is stored")
    double_quant: bool = Field(True, description="Quantise the quantisation's constants too")
    compute_dtype: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        "auto", description="What quantised weights are computed in"
    )

    # Distribution (8.4 to 8.7)
    processes: _Positive = Field(1, description="Processes, one a GPU")
    strategy: Literal["ddp", "fsdp", "deepspeed"] | None = Field(
        None, description="How they share the work; default ddp when there are several"
    )
    zero_stage: Literal[1, 2, 3] = Field(2, description="DeepSpeed's ZeRO stage")

    @field_validator("optimizer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in OPTIMIZERS:
            raise ValueError(f"there is no {name!r}; choose from {', '.join(OPTIMIZERS)}")
        return name

    @field_validator("logging_steps", "eval_steps", "save_steps")
    @classmethod
    def _whole_from_one(cls, steps: float) -> float:
        if steps >= 1 and steps != int(steps):
            raise ValueError("from 1 on a whole number of steps, below 1 a share of all")
        return steps

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        peft_of_layers = self.method in ("lora", "dpo")
        if self.quantize and self.method in ("full", "bitfit"):
            raise ValueError(f"quantize needs an adapter: method {self.method} learns the base")
        if self.dora and self.quantize == "int8":
            raise ValueError("dora works with nf4 or fp4, not with int8")
        if not peft_of_layers and (self.dora or self.rslora):
            raise ValueError(f"dora and rslora belong to LoRA, not to method {self.method}")
        if self.task_type == "SEQ_CLS" and self.method == "dpo":
            raise ValueError("method dpo learns from chosen and rejected answers, not labels")
        if self.task_type == "SEQ_CLS" and self.packing:
            raise ValueError("packing joins rows, and task_type SEQ_CLS labels each by itself")
        if self.method in ("prefix", "prompt") and self.packing:
            raise ValueError("packing would give many rows one prefix; leave it out")
        if self.method == "prefix" and self.gradient_checkpointing:
            raise ValueError("prefix tuning needs the cache that gradient_checkpointing turns off")
        if self.targets is not None and not self.targets:
            raise ValueError("targets is empty: name modules, or leave it out for all linear ones")
        return self


# Beside the model's own defaults. Adapters bear, and need, a higher rate than whole models; a few
# soft tokens need a much higher one still. 9.6.6 gives 2e-4 to 5e-4 for LoRA on billions of
# parameters; bases of a tenth of that learn little at such rates in a few epochs. On 366 rows the
# held-out loss of such a run is least after two epochs, and rises in the third.
_BY_METHOD: dict[Method, dict[str, Any]] = {
    "lora": {"epochs": 2.0},
    "full": {"learning_rate": 2e-5, "save_steps": 0.25},
    "prefix": {"learning_rate": 1e-2},
    "prompt": {"learning_rate": 3e-2},
    "bitfit": {"learning_rate": 1e-3},
    "dpo": {"learning_rate": 2e-5, "epochs": 1.0},
}
METHODS: tuple[Method, ...] = get_args(Method)


def of(method: str, given: dict[str, Any]) -> Settings:
    """The settings of a run: those given, else the method's defaults.

    A None counts as not given. Raises `EngineError` that names every setting that is wrong.
    """
    if method not in METHODS:
        raise EngineError(f"There is no method {method!r}. Choose from: {', '.join(METHODS)}.")
    chosen = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(set(chosen) - set(Settings.model_fields))
    if unknown:
        known = ", ".join(name for name in Settings.model_fields if name != "method")
        raise EngineError(f"There is no setting {', '.join(unknown)}. Choose from: {known}.")
    try:
        return Settings(**{**_BY_METHOD[method], **chosen, "method": method})
    except ValidationError as error:
        told = f"{wrong_values(error)}. Change what is named, or leave it out."
        raise EngineError(told) from None


def with_settings(function: _Function) -> _Function:
    """Give a tool one optional argument for each setting in place of its `**settings`.

    So that the schema which models read has all options, flat, described once, here.
    """
    signature = inspect.signature(function, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    taken = {parameter.name for parameter in own}
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                Optional[field.annotation],  # noqa: UP045 - a value, not a type, to the checker
                Field(description=_told(name)),
            ],
        )
        for name, field in Settings.model_fields.items()
        if name not in taken
    ]
    function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return function


def _told(name: str) -> str:
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    by_method = {m: own[name] for m, own in _BY_METHOD.items() if name in own}
    shown = "" if default in (None, []) else f"; default {default}"
    shown += "".join(f", {method} {value:g}" for method, value in by_method.items())
    return f"{field.description}{shown}"
