"""The one door to torch: `from mcp_servers.torch_runtime import torch`, inside what needs it.

Import this before transformers, peft, trl, diffusers or sentence_transformers too, since they
import torch, and torchvision where it is installed. Importing it costs what torch costs.
"""

from __future__ import annotations

import os
import random
from importlib.util import find_spec

from mcp_servers.errors import EngineError

try:
    import torch as torch
except ImportError:
    raise EngineError(
        "This needs torch, which is not installed. Run: pip install 'dure[training]'."
    ) from None

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}


def _declare_torchvision_operators() -> None:
    """Declare the operators without which torchvision does not import beside a CPU-only torch.

    torchvision built for CUDA brings no `nms` that such a torch can load, and its import, hence
    that of transformers and diffusers, fails for want of the schema. Where torchvision and torch
    match, or torchvision is not installed, nothing is declared.
    """
    if torch.version.cuda or torch.version.hip or find_spec("torchvision") is None:
        return
    from importlib.metadata import version

    if "+cpu" in version("torchvision"):
        return
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(name + schema)  # type: ignore[no-untyped-call]
    _kept.append(library)  # what it declared goes when it is collected


_kept: list[torch.library.Library] = []


def threads() -> int:
    """How many threads torch may use: `DURE_THREADS`, `OMP_NUM_THREADS`, else cores less one.

    One core is left for the chat, and because two threads that share a core with another process
    wait for each other: ten times slower, measured on two cores.
    """
    for name in ("DURE_THREADS", "OMP_NUM_THREADS"):
        if (chosen := os.environ.get(name, "")).isdecimal() and int(chosen) > 0:
            return int(chosen)
    return max(1, cores() - 1)


def cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device() -> torch.device:
    """Where models go: CUDA (or ROCm), else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def dtype(name: str = "auto", where: torch.device | None = None) -> torch.dtype:
    """A dtype by name (`float32`, `bfloat16`, `float16`; `fp32`, `bf16`, `fp16`).

    `auto` is bfloat16 on a GPU that has it, else float32. Raises `EngineError`.
    """
    if name in _DTYPES:
        return _DTYPES[name]
    if name != "auto":
        raise EngineError(f"There is no dtype {name!r}. Choose from: auto, {', '.join(_DTYPES)}.")
    where = where or device()
    good = where.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if good else torch.float32


def seed(number: int) -> None:
    """Seed Python's, numpy's and torch's generators, on every device."""
    import numpy as np

    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)


_declare_torchvision_operators()
torch.set_num_threads(threads())
