"""The models that training starts from, and the passport by which what it made is known.

A base is named as a chat model is (`embedded:tiny`), by the hub (`google/gemma-2b`), by a folder,
or by a model that training made here. Weights are safetensors: a pickle can run any code when it
is loaded, so one is refused unless the user insists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT = "embedded:tiny"
Progress = Callable[[float, str], None]
"""Told how far it is (0 to 1) and what is going on."""


def silent(share: float, message: str) -> None:
    """Progress for callers that show none."""


@dataclass(frozen=True)
class Base:
    """A base that is ready to load.

    `folder` is what `from_pretrained` takes; `gguf` the file that it was made from, if embedded.
    """

    name: str
    folder: str
    gguf: Path | None


def resolve(name: str, progress: Progress = silent, *, pickled: bool = False) -> Base:
    """The base of this name, ready to load. An embedded one is dequantised once (15 to 60 s).

    `pickled` lets weights through that only exist as a pickle (.bin, .pt).
    Raises `EngineError` for an unknown one, a folder that holds no model, a hub that cannot be
    reached and a disk that is full.
    """
    raise NotImplementedError


def load_tokenizer(base: Base) -> Any:
    """The base's tokenizer, with a padding token and padding at the right."""
    raise NotImplementedError


def passport(base: Base) -> dict[str, str]:
    """What identifies a base: its name, and SHA-256 of its weights, tokenizer and chat template.

    The weights' hash is kept beside them (`.sha256.json`), and is worked out again when a file's
    size or time has changed.
    """
    raise NotImplementedError
