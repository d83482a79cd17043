"""The Hugging Face hub asked once and not for long, and what to say where it gives nothing."""

from __future__ import annotations

from mcp_servers.errors import EngineError

_SECONDS = 10.0  # to wait for the hub's first word
_LONGEST = 160  # characters of a reason


def files_of(name: str) -> list[str]:
    """What a model's repository holds, asked once: libraries ask 23 s long where nobody answers.

    Raises `EngineError` for one that is absent, closed or cannot be reached.
    """
    from huggingface_hub import model_info

    try:
        return [each.rfilename for each in model_info(name, timeout=_SECONDS).siblings or ()]
    except Exception as error:  # whatever the network makes its client raise
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
        "a folder or embedded."
    )
