"""Pipelines, loaded once and kept: from the package, a folder or the hub; safetensors only."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import hugging_face, torch_runtime
from mcp_servers.diffusion import hub_pipelines, model_names, previews
from mcp_servers.diffusion.settings import EMBEDDED, Task
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Say = Callable[[str], None]
"""Told what is going on before it takes time."""


@dataclass(frozen=True)
class Loaded:
    """A pipeline on its device, the scheduler that its folder has, and what sizes it draws."""

    name: str
    folder: Path
    pipeline: DiffusionPipeline
    scheduler: Any
    sizes: model_names.Sizes

    @property
    def embedded(self) -> bool:
        """Whether it is the package's own."""
        return self.name == EMBEDDED

    @cached_property
    def colours(self) -> torch.Tensor | None:
        """The map from latents to colours for previews, made when one is first wanted."""
        return previews.colour_map(self.pipeline)


_loading = threading.Lock()
_held: dict[tuple[Path, int, torch.dtype], Loaded] = {}  # one at most: they are large


def load(name: str, dtype: str = "auto", say: Say = lambda message: None) -> Loaded:
    """The pipeline of this name, ready to draw. Raises `EngineError` that says what to do."""
    precision = torch_runtime.dtype(dtype)
    with _loading:
        folder = model_names.folder_of(name) or _fetched(name, say)
        key = (folder, (folder / hub_pipelines.INDEX).stat().st_mtime_ns, precision)
        if key not in _held:
            _held.clear()  # before the next one needs the memory
            say(f"loading the model {name}")
            pipeline = _read(folder, precision)
            own = getattr(pipeline, "scheduler", None)
            _held[key] = Loaded(name, folder, pipeline, own, model_names.sizes(folder))
        return _held[key]


def let_go() -> None:
    """Keep no pipeline, so that a job has the memory."""
    with _loading:
        _held.clear()


def for_task(loaded: Loaded, task: Task) -> Any:
    """The pipeline for this task over the same weights. Raises `EngineError` if there is none."""
    import diffusers

    own = inspect.signature(type(loaded.pipeline).__call__).parameters
    if task == "text" and "image" not in own:
        return loaded.pipeline
    kinds = {
        "text": diffusers.AutoPipelineForText2Image,
        "image": diffusers.AutoPipelineForImage2Image,
        "mask": diffusers.AutoPipelineForInpainting,
    }
    inpaints = getattr(getattr(loaded.pipeline, "unet", None), "config", {}).get("in_channels") == 9
    if inpaints and task != "mask":
        raise EngineError(
            f"{loaded.name} was trained to fill masks and does nothing else. Use inpaint, or name "
            "another model."
        )
    try:
        pipeline = kinds[task].from_pipe(loaded.pipeline)
    except ValueError:
        told = {"text": "draws from words", "image": "redraws pictures", "mask": "fills masks"}
        raise EngineError(
            f"diffusers has no pipeline of {loaded.name}'s kind "
            f"({type(loaded.pipeline).__name__}) that {told[task]}. Name another model."
        ) from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _read(folder: Path, precision: torch.dtype) -> Any:
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging
    from transformers.utils import logging as parts_logging

    # The embedded pipeline names it, and diffusers takes what is imported alone.
    from mcp_servers.drawings import layout_unet  # noqa: F401

    for each in (logging, parts_logging):
        each.disable_progress_bar()
        each.set_verbosity_error()
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            folder, use_safetensors=True, dtype=precision, local_files_only=True
        )
        pipeline = pipeline.to(torch_runtime.device())
    except torch.OutOfMemoryError:
        raise out_of_memory() from None
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise EngineError(
            f"The pipeline in {folder} cannot be loaded ({_first_line(error)}). Name another, or "
            "write it again with diffusers' save_pretrained."
        ) from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _fetched(name: str, say: Say) -> Path:
    """A hub pipeline's folder in the hub's own cache, its safetensors alone."""
    from diffusers import DiffusionPipeline

    say(f"looking for {name} on the Hugging Face hub")
    try:
        folder = DiffusionPipeline.download(name, use_safetensors=True)
    except Exception as error:
        raise hugging_face.refusal(name, error) from None
    return model_names.checked(Path(folder))


def out_of_memory() -> EngineError:
    """What to say where the device's memory is full."""
    return EngineError(
        "The model and the picture do not fit into memory. Pass a smaller width and height, or "
        "dtype float16 on a GPU."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
