"""CLIP models of any library behind one face, loaded once and kept."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import torch_runtime
from mcp_servers.clip.model_names import Source, source_of
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Floats = NDArray[np.float32]

Say = Callable[[str], None]
"""Told what is going on before it takes time."""
Tokens = Mapping[str, torch.Tensor]

BATCH = 32  # pictures or texts that a model sees at once
_KEPT = 2  # models in memory: the embedded one is small, others are not


class Clip(ABC):
    """A picture and a text encoder over one space. Safe to call from several threads.

    Features are what the encoders give, shape (n, dimension); vectors are of length 1.
    """

    def __init__(self, source: Source, module: torch.nn.Module) -> None:
        self.source = source
        self.module = module.train(False).to(torch_runtime.device())
        self._lock = threading.Lock()  # tokenizers do not bear two threads

    @property
    def name(self) -> str:
        """The name that the user gave it."""
        return self.source.name

    @abstractmethod
    def pixels(self, pictures: Sequence[Image]) -> torch.Tensor:
        """Pictures as the encoder takes them, shape (n, 3, height, width)."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Texts as the encoder takes them, each (n, length); cut at the model's longest."""

    @abstractmethod
    def picture_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the picture encoder gives."""

    @abstractmethod
    def text_features(self, tokens: Tokens) -> torch.Tensor:
        """What the text encoder gives."""

    @property
    def logit_scale(self) -> torch.Tensor:
        """The learnt factor of cosines: the exponential of the parameter of that name."""
        scale: torch.Tensor = self.module.logit_scale.exp()  # type: ignore[operator]
        return scale.squeeze()

    @property
    def logit_bias(self) -> torch.Tensor | None:
        """What SigLIP's models add to a logit; None for CLIP's own kind."""
        bias: torch.Tensor | None = getattr(self.module, "logit_bias", None)
        return None if bias is None else bias.squeeze()

    @property
    @abstractmethod
    def longest(self) -> int:
        """How many tokens the model reads, with start and end."""

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """All tokens of a text, with start and end."""

    @abstractmethod
    def decoded(self, ids: Sequence[int]) -> str:
        """Tokens as text."""

    def unread(self, text: str) -> str:
        """What of a text lies beyond the model's longest."""
        with self._lock:
            ids = self.ids(text)
            return self.decoded(ids[self.longest - 1 : -1]) if len(ids) > self.longest else ""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write weights and settings into a folder that `load` accepts."""

    def limit_scale(self, highest: float) -> None:
        """Keep the logarithm of `logit_scale` from growing beyond this."""
        with torch.no_grad():
            self.module.logit_scale.clamp_(max=highest)  # type: ignore[operator]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.module.parameters()).device

    @cached_property
    def identity(self) -> str:
        """The name, and a hash of a few weights of every layer: vectors of others differ."""
        digest = hashlib.blake2b(digest_size=8)
        for name, weights in sorted(self.module.state_dict().items()):
            digest.update(f"{name}{tuple(weights.shape)}".encode())
            digest.update(weights.flatten()[:64].float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def picture_vectors(self, pictures: Sequence[Image]) -> Floats:
        """Vectors of pictures, shape (n, dimension). Raises `EngineError`."""
        return self._vectors(
            pictures, lambda some: self.picture_features(self.pixels(some).to(self.device))
        )

    def text_vectors(self, texts: Sequence[str]) -> Floats:
        """Vectors of texts, shape (n, dimension). Raises `EngineError`."""
        return self._vectors(texts, lambda some: self.text_features(self.on_device(some)))

    def on_device(self, texts: Sequence[str]) -> Tokens:
        """Texts as the encoder takes them, where it computes."""
        return {key: value.to(self.device) for key, value in self.tokens(texts).items()}

    def _vectors(self, given: Sequence[Any], encode: Callable[[Any], torch.Tensor]) -> Floats:
        try:
            with self._lock, torch.inference_mode():
                batches = (given[at : at + BATCH] for at in range(0, len(given), BATCH))
                features = torch.cat([unit(encode(some).float()) for some in batches])
        except torch.OutOfMemoryError:
            raise EngineError(
                "The model and the pictures do not fit into memory. Name a smaller model."
            ) from None
        if not torch.isfinite(features).all():
            raise EngineError(
                f"{self.name} gives numbers out of their range: its weights are broken. Name "
                "another model."
            )
        found: Floats = features.cpu().contiguous().numpy()
        return found


def unit(features: torch.Tensor) -> torch.Tensor:
    """Features at length 1."""
    return torch.nn.functional.normalize(features, dim=-1)


_loading = threading.Lock()
_held: dict[tuple[Any, ...], Clip] = {}


def load(name: str, say: Say = lambda message: None) -> Clip:
    """The model of this name, ready to use. Raises `EngineError` that says what to do."""
    source = source_of(name)
    key = (source, *(_written(source.folder) if source.folder else ()))
    with _loading:
        if key in _held:
            _held[key] = _held.pop(key)  # the one used last goes last
            return _held[key]
        while len(_held) >= _KEPT:
            _held.pop(next(iter(_held)))
        say(f"loading the model {name}")
        _held[key] = read(source)
        return _held[key]


def read(source: Source) -> Clip:
    """A model of its caller's own, who may change it. Raises `EngineError`."""
    if source.library == "open_clip":
        from mcp_servers.clip import open_clip_models

        return open_clip_models.read(source)

    from mcp_servers.clip import transformers_models

    return transformers_models.read(source)


def _written(folder: Path) -> list[tuple[str, int]]:
    """When the files of a folder were written: a model trained anew loads anew."""
    return sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir())


def cannot_load(source: Source, error: Exception) -> EngineError:
    """The error for whatever a damaged or absent model made its library raise."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    if source.folder:
        return EngineError(
            f"The CLIP model in {source.folder} cannot be loaded ({line}). Name another, or write "
            "it again."
        )
    return EngineError(
        f"{source.name!r} cannot be had from the Hugging Face hub ({line}). Check the name and the "
        "network, or name a folder or embedded."
    )
