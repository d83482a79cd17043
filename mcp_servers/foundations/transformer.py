"""The encoder-decoder Transformer (textbook 2.2 to 2.7), put together from its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mcp_servers.foundations.layers import DecoderLayer, EncoderLayer
from mcp_servers.foundations.masks import padding_mask, target_mask
from mcp_servers.foundations.positions import Positions
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Shape:
    """A Transformer's sizes; `longest` is in tokens, start and end marks included."""

    source_words: int
    target_words: int
    pad: int
    d_model: int = 128
    heads: int = 4
    hidden: int = 256
    layers: int = 2
    dropout: float = 0.1
    longest: int = 64


class Transformer(torch.nn.Module):
    """Source ids in, for each target position the logits of the token after it out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        sizes = (shape.d_model, shape.heads, shape.hidden, shape.dropout)
        self.source_embedding = torch.nn.Embedding(shape.source_words, shape.d_model)
        self.target_embedding = torch.nn.Embedding(shape.target_words, shape.d_model)
        self.positions = Positions(shape.d_model, shape.longest)
        self.dropout = torch.nn.Dropout(shape.dropout)
        self.encoder = torch.nn.ModuleList(EncoderLayer(*sizes) for _ in range(shape.layers))
        self.decoder = torch.nn.ModuleList(DecoderLayer(*sizes) for _ in range(shape.layers))
        self.output = torch.nn.Linear(shape.d_model, shape.target_words)
        for embedding in (self.source_embedding, self.target_embedding):
            torch.nn.init.normal_(embedding.weight, std=shape.d_model**-0.5)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(batch, source length) and (batch, target length) to (batch, target length, words).

        `target` is the decoder's input: it starts with the start mark and lacks the last token.
        """
        return self.decode(target, self.encode(source), source)

    def encode(self, source: Tensor) -> Tensor:
        """(batch, length) to (batch, length, d_model)."""
        x = self._embedded(self.source_embedding, source)
        mask = padding_mask(source, self.shape.pad)
        for layer in self.encoder:
            x = layer(x, mask)
        return x

    def decode(self, target: Tensor, memory: Tensor, source: Tensor) -> Tensor:
        """Logits (batch, target length, words); `memory` is `encode(source)`."""
        x = self._embedded(self.target_embedding, target)
        mask = target_mask(target, self.shape.pad)
        memory_mask = padding_mask(source, self.shape.pad)
        for layer in self.decoder:
            x = layer(x, mask, memory, memory_mask)
        logits: Tensor = self.output(x)
        return logits

    def _embedded(self, embedding: torch.nn.Embedding, ids: Tensor) -> Tensor:
        scaled = embedding(ids) * math.sqrt(self.shape.d_model)
        dropped: Tensor = self.dropout(self.positions(scaled))
        return dropped
