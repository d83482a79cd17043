"""Training data by name: files, folders and hub data sets, read, checked, weighted and split.

Chapter 10.2 (a folder of `responses` files), 10.5 (shuffled with seed 65), 10.9 (several sets
put together, one part in ten held out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.fastmcp import Context

from mcp_servers.training.rows import Row, Rows, Shape


def allowed(data: Sequence[str], context: Context[Any, Any, Any] | None) -> list[str]:
    """The names with local paths made absolute. Raises `EngineError` for one outside the roots."""
    raise NotImplementedError


def load(data: Sequence[str], weights: Sequence[float] | None = None) -> Rows:
    """All rows of these files, folders and hub data sets, and the problems by file and line.

    A weight of 2 has a source's rows trained on twice, 0.5 half of them (a fixed draw).
    Raises `EngineError` where nothing at all can be used.
    """
    raise NotImplementedError


def of_shape(rows: Rows, *shapes: Shape) -> Rows:
    """The rows of these shapes; the others become problems. Raises `EngineError` if none is."""
    raise NotImplementedError


def split(rows: Rows, share: float = 0.1, seed: int = 65) -> tuple[list[Row], list[Row]]:
    """(train, held out), shuffled. Rows that ask the same stay on one side; weights apply to train.

    `share` is the held-out part, 0 for none; with at least two different rows, at least one is
    held out and at least one trained on.
    """
    raise NotImplementedError
