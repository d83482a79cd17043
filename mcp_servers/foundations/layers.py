"""Encoder and decoder layers (textbook 2.5.4, 2.5.5, 2.6): each part, a residual, a norm.

Norms stand after the sum, as in the textbook and in the first Transformer (Vaswani et al. 2017).
"""

from __future__ import annotations

from mcp_servers.foundations.attention import MultiHeadAttention
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


class FeedForward(torch.nn.Module):
    """max(0, x W1 + b1) W2 + b2, for each position by itself."""

    def __init__(self, d_model: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.expand = torch.nn.Linear(d_model, hidden)
        self.contract = torch.nn.Linear(hidden, d_model)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) to the same shape."""
        contracted: Tensor = self.contract(self.dropout(self.expand(x).relu()))
        return contracted


class AddAndNorm(torch.nn.Module):
    """LayerNorm(x + part(x)): the residual keeps what was there, the norm keeps its scale."""

    def __init__(self, d_model: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(d_model)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """Both (batch, length, d_model), as is the result."""
        normed: Tensor = self.norm(x + self.dropout(change))
        return normed


class EncoderLayer(torch.nn.Module):
    """Self-attention, then the feed-forward network (textbook 2.7.4)."""

    def __init__(self, d_model: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, heads)
        self.after_attention = AddAndNorm(d_model, dropout)
        self.feed_forward = FeedForward(d_model, hidden, dropout)
        self.after_feed_forward = AddAndNorm(d_model, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, d_model) to the same shape."""
        x = self.after_attention(x, self.self_attention(x, x, mask).output)
        normed: Tensor = self.after_feed_forward(x, self.feed_forward(x))
        return normed


class DecoderLayer(torch.nn.Module):
    """Self-attention to the past, cross-attention to the source, then the feed-forward network.

    The textbook's 2.3.1 lets the queries pass a feed-forward network before cross-attention; it
    comes after it.
    """

    def __init__(self, d_model: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, heads)
        self.after_self_attention = AddAndNorm(d_model, dropout)
        self.cross_attention = MultiHeadAttention(d_model, heads)
        self.after_cross_attention = AddAndNorm(d_model, dropout)
        self.feed_forward = FeedForward(d_model, hidden, dropout)
        self.after_feed_forward = AddAndNorm(d_model, dropout)

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        """(batch, length, d_model) to the same shape; `memory` is the encoder's output."""
        x = self.after_self_attention(x, self.self_attention(x, x, mask).output)
        attended = self.cross_attention(x, memory, memory_mask).output
        x = self.after_cross_attention(x, attended)
        normed: Tensor = self.after_feed_forward(x, self.feed_forward(x))
        return normed
