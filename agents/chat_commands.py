"""The commands of the chat, each a small coroutine over the running chat."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import DureError
from agents.registry import agents
from agents.session import new_thread
from agents.tool_results import structured
from prompts import prompt, say

if TYPE_CHECKING:
    from agents.adapters import Adapter
    from agents.chat_loop import Chat

Command = Callable[["Chat", list[str]], Awaitable[bool]]


async def run(chat: Chat, line: str) -> bool:
    """Carry out a command line; False ends the chat."""
    try:
        name, *words = shlex.split(line)
    except ValueError:
        name, *words = line.split()
    command = COMMANDS.get(name.lower())
    if command is None:
        chat.say("no_such_command", command=name)
        return True
    return await command(chat, words)


async def _help(chat: Chat, words: list[str]) -> bool:
    language = words[0] if words and words[0] in ("ko", "en") else chat.language
    chat.show(prompt(f"help_{language}"))
    return True


async def _help_korean(chat: Chat, words: list[str]) -> bool:
    return await _help(chat, ["ko"])


async def _new(chat: Chat, words: list[str]) -> bool:
    chat.thread = words[0] if words else new_thread()
    chat.say("now_thread", thread=chat.thread)
    return True


async def _resume(chat: Chat, words: list[str]) -> bool:
    known = await chat.session.threads()
    if not known:
        chat.say("no_threads")
        return True
    others = [name for name in known if name != chat.thread] or known
    thread = words[0] if words else others[0]
    if thread not in known:
        chat.say("no_such_thread", thread=thread)
        return True
    chat.thread = thread
    chat.say("now_thread", thread=thread)
    for message in (await chat.session.history(thread))[-4:]:
        chat.show(f"{'❯' if message.type == 'human' else ' '} {message.text}")
    if await chat.session.unfinished(thread):
        chat.say("continuing")
        await chat.answer(None)
    return True


async def _threads(chat: Chat, words: list[str]) -> bool:
    known = await chat.session.threads()
    if not known:
        chat.say("no_threads")
        return True
    chat.show("\n".join(f"- {'**' + n + '**' if n == chat.thread else n}" for n in known[:30]))
    return True


async def _agent(chat: Chat, words: list[str]) -> bool:
    known = chat.session.agents()
    if words:
        if words[0] != "auto" and words[0] not in known:
            listed = ", ".join(["auto", *known])
            raise DureError(f"There is no agent {words[0]!r}. Choose from: {listed}.")
        chat.agent = None if words[0] == "auto" else words[0]
    chat.say("now_agent", agent=chat.agent or "auto", agents=", ".join(["auto", *known]))
    return True


async def _model(chat: Chat, words: list[str]) -> bool:
    chosen = chat.session.chosen
    if not words:
        chat.say("now_model", model=chosen.spec, reason=chosen.reason)
        return True
    from agents.models import choose

    settings = chat.session.settings.model_copy(update={"model": words[0]})
    picked = choose(settings)  # fails here, before the running session is given up
    chat.say("now_model", model=picked.spec, reason=picked.reason)
    chat.new_model = words[0]
    return False


async def _adapter(chat: Chat, words: list[str]) -> bool:
    from agents import adapters

    session = chat.session
    if not words:
        chat.show(_adapters(chat, adapters.listing(session.settings.home)))
    elif words[0] in ("off", "끄기"):
        was = session.adapted
        session.adapted = None
        chat.say("adapter_off" if was else "adapter_none_on", model=session.chosen.spec)
    else:
        put_on = await session.put_on(words[0])
        chat.agent = None
        chat.say("adapter_on", adapter=put_on.name, model=session.chosen.spec)
    return True


def _adapters(chat: Chat, found: list[Adapter]) -> str:
    """A table of adapters; the one that is on is bold."""
    if not found:
        return say("adapter_none", chat.language)
    on = chat.session.adapted.adapter.name if chat.session.adapted else None
    lines = [say("adapter_columns", chat.language), "| --- | --- | --- | --- | --- |"]
    for adapter in found:
        name = f"**{adapter.name}**" if adapter.name == on else adapter.name
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(adapter.trained))
        figures = ", ".join(
            f"{key} {adapter.figures[key]:.4g}"
            for key in ("steps", "loss", "eval_loss")
            if isinstance(adapter.figures.get(key), int | float)
        )
        lines.append(f"| {name} | {adapter.base} | {adapter.method} | {when} | {figures} |")
    return "\n".join(lines)


async def _tools(chat: Chat, words: list[str]) -> bool:
    names = words or chat.session.pool.names()
    for name in names:
        lines = [f"**{name}**", ""]
        for tool in await chat.session.pool.tools(name):
            lines.append(f"- `{tool.name}`: {' '.join(tool.description.split())}")
        chat.show("\n".join(lines))
    return True


async def _docs(chat: Chat, words: list[str]) -> bool:
    pool = chat.session.pool
    renderers = agents()["rag"].renderers
    action = words[0] if words else "list"
    if action == "list":
        result = await pool.call("retrieval", "list_documents", {})
        chat.show(renderers["list_documents"](structured(result), chat.language))
    elif action == "add" and len(words) > 1:
        for word in words[1:]:
            await pool.allow(Path(word))
        paths = [str(Path(word).expanduser().resolve()) for word in words[1:]]
        started = structured(await pool.call("retrieval", "add", {"paths": paths}))
        await _follow(chat, started["job"])
    elif action == "remove" and len(words) == 2:
        removed = await pool.call("retrieval", "remove", {"source": words[1]})
        chat.show(renderers["remove"](structured(removed), chat.language))
    else:
        chat.say("docs_usage")
    return True


async def _image(chat: Chat, words: list[str]) -> bool:
    from agents import terminal_pictures

    if not words:
        chat.say("image_usage", pictures=", ".join(map(str, chat.attached)) or "-")
    elif words[0] in ("off", "빼기"):
        chat.attached = []
        chat.say("image_none")
    else:
        found = [Path(word).expanduser().resolve() for word in words]
        for path in found:
            if not path.is_file():
                raise DureError(say("no_such_file", chat.language, path=path))
            if path.suffix.lower() not in terminal_pictures.SUFFIXES:
                known = ", ".join(sorted(terminal_pictures.SUFFIXES))
                raise DureError(say("no_picture", chat.language, path=path, known=known))
        chat.attached += found
        terminal_pictures.show(chat.out, [str(path) for path in found])
        chat.say("image_attached", pictures=", ".join(path.name for path in chat.attached))
    return True


async def _follow(chat: Chat, job: str) -> None:
    """Watch a job on a progress bar; Ctrl-C leaves it running."""
    from rich.progress import Progress

    from agents.commands.call import follow

    try:
        with Progress(console=chat.out, transient=True, disable=not chat.interactive) as bar:
            task = bar.add_task(job, total=None)

            def show(state: dict[str, Any]) -> None:
                bar.update(
                    task,
                    description=state["message"],
                    completed=state["done"],
                    total=state["total"] or None,
                )

            state = await follow(chat.session.pool, "retrieval", job, show)
    except asyncio.CancelledError:
        chat.say("job_detached", job=job)
        raise
    if state["error"]:
        raise DureError(state["error"])
    chat.show(agents()["rag"].renderers["job"](state, chat.language))


async def _export(chat: Chat, words: list[str]) -> bool:
    path = Path(words[0] if words else f"{chat.thread}.md").expanduser()
    if path.exists():
        raise DureError(say("file_exists", chat.language, path=path))
    parts = [f"# {chat.thread}"]
    for message in await chat.session.history(chat.thread):
        if message.type == "human":
            parts.append(f"## {message.text}")
            continue
        turn = message.additional_kwargs.get("turn", {})
        if route := turn.get("route"):
            parts.append(f"*{route['agent']} ({route['stage']}: {route['reason']})*")
        for step in turn.get("steps", []):
            parts.append(f"*{step['server']}.{step['tool']}, {step['seconds']:.2f} s*")
        parts.append(str(message.text))
    try:
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    except OSError as error:
        raise DureError(f"{path} cannot be written: {error.strerror}. Name another file.") from None
    chat.say("exported", path=path)
    return True


async def _quit(chat: Chat, words: list[str]) -> bool:
    return False


COMMANDS: dict[str, Command] = {
    "/help": _help,
    "/도움말": _help_korean,
    "/new": _new,
    "/resume": _resume,
    "/threads": _threads,
    "/agent": _agent,
    "/model": _model,
    "/adapter": _adapter,
    "/어댑터": _adapter,
    "/tools": _tools,
    "/docs": _docs,
    "/image": _image,
    "/그림": _image,
    "/export": _export,
    "/quit": _quit,
}


def completions(chat: Chat) -> list[str]:
    """What the tab key completes: commands, and the adapters that one of them takes."""
    from agents import adapters

    known = [adapter.name for adapter in adapters.listing(chat.session.settings.home)]
    return [*COMMANDS, *(f"/adapter {name}" for name in [*known, "off"])]
