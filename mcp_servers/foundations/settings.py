"""What a training run may be asked for, checked before a job starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mcp_servers.errors import EngineError
from mcp_servers.limits import within

WordKind = Literal["skipgram", "cbow", "fasttext", "fasttext-cbow"]


@dataclass(frozen=True)
class TranslatorSettings:
    """`data` is a path, or None for the packaged set; `longest` counts tokens of a sentence."""

    name: str
    data: str | None
    epochs: int
    batch_size: int
    learning_rate: float
    d_model: int
    heads: int
    layers: int
    hidden: int
    dropout: float
    vocabulary: int
    longest: int
    seed: int

    def checked(self) -> dict[str, Any]:
        """The settings as a job's spec. Raises `EngineError`."""
        within(
            self,
            epochs=(1, 1000),
            batch_size=(1, 1024),
            learning_rate=(1e-6, 0.1),
            d_model=(4, 1024),
            heads=(1, 32),
            layers=(1, 12),
            hidden=(4, 8192),
            dropout=(0, 0.9),
            vocabulary=(20, 50_000),
            longest=(4, 512),
            seed=(0, 2**31 - 1),
        )
        if self.d_model % self.heads:
            raise EngineError(
                f"d_model {self.d_model} does not divide into {self.heads} heads. Pass a multiple."
            )
        return asdict(self)


@dataclass(frozen=True)
class WordSettings:
    """`files` are paths of texts."""

    name: str
    kind: WordKind
    files: list[str]
    vector_size: int
    window: int
    min_count: int
    epochs: int
    seed: int

    def checked(self) -> dict[str, Any]:
        """The settings as a job's spec. Raises `EngineError`."""
        within(
            self,
            vector_size=(2, 1000),
            window=(1, 50),
            min_count=(1, 1000),
            epochs=(1, 1000),
            seed=(0, 2**31 - 1),
        )
        return asdict(self)
