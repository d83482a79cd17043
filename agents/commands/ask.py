"""`dure ask`: one request, one answer."""

from __future__ import annotations

import sys

import click

from agents.commands import options


@click.command("ask")
@click.argument("request", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@options.agent
@click.option("--thread", help="Name of a conversation to continue.")
@options.model
@click.option("--adapter", help="Let this trained adapter answer, on the model it fits.")
@options.yes
def command(
    request: tuple[str, ...],
    as_json: bool,
    agent: str | None,
    thread: str | None,
    model: str | None,
    adapter: str | None,
    yes: bool,
) -> None:
    """Ask once and print the answer.

    Without REQUEST it is read from standard input; a final "-" appends standard input to it.

    \b
      dure ask "정답 1,0,1 예측 1,1,1의 F1은?"
      dure ask --agent regex "explain ^a+$"
      dure ask --model embedded:tiny --adapter faq "When do you open?"
      git log -5 | dure ask "summarise these commits:" -
    """
    import asyncio

    from agents import background

    background.start_loading(model, adapter)
    text = _request(request)
    asyncio.run(_ask(text, as_json, agent, thread, model, adapter, yes))


def _request(words: tuple[str, ...]) -> str:
    from agents.errors import UsageError

    piped = not words or words[-1] == "-"
    typed = " ".join(words[:-1] if words and words[-1] == "-" else words)
    if not piped:
        return typed
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError('There is no request. Try: dure ask "안녕, 뭐 할 수 있어?"')
    read = sys.stdin.read().strip()
    return f"{typed}\n\n{read}" if typed else read


async def _ask(
    text: str,
    as_json: bool,
    agent: str | None,
    thread: str | None,
    model: str | None,
    adapter: str | None,
    yes: bool,
) -> None:
    import json

    from rich.console import Console

    from agents.errors import UsageError
    from agents.session import new_thread, open_session
    from agents.settings import load_settings
    from agents.terminal import Screen, allow, answer, deny, print_answer
    from graphs.language import language_of

    if adapter and agent not in (None, "chat"):
        raise UsageError(f"--agent {agent} answers without an adapter. Leave out one of the two.")
    settings = load_settings(model=model)
    screen = Screen(Console(stderr=True), language_of(text))
    async with open_session(settings, progress=screen.progress, notice=screen.notice) as session:
        if adapter:
            await session.put_on(adapter)
        result = await answer(
            session,
            text,
            thread=thread or new_thread(),
            agent=agent,
            screen=screen,
            approve=allow if yes else deny,
        )
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        print_answer(Console(), result)
