"""What pictures may be asked for: every control once, with its limits, checked before drawing.

Meanings are those of diffusers' pipelines (`steps` is `num_inference_steps`). This module imports
no engine: a server describes the controls without loading torch.
"""

from __future__ import annotations

import inspect
import random
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mcp_servers.errors import EngineError

Scheduler = Literal[
    "auto",
    "ddim",
    "ddpm",
    "pndm",
    "plms",
    "euler",
    "euler_ancestral",
    "heun",
    "dpm++",
    "dpm++_karras",
    "unipc",
]
Task = Literal["text", "image", "mask"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
SCHEDULERS: tuple[Scheduler, ...] = get_args(Scheduler)
EMBEDDED = "embedded"
MAX_SIDE = 2048  # pixels
MAX_SEED = 2**32 - 1
MAX_COUNT = 1000
_IN_THE_BACKGROUND = 4, 100  # pictures, steps: above either a request is a job
_LONGEST_PROMPT = 10_000  # characters
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Settings(BaseModel):
    """A request, as a job's spec holds it; None stands for the model's own.

    `seed` is the first picture's; picture i has seed + i. With a `picture` alone it is redrawn
    (by `strength`), with a `mask` too (a path, or a box of pixels) the marked part of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prompt: str = Field(description="What the picture shows, Korean or English")
    negative_prompt: str = Field("", description="What it must not show")
    steps: int = Field(25, ge=1, le=500, description="Denoising steps; more take longer")
    guidance_scale: float | None = Field(
        None, ge=0, le=50, description="How closely to follow the prompt; null: the model's usual"
    )
    width: int | None = Field(None, description="Pixels; null: the model's own")
    height: int | None = Field(None, description="Pixels; null: the model's own")
    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="The same seed gives the same picture; null: any"
    )
    count: int = Field(
        1, ge=1, le=MAX_COUNT, description="Pictures; each next one has the next seed"
    )
    scheduler: Scheduler = Field("auto", description="Sampler; auto: the model's own")
    eta: float = Field(0.0, ge=0, le=1, description="Noise that ddim adds at each step, 0 to 1")
    clip_skip: int = Field(
        0, ge=0, le=12, description="Last layers of the text encoder to leave out"
    )
    lora: list[str] | None = Field(
        None, description="LoRA adapters: .safetensors files, folders or hub names"
    )
    lora_scale: list[float] | None = Field(
        None, description="How strongly each of lora acts; null: 1"
    )
    dtype: Dtype = Field("auto", description="Numbers to compute with")
    model: str = Field(
        EMBEDDED, description="embedded (coloured shapes), a diffusers folder, or a hub name"
    )
    preview_every: int = Field(
        0, ge=0, le=1000, description="Keep a preview every so many steps, to show noise become it"
    )
    background: bool = Field(
        False, description="Answer at once with a job; so is what takes long or has over 4 pictures"
    )
    picture: str | None = None
    mask: str | None = None
    strength: float | None = Field(None, gt=0, le=1)

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _composed(cls, text: str) -> str:
        """Hangul as syllables, which is what models learnt: some systems type its parts."""
        text = unicodedata.normalize("NFC", text)
        if len(text) > _LONGEST_PROMPT:
            raise ValueError(
                f"{len(text):,} characters; models read some 75 words, and the limit is "
                f"{_LONGEST_PROMPT:,}"
            )
        return text

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        if not self.prompt.strip():
            raise ValueError("prompt is empty: say what the picture shows")
        if self.seed is not None and self.seed + self.count - 1 > MAX_SEED:
            raise ValueError(f"seed + count goes beyond {MAX_SEED}: pass a smaller seed")
        if self.eta and self.scheduler not in ("auto", "ddim"):
            raise ValueError(f"eta acts with ddim, not with {self.scheduler}: leave one out")
        if self.lora_scale is not None and len(self.lora_scale) != len(self.lora or ()):
            raise ValueError("lora_scale needs one number for each of lora")
        if self.strength is not None and int(self.steps * self.strength) < 1:
            raise ValueError(
                f"strength {self.strength:g} of {self.steps} steps is no whole step: raise one"
            )
        return self

    @property
    def first_seed(self) -> int:
        """The first picture's seed, which `of` drew where the user named none."""
        assert self.seed is not None
        return self.seed

    @property
    def task(self) -> Task:
        """What kind of pipeline draws it."""
        if self.picture is None:
            return "text"
        return "image" if self.mask is None else "mask"

    @property
    def is_long(self) -> bool:
        """Whether a job does it, so that nobody waits."""
        pictures, steps = _IN_THE_BACKGROUND
        return self.background or self.count > pictures or self.steps > steps


def of(given: dict[str, Any]) -> Settings:
    """The request, checked, with a seed. Raises `EngineError` that names every wrong control."""
    if given.get("seed") is None:
        given = {**given, "seed": random.randrange(MAX_SEED - MAX_COUNT)}
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(_told(problem) for problem in error.errors())
        raise EngineError(f"{wrong}. Change what is named, or leave it out.") from None


def _told(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    value = (
        f" is {problem['input']!r}" if where and isinstance(problem["input"], int | float) else ""
    )
    return f"{where}{value}: {said}" if where else said


def with_controls(function: _Function) -> _Function:
    """Give a tool one argument for each control in place of its `**controls`.

    So that the schema which models read has all of them, flat, described once, here.
    """
    signature = inspect.signature(function, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    taken = {parameter.name for parameter in own} | {"picture", "mask", "strength"}
    controls = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.is_required() else field.default,
            annotation=Annotated[field.annotation, Field(description=field.description)],
        )
        for name, field in Settings.model_fields.items()
        if name not in taken
    ]
    function.__signature__ = signature.replace(parameters=[*own, *controls])  # type: ignore[attr-defined]
    return function
