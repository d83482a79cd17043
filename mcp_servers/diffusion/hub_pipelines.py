"""Pipelines of the Hugging Face hub: which are in its cache here, and what to say of the others."""

from __future__ import annotations

from pathlib import Path

from mcp_servers.diffusion.settings import EMBEDDED
from mcp_servers.errors import EngineError

INDEX = "model_index.json"
_TIMEOUT = 10.0  # seconds
_LONGEST = 160  # characters of a reason


def cached() -> dict[str, Path]:
    """The folders in the hub's cache that hold a pipeline, by name."""
    from huggingface_hub import constants

    found = sorted(Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/*/{INDEX}"))
    return {
        index.parents[2].name.removeprefix("models--").replace("--", "/", 1): index.parent
        for index in found
    }


def check(name: str) -> None:
    """Ask the hub for a model. Raises `EngineError` where it has none or cannot be reached."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, timeout=_TIMEOUT)
    except Exception as error:
        raise refusal(name, error) from None


def refusal(name: str, error: Exception) -> EngineError:
    """What to do where a model of the hub cannot be had."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return EngineError(
            f"{name} wants its licence accepted. Do so at its page on the hub, then log in: hf "
            "auth login."
        )
    if isinstance(error, RepositoryNotFoundError):
        return EngineError(
            f"The hub has no model {name!r} that you may read. Check the spelling, or log in: hf "
            "auth login."
        )
    reason = (str(error).splitlines() or [type(error).__name__])[0][:_LONGEST].rstrip(". ")
    return EngineError(
        f"{name!r} cannot be had from the Hugging Face hub ({reason}). Check the network, or name "
        f"a folder or {EMBEDDED}."
    )
