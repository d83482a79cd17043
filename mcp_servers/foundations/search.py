"""From probabilities to a sentence: greedy and beam search over the decoder's next tokens."""

from __future__ import annotations

from typing import NamedTuple

from mcp_servers.foundations.transformer import Transformer
from mcp_servers.foundations.vocabulary import Vocabulary
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor


class Hypothesis(NamedTuple):
    """A translation: its tokens (without marks), log probability, and the score it is ranked by."""

    ids: list[int]
    log_probability: float
    score: float


def greedy(model: Transformer, source: Tensor, longest: int) -> list[list[int]]:
    """The likeliest next token, again and again, for each row of `source` (batch, length)."""
    memory = model.encode(source)
    batch = source.shape[0]
    target = torch.full((batch, 1), Vocabulary.bos, device=source.device)
    ended = torch.zeros(batch, dtype=torch.bool, device=source.device)
    for _ in range(longest - 1):
        chosen = _next_log_probabilities(model, target, memory, source).argmax(dim=-1)
        target = torch.cat([target, chosen.masked_fill(ended, Vocabulary.pad)[:, None]], dim=1)
        ended |= chosen == Vocabulary.eos
        if bool(ended.all()):
            break
    return [_inside(row) for row in target.tolist()]


def beam(
    model: Transformer, source: Tensor, width: int, length_penalty: float, longest: int
) -> list[Hypothesis]:
    """The `width` best translations of one sentence (1, length), best first.

    Ranked by log probability / ((5 + length) / 6) ** length_penalty (Wu et al. 2016), where the
    end mark counts; 0 ranks by probability alone, which favours short sentences.
    """
    memory = model.encode(source)
    open_: list[tuple[list[int], float]] = [([Vocabulary.bos], 0.0)]
    closed: list[Hypothesis] = []

    def ranked(ids: list[int], log_probability: float) -> Hypothesis:
        length = len(ids) - 1  # the start mark is given, not chosen
        penalty = ((5 + length) / 6) ** length_penalty
        return Hypothesis(_inside(ids), log_probability, log_probability / penalty)

    for _ in range(longest - 1):
        target = torch.tensor([ids for ids, _ in open_], device=source.device)
        many = len(open_)
        next_ = _next_log_probabilities(
            model,
            target,
            memory.expand(many, -1, -1),
            source.expand(many, -1),
        )
        best = next_.topk(min(width + 1, next_.shape[-1]), dim=-1)
        grown = [
            ([*ids, token], total + log)
            for (ids, total), tokens, logs in zip(
                open_, best.indices.tolist(), best.values.tolist(), strict=True
            )
            for token, log in zip(tokens, logs, strict=True)
        ]
        grown.sort(key=lambda each: -each[1])
        open_ = []
        for place, (ids, total) in enumerate(grown):
            if ids[-1] == Vocabulary.eos:
                if place < width:  # so that a beam of one is the greedy search
                    closed.append(ranked(ids, total))
            elif len(open_) < width:
                open_.append((ids, total))
        closed.sort(key=lambda each: -each.score)
        if not open_ or (
            len(closed) >= width and _is_settled(open_, closed[width - 1], longest, length_penalty)
        ):
            break
    closed += [ranked(ids, total) for ids, total in open_ if len(closed) < width]
    return sorted(closed, key=lambda each: -each.score)[:width]


def _is_settled(
    open_: list[tuple[list[int], float]], worst: Hypothesis, longest: int, length_penalty: float
) -> bool:
    """Whether no open sentence can still reach the worst of the best, however long it grows."""
    most = ((5 + longest) / 6) ** length_penalty
    return all(total / most <= worst.score for _, total in open_)


def _next_log_probabilities(
    model: Transformer, target: Tensor, memory: Tensor, source: Tensor
) -> Tensor:
    """(batch, words): for the token after the last; marks that nobody writes are ruled out."""
    logits = model.decode(target, memory, source)[:, -1]
    logits[:, [Vocabulary.pad, Vocabulary.bos, Vocabulary.unknown]] = -torch.inf
    return logits.log_softmax(dim=-1)


def _inside(ids: list[int]) -> list[int]:
    """The tokens after the start mark and before the end mark."""
    inner = ids[1:]
    return inner[: inner.index(Vocabulary.eos)] if Vocabulary.eos in inner else inner
