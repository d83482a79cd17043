"""An embedded model with an adapter on: it is asked as the adapter was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from langchain_core.messages import BaseMessage

from agents import llama
from agents.adapters import Adapter
from agents.chat_template import ChatTemplate
from agents.embedded import EmbeddedChatModel
from agents.errors import DureError
from agents.fitting import ChatMessage, fit


class AdaptedChatModel(EmbeddedChatModel):
    """The base with one adapter: its own chat template, no tools, no system prompt of ours."""

    adapter: Adapter

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {**super()._identifying_params, "adapter": self.adapter.name}

    def load(self) -> llama.Llama:
        """The loaded base, the adapter beside it. `DureError` where the adapter is gone."""
        if not self.adapter.gguf.is_file():
            raise DureError(
                f"The adapter {self.adapter.name} was deleted. Take it out: /adapter off."
            )
        return self._load(self.adapter.gguf)

    @cached_property
    def template(self) -> ChatTemplate:
        """The template that the adapter carries, else that of its base."""
        if own := self.adapter.template():
            return own
        known = self.load().properties()
        return ChatTemplate(known["chat_template"], known["bos_token"], known["eos_token"])

    def _count(self, chat: Sequence[ChatMessage]) -> int:
        return self.load().count_text(self.template.prompt(chat))

    def _send(
        self,
        messages: list[BaseMessage],
        options: dict[str, Any],
        receive: Callable[[dict[str, Any]], bool],
    ) -> None:
        max_tokens = self._most(options)
        said = [
            {"role": _ROLES[message.type], "content": str(message.text)} for message in messages
        ]
        prompt = self.template.prompt(fit(said, self._count, self.context - max_tokens))
        stop = [*(options.get("stop") or []), *filter(None, [self.template.end_of_turn()])]
        request = {"prompt": prompt, **self._sampling({**options, "stop": stop}, max_tokens)}
        self.load().complete(request, receive, self.adapter.gguf)


_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def adapted(model: EmbeddedChatModel, adapter: Adapter) -> AdaptedChatModel:
    """This model with the adapter on. Both share what is loaded."""
    return AdaptedChatModel(**dict(model), adapter=adapter)
