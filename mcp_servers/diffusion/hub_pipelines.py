"""Pipelines of the Hugging Face hub that are in its cache here."""

from __future__ import annotations

from pathlib import Path

INDEX = "model_index.json"


def cached() -> dict[str, Path]:
    """The folders in the hub's cache that hold a pipeline, by name."""
    from huggingface_hub import constants

    found = sorted(Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/*/{INDEX}"))
    return {
        index.parents[2].name.removeprefix("models--").replace("--", "/", 1): index.parent
        for index in found
    }
