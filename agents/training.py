"""Training from the command line: the training server's tools, shown and followed.

What is shown is in the language of the user's locale; errors are in English, as everywhere.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from agents.errors import ApprovalNeeded, DureError
from agents.finetune import AGENT, preview, progress_line
from agents.tool_results import structured
from graphs.language import system_language
from prompts import say

if TYPE_CHECKING:
    from agents.pool import ServerPool

_POLL = 0.5  # seconds


class Operator:
    """The training server over one pool. Results go to standard output, talk to standard error."""

    def __init__(self, pool: ServerPool) -> None:
        self._pool = pool

    async def call(self, tool: str, **arguments: Any) -> Any:
        """A tool's structured result; arguments that are None are left to their defaults."""
        from agents.pool import existing_path

        given = {name: value for name, value in arguments.items() if value is not None}
        for item in (*given.get("data", ()), given.get("base", "")):
            if item and (path := existing_path(item)):
                await self._pool.allow(path)
        return structured(await self._pool.call("training", tool, given))

    async def schema(self, tool: str) -> dict[str, Any]:
        """The input schema of a tool."""
        listed = (await self._pool.server("training").list_tools()).tools
        return next(each for each in listed if each.name == tool).inputSchema

    async def asked(self, tool: str, settings: Mapping[str, Any]) -> Any:
        """What a tool says to those of the settings that it takes."""
        takes = (await self.schema(tool))["properties"]
        return await self.call(tool, **{k: v for k, v in settings.items() if k in takes})

    async def agreed(self, settings: dict[str, Any], yes: bool) -> dict[str, Any]:
        """The settings to which the user says yes, after a look at the data and an estimate.

        Who said `yes` before is not asked, but sees what is wrong and is refused what cannot be.

        Raises `ApprovalNeeded` where nobody is there to ask, and where the answer is no.
        """
        from graphs.training_settings import changed, settings_in

        language = system_language()
        looked, estimated = await self._looked(settings)
        while True:
            print_markdown(preview(looked, estimated, settings, language), err=True)
            if yes:
                return settings
            if not sys.stdin.isatty():
                raise ApprovalNeeded("Training needs your yes. Repeat with --yes to start it.")
            said = click.prompt(say("agree_to_training", language), err=True).strip()
            if said.lower() in ("y", "yes", "예", "네"):
                return settings
            if said.lower() in ("n", "no", "아니요"):
                raise ApprovalNeeded("Nothing was started.")
            changes = settings_in(said, (await self.schema("train"))["properties"])
            if not changes:
                click.echo(say("edit_not_understood", language, words=said), err=True)
                continue
            later = changed(settings, changes)
            try:
                looked, estimated = await self._looked(later)
            except DureError as error:
                click.echo(f"{error}", err=True)
                continue
            settings = later

    async def follow(self, state: Mapping[str, Any]) -> Any:
        """Show a job on standard error until it ends; its last state.

        Ctrl-C leaves it running: it lives in a process of its own.
        """
        from rich.console import Console

        console = Console(stderr=True)
        language = system_language()
        seen = ""
        try:
            with console.status("") as status:
                while state["status"] == "running":
                    if (line := progress_line(state, language)) != seen:
                        seen = line
                        if console.is_terminal:
                            status.update(line)
                        else:
                            click.echo(line, err=True)
                    await asyncio.sleep(_POLL)
                    state = await self.call("status", run=state["run"])
        except asyncio.CancelledError:
            named = state["name"] if state["kind"] == "train" else state["run"]
            click.echo(say("train_goes_on", language, run=named), err=True)
            raise
        return state

    async def _looked(self, settings: Mapping[str, Any]) -> tuple[Any, Any]:
        return await self.asked("inspect_dataset", settings), await self.asked("estimate", settings)


@asynccontextmanager
async def opened() -> AsyncIterator[Operator]:
    """An operator; leaving it ends its server, never a run."""
    from agents.mcp_config import own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings

    settings = load_settings()
    servers = {"training": own_servers(settings.home)["training"]}
    async with ServerPool(
        servers, logs=settings.home / "logs", timeout=settings.tool_timeout
    ) as pool:
        yield Operator(pool)


async def start(
    data: Sequence[str], given: dict[str, Any], words: tuple[str, ...], yes: bool, watch: bool
) -> Any:
    """Start a run after the user's yes; its state, the last one with `watch`."""
    async with opened() as operator:
        settings = {"data": list(data), **given, **await _set(operator, words)}
        settings = await operator.agreed(settings, yes)
        state = await operator.call("train", **settings)
        key = "train_started" if watch else "train_started_alone"
        click.echo(say(key, system_language(), **state), err=True)
        return await operator.follow(state) if watch else state


async def show(tool: str, *, wait: bool = False, **arguments: Any) -> Any:
    """One tool's result; with `wait` a job that it starts or tells about is followed to its end."""
    async with opened() as operator:
        result = await operator.call(tool, **arguments)
        return await operator.follow(result) if wait else result


async def look(tool: str, data: Sequence[str], given: Any, words: tuple[str, ...]) -> Any:
    """What a tool says of data and settings before anything is trained."""
    async with opened() as operator:
        settings = {**given, **await _set(operator, words)}
        return await operator.call(tool, data=list(data), **settings)


def print_result(tool: str, result: Any, as_json: bool) -> None:
    """The result on standard output. Raises `DureError` for a job that failed."""
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print_markdown(AGENT.renderers[tool](result, system_language()))
    if isinstance(result, dict) and result.get("error"):
        name = result.get("name") or result["run"]
        raise DureError(f"{name} failed. What it wrote: dure train logs {result['run']}")


def print_markdown(text: str, *, err: bool = False) -> None:
    """Drawn on a terminal, plain elsewhere."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(stderr=err)
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        click.echo(text, err=err)


async def _set(operator: Operator, words: tuple[str, ...]) -> dict[str, Any]:
    """`--set key=value` words as arguments, by the schema of `train`."""
    from agents.commands.call import parse_arguments

    if not words:
        return {}
    return parse_arguments(words, {**await operator.schema("train"), "required": []})
