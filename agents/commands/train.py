"""`dure train`: fine-tune a model on your rows, follow the run, judge and use what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _settings(command: _Command) -> _Command:
    """The options that people set most, and `--set` for all others."""
    options = [
        click.option(
            "--base", help="embedded:tiny, embedded:small, embedded, a hub name or a folder."
        ),
        click.option(
            "--method",
            type=click.Choice(["lora", "full", "prefix", "prompt", "bitfit", "dpo"]),
            help="How to learn; lora where you say nothing.",
        ),
        click.option("--epochs", type=float, help="Passes over the rows."),
        click.option("--max-steps", type=int, help="Stop after so many steps."),
        click.option("--learning-rate", type=float, help="Its peak, e.g. 2e-4."),
        click.option("--batch-size", type=int, help="Rows of a step."),
        click.option("--rank", type=int, help="Rank of LoRA."),
        click.option(
            "--quantize", type=click.Choice(["nf4", "fp4", "int8"]), help="QLoRA: a small base."
        ),
        click.option(
            "--set",
            "words",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any other setting: dure tools training.train lists them.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_json = click.option("--json", "as_json", is_flag=True, help="The tool's whole result.")
_run = click.argument("run", required=False)
_wait = click.option("--no-wait", is_flag=True, help="Do not follow the job.")
_data = click.argument("data", nargs=-1, required=True)


class _InOrder(click.Group):
    """Lists its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group("train", cls=_InOrder)
def command() -> None:
    """Fine-tune a model on your own rows.

    DATA are files (JSON, JSONL, CSV, Parquet, text), folders or hub names. RUN is the name or the
    id of a run; without it the latest is meant. A run goes on when you close the terminal.

    \b
      dure train inspect faq.csv                 what is in it, what is wrong with it
      dure train estimate faq.csv --rank 8       memory and time
      dure train start faq.csv --epochs 3        look, estimate, ask, start
      dure train watch                           follow it; Ctrl-C leaves it running
      dure train evaluate                        before and after, on rows it has not seen
      dure train compare faq faq-2
      dure train push faq me/faq-lora            upload it; only ever at your word
    """


@command.command("start")
@_data
@_settings
@click.option("--name", help="What to call the result; default after the data.")
@click.option("--watch", is_flag=True, help="Follow it to its end.")
@click.option("--yes", is_flag=True, help="Start without asking.")
@_json
def start_command(
    data: tuple[str, ...],
    words: tuple[str, ...],
    watch: bool,
    yes: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Look at DATA, estimate, ask for your yes, and start training.

    At the question you can still change settings: epochs=5, rank 8. Without a terminal nothing
    starts unless you give --yes (exit status 3).

    \b
      dure train start faq.csv
      dure train start faq.csv chats.jsonl --base embedded:small --rank 8 --name helper --watch
      dure train start ./qa --method full --epochs 2 --set packing=true --yes
    """
    import asyncio

    from agents.training import print_result, start

    chosen = {name: value for name, value in given.items() if value is not None}
    print_result("status", asyncio.run(start(data, chosen, words, yes, watch)), as_json)


@command.command("inspect")
@_data
@click.option("--base", help="Whose tokens and template are counted.")
@_json
def inspect_command(data: tuple[str, ...], base: str | None, as_json: bool) -> None:
    """Count, measure and check rows: lengths, duplicates, bad rows by line, one row rendered."""
    import asyncio

    from agents.training import look, print_result

    result = asyncio.run(look("inspect_dataset", data, {"base": base}, ()))
    print_result("inspect_dataset", result, as_json)


@command.command("estimate")
@_data
@_settings
@_json
def estimate_command(
    data: tuple[str, ...], words: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Say the memory and the time that training would take here."""
    import asyncio

    from agents.training import look, print_result

    print_result("estimate", asyncio.run(look("estimate", data, given, words)), as_json)


@command.command("list")
@_json
def list_command(as_json: bool) -> None:
    """List all runs, newest first."""
    _show("runs", as_json)


@command.command("status")
@_run
@_json
def status_command(run: str | None, as_json: bool) -> None:
    """Say how far a run is."""
    _show("status", as_json, run=run)


@command.command("watch")
@_run
@_json
def watch_command(run: str | None, as_json: bool) -> None:
    """Follow a run to its end; Ctrl-C leaves it running. Exit status 1 if it failed."""
    _show("status", as_json, wait=True, run=run)


@command.command("curve")
@_run
@_json
def curve_command(run: str | None, as_json: bool) -> None:
    """Plot the loss in the terminal, and say where the picture is."""
    _show("curve", as_json, run=run)


@command.command("logs")
@_run
@click.option("-n", "--lines", default=50, show_default=True, help="How many of the last lines.")
def logs_command(run: str | None, lines: int) -> None:
    """Print the last lines that a run wrote."""
    import asyncio

    from agents.training import show

    click.echo("\n".join(asyncio.run(show("logs", run=run, lines=lines))["lines"]))


@command.command("pause")
@_run
@_json
def pause_command(run: str | None, as_json: bool) -> None:
    """Save a checkpoint and stop; resume goes on from there."""
    _show("pause", as_json, run=run)


@command.command("resume")
@_run
@click.option("--watch", is_flag=True, help="Follow it to its end.")
@_json
def resume_command(run: str | None, watch: bool, as_json: bool) -> None:
    """Go on with a run that was paused, cancelled or killed."""
    _show("resume", as_json, wait=watch, run=run)


@command.command("cancel")
@_run
@_json
def cancel_command(run: str | None, as_json: bool) -> None:
    """Stop a run at its next step. Its checkpoints stay."""
    _show("cancel", as_json, run=run)


@command.command("compare")
@click.argument("runs", nargs=-1, required=True)
@_json
def compare_command(runs: tuple[str, ...], as_json: bool) -> None:
    """Put runs side by side: losses, speed, the settings that differ, one picture."""
    _show("compare", as_json, runs=list(runs))


@command.command("evaluate")
@_run
@click.option("--rows", type=int, help="At most so many rows are answered.")
@_wait
@_json
def evaluate_command(run: str | None, rows: int | None, no_wait: bool, as_json: bool) -> None:
    """Judge before and after: loss, perplexity, exact match, F1, ROUGE, answers side by side."""
    _show("evaluate", as_json, wait=not no_wait, run=run, rows=rows)


@command.command("samples")
@_run
@click.option("-n", default=5, show_default=True, help="How many questions.")
@_json
def samples_command(run: str | None, n: int, as_json: bool) -> None:
    """Print answers before and after, as evaluate wrote them."""
    _show("samples", as_json, run=run, n=n)


@command.command("merge")
@_run
@click.option("--name", help="Name of the model; default the run's and -merged.")
@_wait
@_json
def merge_command(run: str | None, name: str | None, no_wait: bool, as_json: bool) -> None:
    """Write base and adapter as one model that needs neither."""
    _show("merge", as_json, wait=not no_wait, run=run, name=name)


@command.command("export")
@_run
@click.option(
    "--kind",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    help="How a whole model's numbers are stored.",
)
@_wait
@_json
def export_command(run: str | None, kind: str | None, no_wait: bool, as_json: bool) -> None:
    """Write an adapter or a model as GGUF, for llama.cpp and Ollama."""
    _show("export", as_json, wait=not no_wait, run=run, kind=kind)


@command.command("delete")
@click.argument("run")
@click.option("--keep-result", is_flag=True, help="Keep the adapter or model that it made.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@_json
def delete_command(run: str, keep_result: bool, yes: bool, as_json: bool) -> None:
    """Remove a run's folder and the adapter or model that it made; or a merged model."""
    _confirmed(yes, f"Delete {run} for good?", f"{run} was not deleted.")
    _show("delete_run", as_json, run=run, keep_result=keep_result)


@command.command("push")
@click.argument("run")
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--public", is_flag=True, help="Let everybody see it; private without this.")
@click.option("--yes", is_flag=True, help="Upload without asking.")
@_wait
@_json
def push_command(
    run: str, repo: str, public: bool, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Upload what a run made to the Hugging Face hub, as OWNER/NAME.

    No model is uploaded but by this command, by dure call training.push, or by a request that
    says so and your yes. The hub's token comes from: hf auth login.

    \b
      dure train push faq me/faq-lora
    """
    seen = "everybody sees it" if public else "private"
    _confirmed(yes, f"Upload {run} to {repo} ({seen})?", f"{run} was not uploaded.")
    _show("push", as_json, wait=not no_wait, run=run, repo=repo, private=not public)


def _confirmed(yes: bool, question: str, left: str) -> None:
    """Raises `ApprovalNeeded` unless the user says yes, on a terminal or by `--yes`."""
    import sys

    from agents.errors import ApprovalNeeded

    if not yes and not (sys.stdin.isatty() and click.confirm(question, err=True)):
        raise ApprovalNeeded(f"{left} Repeat with --yes to do it.")


def _show(tool: str, as_json: bool, *, wait: bool = False, **arguments: Any) -> None:
    import asyncio

    from agents.training import print_result, show

    print_result(tool, asyncio.run(show(tool, wait=wait, **arguments)), as_json)
