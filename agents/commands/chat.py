"""`dure chat`: the conversation in a terminal, or over a pipe."""

from __future__ import annotations

import click

from agents.commands import options


@click.command("chat")
@click.option("--thread", help="Name of the conversation; an existing one is continued.")
@options.agent
@options.model
@click.option(
    "--server", "servers", multiple=True, help="Attach only these servers of your mcp.json."
)
@options.yes
def command(
    thread: str | None,
    agent: str | None,
    model: str | None,
    servers: tuple[str, ...],
    yes: bool,
) -> None:
    """Talk with Dure in the terminal. /help inside shows the commands.

    Without a terminal on standard input, each line read is answered.

    \b
      dure chat
      dure chat --thread report --model ollama:qwen3
      echo "안녕" | dure chat
    """
    import asyncio

    from agents import background

    background.start_loading(model)
    from agents.chat_loop import run_chat
    from agents.settings import load_settings

    settings = load_settings(model=model)
    asyncio.run(run_chat(settings, thread=thread, agent=agent, servers=servers, yes=yes))
