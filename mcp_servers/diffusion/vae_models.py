"""Trained autoencoders: their folders under `DURE_HOME/models/vaes`, written and read.

A folder holds `model.safetensors`, `config.json`, `metrics.jsonl`, and the pictures `curve.png`
and `preview.png`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mcp_servers.diffusion.vae_network import Shape, Vae
from mcp_servers.errors import EngineError
from mcp_servers.folders import replaced
from mcp_servers.model_folders import config_of, folder_of
from mcp_servers.torch_runtime import device, torch

HOW_TO_TRAIN = "Train one with train_vae (a folder of pictures; about two minutes)."
_AT_ONCE = 256  # pictures in one pass

Tensor = torch.Tensor


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode; `config` as on disk."""

    name: str
    model: Vae
    config: dict[str, Any]

    @property
    def shape(self) -> Shape:
        """The sizes of its pictures and latents."""
        return self.model.shape


def load(name: str) -> Trained:
    """A trained autoencoder by name. Raises `EngineError` that says how to train one."""
    config = config_of("vaes", name, f"No autoencoder {name!r} is trained", HOW_TO_TRAIN)
    return _loaded(str(config.parent), config.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(folder: str, _written: int) -> Trained:
    from safetensors.torch import load_file

    path = Path(folder)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        model = Vae(Shape(**config["shape"]))
        model.load_state_dict(load_file(path / "model.safetensors"))
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise EngineError(
            f"The autoencoder in {path} is damaged ({error}). Train it again with replace=true."
        ) from None
    return Trained(path.name, model.to(device()).eval(), config)


@contextmanager
def published(name: str, model: Vae, config: dict[str, Any]) -> Iterator[Path]:
    """Write a model in the place of an earlier one; yields the folder aside for what joins it."""
    from safetensors.torch import save_file

    with replaced(folder_of("vaes", name)) as aside:
        save_file(model.state_dict(), aside / "model.safetensors")
        said = json.dumps({**config, "shape": asdict(model.shape)}, ensure_ascii=False, indent=1)
        (aside / "config.json").write_text(said, encoding="utf-8")
        yield aside


def encoded(model: Vae, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Means and log variances for pictures of (n, channels, side, side), in parts that fit."""
    parts = [model.encode(part.to(_place(model))) for part in torch.split(pictures, _AT_ONCE)]
    means, log_variances = zip(*parts, strict=True)
    return torch.cat(means).cpu(), torch.cat(log_variances).cpu()


def decoded(model: Vae, latents: Tensor) -> Tensor:
    """Pictures for latents of (n, latent_dim), in parts that fit."""
    parts = [model.decode(part.to(_place(model))).cpu() for part in torch.split(latents, _AT_ONCE)]
    return torch.cat(parts)


def _place(model: Vae) -> torch.device:
    return next(model.parameters()).device
