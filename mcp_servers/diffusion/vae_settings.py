"""What the training of a variational autoencoder may be asked for, checked before a job starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mcp_servers.limits import within

Side = Literal[32, 64, 128]

_LIMITS: dict[str, tuple[float, float]] = {
    "latent_dim": (1, 512),
    "beta": (0, 100),
    "steps": (1, 1_000_000),
    "batch_size": (1, 1024),
    "learning_rate": (1e-6, 0.1),
    "noise": (0, 1),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class VaeSettings:
    """`side` is in pixels, `noise` the highest standard deviation on pixels from 0 to 1."""

    name: str
    folder: str
    side: Side
    grey: bool
    latent_dim: int
    beta: float
    steps: int
    batch_size: int
    learning_rate: float
    noise: float
    seed: int

    def checked(self) -> dict[str, Any]:
        """The settings as a job's spec. Raises `EngineError`."""
        within(self, **_LIMITS)
        return asdict(self)
