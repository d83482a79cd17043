"""Requests about pictures: to draw, to change, to tell what is shown, to find (chapters 5, 6, 7).

Files, captions, labels and settings are written out in the request, so for a small model code
reads them and calls the tools itself (`graphs/picture_errands`). A larger model calls the same
tools in its own loop, and where it can see it is shown the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage

from graphs.drawing_words import caption_in, drawing_settings
from graphs.language import Language, language_of
from graphs.picture_errands import AGENT, NeedsYes, Question, Studio, named_index
from graphs.picture_memory import last_pictures, made
from graphs.picture_places import folders_in, pictures_in, without_places
from graphs.picture_questions import labels_in
from graphs.specialist import Render, Specialist, answer_message, request_of
from graphs.state import Step, Turn
from graphs.tool_calls import steps_of
from graphs.tool_rules import ruled_tool
from graphs.vae_words import vae_name
from prompts import say

Blocks = Callable[[Sequence[str]], Awaitable[list[dict[str, Any]]]]
"""Pictures as content blocks that a chat model can see."""

_PICTURE, _FOLDER = "⟦picture⟧", "⟦folder⟧"  # what the rules see of places
_THIS = re.compile(
    r"\b(?:this|that|it|these|them|the (?:first|second|third|last|picture|image|drawing|photo))\b"
    r"|이거|이것|이건|이게|이걸|그거|그것|그건|그게|그걸|\S번째"
    r"|(?:이|그|방금|아까|마지막)\s*(?:그린\s*)?(?:그림|사진|이미지)",
    re.IGNORECASE,
)


def with_pictures(
    specialist: Specialist, studio: Studio, renderers: Mapping[str, Render]
) -> Specialist:
    """The specialist for a small model: what the request's words settle, code does."""

    async def answer(state: Turn) -> Turn:
        earlier = state["messages"][:-1]
        request = request_of(state)
        language = language_of(request)
        tool = ruled_tool(AGENT, _marked(request, earlier))
        if tool is None or tool in studio.ask_first:
            return await specialist(state)
        if not studio.knows(tool):  # denied by the user's policy
            text = say("no_picture_tool", language, tool=tool)
            return {"messages": [answer_message(text, [])], "steps": []}
        try:
            messages = await studio.run(tool, request, earlier)
        except Question as question:
            text = say(str(question), language)
            return {"messages": [answer_message(text, [])], "steps": []}
        except NeedsYes:
            return await specialist(state)
        steps = steps_of(messages)
        return {
            "messages": [answer_message(_told(steps, renderers, language), [])],
            "steps": steps,
            "artifacts": made(steps),
        }

    return answer


def with_sight(specialist: Specialist, blocks: Blocks | None) -> Specialist:
    """The specialist for a model with a loop of its own: it is shown or told the pictures."""

    async def answer(state: Turn) -> Turn:
        *earlier, last = state["messages"]
        request = request_of(state)
        named = pictures_in(request)
        pictures = named or (last_pictures(earlier)[:1] if _THIS.search(request) else [])
        text = request
        if pictures and not named:
            text = f"{request}\n\n(picture: {pictures[0]})"
        content: list[str | dict[Any, Any]] = [{"type": "text", "text": text}]
        if pictures and blocks:
            content += await blocks(pictures)
        told = HumanMessage(content if len(content) > 1 else text, id=last.id)
        turn = await specialist({**state, "messages": [*earlier, told]})
        return {**turn, "artifacts": made(turn.get("steps", []))}

    return answer


def settle(tool: str, names: Collection[str], request: str) -> dict[str, Any]:
    """The arguments of a call that only the model could choose, as far as the request has them."""
    rest, settings = drawing_settings(without_places(request))
    found = {name: value for name, value in settings.items() if name in names}
    if tool == "generate" and (caption := caption_in(rest)):
        found["prompt"] = caption
    if tool == "classify" and (labels := labels_in(request)):
        found["labels"] = labels
    if tool == "delete_vae" and (name := vae_name(without_places(request))):
        found["name"] = name
    if tool == "remove_index" and (index := named_index(request)):
        found["index"] = index
    return found


def settle_nothing(tool: str, names: Collection[str], request: str) -> dict[str, Any]:
    """For a model that writes its arguments well by itself."""
    return {}


def _marked(request: str, earlier: Sequence[AnyMessage]) -> str:
    """The request as the rules read it: without places, but with a word for those it names."""
    asked = without_places(request)
    picture = pictures_in(request) or (_THIS.search(asked) and last_pictures(earlier))
    marks = [_PICTURE] if picture else []
    marks += [_FOLDER] if folders_in(request) else []
    return " ".join([*marks, asked])


def _told(steps: Sequence[Step], renderers: Mapping[str, Render], language: Language) -> str:
    last = steps[-1]
    if not last["ok"]:
        return say("tool_failed", language, tool=last["tool"], error=last["result"])
    unusable = sum(_unusable(step["result"]) for step in steps)
    note = [say("pictures_unusable", language, count=unusable)] if unusable else []
    return "\n\n".join([renderers[last["tool"]](last["result"], language), *note])


def _unusable(result: Any) -> int:
    """The pictures that a job could not open."""
    told = result.get("result") if isinstance(result, dict) else None
    return int(told.get("unusable_total", 0)) if isinstance(told, dict) else 0
