"""A turn answered by a fine-tuned model, asked as it was trained: the request and nothing else.

No system prompt, no facts, no earlier turns and no reminder of the language: each would be a
prompt that training never showed it.
"""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from graphs.language import language_of
from graphs.specialist import Specialist, answer_message, request_of
from graphs.state import Turn
from prompts import say


def alone_or(adapted: Callable[[], BaseChatModel | None], otherwise: Specialist) -> Specialist:
    """A node that the adapted model answers while there is one, and `otherwise` without."""

    async def answer(state: Turn) -> Turn:
        model = adapted()
        if model is None:
            return await otherwise(state)
        request = request_of(state)
        reply = await model.ainvoke([HumanMessage(request)])
        language = language_of(request)
        text = str(reply.text).strip() or say("adapter_silent", language)
        if reply.response_metadata.get("finish_reason") == "repetition":
            text += f"\n\n> {say('adapter_circles', language)}"
        return {"messages": [answer_message(text, [reply])], "steps": [], "artifacts": []}

    return answer
