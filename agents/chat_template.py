"""Conversations as the text that an adapter was trained on, by the Jinja template that it carries.

llama.cpp renders the template of the model's own file; an adapter may have learnt another one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.errors import DureError
from agents.fitting import ChatMessage

_MARK = "\ue000"  # private use: in no template and no token


@dataclass(frozen=True)
class ChatTemplate:
    """A template's source and the special tokens that it may name."""

    source: str
    bos_token: str = ""
    eos_token: str = ""

    def prompt(self, messages: Sequence[ChatMessage]) -> str:
        """The text after which the assistant is to speak. Raises `DureError` for a broken one."""
        return self._render(messages, add_generation_prompt=True)

    def end_of_turn(self) -> str:
        """The text that follows an answer, where generation stops; empty where a token ends it."""
        turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}]
        after = self._render(turn, add_generation_prompt=False).partition(_MARK)[2]
        return after.strip().removesuffix(self.eos_token).strip()

    def _render(self, messages: Sequence[ChatMessage], **options: bool) -> str:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(reason: str) -> None:
            raise TemplateError(reason)

        # As transformers sets it up: a template is somebody's file, so it runs in a sandbox.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals |= {"raise_exception": refuse, "strftime_now": time.strftime}
        values: dict[str, Any] = {
            "messages": [dict(message) for message in messages],
            "bos_token": self.bos_token,
            "eos_token": self.eos_token,
            "tools": None,
            "documents": None,
            **options,
        }
        try:
            return environment.from_string(self.source).render(values)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise DureError(
                f"The adapter's chat template cannot be used ({error}). Train it again, or take it "
                "out: /adapter off."
            ) from None
