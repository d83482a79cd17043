"""CLIP models of the Hugging Face hub: its cache first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcp_servers import hugging_face
from mcp_servers.clip.model_names import pickled
from mcp_servers.errors import EngineError

_AROUND = ("*.json", "*.txt", "*.model")  # a model's settings and its tokenizer


def cached(repository: str) -> Path | None:
    """The folder in the hub's cache that has a model's settings, perhaps all of it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def fetched(repository: str, weights: Sequence[str]) -> Path:
    """The first of these weights that a repository has, its settings beside it, in the cache.

    Raises `EngineError` where it has none of them, and what `hugging_face.files_of` raises.
    """
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    for name in weights:
        if isinstance(found := try_to_load_from_cache(repository, name), str):
            return Path(found)
    files = hugging_face.files_of(repository)
    chosen = next((name for name in weights if name in files), None)
    if chosen is None:
        raise EngineError(pickled(f"of {repository}"))
    return Path(snapshot_download(repository, allow_patterns=[chosen, *_AROUND])) / chosen
