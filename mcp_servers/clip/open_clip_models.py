"""The models of open_clip (https://github.com/mlfoundations/open_clip): by name, hub or folder."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.clip import hub
from mcp_servers.clip.model_names import HUB, OPEN_CLIP_CONFIG, Source, pickled
from mcp_servers.clip.models import Clip, Tokens, cannot_load
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

_WEIGHTS = "open_clip_model.safetensors"
_SAFE = (_WEIGHTS, "open_clip_pytorch_model.safetensors")


class OpenClip(Clip):
    """A model of open_clip with its tokenizer and its transform of pictures."""

    module: Any

    def __init__(
        self,
        source: Source,
        module: Any,
        transform: Any,
        tokenizer: Any,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(source, module)
        self._transform, self._tokenizer, self._settings = transform, tokenizer, settings

    def pixels(self, pictures: Sequence[Image]) -> torch.Tensor:
        return torch.stack([self._transform(picture) for picture in pictures])

    def tokens(self, texts: Sequence[str]) -> Tokens:
        return {"text": self._tokenizer(list(texts))}

    def picture_features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.module.encode_image(pixels)
        return features

    def text_features(self, tokens: Tokens) -> torch.Tensor:
        features: torch.Tensor = self.module.encode_text(tokens["text"])
        return features

    @property
    def longest(self) -> int:
        return int(self._tokenizer.context_length)

    def ids(self, text: str) -> list[int]:
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is not None:  # one of transformers
            return list(inner(text, truncation=False, verbose=False).input_ids)
        own = self._tokenizer
        return [own.sot_token_id, *own.encode(text), own.eot_token_id]

    def decoded(self, ids: Sequence[int]) -> str:
        inner = getattr(self._tokenizer, "tokenizer", self._tokenizer)
        return str(inner.decode(ids))

    def write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        weights = {name: value.contiguous() for name, value in self.module.state_dict().items()}
        save_file(weights, folder / _WEIGHTS)
        text = json.dumps(self._settings, ensure_ascii=False, indent=2)
        (folder / OPEN_CLIP_CONFIG).write_text(text, encoding="utf-8")
        if hasattr(self._tokenizer, "save_pretrained"):
            self._tokenizer.save_pretrained(str(folder))


def read(source: Source) -> Clip:
    """Load a model. Raises `EngineError`."""
    import open_clip

    logging.getLogger().setLevel(logging.ERROR)  # open_clip tells the root logger all it does
    try:
        with warnings.catch_warnings(action="ignore"):
            name, given = _architecture(source)
            module, _, transform = open_clip.create_model_and_transforms(name, **given)
            tokenizer = open_clip.get_tokenizer(name)
            architecture = open_clip.get_model_config(name)
    except EngineError:
        raise
    except Exception as error:  # whatever a damaged or missing model raises
        raise cannot_load(source, error) from None
    if given.get("force_quick_gelu"):
        architecture["quick_gelu"] = True
    settings = {"model_cfg": architecture, "preprocess_cfg": module.visual.preprocess_cfg}
    return OpenClip(source, module, transform, tokenizer, settings)


def _architecture(source: Source) -> tuple[str, dict[str, Any]]:
    """What open_clip calls the model, with the arguments that its weights need, fetched.

    Raises `EngineError` for pickled weights.
    """
    if source.folder:
        from open_clip.factory import _find_checkpoint_in_dir

        path = _find_checkpoint_in_dir(source.folder)
        if not path.endswith(".safetensors"):
            raise EngineError(pickled(f"of {source.name} ({Path(path).name})"))
        return source.where, {}
    if source.where.startswith(HUB):
        weights = hub.fetched(source.where.removeprefix(HUB), _SAFE)
        return f"local-dir:{weights.parent}", {}
    from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

    name, _, tag = source.where.partition("/")
    known = get_pretrained_cfg(name, tag)
    if not known:
        tags = ", ".join(list_pretrained_tags_by_model(name)) or "none"
        raise EngineError(f"open_clip has no weights {tag!r} for {name}. It has: {tags}.")
    repository, _, file = known.get("hf_hub", "").rpartition("/")
    if not repository:
        raise EngineError(pickled(f"{tag} of {name}"))
    safe = (str(Path(file).with_suffix(".safetensors")),) if file else _SAFE
    own = {
        "image_mean": known.get("mean"),
        "image_std": known.get("std"),
        "image_interpolation": known.get("interpolation"),
        "image_resize_mode": known.get("resize_mode"),
        "force_quick_gelu": bool(known.get("quick_gelu")),
    }
    return name, {"pretrained": str(hub.fetched(repository, safe)), **own}
