"""The chat: read a line, answer it or carry out a command, until the end of input."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from agents import chat_commands
from agents.errors import DureError, UsageError
from agents.session import Session, new_thread, open_session
from agents.settings import Settings
from agents.terminal import Screen, allow, answer, deny, print_answer
from graphs.language import Language, language_of, system_language
from prompts import say


class Chat:
    """What one running chat knows: its session, conversation, chosen agent and language."""

    def __init__(
        self, session: Session, screen: Screen, thread: str, agent: str | None, yes: bool
    ) -> None:
        self.session = session
        self.screen = screen
        self.thread = thread
        self.agent = agent
        self.out = Console()
        self.interactive = sys.stdin.isatty()
        self.new_model: str | None = None
        self.attached: list[Path] = []  # pictures that go with the next request
        self._yes = yes
        self._prompt: Any = None

    @property
    def language(self) -> Language:
        """The language of the last request; the system's before the first."""
        return "ko" if self.screen.language == "ko" else "en"

    def say(self, key: str, **values: object) -> None:
        """A fixed text, in the user's language."""
        self.show(say(key, self.language, **values))

    def show(self, markdown: str) -> None:
        """Markdown on a terminal, the same as plain text elsewhere."""
        if self.out.is_terminal:
            self.out.print(Markdown(markdown))
        else:
            self.out.file.write(markdown + "\n")
            self.out.file.flush()

    async def handle(self, line: str) -> bool:
        """Answer one line or carry out its command; False ends the chat."""
        if line.startswith("/") and "/" not in line.split()[0][1:]:  # else it begins with a path
            return await chat_commands.run(self, line)
        self.screen.language = language_of(line)
        pictures = "".join(f' "{picture}"' for picture in self.attached)
        self.attached = []
        await self.answer(line + pictures)
        return True

    async def answer(self, request: str | None) -> None:
        """Answer a request, or go on with an interrupted one (None)."""
        result = await answer(
            self.session,
            request,
            thread=self.thread,
            agent=self.agent,
            screen=self.screen,
            approve=self._approve,
        )
        print_answer(self.out, result)

    async def lines(self) -> AsyncIterator[str]:
        """The lines that the user types, or that standard input holds."""
        if not self.interactive:
            loop = asyncio.get_running_loop()
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                if line.strip():
                    yield line.strip()
            return
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory

        home = self.session.settings.home
        self._prompt = PromptSession(
            history=FileHistory(str(home / "history")),
            completer=WordCompleter(lambda: chat_commands.completions(self), sentence=True),
            complete_while_typing=False,
        )
        while True:
            try:
                line = await self._prompt.prompt_async(self._mark)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if line.strip():
                yield line.strip()

    def _mark(self) -> str:
        """What stands before the line that is typed: what is attached, the adapter that answers."""
        on = self.session.adapted
        names = [*(f"[{each.name}]" for each in self.attached), *([on.adapter.name] if on else [])]
        return " ".join([*names, "❯ "])

    async def _approve(self, waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self._yes:
            return await allow(waiting)
        if not self.interactive:
            return await deny(waiting)
        try:
            return [await self._decision(call) for call in waiting]
        except (KeyboardInterrupt, EOFError):
            raise asyncio.CancelledError from None  # Ctrl-C stops the answer, not the chat

    async def _decision(self, call: dict[str, Any]) -> dict[str, Any]:
        from prompt_toolkit import PromptSession

        server = await self.session.server_of(call["name"], self.thread)
        policy = self.session.approvals
        if policy.decide(server, call["name"], {}, foreign=True) == "auto":
            return {"type": "approve"}  # "always" was said since this specialist was built
        arguments = json.dumps(call["args"], ensure_ascii=False)
        question = say("approve", self.language, call=f"{call['name']}({arguments})")
        if "preview" in call:
            self.show(call["preview"])
            question = say("approve_training", call["language"])
        asked: PromptSession[str] = PromptSession()
        while True:
            said = (await asked.prompt_async(question)).strip()
            reply = said.lower()
            if reply in ("y", "yes", "예", "네", "ㅇ"):
                return {"type": "approve"}
            if reply in ("n", "no", "아니요", "아니오", "ㄴ"):
                told = say("rejected", self.language, tool=call["name"])
                return {"type": "reject", "message": told}
            if reply in ("a", "always", "항상"):
                policy.remember(server, call["name"])
                return {"type": "approve"}
            if reply in ("e", "edit", "고치기"):
                text = await asked.prompt_async("JSON: ", default=arguments)
                try:
                    changed = json.loads(text)
                except ValueError as error:
                    self.show(f"{error}")
                    continue
                return {"type": "edit", "edited_action": {"name": call["name"], "args": changed}}
            if said and "preview" in call:  # a change in words, which the graph reads
                return {"type": "words", "words": said}


async def run_chat(
    settings: Settings,
    *,
    thread: str | None,
    agent: str | None,
    servers: tuple[str, ...],
    yes: bool,
) -> None:
    """Run the chat to its end. Changing the model opens a new session on the same conversation."""
    if os.environ.get("TERM") == "dumb":
        os.environ.setdefault("NO_COLOR", "1")
    screen = Screen(Console(stderr=True), system_language())
    current = thread or new_thread()
    while True:
        async with open_session(
            settings,
            progress=screen.progress,
            notice=screen.notice,
            servers=lambda name: not servers or name in servers,
        ) as session:
            if agent is not None and agent not in session.agents():
                raise UsageError(
                    f"There is no agent {agent!r}. Choose from: {', '.join(session.agents())}."
                )
            chat = Chat(session, screen, current, agent, yes)
            await _talk(chat, greet=thread is None)
        if chat.new_model is None:
            return
        settings = settings.model_copy(update={"model": chat.new_model})
        current, agent, thread = chat.thread, chat.agent, chat.thread


async def _talk(chat: Chat, *, greet: bool) -> None:
    chosen = chat.session.chosen
    if chat.interactive:
        chat.say("welcome", model=chosen.spec, reason=chosen.reason, thread=chat.thread)
    if not greet and await chat.session.unfinished(chat.thread):
        chat.say("continuing")
        await _interruptible(chat, lambda: chat.answer(None))
    async for line in chat.lines():
        going = await _interruptible(chat, lambda line=line: chat.handle(line))  # type: ignore[misc]
        if going is False:
            return


async def _interruptible(chat: Chat, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run work that Ctrl-C stops without stopping the chat; a failure is told in one line."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work())
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
        chat.say("stopped")
    except DureError as error:
        chat.show(f"dure: {error}")
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return None
