"""One running Dure: settings, model, servers and graph together, and requests as event streams.

Every surface (`ask`, `chat`, the MCP tool `ask`, the evaluations) drives this and nothing else.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage
from langgraph.types import Command
from typing_extensions import TypedDict

from agents import adapters, meta
from agents.approvals import Approvals
from agents.conversations import names, open_conversations, prune
from agents.errors import DureError, UsageError
from agents.mcp_config import foreign_servers, own_servers
from agents.models import ChosenModel, choose
from agents.pool import ServerPool, existing_path
from agents.registry import agents
from agents.settings import Settings
from agents.tool_results import structured
from graphs.state import Citation, Route, Step

if TYPE_CHECKING:
    from agents.adapted import AdaptedChatModel
    from agents.adapters import Adapter
    from agents.embedded import Progress
    from agents.pool import Notice

Event = dict[str, Any]
"""{"event": "route" | "tool_start" | "tool_end" | "progress" | "token" | "again" | "approval" |
"done", ...}"""


class Tokens(TypedDict):
    """Tokens that the specialist's model read and wrote."""

    prompt: int
    completion: int


class Answer(TypedDict):
    """The contract of `dure ask --json`."""

    answer: str
    agent: str
    pattern: str
    model: str
    thread: str
    seconds: float
    route: Route
    steps: list[Step]
    citations: list[Citation]
    artifacts: list[str]
    tokens: Tokens


class Session:
    """Answers requests in named conversations. Open it with `open_session`."""

    def __init__(
        self, settings: Settings, chosen: ChosenModel, pool: ServerPool, saver: Any, graph: Any
    ) -> None:
        self.settings = settings
        self.chosen = chosen
        self.pool = pool
        self.approvals = Approvals(settings.home / "approvals.toml")
        self.adapted: AdaptedChatModel | None = None
        self._saver = saver
        self._graph = graph
        self._began = 0.0

    def agents(self) -> list[str]:
        """Names that `--agent` takes: our agents, then attached servers."""
        own = list(agents())
        servers = {name for agent in agents().values() for name in agent.servers}
        return own + [name for name in self.pool.names() if name not in servers]

    async def put_on(self, name: str) -> Adapter:
        """Have the chat agent answer with an adapter, from the next request on.

        Raises `UsageError` for an unknown adapter and for one that the running model cannot take,
        `DureError` for one that llama.cpp cannot load. What was on before stays on then.
        """
        from agents.adapted import adapted
        from agents.embedded import EmbeddedChatModel

        adapter = adapters.find(name, self.settings.home)
        await asyncio.to_thread(adapters.check, adapter, self.chosen)
        if not adapter.gguf.is_file():
            await self._export(name)
        assert isinstance(self.chosen.model, EmbeddedChatModel)  # or it would have been refused
        model = adapted(self.chosen.model, adapter)
        await asyncio.to_thread(model.load)
        self.adapted = model
        return adapter

    async def _export(self, name: str) -> None:
        """Have the training server write an adapter's GGUF; a published one has it already."""
        state = structured(await self.pool.call("training", "export", {"run": name}))
        while state["status"] == "running":
            await asyncio.sleep(0.2)
            state = structured(await self.pool.call("training", "status", {"run": state["run"]}))
        if state["error"]:
            raise DureError(state["error"])

    async def ask(
        self, request: str, *, thread: str, agent: str | None = None
    ) -> AsyncIterator[Event]:
        """Answer a request; the last event is "done", or "approval" when a tool call waits.

        While an adapter is on, the chat agent answers whatever is not for an agent by name.
        Raises `UsageError` for an unknown agent or an empty request.
        """
        if agent is not None and agent not in self.agents():
            raise UsageError(
                f"There is no agent {agent!r}. Choose from: {', '.join(self.agents())}."
            )
        request = request.encode("utf-8", "replace").decode()  # lone surrogates cannot be stored
        if not request.strip():
            raise UsageError("The request is empty. Write what you want to know.")
        for path in _paths_in(request):
            await self.pool.allow(path)
        self._began = time.monotonic()
        if agent is None and self.adapted is not None:
            agent = "chat"
        start = {"messages": [HumanMessage(request)], "agent": agent}
        async for event in self._run(start, thread):
            yield event

    async def resume(
        self, thread: str, decisions: Sequence[dict[str, Any]] | None = None
    ) -> AsyncIterator[Event]:
        """Go on after an approval (one decision a waiting call), or after an interruption."""
        given: Command[Any] | None = (
            Command(resume={"decisions": list(decisions)}) if decisions else None
        )
        if not decisions or not self._began:
            self._began = time.monotonic()
        async for event in self._run(given, thread):
            yield event

    async def unfinished(self, thread: str) -> bool:
        """Whether the conversation's last request was interrupted before its answer."""
        state = await self._graph.aget_state(_config(thread))
        return bool(state.tasks)  # not `next`, which leaves out a step that ended just before

    async def history(self, thread: str) -> list[AnyMessage]:
        """The conversation's messages so far."""
        state = await self._graph.aget_state(_config(thread))
        return list(state.values.get("messages", []))

    async def server_of(self, tool: str, thread: str) -> str:
        """The MCP server of a tool which the agent that answers in this conversation calls."""
        route: Route = (await self._graph.aget_state(_config(thread))).values["route"]
        agent = agents().get(route["agent"])
        for server in agent.servers if agent else (route["agent"],):
            if any(offered.name == tool for offered in await self.pool.tools(server)):
                return server
        return ""

    async def threads(self) -> list[str]:
        """Names of all conversations, the latest first."""
        return await names(self._saver)

    async def _run(self, given: Any, thread: str) -> AsyncIterator[Event]:
        modes = ["messages", "custom", "updates"]
        stream = self._graph.astream(
            given, _config(thread), stream_mode=modes, subgraphs=True, durability="sync"
        )
        try:
            async for _, mode, data in stream:
                if mode == "custom":
                    yield data
                elif mode == "messages":
                    chunk, _ = data
                    if isinstance(chunk, AIMessageChunk) and chunk.text:
                        yield {"event": "token", "text": str(chunk.text)}
                elif "__interrupt__" in data:
                    requests = data["__interrupt__"][0].value["action_requests"]
                    yield {"event": "approval", "requests": requests}
                    return
        except DureError:
            raise
        except Exception as error:
            if self.chosen.small:
                raise
            # A served model fails in its provider's own ways: no connection, no such model, no key.
            told = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise DureError(
                f"The model {self.chosen.spec} failed: {told} Check its server and its name with: "
                "dure models."
            ) from error
        await prune(self._saver, thread, self.settings.keep_checkpoints)
        yield {"event": "done", "answer": await self._answer(thread)}

    async def _answer(self, thread: str) -> Answer:
        state = (await self._graph.aget_state(_config(thread))).values
        message: AIMessage = state["messages"][-1]
        usage = message.usage_metadata
        route: Route = state["route"]
        return {
            "answer": str(message.text),
            "agent": route["agent"],
            "pattern": "single" if route["stage"] == "fixed" else "router",
            "model": self._model_of(route),
            "thread": thread,
            "seconds": round(time.monotonic() - self._began, 2),
            "route": route,
            "steps": state.get("steps", []),
            "citations": state.get("citations", []),
            "artifacts": state.get("artifacts", []),
            "tokens": {
                "prompt": usage["input_tokens"] if usage else 0,
                "completion": usage["output_tokens"] if usage else 0,
            },
        }

    def _model_of(self, route: Route) -> str:
        """The spec of the model that answered, with its adapter where it had one on."""
        if self.adapted is not None and route["agent"] == "chat":
            return f"{self.chosen.spec}+{self.adapted.adapter.name}"
        return self.chosen.spec


@asynccontextmanager
async def open_session(
    settings: Settings,
    *,
    progress: Progress | None = None,
    notice: Notice = lambda server, message, done, total: None,
    servers: Callable[[str], bool] = lambda name: True,
) -> AsyncIterator[Session]:
    """A session; leaving it ends every server. `servers` chooses among the user's own ones."""
    foreign = {n: s for n, s in foreign_servers(settings.mcp_config).items() if servers(n)}
    chosen = choose(settings, progress)
    pool = ServerPool(
        {**own_servers(settings.home), **foreign},
        logs=settings.home / "logs",
        timeout=settings.tool_timeout,
        notice=notice,
    )
    async with open_conversations(settings.home) as saver, pool:
        session = Session(settings, chosen, pool, saver, None)
        session._graph = meta.build(
            chosen,
            pool,
            session.approvals,
            foreign=list(foreign),
            step_limit=settings.step_limit,
            checkpointer=saver,
            adapted=lambda: session.adapted,
        )
        yield session


def new_thread() -> str:
    """A name for a conversation that the user did not name."""
    return time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:4]


def _config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}, "recursion_limit": 100}


def _paths_in(request: str) -> list[Path]:
    """Existing files and folders that the user names: naming one allows it."""
    found = []
    quoted = re.findall(r"\"([^\"\n]+)\"|(?<!\w)'([^'\n]+)'", request)  # their spaces are their own
    for word in [*re.split(r"[\s\"'`=]+", request), *("".join(pair) for pair in quoted)]:
        if "/" in word or "." in word:
            path = _existing(word.rstrip(".,;:!?)"))
            if path and path.resolve() != Path("/"):
                found.append(path)
    return found


def _existing(word: str) -> Path | None:
    """The path that a word begins with: a Korean particle (`faq.csv로`) may stand after it."""
    tail = re.search(r"[가-힣]{0,4}$", word)
    assert tail
    cuts = range(len(word), max(tail.start(), 1) - 1, -1)
    return next((path for cut in cuts if (path := existing_path(word[:cut]))), None)
