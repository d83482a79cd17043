"""CLIP models that embed an index's pictures and the questions asked of them (chapter 5)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Floats = NDArray[np.float32]

EMBEDDED = "embedded"


class ClipModel:
    """A CLIP of transformers; it loads when it is first used. Safe to call from several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any, Any] | None = None
        self._identity = ""

    def identity(self) -> str:
        """The name, and the hash of what it weighs: vectors of different ones do not compare."""
        self._load()
        return self._identity

    def picture_vectors(self, pictures: Sequence[Image]) -> Floats:
        """Unit vectors of pictures, shape (len(pictures), dimension)."""
        model, _, processor = self._load()
        given = processor(images=list(pictures), return_tensors="pt")
        return self._unit(model.get_image_features, given)

    def text_vectors(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of texts, cut at the model's longest, shape (len(texts), dimension)."""
        _, tokenizer, _ = parts = self._load()
        given = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return self._unit(parts[0].get_text_features, given)

    def _unit(self, features: Any, given: Any) -> Floats:
        import numpy as np

        from mcp_servers.torch_runtime import device, torch

        with self._lock, torch.inference_mode():
            found = features(**given.to(device()))
            found = getattr(found, "pooler_output", found).float()
            unit = torch.nn.functional.normalize(found, dim=-1).cpu().numpy()
        return np.ascontiguousarray(unit, np.float32)

    def _load(self) -> tuple[Any, Any, Any]:
        """Model, tokenizer and image processor. Raises `EngineError`."""
        with self._lock:
            if self._parts is None:
                where, local = self._where()  # before torch takes its seconds
                self._parts = self._read(where, local)
                self._identity = f"{self.name} {_digest(self._parts[0])}"
            return self._parts

    def _read(self, where: str, local: bool) -> tuple[Any, Any, Any]:
        from mcp_servers.torch_runtime import device  # isort: skip
        from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = CLIPModel.from_pretrained(where, use_safetensors=True, local_files_only=local)
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=local)
            processor = CLIPImageProcessorPil.from_pretrained(where, local_files_only=local)
        except Exception as error:  # whatever a damaged or missing model raises
            line = str(error).strip().split("\n")[0][:200]
            raise EngineError(
                f"The CLIP model {self.name} cannot be loaded ({line}). Name embedded, a folder "
                "with safetensors that transformers wrote, or one on the hub."
            ) from None
        return model.train(False).to(device()), tokenizer, processor

    def _where(self) -> tuple[str, bool]:
        """The folder or hub name, and whether nothing is to be fetched."""
        if self.name == EMBEDDED:
            from mcp_servers.drawings.weights import folder

            return str(folder("clip")), True
        return self.name, Path(self.name).is_dir()


@cache
def of(name: str) -> ClipModel:
    """The model of this name: `embedded`, a folder, or a name on the hub."""
    return ClipModel(name)


def _digest(model: Any) -> str:
    """A hash of a few weights of every layer: quick, and different after any training."""
    digest = hashlib.blake2b(digest_size=8)
    for name, weights in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weights.shape)}".encode())
        digest.update(weights.flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()
