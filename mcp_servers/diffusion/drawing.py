"""One picture from a pipeline: noise of a seed, denoised step by step under a prompt (7.6).

Pictures of a request are drawn one at a time. In a batch, kernels sum in another order, so that
picture i would differ in its last bits from the one that seed + i alone gives; and a job that is
killed loses one picture at most.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp_servers.diffusion import adapters, loading, schedulers, source_pictures
from mcp_servers.diffusion.loading import Loaded, out_of_memory
from mcp_servers.diffusion.settings import Settings
from mcp_servers.diffusion.source_pictures import Source
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

OnStep = Callable[[int, int, torch.Tensor], None]
"""Called after each step with its number from 1, how many there are, and the noisy latents."""
_EMBEDDED_GUIDANCE = 3.5
_GUIDANCE = 7.5  # where a pipeline says nothing of its own
_drawing = threading.Lock()  # a pipeline has one scheduler and one set of adapters


@dataclass(frozen=True)
class Drawn:
    """A picture; `blocked` says that the model's own safety checker blacked it out."""

    image: Image
    blocked: bool


class Drawer:
    """A pipeline made ready for one request; with it, nobody else draws with the pipeline.

    Raises `EngineError` for what it cannot do.
    """

    def __init__(self, loaded: Loaded, asked: Settings) -> None:
        self._pipeline = loading.for_task(loaded, asked.task)
        self._known = inspect.signature(type(self._pipeline).__call__).parameters
        if "prompt" not in self._known or loaded.scheduler is None:
            raise EngineError(
                f"{loaded.name} ({type(self._pipeline).__name__}) does not draw from words by "
                "steps. Name a text-to-image pipeline."
            )
        self._asked = asked
        self._scheduler = schedulers.new_scheduler(loaded.scheduler, asked.scheduler)
        if asked.eta and self.scheduler != "DDIMScheduler":
            raise EngineError(
                f"eta acts with ddim, not with {self.scheduler}. Pass scheduler ddim."
            )
        self._source: Source | None = None
        if asked.picture is None:
            self.width, self.height = loaded.sizes.of(asked.width, asked.height)
        else:
            self._source = source_pictures.opened(
                asked.picture, asked.mask, loaded.sizes, asked.width, asked.height
            )
            self.width, self.height = self._source.picture.size
        own = self._known.get("guidance_scale")
        default = own.default if own and isinstance(own.default, float) else _GUIDANCE
        if loaded.embedded:
            default = _EMBEDDED_GUIDANCE
        self.guidance_scale = default if asked.guidance_scale is None else asked.guidance_scale
        self._arguments = self._of_the_call()

    def __enter__(self) -> Drawer:
        _drawing.acquire()
        try:
            adapters.put_on(self._pipeline, self._asked.lora or [], self._asked.lora_scale)
        except BaseException:
            _drawing.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._asked.lora:
                adapters.take_off(self._pipeline)
        finally:
            _drawing.release()

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
        self._pipeline.scheduler = schedulers.renewed(self._scheduler)
        try:
            with _old_layout(getattr(self._pipeline, "text_encoder", None)):
                made = self._pipeline(
                    generator=torch.Generator("cpu").manual_seed(seed), **arguments
                )
        except torch.OutOfMemoryError:
            raise out_of_memory() from None
        except RuntimeError as error:
            if "allocate memory" in str(error):
                raise out_of_memory() from None
            raise
        except (IndexError, TypeError, ValueError) as error:
            raise EngineError(f"The pipeline refuses this: {error} Change what it names.") from None
        flagged = getattr(made, "nsfw_content_detected", None)
        picture = _picture(made.images[0])
        if self._source:
            picture = self._source.finished(picture)
        return Drawn(picture, bool(flagged and flagged[0]))

    def _of_the_call(self) -> dict[str, Any]:
        asked = self._asked
        given: dict[str, Any] = {
            "prompt": asked.prompt,
            "num_inference_steps": asked.steps,
            "guidance_scale": self.guidance_scale,
            "output_type": "np",
        }
        if self._source:
            given["image"] = self._source.picture
            given |= {"mask_image": self._source.mask} if self._source.mask else {}
            given["strength"] = asked.strength
        for name, side in (("width", self.width), ("height", self.height)):
            # what redraws a picture often takes its size instead
            if side and (name in self._known or not self._source):
                given[name] = side
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


@contextlib.contextmanager
def _old_layout(encoder: Any) -> Iterator[None]:
    """Let `clip_skip` find the text encoder's last norm where transformers 4 had it.

    diffusers 0.42 still looks in `text_model`. For the call alone: by that name's absence it
    knows how to read adapters. Past `nn.Module`'s setter, since a module may not hold itself.
    """
    new = hasattr(encoder, "final_layer_norm") and not hasattr(encoder, "text_model")
    if new:
        vars(encoder)["text_model"] = encoder
    try:
        yield
    finally:
        if new:
            del vars(encoder)["text_model"]


def _picture(pixels: Any) -> Image:
    """Pixels from 0 to 1, shape (height, width, 3), as a picture. Raises `EngineError` for NaN."""
    import numpy as np
    from PIL import Image

    if not np.isfinite(pixels).all():
        raise EngineError("The decoded picture is not made of numbers. Pass dtype float32.")
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
