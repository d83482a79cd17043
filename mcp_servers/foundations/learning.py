"""The training job: `python -m mcp_servers.foundations.learning FOLDER` (see `mcp_servers.jobs`).

It may be killed at any moment. Weights, optimiser and random state are kept in one checkpoint,
written aside and renamed; the same request goes on from there and ends, on the CPU, in the very
same translator.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from mcp_servers import checkpoints, jobs, torch_runtime
from mcp_servers.errors import EngineError
from mcp_servers.foundations import parallel, search, translator
from mcp_servers.foundations.parallel import Pair, ParallelSet
from mcp_servers.foundations.settings import TranslatorSettings
from mcp_servers.foundations.transformer import Shape, Transformer
from mcp_servers.foundations.vocabulary import Vocabulary, words_in
from mcp_servers.metrics.translation import corpus_bleu
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor
Encoded = tuple[list[int], list[int]]

LABEL_SMOOTHING = 0.1
WARMUP_SHARE = 0.1  # of all steps, while the learning rate rises
SAVE_SECONDS = 2.0
MAX_JUDGED = 2_000  # held-out pairs that are translated, drawn by the seed
_SAMPLES = 8  # held-out translations kept with the figures


class Judge(NamedTuple):
    """A held-out pair as it was written, which is what counts, and its tokens."""

    pair: Pair
    ids: Encoded


@dataclass
class Run:
    """A model in the middle of its training."""

    model: Transformer
    optimizer: torch.optim.Optimizer
    source: Vocabulary
    target: Vocabulary
    train: list[Encoded]
    held_out: list[Judge]
    step: int = 0


def learn(worker: jobs.Worker) -> dict[str, Any]:
    """Train, judge on the held-out part, publish; the result holds the figures.

    Raises `EngineError` for data that cannot be learned from, `jobs.Cancelled` between steps.
    """
    settings = TranslatorSettings(**worker.spec)
    worker.step(0, 0, "reading the pairs")
    data = (
        parallel.read(Path(settings.data), settings.seed) if settings.data else parallel.packaged()
    )
    checkpoint = _checkpoint_of(settings, data)
    with checkpoints.only_one(checkpoint):
        began = time.monotonic()
        run, dropped = _prepared(settings, data)
        resumed = run.step = checkpoints.restore(checkpoint, run.model, run.optimizer)
        _train(worker, settings, run, checkpoint)
        worker.step(run.step, run.step, "translating the held-out sentences")
        figures = _judged(run, settings)
        figures |= {"seconds": round(time.monotonic() - began, 1), "resumed_from_step": resumed}
        config = {
            "data": {
                "name": data.name,
                "sha256": data.sha256,
                "train": len(run.train),
                "held_out": len(run.held_out),
                "skipped": len(data.skipped) + dropped,
            },
            "known_words": sorted({word for p in data.train for word in words_in(p.source)}),
            "settings": asdict(settings),
            "figures": figures,
            "versions": {name: version(name) for name in ("torch", "tokenizers")},
        }
        made = translator.Translator(settings.name, run.model, run.source, run.target, config)
        folder = translator.save(made)
    checkpoints.forget("translators", settings.name)
    return {
        "translator": settings.name,
        "folder": str(folder),
        "data": config["data"],
        "problems": data.skipped[:5],
        "parameters": sum(each.numel() for each in run.model.parameters()),
        "steps": run.step,
        **figures,
    }


def _prepared(settings: TranslatorSettings, data: ParallelSet) -> tuple[Run, int]:
    """Vocabularies, encoded pairs and an untrained model; also how many pairs were too long."""
    torch_runtime.seed(settings.seed)
    size, device = settings.vocabulary, torch_runtime.device()
    source = Vocabulary.learned((p.source for p in data.train), size, lower_case=True)
    target = Vocabulary.learned((p.target for p in data.train), size, lower_case=False)

    def encoded(pairs: Sequence[Pair]) -> list[Judge]:
        both = (
            Judge(
                pair,
                (
                    [*source.ids(pair.source), Vocabulary.eos],
                    [Vocabulary.bos, *target.ids(pair.target), Vocabulary.eos],
                ),
            )
            for pair in pairs
        )
        return [each for each in both if max(map(len, each.ids)) <= settings.longest]

    train, held_out = [each.ids for each in encoded(data.train)], encoded(data.held_out)
    if not train or not held_out:
        raise EngineError(
            f"All sentences are longer than {settings.longest} tokens. Pass longest=200, or "
            "shorter sentences."
        )
    shape = Shape(
        source_words=len(source),
        target_words=len(target),
        pad=Vocabulary.pad,
        d_model=settings.d_model,
        heads=settings.heads,
        hidden=settings.hidden,
        layers=settings.layers,
        dropout=settings.dropout,
        longest=settings.longest,
    )
    model = Transformer(shape).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9)
    dropped = len(data.train) + len(data.held_out) - len(train) - len(held_out)
    if len(held_out) > MAX_JUDGED:
        held_out = random.Random(settings.seed).sample(held_out, MAX_JUDGED)
    return Run(model, optimizer, source, target, train, held_out), dropped


def _train(worker: jobs.Worker, settings: TranslatorSettings, run: Run, checkpoint: Path) -> None:
    per_epoch = -(-len(run.train) // settings.batch_size)
    total = per_epoch * settings.epochs
    loss_of = torch.nn.CrossEntropyLoss(
        ignore_index=Vocabulary.pad, label_smoothing=LABEL_SMOOTHING
    )
    saved = time.monotonic()
    recent: list[float] = []
    said = f"step {run.step} of {total}"
    log = worker.folder / "metrics.jsonl"
    run.model.train()
    try:
        while run.step < total:
            epoch, number = divmod(run.step, per_epoch)
            batches = _batches(run.train, settings.batch_size, f"{settings.seed}-{epoch}")
            for batch in batches[number:]:
                worker.step(run.step, total, said)
                recent.append(_step(run, settings, batch, total, loss_of))
                if time.monotonic() - saved > SAVE_SECONDS:
                    checkpoints.keep(checkpoint, run.model, run.optimizer, run.step)
                    saved = time.monotonic()
            held_out = held_out_loss(run)
            row = {
                "step": run.step,
                "epoch": epoch + 1,
                "loss": round(sum(recent) / len(recent), 4),
                "held_out_loss": round(held_out, 4),
            }
            recent.clear()
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            said = (
                f"epoch {epoch + 1} of {settings.epochs}: loss {row['loss']:.3f}, "
                f"held-out {held_out:.3f}"
            )
    finally:
        checkpoints.keep(
            checkpoint, run.model, run.optimizer, run.step
        )  # also when cancelled: the same request goes on from here


def _step(
    run: Run,
    settings: TranslatorSettings,
    batch: list[Encoded],
    total: int,
    loss_of: torch.nn.Module,
) -> float:
    """One step of Adam. Returns the loss (nats a token, labels smoothed)."""
    source, target = padded(batch, _device(run.model))
    # The decoder reads all but the last token and is to say all but the first (2.2.4).
    logits = run.model(source, target[:, :-1])
    loss = loss_of(logits.flatten(0, 1), target[:, 1:].flatten())
    run.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    rate = settings.learning_rate * _schedule(run.step + 1, total)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.step()
    run.step += 1
    return float(loss.detach())


def _schedule(step: int, total: int) -> float:
    """From 0 up to 1 over the first tenth of the steps, then straight down to 0."""
    warmup = max(1, round(total * WARMUP_SHARE))
    return step / warmup if step <= warmup else (total - step) / max(1, total - warmup)


def _batches(pairs: list[Encoded], size: int, seed: str) -> list[list[Encoded]]:
    """Batches of pairs of like length, which wastes little on padding, in an order by the seed."""
    chance = random.Random(seed)
    order = sorted(pairs, key=lambda pair: (len(pair[1]), len(pair[0]), chance.random()))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    chance.shuffle(batches)
    return batches


def padded(batch: Sequence[Encoded], device: torch.device) -> tuple[Tensor, Tensor]:
    """Both sides as (batch, longest of the side), filled up with padding."""
    sides = []
    for side in (0, 1):
        longest = max(len(pair[side]) for pair in batch)
        rows = [pair[side] + [Vocabulary.pad] * (longest - len(pair[side])) for pair in batch]
        sides.append(torch.tensor(rows, device=device))
    return sides[0], sides[1]


def _device(model: Transformer) -> torch.device:
    return next(model.parameters()).device


def held_out_loss(run: Run) -> float:
    """Mean cross-entropy of the held-out part, nats a token, nothing smoothed."""
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=Vocabulary.pad, reduction="sum")
    lost, tokens = 0.0, 0
    run.model.eval()
    with torch.inference_mode():
        for batch in _batches([each.ids for each in run.held_out], 64, "held-out"):
            source, target = padded(batch, _device(run.model))
            logits = run.model(source, target[:, :-1])
            lost += float(loss_of(logits.flatten(0, 1), target[:, 1:].flatten()))
            tokens += int((target[:, 1:] != Vocabulary.pad).sum())
    run.model.train()
    return lost / tokens


def _judged(run: Run, settings: TranslatorSettings) -> dict[str, Any]:
    """BLEU of greedy translations of the held-out part, and a few of them beside the references.

    References are the sentences themselves: a character that training never showed counts.
    """
    loss = held_out_loss(run)
    run.model.to("cpu").eval()
    texts: list[tuple[str, str, str]] = []
    with torch.inference_mode():
        for at in range(0, len(run.held_out), 64):
            batch = run.held_out[at : at + 64]
            source, _ = padded([each.ids for each in batch], torch.device("cpu"))
            said = search.greedy(run.model, source, settings.longest)
            texts += [
                (each.pair.source, run.target.text(ids), each.pair.target)
                for each, ids in zip(batch, said, strict=True)
            ]
    candidates = [found for _, found, _ in texts]
    references = [wanted for _, _, wanted in texts]
    exact = sum(found == wanted for _, found, wanted in texts) / len(texts)
    return {
        "bleu": round(corpus_bleu(candidates, references, "words")["score_100"], 2),
        "bleu_characters": round(corpus_bleu(candidates, references, "characters")["score_100"], 2),
        "exact": round(exact, 4),
        "held_out_loss": round(loss, 4),
        "samples": [
            {"source": source, "translation": found, "reference": wanted}
            for source, found, wanted in texts[:: max(1, len(texts) // _SAMPLES)][:_SAMPLES]
        ],
    }


def _checkpoint_of(settings: TranslatorSettings, data: ParallelSet) -> Path:
    """Where a run keeps its state: the same request finds it again, another one does not."""
    asked = json.dumps({**asdict(settings), "data": data.sha256, "torch": version("torch")})
    return checkpoints.path_of(
        "translators", settings.name, hashlib.sha256(asked.encode()).hexdigest()[:16]
    )


if __name__ == "__main__":
    jobs.work(learn)
