"""What fine-tuning may be asked for, checked before a job starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcp_servers.limits import within
from mcp_servers.roots import is_within

_LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 1000),
    "batch_size": (2, 4096),
    "learning_rate": (1e-8, 0.1),
    "weight_decay": (0, 1),
    "blend": (0.01, 1),
    "held_out": (0.01, 0.5),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class FinetuneSettings:
    """`data` and `general` are paths; `held_out` is a share of the pictures,
    `blend` that of the new weights in the result, the base's own being the rest.

    `allowed` are the folders from which pictures may come besides the data's own.
    """

    name: str
    data: str
    general: str | None
    model: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    blend: float
    held_out: float
    seed: int
    allowed: list[str]

    def may_open(self, picture: Path) -> bool:
        """Whether a picture outside the data's own folder may be used."""
        return is_within(picture, map(Path, self.allowed))

    def checked(self) -> dict[str, Any]:
        """The settings as a job's spec. Raises `EngineError`."""
        within(self, **_LIMITS)
        return asdict(self)
