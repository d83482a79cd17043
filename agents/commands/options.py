"""Options that `dure ask` and `dure chat` share: who answers, and what it may do unasked."""

from __future__ import annotations

import click

agent = click.option("--agent", help="Let this agent answer instead of routing.")
model = click.option(
    "--model",
    help="auto, embedded, embedded:small, embedded:tiny, gguf:PATH, ollama:NAME, openai:NAME.",
)
yes = click.option("--yes", is_flag=True, help="Approve every tool call that would ask first.")
