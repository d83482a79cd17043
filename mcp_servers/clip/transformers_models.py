"""CLIP, SigLIP and their kin, as transformers has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import hugging_face
from mcp_servers.clip import hub
from mcp_servers.clip.model_names import Source
from mcp_servers.clip.models import Clip, Tokens, cannot_load
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST = 77  # tokens, where a tokenizer names no limit
_NO_LIMIT = 100_000


class TransformersClip(Clip):
    """A model with `get_image_features` and `get_text_features`, its tokenizer and processor."""

    module: Any

    def __init__(self, source: Source, module: Any, tokenizer: Any, processor: Any) -> None:
        super().__init__(source, module)
        self._tokenizer, self._processor = tokenizer, processor
        given = tokenizer.model_max_length
        own = getattr(module.config.text_config, "max_position_embeddings", _LONGEST)
        self._longest = min(given, own) if given < _NO_LIMIT else own
        # SigLIP learnt with every text filled up, and reads no others well.
        self._padding = "max_length" if "siglip" in module.config.model_type else True

    def pixels(self, pictures: Sequence[Image]) -> torch.Tensor:
        found: torch.Tensor = self._processor(images=list(pictures), return_tensors="pt")[
            "pixel_values"
        ]
        return found

    def tokens(self, texts: Sequence[str]) -> Tokens:
        return dict(
            self._tokenizer(
                list(texts),
                padding=self._padding,
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            )
        )

    def picture_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return _pooled(self.module.get_image_features(pixel_values=pixels))

    def text_features(self, tokens: Tokens) -> torch.Tensor:
        return _pooled(self.module.get_text_features(**tokens))

    @property
    def longest(self) -> int:
        return self._longest

    def ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, truncation=False, verbose=False).input_ids)

    def decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids))

    def write(self, folder: Path) -> None:
        for part in (self.module, self._tokenizer, self._processor):
            part.save_pretrained(folder)


def _pooled(found: Any) -> torch.Tensor:
    features: torch.Tensor = getattr(found, "pooler_output", found)
    return features


def read(source: Source) -> Clip:
    """Load a model, from the hub's cache where it is there. Raises `EngineError`."""
    folder = source.folder or hub.cached(source.where)
    if folder:
        try:
            return _read(source, str(folder))
        except EngineError:
            raise
        except Exception as error:  # whatever a damaged or missing model raises
            if source.folder:
                raise cannot_load(source, error) from None
    hugging_face.files_of(source.where)  # not all of it is here, if any
    try:
        return _read(source, source.where)
    except EngineError:
        raise
    except Exception as error:
        raise cannot_load(source, error) from None


def _read(source: Source, where: str) -> Clip:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"trust_remote_code": False}
    module = AutoModel.from_pretrained(where, use_safetensors=True, dtype=torch.float32, **given)
    if not hasattr(module, "get_image_features") or not hasattr(module, "logit_scale"):
        raise EngineError(
            f"{source.name} is a {type(module).__name__}, which has no picture and text "
            "encoder over one space. Name a CLIP or SigLIP model."
        )
    tokenizer = AutoTokenizer.from_pretrained(where, **given)
    # Pillow's way of scaling, which is the one that CLIP's models learnt with
    processors: Any = AutoImageProcessor
    processor = processors.from_pretrained(where, backend="pil", **given)
    return TransformersClip(source, module, tokenizer, processor)
