"""Attention and the Transformer from their parts: equal to PyTorch's own, blind where masked."""

from __future__ import annotations

import pytest

from mcp_servers.foundations.attention import MultiHeadAttention, scaled_dot_product
from mcp_servers.foundations.layers import DecoderLayer, EncoderLayer
from mcp_servers.foundations.masks import look_ahead_mask, padding_mask, target_mask
from mcp_servers.foundations.positions import sinusoids
from mcp_servers.foundations.transformer import Shape, Transformer
from mcp_servers.torch_runtime import torch

CLOSE = {"rtol": 0.0, "atol": 1e-5}
Tensor = torch.Tensor


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def copied(own: MultiHeadAttention, theirs: torch.nn.MultiheadAttention) -> None:
    """Give our attention PyTorch's weights; it keeps the three projections in one matrix."""
    parts = (own.query_projection, own.key_projection, own.value_projection)
    with torch.no_grad():
        for part, weight, bias in zip(
            parts, theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        own.output_projection.load_state_dict(theirs.out_proj.state_dict())


@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_product_equals_pytorchs(masked: bool) -> None:
    queries, keys, values = (torch.randn(2, 3, length, 8) for length in (5, 7, 7))
    mask = torch.rand(2, 1, 5, 7) > 0.5 if masked else torch.ones(2, 1, 5, 7, dtype=torch.bool)
    mask[..., 0] = True
    own = scaled_dot_product(queries, keys, values, mask)
    theirs = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    torch.testing.assert_close(own.context, theirs, **CLOSE)
    torch.testing.assert_close(own.weights.sum(-1), torch.ones(2, 3, 5), **CLOSE)
    assert (own.weights.masked_select(~mask) == 0).all()


@pytest.mark.parametrize("heads", [1, 4])
def test_multi_head_attention_equals_pytorchs(heads: int) -> None:
    theirs = torch.nn.MultiheadAttention(32, heads, batch_first=True)
    torch.nn.init.normal_(theirs.in_proj_bias)
    own = MultiHeadAttention(32, heads)
    copied(own, theirs)
    query, memory = torch.randn(2, 5, 32), torch.randn(2, 6, 32)
    real = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    wanted, weights = theirs(
        query, memory, memory, key_padding_mask=~real, average_attn_weights=False
    )
    found = own(query, memory, real[:, None, None, :])
    torch.testing.assert_close(found.output, wanted, **CLOSE)
    torch.testing.assert_close(found.heads.weights, weights, **CLOSE)


def test_layers_equal_pytorchs() -> None:
    x, memory = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    real = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    future = ~look_ahead_mask(5)
    theirs = torch.nn.TransformerDecoderLayer(32, 4, 64, 0.0, batch_first=True)
    own = DecoderLayer(32, 4, 64)
    copied(own.self_attention, theirs.self_attn)
    copied(own.cross_attention, theirs.multihead_attn)
    own.feed_forward.expand.load_state_dict(theirs.linear1.state_dict())
    own.feed_forward.contract.load_state_dict(theirs.linear2.state_dict())
    found = own(x, look_ahead_mask(5), memory, real[:, None, None, :])
    wanted = theirs(x, memory, tgt_mask=future, memory_key_padding_mask=~real)
    torch.testing.assert_close(found, wanted, **CLOSE)

    encoder = torch.nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
    mine = EncoderLayer(32, 4, 64)
    copied(mine.self_attention, encoder.self_attn)
    mine.feed_forward.expand.load_state_dict(encoder.linear1.state_dict())
    mine.feed_forward.contract.load_state_dict(encoder.linear2.state_dict())
    found = mine(memory, real[:, None, None, :])
    wanted = encoder(memory, src_key_padding_mask=~real)
    torch.testing.assert_close(found[real], wanted[real], **CLOSE)


def test_a_dimension_that_does_not_divide_into_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="does not divide"):
        MultiHeadAttention(10, 4)


def test_the_textbooks_masks() -> None:
    ids = torch.tensor([[3, 4, 5, 6, 2, 0, 0, 0, 0, 0]])
    assert padding_mask(ids, 0).int().tolist() == [[[[1, 1, 1, 1, 1, 0, 0, 0, 0, 0]]]]
    assert look_ahead_mask(4).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    both = target_mask(torch.tensor([[1, 5, 0]]), 0)
    assert both.int().tolist() == [[[[1, 0, 0], [1, 1, 0], [1, 1, 0]]]]


def test_positions_follow_the_textbooks_formula() -> None:
    table = sinusoids(50, 6)
    for pos, i in ((0, 0), (7, 1), (49, 2)):
        angle = torch.tensor(pos / 10_000 ** (2 * i / 6))
        assert float(table[pos, 2 * i]) == pytest.approx(float(angle.sin()), abs=1e-5)
        assert float(table[pos, 2 * i + 1]) == pytest.approx(float(angle.cos()), abs=1e-5)


def model() -> Transformer:
    shape = Shape(
        source_words=20, target_words=30, pad=0, d_model=32, heads=4, hidden=64, dropout=0.0
    )
    return Transformer(shape).eval()


@torch.no_grad()
def test_a_future_token_cannot_change_the_past() -> None:
    transformer = model()
    source = torch.randint(4, 20, (1, 6))
    target = torch.randint(4, 30, (1, 9))
    before = transformer(source, target)
    for place in range(1, 9):
        changed = target.clone()
        changed[0, place] = 4 + (int(target[0, place]) - 3) % 26
        after = transformer(source, changed)
        assert torch.equal(after[:, :place], before[:, :place])
        assert not torch.allclose(after[:, place:], before[:, place:])


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    transformer = model()
    source = torch.randint(4, 20, (1, 6))
    target = torch.randint(4, 30, (1, 5))
    alone = transformer(source, target)
    padded_source = torch.nn.functional.pad(source, (0, 4))
    padded_target = torch.nn.functional.pad(target, (0, 3))
    batch = transformer(
        torch.cat([padded_source, torch.randint(4, 20, (1, 10))]),
        torch.cat([padded_target, torch.randint(4, 30, (1, 8))]),
    )
    assert alone.dtype == torch.float32
    torch.testing.assert_close(batch[:1, :5], alone, **CLOSE)


@torch.no_grad()
def test_the_order_of_words_matters() -> None:
    transformer = model()
    target = torch.tensor([[1, 5, 6]])
    one, other = torch.tensor([[5, 6, 7]]), torch.tensor([[7, 6, 5]])
    assert not torch.allclose(transformer(one, target), transformer(other, target))
