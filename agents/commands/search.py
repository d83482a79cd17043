"""`dure search`: passages of the indexed documents, and why each stands where it does."""

from __future__ import annotations

from typing import Any

import click

_STAGES = ("lexical", "dense", "sentence", "feedback", "fused", "rerank", "coverage")
_SHOWN = 240  # characters of a passage


@click.command("search")
@click.argument("query")
@click.option("-k", default=5, show_default=True, help="How many passages.")
@click.option("--explain", is_flag=True, help="Show each passage's scores, stage by stage.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "lexical", "dense", "prefilter"]),
    default="hybrid",
    show_default=True,
    help="Words and vectors weighed, BM25, cosine, or BM25's best by cosine.",
)
@click.option("--source", help="Only this document (file name or path).")
@click.option("--diversity", type=float, help="MMR's lambda: 1 relevance alone, 0 diversity alone.")
@click.option("--rerank", help="A cross-encoder that judges the best: hub name or folder.")
@click.option("--index", default="default", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The tool's whole result.")
def command(query: str, explain: bool, as_json: bool, **options: Any) -> None:
    """Find passages of the indexed documents that answer QUERY.

    \b
      dure call retrieval.add paths=./docs
      dure search "휴가는 며칠인가요?" --explain

    Everything else that search can do (filters, thresholds, variants, windows):
    dure tools retrieval
    """
    import asyncio

    given = {name: value for name, value in options.items() if value is not None}
    asyncio.run(_search({"query": query, **given}, explain, as_json))


async def _search(arguments: dict[str, Any], explain: bool, as_json: bool) -> None:
    import json

    from agents.errors import DureError
    from agents.mcp_config import own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings
    from agents.tool_results import structured

    settings = load_settings()
    async with ServerPool(
        own_servers(settings.home), logs=settings.home / "logs", timeout=settings.tool_timeout
    ) as pool:
        found = structured(await pool.call("retrieval", "search", arguments))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    searched = found["searched"]
    click.echo(f"{searched['documents']} documents, {searched['chunks']} passages", err=True)
    for number, passage in enumerate(found["passages"], 1):
        click.echo(_told(number, passage, explain))
    if not found["passages"]:
        raise DureError("Nothing was found. Add files first: dure call retrieval.add paths=PATH")


def _told(number: int, passage: dict[str, Any], explain: bool) -> str:
    page = f", p. {passage['page']}" if passage["page"] is not None else ""
    lines = [f"{number}. {passage['title']}{page}  ({passage['score']:.3f})"]
    if explain:
        scores = passage["scores"]
        told = (f"{name} {scores[name]:.3f}" for name in _STAGES if scores[name] is not None)
        lines.append(f"   {' · '.join(told)}")
    text = " ".join(passage["text"].split())
    lines.append(f"   {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}")
    return "\n".join(lines)
