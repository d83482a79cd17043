"""Trained models as folders under `DURE_HOME/models`, one subfolder a kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home

Kind = Literal["translators", "words", "vaes", "clips"]


def folder_of(kind: Kind, name: str) -> Path:
    """Where a model of this name lives. Raises `EngineError` for what is no name."""
    if not re.fullmatch(r"[\w-]{1,64}", name):
        raise EngineError(f"{name!r} is not a name. Use letters, digits, - and _.")
    return dure_home() / "models" / kind / name


def is_there(kind: Kind, name: str) -> bool:
    """Whether a model of this name was trained."""
    return (folder_of(kind, name) / "config.json").exists()


def must_be_free(kind: Kind, name: str, replace: bool) -> None:
    """Raises `EngineError` where a model of this name was trained and is not to be replaced."""
    if is_there(kind, name) and not replace:
        raise EngineError(
            f"{name!r} is trained already. Use it, pass another name, or pass replace=true to "
            "train it again."
        )


def names(kind: Kind) -> list[str]:
    """The trained models of a kind, by name."""
    return sorted(
        path.parent.name for path in (dure_home() / "models" / kind).glob("[!.]*/config.json")
    )


def config_of(kind: Kind, name: str, absent: str, how_to_train: str) -> Path:
    """A trained model's `config.json`; its folder holds the rest.

    Raises `EngineError` that says what is `absent`, which others there are and how to train it.
    """
    config = folder_of(kind, name) / "config.json"
    if not config.exists():
        known = ", ".join(names(kind))
        others = f" Trained are: {known}." if known else ""
        raise EngineError(f"{absent}.{others} {how_to_train}")
    return config
