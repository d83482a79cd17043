"""The Hugging Face hub: its cache first, and no long waits where there is no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcp_servers.clip.model_names import pickled
from mcp_servers.errors import EngineError

_SECONDS = 10.0  # to wait for the hub's first word
_AROUND = ("*.json", "*.txt", "*.model")  # a model's settings and its tokenizer


def files_of(repository: str) -> list[str]:
    """What a repository holds, asked once: the libraries ask 23 s long where nobody answers.

    Raises `EngineError` for one that is absent, closed or cannot be reached.
    """
    from huggingface_hub import model_info
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return [each.rfilename for each in model_info(repository, timeout=_SECONDS).siblings or ()]
    except GatedRepoError:
        raise EngineError(
            f"{repository} wants its licence accepted. Do so at its page on the hub, then log in: "
            "hf auth login."
        ) from None
    except RepositoryNotFoundError:
        raise EngineError(
            f"The hub has no model {repository!r} that you may read. Check the spelling, or log "
            "in: hf auth login."
        ) from None
    except Exception as error:  # whatever the network makes its client raise
        line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"{repository!r} cannot be had from the Hugging Face hub ({line}). Check the network, "
            "or name a folder or embedded."
        ) from None


def cached(repository: str) -> Path | None:
    """The folder in the hub's cache that has a model's settings, perhaps all of it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def fetched(repository: str, weights: Sequence[str]) -> Path:
    """The first of these weights that a repository has, its settings beside it, in the cache.

    Raises `EngineError` where it has none of them, and what `files_of` raises.
    """
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    for name in weights:
        if isinstance(found := try_to_load_from_cache(repository, name), str):
            return Path(found)
    files = files_of(repository)
    chosen = next((name for name in weights if name in files), None)
    if chosen is None:
        raise EngineError(pickled(f"of {repository}"))
    return Path(snapshot_download(repository, allow_patterns=[chosen, *_AROUND])) / chosen
