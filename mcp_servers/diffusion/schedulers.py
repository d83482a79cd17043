"""Schedulers by the names that people use: how a step's prediction becomes the next latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp_servers.torch_runtime  # noqa: F401  diffusers imports torch
from mcp_servers.diffusion.settings import SCHEDULERS, Scheduler
from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

_CLASSES: dict[Scheduler, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    # PNDM begins with Runge-Kutta steps, which PLMS leaves out (arXiv:2202.09778, section 3.3)
    "pndm": ("PNDMScheduler", {"skip_prk_steps": False}),
    "plms": ("PNDMScheduler", {"skip_prk_steps": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    "unipc": ("UniPCMultistepScheduler", {}),
}


def new_scheduler(own: SchedulerMixin, name: Scheduler) -> SchedulerMixin:
    """A fresh scheduler of this name over the model's own noise; `auto` is one like its own.

    Raises `EngineError` where the model was trained for a different kind, as flow matching.
    """
    import diffusers

    if name == "auto":
        return renewed(own)
    class_name, settings = _CLASSES[name]
    chosen = getattr(diffusers, class_name)
    possible = {kind.__name__ for kind in (type(own), *own.compatibles)}
    if class_name not in possible:
        named = [each for each in SCHEDULERS[1:] if _CLASSES[each][0] in possible]
        raise EngineError(
            f"This model needs a scheduler like its own ({type(own).__name__}), not {name}. "
            f"Pass one of: {', '.join(['auto', *named])}."
        )
    return chosen.from_config(own.config, **settings)


def renewed(scheduler: SchedulerMixin) -> SchedulerMixin:
    """A scheduler like this one that has taken no step."""
    return type(scheduler).from_config(scheduler.config)


def name_of(scheduler: SchedulerMixin) -> str:
    """What a scheduler is called, as in `DDIMScheduler`."""
    return type(scheduler).__name__
