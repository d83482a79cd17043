"""`dure eval`: the figures that this repository claims, measured again."""

from __future__ import annotations

import click

_SUITES = {
    "routing": "labelled requests to the right specialist; prints the confusion matrix",
    "tools": "right tool with right arguments for regex and metrics requests",
    "startup": "spawn to an answered tools/list, and dure --help",
    "overhead": "dure ask --agent chat against the same tokens through xllamacpp",
    "indexing": "the whole indexing job against embedding alone",
    "retrieval": "nDCG@10 on KorQuAD and Cranfield, baselines beside it",
    "scale": "search over 100,000 passages: milliseconds, and the vector stores' trade-off",
    "adapters": "greedy answers of a LoRA through llama.cpp against those through PEFT",
    "training": "LoRA on the quick base: what it learns, and its speed against a bare Trainer",
    "resuming": "training runs killed with -9 at random moments and resumed",
    "diffusion": "unseen captions drawn and judged by rules on pixels; a picture's seconds",
    "clip": "unseen drawings classified, and found by captions in both languages",
    "documents": "questions about the lesson plan: answered, cited, refused",
}


@click.command(
    "eval",
    help="Measure one SUITE:\n\n\b\n"
    + "\n".join(f"{name:<10} {what}" for name, what in _SUITES.items()),
)
@click.argument("suite", type=click.Choice(list(_SUITES)))
@click.option("--model", help="The model to measure; default embedded (adapters: embedded:tiny).")
@click.option("--limit", type=click.IntRange(1), help="Only so many cases.")
def command(suite: str, model: str | None, limit: int | None) -> None:
    import importlib

    module = importlib.import_module(f"evals.{suite}")
    default = "embedded:tiny" if suite == "adapters" else "embedded"
    if not module.main(model or default, limit):
        raise SystemExit(1)
