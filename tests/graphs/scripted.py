"""A chat model that says what a test wrote down, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import Field


def calling(tool: str, **arguments: Any) -> AIMessage:
    """A reply that calls one tool."""
    call = {"name": tool, "args": arguments, "id": f"call_{tool}", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


class Scripted(BaseChatModel):
    """Gives its replies in order, the last one for ever."""

    replies: list[Any]
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    choices: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        return self.bind(tool_choice=tool_choice)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        async def pick(messages: list[BaseMessage]) -> Any:
            return self._next(messages)

        return RunnableLambda(pick)

    def _generate(
        self, messages: list[BaseMessage], *args: Any, tool_choice: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.choices.append(tool_choice)
        reply = self._next(messages)
        return ChatResult(generations=[ChatGeneration(message=reply.model_copy(deep=True))])

    def _next(self, messages: list[BaseMessage]) -> Any:
        self.asked.append(list(messages))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
