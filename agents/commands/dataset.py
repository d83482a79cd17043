"""`dure dataset`: training data from the indexed documents (chapter 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agents.datasets import Order
    from agents.settings import Settings
    from graphs.training_rows import Kind


@click.group("dataset")
def command() -> None:
    """Make training data from your indexed documents.

    \b
      dure call retrieval.add paths=handbook.pdf     index something first
      dure dataset make --name handbook --limit 50   50 rows of all four kinds
      dure dataset show handbook                     how far it is, or its report
    """


@command.command("make")
@click.option("--name", default="default", show_default=True, help="Folder of the set.")
@click.option("--limit", type=click.IntRange(1), help="Stop at so many accepted rows.")
@click.option(
    "--kinds",
    default="qa,reverse,hyde,raft",
    show_default=True,
    help="Comma-separated, of these four.",
)
@click.option("--source", help="Only from this document (file name or path).")
@click.option("--index", default="default", show_default=True, help="Index to draw from.")
@click.option("--seed", default=0, show_default=True, help="Orders passages, splits, positions.")
@click.option(
    "--distractors",
    type=click.IntRange(1, 20),
    default=4,
    show_default=True,
    help="RAFT: documents without the answer in each row.",
)
@click.option(
    "--gold-share",
    type=click.FloatRange(0, 1),
    default=0.8,
    show_default=True,
    help="RAFT: share of rows whose documents hold the answer.",
)
@click.option("--model", help="auto, embedded, embedded:small, ollama:NAME, openai:NAME.")
def make_command(
    name: str,
    limit: int | None,
    kinds: str,
    source: str | None,
    index: str,
    seed: int,
    distractors: int,
    gold_share: float,
    model: str | None,
) -> None:
    """Write question-answer rows about the indexed passages and check each against its source.

    \b
    qa       a question, and its answer as a span of the passage
    reverse  a question for a statement of the passage
    hyde     a query and a hypothetical passage, with the real one as its positive
    raft     a question, the gold document among distractors, and reasoning that quotes it

    A row is kept only if its answer stands in the passage word for word, its question stands
    alone, does not tell its answer, was not asked before and, when searched for, finds its
    passage among the first five. What fails goes to rejected.jsonl with its reason.

    The rows come as alpaca/, sharegpt/ and beir/ under datasets/NAME in the Dure folder, nine
    passages for training to one for testing. Interrupted or killed, it goes on where it was when
    you run it again; a greater --limit adds rows to a finished set.

    \b
      dure dataset make --name book --limit 50
      dure dataset make --name book-raft --kinds raft --distractors 3 --gold-share 0.8
      dure dataset make --name one --source report.pdf --seed 7
    """
    import asyncio

    from agents.datasets import Order
    from agents.settings import load_settings

    order = Order(
        name=name,
        index=index,
        source=source,
        kinds=_kinds(kinds),
        seed=seed,
        distractors=distractors,
        gold_share=gold_share,
        limit=limit,
    )
    asyncio.run(_make(order, load_settings(model=model)))


@command.command("show")
@click.argument("name", required=False)
def show_command(name: str | None) -> None:
    """Print the report of a set, or how far it is; without NAME, list the sets."""
    from agents.datasets import Dataset, dataset_names, state_of
    from agents.errors import UsageError
    from agents.settings import load_settings

    home = load_settings().home
    known = dataset_names(home)
    if name is None:
        for each in known:
            click.echo(state_of(Dataset(home, each)))
        if not known:
            click.echo("There are no data sets yet. Make one: dure dataset make", err=True)
        return
    if name not in known:
        listed = ", ".join(known) or "none yet"
        raise UsageError(f"There is no data set {name!r} (there are: {listed}).")
    dataset = Dataset(home, name)
    report = dataset.folder / "report.md"
    click.echo(state_of(dataset), err=True)
    if report.exists():
        click.echo(report.read_text(encoding="utf-8"), nl=False)


def _kinds(given: str) -> tuple[Kind, ...]:
    from agents.errors import UsageError
    from graphs.training_rows import KINDS

    chosen = {kind.strip() for kind in given.split(",") if kind.strip()}
    if not chosen or chosen - set(KINDS):
        raise UsageError(f"--kinds {given!r} is not a list of: {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in chosen)


async def _make(order: Order, settings: Settings) -> None:
    import asyncio

    from agents.datasets import Progress, make
    from agents.mcp_config import own_servers
    from agents.models import choose
    from agents.pool import ServerPool

    at = Progress(0, 0, 0, 0)

    def progress(now: Progress) -> None:
        nonlocal at
        at = now
        click.echo(
            f"{order.name}: passage {now.passages} of {now.of}, {now.rows} rows, "
            f"{now.rejected} rejected",
            err=True,
        )

    chosen = choose(settings)
    click.echo(f"{order.name}: written by {chosen.spec} ({chosen.reason})", err=True)
    pool = ServerPool(
        own_servers(settings.home), logs=settings.home / "logs", timeout=settings.tool_timeout
    )
    async with pool:
        try:
            folder = await make(order, settings.home, chosen.model, chosen.spec, pool, progress)
        except asyncio.CancelledError:
            click.echo(
                f"{order.name}: stopped; {at.rows} rows of {at.passages} passages are safe. The "
                f"same command goes on from there; --limit {max(at.rows, 1)} writes them out now.",
                err=True,
            )
            raise
    click.echo(folder)
