"""Where models in training keep their state: a checkpoint and a lock for each request."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home
from mcp_servers.model_folders import Kind

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer


def path_of(kind: Kind, name: str, digest: str) -> Path:
    """The checkpoint of a model's name and of all that was asked for (16 hex digits)."""
    folder = _folder(kind)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{digest}.safetensors"


@contextlib.contextmanager
def only_one(checkpoint: Path) -> Iterator[None]:
    """Hold a run's checkpoint; the lock goes with the process. Raises `EngineError`."""
    held = _locked(checkpoint.with_suffix(".lock"))
    if held is None:
        raise EngineError("A job is training this very model. Wait for it, or cancel it first.")
    try:
        yield
    finally:
        os.close(held)


def forget(kind: Kind, name: str) -> int:
    """Delete what runs of this name left that nobody trains now. Returns how many there were."""
    runs = {
        found[0]
        for path in _folder(kind).glob(f"{name}-*")
        if (found := re.match(rf"{re.escape(name)}-[0-9a-f]{{16}}(?=\.)", path.name))
    }
    forgotten = 0
    for run in runs:
        lock = _folder(kind) / f"{run}.lock"
        held = _locked(lock)
        if held is None:
            continue
        for path in _folder(kind).glob(f"{run}.*"):
            path.unlink(missing_ok=True)  # the lock too, while it is held
        os.close(held)
        forgotten += 1
    return forgotten


def keep(checkpoint: Path, model: Module, adam: Optimizer, step: int) -> None:
    """Write weights, Adam's moments, the random state and the step as one file, then rename.

    Raises `EngineError` where there is no room for it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from mcp_servers.torch_runtime import torch

    held = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    for number, moments in adam.state_dict()["state"].items():
        held |= {f"adam.{number}.{key}": value.contiguous() for key, value in moments.items()}
    held["random"] = torch.get_rng_state()
    aside = checkpoint.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file(held, aside, metadata={"step": str(step)})
        aside.replace(checkpoint)
    except (OSError, SafetensorError) as error:
        raise EngineError(
            f"The checkpoint cannot be written to {checkpoint.parent} ({error}). Make room there, "
            "then train again: it goes on from the last one."
        ) from None
    finally:
        aside.unlink(missing_ok=True)


def restore(checkpoint: Path, model: Module, adam: Optimizer) -> int:
    """Put a killed or cancelled run's state back. Returns its step, 0 where there is none."""
    from safetensors import safe_open

    from mcp_servers.torch_runtime import torch

    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as kept:
        held = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
        step = int(kept.metadata()["step"])
    prefix = "model."
    model.load_state_dict(
        {name.removeprefix(prefix): held[name] for name in held if name.startswith(prefix)}
    )
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in held.items():
        if name.startswith("adam."):
            _, number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = value
    adam.load_state_dict({**adam.state_dict(), "state": moments})
    torch.set_rng_state(held["random"])
    return step


def _locked(lock: Path) -> int | None:
    """The lock's descriptor, or None where another process holds it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # `forget` deleted the file in between


def _folder(kind: Kind) -> Path:
    return dure_home() / "models" / kind / ".training"
