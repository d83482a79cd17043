"""A GGUF model that runs inside Dure as an ordinary LangChain chat model."""

from __future__ import annotations

import asyncio
import json
import math
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import (
    agenerate_from_stream,
    generate_from_stream,
)
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from agents import llama
from agents.circles import goes_in_circles
from agents.constrained import ReplyReader, describe_tools, reply_schema
from agents.fitting import ChatMessage, fit
from mcp_servers import weights

Progress = Callable[[str, int, int], None]
"""Told what is going on: ("join", bytes, bytes), ("load", 0, 1) and ("read", tokens, tokens)."""


def silent(what: str, done: int, total: int) -> None:
    """Progress for callers that show none."""


_END = None


class EmbeddedChatModel(BaseChatModel):
    """An embedded model, or any GGUF file, over llama.cpp: streaming, tools, structured output.

    Tool calls and structured output are sampled under a JSON Schema, so they always parse and
    always name a bound tool. A conversation longer than the context is trimmed, never refused.
    """

    spec: str = "embedded"
    file: Path | None = None  # the GGUF of a model that is not one of Dure's own
    home: Path
    context: int = 8192
    threads: int = 2
    max_tokens: int = 1024
    temperature: float = 0.0
    progress: Progress = Field(default=silent, exclude=True)

    @property
    def _llm_type(self) -> str:
        return "dure-embedded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.spec, "context": self.context, "temperature": self.temperature}

    def load(self) -> llama.Llama:
        """The loaded model. The first call joins the weights (once ever) and loads them."""
        return self._load(None)

    def sha256(self) -> str:
        """What its file hashes to. Of a file that is not Dure's own it is worked out."""
        return weights.sha256(self.file) if self.file else weights.find(self.spec).sha256

    def _load(self, adapter: Path | None) -> llama.Llama:
        path = self.file or weights.ensure(
            weights.find(self.spec),
            self.home,
            lambda done, total: self.progress("join", done, total),
        )
        self.progress("load", 0, 1)
        loaded = llama.load(
            path,
            context=self.context,
            threads=self.threads,
            prefixes=llama.prefix_folder(self.home),
            adapter=adapter,
        )
        self.progress("load", 1, 1)
        return loaded

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; `tool_choice` is None or "auto", "any" or "required", or a tool's name.

        `settled` names, for each tool, arguments that the model shall not write.
        """
        functions = [convert_to_openai_tool(tool)["function"] for tool in tools]
        return self.bind(tools=functions, tool_choice=tool_choice, **kwargs)

    def get_num_tokens(self, text: str) -> int:
        """Tokens of a text, by the model's own tokenizer."""
        return self.load().count_text(text)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Tokens of a conversation under the model's chat template, its tool list included."""
        functions = [convert_to_openai_tool(tool)["function"] for tool in tools or []]
        return self._count(_to_chat(messages, functions))

    def _count(self, chat: Sequence[ChatMessage]) -> int:
        return self.load().count(_for_template(chat))

    def start_afresh(self) -> None:
        """Make what comes next depend on its messages alone, not on what was read before."""
        self.load().start_afresh()

    def probabilities(self, messages: list[BaseMessage], words: Sequence[str]) -> dict[str, float]:
        """How likely the model's reply begins with each word, normalised over the words.

        One forward pass, one sampled token: a calibrated yes or no costs no generation.
        Words should differ in their first token; case is ignored.
        """
        found: dict[str, float] = {}

        def receive(chunk: dict[str, Any]) -> bool:
            for choice in chunk.get("choices", []):
                for token in (choice.get("logprobs") or {}).get("content", [])[:1]:
                    for option in token["top_logprobs"]:
                        text = option["token"].strip().lower()
                        for word in words:
                            if text and word.lower().startswith(text):
                                found[word] = found.get(word, 0.0) + math.exp(option["logprob"])
            return False

        request = self._request(messages, {}) | {
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": 20,
        }
        self.load().chat(request, receive)
        total = sum(found.values())
        return {word: found.get(word, 0.0) / total if total else 1 / len(words) for word in words}

    async def aprobabilities(
        self, messages: list[BaseMessage], words: Sequence[str]
    ) -> dict[str, float]:
        """`probabilities` without blocking the event loop."""
        return await asyncio.to_thread(self.probabilities, messages, words)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Streams, so that cancelling the task stops the model; a thread would go on."""
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        cancelled = threading.Event()
        reader = _ChunkReader(constrained=bool(kwargs.get("tools")))
        self._start(messages, kwargs | {"stop": stop}, chunks.put, cancelled)
        try:
            while (item := chunks.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                for chunk in reader.read(item):
                    if run_manager and chunk.text:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        finally:
            cancelled.set()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks: asyncio.Queue[Any] = asyncio.Queue()
        cancelled = threading.Event()
        reader = _ChunkReader(constrained=bool(kwargs.get("tools")))
        loop = asyncio.get_running_loop()

        def put(item: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(chunks.put_nowait, item)

        self._start(messages, kwargs | {"stop": stop}, put, cancelled)
        try:
            while (item := await chunks.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                for chunk in reader.read(item):
                    if run_manager and chunk.text:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        finally:
            cancelled.set()  # Ctrl-C: llama.cpp stops at its next token or 128 prompt tokens

    def _start(
        self,
        messages: list[BaseMessage],
        options: dict[str, Any],
        put: Callable[[Any], None],
        cancelled: threading.Event,
    ) -> None:
        """Run the completion in a thread of its own; chunks, an error, then the end mark."""
        said = ""

        def receive(chunk: dict[str, Any]) -> bool:
            nonlocal said
            if "prompt_progress" in chunk:
                step = chunk["prompt_progress"]
                self.progress("read", step["processed"], step["total"])
            put(chunk)
            if not options.get("tools"):
                said += "".join(map(_text_of, chunk.get("choices", [])))
            if goes_in_circles(said):
                put({"choices": [{"text": "", "finish_reason": "repetition"}]})
                return True
            return cancelled.is_set()

        def work() -> None:
            try:
                self._send(messages, options, receive)
            except BaseException as error:
                put(error)
            put(_END)

        threading.Thread(target=work, name="llama", daemon=True).start()

    def _send(
        self,
        messages: list[BaseMessage],
        options: dict[str, Any],
        receive: Callable[[dict[str, Any]], bool],
    ) -> None:
        self.load().chat(self._request(messages, options), receive)

    def _request(self, messages: list[BaseMessage], options: dict[str, Any]) -> dict[str, Any]:
        tools = options.get("tools") or []
        choice = options.get("tool_choice")
        max_tokens = self._most(options)
        chat = fit(_to_chat(messages, tools), self._count, self.context - max_tokens)
        request = {"messages": _for_template(chat), **self._sampling(options, max_tokens)}
        if tools:
            reply = reply_schema(tools, choice, options.get("settled"))
            schema = {"name": "reply", "schema": reply}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        return request

    def _most(self, options: dict[str, Any]) -> int:
        """The tokens that a reply may have: half of the context is the prompt's."""
        return min(int(options.get("max_tokens") or self.max_tokens), self.context // 2)

    def _sampling(self, options: dict[str, Any], max_tokens: int) -> dict[str, Any]:
        """What every request says beside its prompt."""
        request: dict[str, Any] = {
            "max_tokens": max_tokens,
            "temperature": options.get("temperature", self.temperature),
            "seed": 0,
            "cache_prompt": True,
            "return_progress": True,
            "stream_options": {"include_usage": True},
        }
        if options.get("stop"):
            request["stop"] = options["stop"]
        return request


class _ChunkReader:
    """Turns llama.cpp's stream chunks into LangChain's."""

    def __init__(self, *, constrained: bool) -> None:
        self._reply = ReplyReader() if constrained else None

    def read(self, chunk: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
        for choice in chunk.get("choices", []):
            text = _text_of(choice)
            if self._reply:
                text = self._reply.feed(text)
            if text:
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))
            if choice.get("finish_reason"):
                yield self._finish(choice["finish_reason"])
        usage = chunk.get("usage")
        if usage:
            counts = UsageMetadata(
                input_tokens=usage["prompt_tokens"],
                output_tokens=usage["completion_tokens"],
                total_tokens=usage["total_tokens"],
            )
            yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=counts))

    def _finish(self, reason: str) -> ChatGenerationChunk:
        call = self._reply.tool_call() if self._reply else None
        message = AIMessageChunk(
            content="",
            tool_call_chunks=[call] if call else [],
            response_metadata={"finish_reason": reason},
        )
        return ChatGenerationChunk(message=message)


def _text_of(choice: dict[str, Any]) -> str:
    """A rendered prompt is completed with texts, a chat with deltas."""
    return choice["text"] if "text" in choice else choice["delta"].get("content") or ""


def _to_chat(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    """LangChain messages as the chat template takes them.

    System texts and the tool list come first and unchanged from turn to turn, so that the prefix
    cache serves them. Tool calls and results are written as the JSON that the model itself uses.
    """
    system = [str(message.text) for message in messages if message.type == "system"]
    if tools:
        system.append(describe_tools(tools))
    chat: list[ChatMessage] = []
    if system:
        chat.append({"role": "system", "content": "\n\n".join(system)})
    for message in messages:
        if message.type == "system":
            continue
        if isinstance(message, ToolMessage):
            outcome = "failed" if message.status == "error" else "returned"
            text = f"[{message.name} {outcome}]\n{message.text}"
            chat.append({"role": "tool", "content": text})
        elif isinstance(message, AIMessage):
            chat.append({"role": "assistant", "content": _spoken(message, bool(tools))})
        else:
            chat.append({"role": "user", "content": message.text})
    return chat


def _for_template(chat: Sequence[ChatMessage]) -> list[ChatMessage]:
    """As the chat template gets it: the user tells what a tool returned."""
    return [{**said, "role": "user"} if said["role"] == "tool" else said for said in chat]


def _spoken(message: AIMessage, constrained: bool) -> str:
    """What the model itself wrote to say this: JSON where tools are bound, plain text elsewhere."""
    if message.tool_calls:
        calls = ({"tool": call["name"], "arguments": call["args"]} for call in message.tool_calls)
        return "\n".join(json.dumps(call, ensure_ascii=False) for call in calls)
    if constrained:
        return json.dumps({"answer": message.text}, ensure_ascii=False)
    return str(message.text)
