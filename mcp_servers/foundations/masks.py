"""What attention may look at (textbook 2.2.6 and 2.2.7): no padding, and no future."""

from __future__ import annotations

from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


def padding_mask(ids: Tensor, pad: int) -> Tensor:
    """(batch, 1, 1, length): True where a token is real, for every query of every head."""
    return (ids != pad)[:, None, None, :]


def look_ahead_mask(length: int, device: torch.device | None = None) -> Tensor:
    """(length, length): True at and below the diagonal, so that a token sees itself and the past.

    The textbook calls it upper triangular; its example, like this, has its ones below.
    """
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def target_mask(ids: Tensor, pad: int) -> Tensor:
    """(batch, 1, length, length): what a decoder's self-attention may look at, by both rules."""
    return padding_mask(ids, pad) & look_ahead_mask(ids.shape[1], ids.device)
