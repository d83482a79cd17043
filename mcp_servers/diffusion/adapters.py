"""LoRA adapters on a pipeline: put on for one request, taken off after it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mcp_servers.torch_runtime  # noqa: F401  diffusers imports torch
from mcp_servers.errors import EngineError

_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def put_on(pipeline: Any, names: Sequence[str], scales: Sequence[float] | None) -> None:
    """Load adapters (files, folders, hub names) and let each act by its scale.

    Raises `EngineError`; the pipeline is then as it was.
    """
    if not names:
        return
    if find_spec("peft") is None:
        raise EngineError("LoRA needs peft. Run: pip install 'dure[pictures]'.")
    if not hasattr(pipeline, "load_lora_weights"):
        raise EngineError(f"{type(pipeline).__name__} takes no LoRA. Leave lora out.")
    known = [f"lora{at}" for at in range(len(names))]
    try:
        for name, known_as in zip(names, known, strict=True):
            _load(pipeline, name, known_as)
        pipeline.set_adapters(known, adapter_weights=list(scales or [1.0] * len(names)))
    except BaseException:
        take_off(pipeline)
        raise


def take_off(pipeline: Any) -> None:
    """Leave the pipeline as it was without adapters."""
    pipeline.unload_lora_weights()


def _load(pipeline: Any, name: str, known_as: str) -> None:
    path = Path(name)
    where: dict[str, Any] = {"pretrained_model_name_or_path_or_dict": name}
    if path.exists():
        file = _file(path)
        where = {"pretrained_model_name_or_path_or_dict": file.parent, "weight_name": file.name}
    elif path.is_absolute():
        raise EngineError(f"There is no LoRA {name}. Check the spelling.")
    try:
        pipeline.load_lora_weights(**where, adapter_name=known_as, use_safetensors=True)
        on = {each for adapters in pipeline.get_list_adapters().values() for each in adapters}
    except Exception as error:  # whatever a damaged or a foreign file makes its reader raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"The LoRA {name} cannot be put on this model ({reason}). Name one that was trained "
            "for it."
        ) from None
    if known_as not in on:
        raise EngineError(f"{name} holds no LoRA for this model. Name one trained for it.")


def _file(path: Path) -> Path:
    """The adapter's file, in a folder the only one. Raises `EngineError`."""
    found = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    usual = [file for file in found if file.name == "pytorch_lora_weights.safetensors"]
    found = usual or found
    if len(found) == 1 and found[0].suffix == ".safetensors":
        return found[0]
    pickled = path.suffix in _PICKLES or any(path.glob(f"*{suffix}") for suffix in _PICKLES)
    if pickled and len(found) <= 1:
        raise EngineError(
            f"The LoRA {path} is pickled: loading it can run any code. Convert it to safetensors."
        )
    raise EngineError(f"{path} holds {len(found)} .safetensors files. Name the adapter's own file.")
