"""What a picture may be asked for, checked before a model loads.

Names and meanings are those of diffusers' pipelines (`steps` is `num_inference_steps`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

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
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
SCHEDULERS: tuple[Scheduler, ...] = get_args(Scheduler)
EMBEDDED = "embedded"
MAX_SIDE = 2048  # pixels
MAX_SEED = 2**32 - 1
MAX_COUNT = 1000
_LONGEST_PROMPT = 10_000  # characters


@dataclass(frozen=True)
class Settings:
    """A request, as a job's spec holds it.

    `seed` is the first picture's; picture i has seed + i. `guidance_scale`, `width` and `height`
    are None for the model's own. `picture` and `mask` are paths (`mask` may be a box); with a
    `picture` alone it is redrawn, with a mask the marked part of it.
    """

    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float | None
    width: int | None
    height: int | None
    seed: int
    count: int
    scheduler: Scheduler
    eta: float
    clip_skip: int
    dtype: Dtype
    model: str
    preview_every: int

    def checked(self) -> Settings:
        """Itself. Raises `EngineError` for what no model could do."""
        if not self.prompt.strip():
            raise EngineError("prompt is empty. Say what the picture shows.")
        for name in ("prompt", "negative_prompt"):
            length = len(getattr(self, name))
            if length > _LONGEST_PROMPT:
                raise EngineError(
                    f"{name} has {length:,} characters; the limit is {_LONGEST_PROMPT:,}. "
                    "Models read some 75 words of it: say the most important."
                )
        _within(
            self,
            steps=(1, 1000),
            guidance_scale=(0, 50),
            count=(1, MAX_COUNT),
            seed=(0, MAX_SEED - self.count + 1),
            eta=(0, 1),
            clip_skip=(0, 12),
            preview_every=(0, 1000),
        )
        if self.eta and self.scheduler not in ("auto", "ddim"):
            raise EngineError(f"eta acts with ddim, not with {self.scheduler}. Leave one out.")
        return self

    def spec(self) -> dict[str, Any]:
        """The settings as a job's spec."""
        return asdict(self)


def _within(settings: Settings, **limits: tuple[float, float]) -> None:
    assert set(limits) <= {field.name for field in fields(settings)}
    for name, (least, most) in limits.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise EngineError(f"{name} is {value:g}. Pass {least:g} to {most:g}.")
