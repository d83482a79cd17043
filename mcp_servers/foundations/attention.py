"""Attention (textbook 2.3, 2.4, 2.5.1, 2.5.2): scaled dot-product, and several heads of it.

The textbook's 2.3.1 says K = V = encoder output; K and V are its projections by W_K and W_V, as
2.3.2 has it. Equal to PyTorch's own `MultiheadAttention` to 1e-5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


class DotProduct(NamedTuple):
    """Every stage of scaled dot-product attention, for queries (..., q, d) and keys (..., k, d).

    `scores`, `scaled`, `masked` and `weights` are (..., q, k), `context` is (..., q, d).
    """

    scores: Tensor
    scaled: Tensor
    masked: Tensor
    weights: Tensor
    context: Tensor


class Attended(NamedTuple):
    """Every stage of multi-head attention.

    `queries`, `keys`, `values` and the stages of `heads` are (batch, head, length, ...);
    `output` is (batch, query length, d_model).
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    heads: DotProduct
    output: Tensor


def scaled_dot_product(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> DotProduct:
    """softmax(Q K^T / sqrt(d_k)) V, where `mask` (True: may look) broadcasts to (..., q, k).

    Each query must be allowed one key at least: the softmax of nothing is no number.
    """
    scores = queries @ keys.transpose(-2, -1)
    scaled = scores / math.sqrt(keys.shape[-1])
    masked = scaled.masked_fill(~mask, -math.inf)
    weights = masked.softmax(dim=-1)
    return DotProduct(scores, scaled, masked, weights, weights @ values)


class MultiHeadAttention(torch.nn.Module):
    """`heads` attentions side by side, each on d_model / heads of the projected dimensions."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model {d_model} does not divide into {heads} heads")
        self.heads = heads
        self.query_projection = torch.nn.Linear(d_model, d_model)
        self.key_projection = torch.nn.Linear(d_model, d_model)
        self.value_projection = torch.nn.Linear(d_model, d_model)
        self.output_projection = torch.nn.Linear(d_model, d_model)

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor) -> Attended:
        """Attend from `query` (batch, q, d_model) to `memory` (batch, k, d_model).

        Self-attention passes the same twice, cross-attention the encoder's output as `memory`.
        `mask` broadcasts to (batch, head, q, k); True marks what may be looked at.
        """
        queries = self._split(self.query_projection(query))
        keys = self._split(self.key_projection(memory))
        values = self._split(self.value_projection(memory))
        heads = scaled_dot_product(queries, keys, values, mask)
        output = self.output_projection(_joined(heads.context))
        return Attended(queries, keys, values, heads, output)

    def _split(self, projected: Tensor) -> Tensor:
        """(batch, length, d_model) into (batch, head, length, d_model / heads)."""
        batch, length, d_model = projected.shape
        return projected.view(batch, length, self.heads, d_model // self.heads).transpose(1, 2)


def _joined(context: Tensor) -> Tensor:
    """(batch, head, length, d) into (batch, length, heads x d): the heads side by side."""
    batch, heads, length, size = context.shape
    return context.transpose(1, 2).reshape(batch, length, heads * size)
