"""`dure search`: passages and pictures of the documents, and why each stands where it does."""

from __future__ import annotations

from typing import Any

import click

_STAGES = ("lexical", "dense", "sentence", "feedback", "fused", "rerank", "coverage")
_PICTURE_STAGES = ("words_rank", "lexical", "dense", "words", "coverage", "looks_rank", "looks")
_SHOWN = 240  # characters of a passage or caption


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
@click.option(
    "--modality",
    type=click.Choice(["both", "text", "pictures"]),
    default="both",
    show_default=True,
    help="Passages and pictures in one ranking, or one kind alone.",
)
@click.option("--source", help="Only this document (file name or path).")
@click.option("--diversity", type=float, help="MMR's lambda: 1 relevance alone, 0 diversity alone.")
@click.option("--rerank", help="A cross-encoder that judges the best: hub name or folder.")
@click.option("--index", default="default", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The tool's whole result.")
def command(query: str, explain: bool, as_json: bool, **options: Any) -> None:
    """Find passages and pictures of the indexed documents that answer QUERY.

    \b
      dure call retrieval.add paths=./docs
      dure search "휴가는 며칠인가요?" --explain
      dure search "파란 원이 있는 그림" --modality pictures

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
    shown = f", {len(found['pictures'])} pictures found" if found["pictures"] else ""
    click.echo(f"{searched['documents']} documents, {searched['chunks']} passages{shown}", err=True)
    if found["note"]:
        click.echo(found["note"], err=True)
    for number, (modality, item) in enumerate(_ranked(found), 1):
        told = _picture if modality == "picture" else _passage
        click.echo(told(number, item, explain))
    if not found["ranking"]:
        raise DureError("Nothing was found. Add files first: dure call retrieval.add paths=PATH")


def _ranked(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Passages and pictures in the order of their one ranking."""
    items = {("text", item["id"]): item for item in found["passages"]}
    items |= {("picture", item["id"]): item for item in found["pictures"]}
    return [(row["modality"], items[row["modality"], row["id"]]) for row in found["ranking"]]


def _picture(number: int, picture: dict[str, Any], explain: bool) -> str:
    lines = [f"{_head(number, picture)}  [picture, {picture['score']:.4f}]"]
    if explain:
        lines.append(f"   {_stages(picture['scores'], _PICTURE_STAGES)}")
    lines += [f"   {_short(picture['caption'])}", f"   {picture['picture']}"]
    return "\n".join(lines)


def _passage(number: int, passage: dict[str, Any], explain: bool) -> str:
    heading = f", {passage['heading']}" if passage["heading"] else ""
    lines = [f"{_head(number, passage)}{heading}  ({passage['score']:.3f})"]
    if explain:
        lines.append(f"   {_stages(passage['scores'], _STAGES)}")
    lines.append(f"   {_short(passage['text'])}")
    return "\n".join(lines)


def _head(number: int, item: dict[str, Any]) -> str:
    page = f", p. {item['page']}" if item["page"] is not None else ""
    return f"{number}. {item['title']}{page}"


def _stages(scores: dict[str, Any], names: tuple[str, ...]) -> str:
    told = (name for name in names if scores[name] is not None)
    return " · ".join(
        f"{name} {scores[name]}" if isinstance(scores[name], int) else f"{name} {scores[name]:.3f}"
        for name in told
    )


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"{flat[:_SHOWN]}{'…' if len(flat) > _SHOWN else ''}"
