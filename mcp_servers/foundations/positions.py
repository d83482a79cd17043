"""Where a token stands, as sines and cosines added to its embedding (textbook 2.5.3, 2.7.3)."""

from __future__ import annotations

import math

from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


def sinusoids(length: int, d_model: int) -> Tensor:
    """(length, d_model): sin(pos / 10000^(2i/d)) in even dimensions 2i, cos in odd ones 2i + 1."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float32)
    angles = position * torch.exp(-math.log(10_000.0) * even / d_model)
    table = torch.zeros(length, d_model)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : d_model // 2]
    return table


class Positions(torch.nn.Module):
    """Adds the sinusoids; nothing here is learned, and nothing is saved with the weights."""

    table: Tensor

    def __init__(self, d_model: int, longest: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(longest, d_model), persistent=False)

    def forward(self, embedded: Tensor) -> Tensor:
        """(batch, length, d_model) to the same shape."""
        return embedded + self.table[: embedded.shape[1]]
