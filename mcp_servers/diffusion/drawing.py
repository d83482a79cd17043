"""One picture from a pipeline: noise of a seed, denoised step by step under a prompt (7.6).

Pictures of a request are drawn one at a time. In a batch, kernels sum in another order, so that
picture i would differ in its last bits from the one that seed + i alone gives; and a job that is
killed loses one picture at most.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp_servers.diffusion import schedulers
from mcp_servers.diffusion.loading import Loaded, out_of_memory
from mcp_servers.diffusion.settings import Settings
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

OnStep = Callable[[int, int, torch.Tensor], None]
"""Called after each step with its number from 1, how many there are, and the noisy latents."""
_EMBEDDED_GUIDANCE = 5.0
_GUIDANCE = 7.5  # where a pipeline says nothing of its own
_drawing = threading.Lock()  # a pipeline keeps its scheduler's state


@dataclass(frozen=True)
class Drawn:
    """A picture; `blocked` says that the model's own safety checker blacked it out."""

    image: Image
    blocked: bool


class Drawer:
    """A pipeline made ready for one request. Raises `EngineError` for what it cannot do."""

    def __init__(self, loaded: Loaded, asked: Settings) -> None:
        self._pipeline = loaded.pipeline
        self._known = inspect.signature(type(self._pipeline).__call__).parameters
        if "prompt" not in self._known:
            raise EngineError(
                f"{loaded.name} ({type(self._pipeline).__name__}) draws without words. Name a "
                "pipeline that takes a prompt."
            )
        self._asked = asked
        self._scheduler = schedulers.new_scheduler(self._pipeline.scheduler, asked.scheduler)
        if asked.eta and self.scheduler != "DDIMScheduler":
            raise EngineError(
                f"eta acts with ddim, not with {self.scheduler}. Pass scheduler ddim."
            )
        self.width, self.height = loaded.sizes.of(asked.width, asked.height)
        own = self._known.get("guidance_scale")
        default = own.default if own and isinstance(own.default, float) else _GUIDANCE
        if loaded.embedded:
            default = _EMBEDDED_GUIDANCE
        self.guidance_scale = default if asked.guidance_scale is None else asked.guidance_scale
        self._arguments = self._of_the_call()

    @property
    def scheduler(self) -> str:
        """The scheduler's class, as DDIMScheduler."""
        return schedulers.name_of(self._scheduler)

    def draw(self, seed: int, on_step: OnStep) -> Drawn:
        """The picture of this seed, the same each time on the same machine.

        The noise comes from torch's generator on the CPU, so that a GPU starts from the same.
        """

        def ended(pipeline: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            latents = tensors["latents"]
            if not torch.isfinite(latents).all():
                raise EngineError(
                    f"The numbers left their range at step {step + 1}. Pass dtype float32, or a "
                    "lower guidance_scale."
                )
            on_step(step + 1, max(step + 1, getattr(pipeline, "num_timesteps", 0)), latents)
            return {}

        arguments = dict(self._arguments)
        if "callback_on_step_end" in self._known:
            arguments["callback_on_step_end"] = ended
        with _drawing:
            self._pipeline.scheduler = type(self._scheduler).from_config(self._scheduler.config)
            try:
                made = self._pipeline(
                    generator=torch.Generator("cpu").manual_seed(seed), **arguments
                )
            except torch.OutOfMemoryError:
                raise out_of_memory() from None
            except RuntimeError as error:
                if "allocate memory" in str(error):
                    raise out_of_memory() from None
                raise
            except (TypeError, ValueError) as error:
                raise EngineError(
                    f"The pipeline refuses this: {error} Change what it names."
                ) from None
        flagged = getattr(made, "nsfw_content_detected", None)
        return Drawn(_picture(made.images[0]), bool(flagged and flagged[0]))

    def _of_the_call(self) -> dict[str, Any]:
        asked = self._asked
        given: dict[str, Any] = {
            "prompt": asked.prompt,
            "num_inference_steps": asked.steps,
            "guidance_scale": self.guidance_scale,
            "output_type": "np",
        }
        given |= {"width": self.width} if self.width else {}
        given |= {"height": self.height} if self.height else {}
        given |= {"negative_prompt": asked.negative_prompt} if asked.negative_prompt else {}
        given |= {"eta": asked.eta} if asked.eta else {}
        given |= {"clip_skip": asked.clip_skip} if asked.clip_skip else {}
        for name in given:
            if name not in self._known:
                raise EngineError(
                    f"{type(self._pipeline).__name__} takes no {name}. Leave it out, or name "
                    "another model."
                )
        return given


def _picture(pixels: Any) -> Image:
    """Pixels from 0 to 1, shape (height, width, 3), as a picture. Raises `EngineError` for NaN."""
    import numpy as np
    from PIL import Image

    if not np.isfinite(pixels).all():
        raise EngineError("The decoded picture is not made of numbers. Pass dtype float32.")
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
