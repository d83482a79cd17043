"""Which shape a record has, and the row that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcp_servers.training.rows import Message, Row

_ROLES = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "system": "system",
}
# Question and answer under the names that data sets use, in the order of preference.
_PAIRS = (
    ("responses", "question", "answer"),
    ("prompt/completion", "prompt", "completion"),
    ("prompt/completion", "prompt", "response"),
    ("question/answer", "query", "response"),
    ("question/answer", "question", "response"),
    ("question/answer", "patient", "doctor"),  # the medical chatbot set of chapter 10.9
    ("question/answer", "input", "output"),
    ("question/answer", "source", "target"),
    ("question/answer", "질문", "답변"),
    ("question/answer", "질문", "답"),
)
KNOWN = (
    "instruction/output (alpaca), conversations (sharegpt), messages, question/answer, "
    "prompt/completion, prompt/chosen/rejected, text, or text/label"
)


class Misshapen(Exception):
    """Why a record makes no row."""


def row_of(record: Any, file: str, line: int) -> Row:
    """The row that a record makes. Raises `Misshapen` with the reason."""
    if isinstance(record, str):
        if not record.strip():
            raise Misshapen("the text is empty")
        return Row("text", file, line, text=record, form="text")
    if not isinstance(record, Mapping):
        raise Misshapen(f"it is {_kind(record)}, not an object with named fields")
    fields = {str(key).strip().lower(): value for key, value in record.items()}
    for name in ("messages", "conversations", "conversation"):
        if fields.get(name) is not None and "chosen" not in fields:
            messages = _messages(fields[name], name, fields.get("system"))
            if messages[-1]["role"] != "assistant":
                raise Misshapen(f"{name} does not end with the assistant's turn")
            form = "messages" if name == "messages" else "sharegpt"
            return Row("conversation", file, line, messages=messages, form=form)
    if "chosen" in fields and "rejected" in fields:
        return _preference(fields, file, line)
    if "instruction" in fields and ("output" in fields or "response" in fields):
        answer = _text(fields, "output" if "output" in fields else "response")
        asked = _text(fields, "instruction")
        given = str(fields.get("input") or fields.get("context") or "").strip()
        return _pair(
            f"{asked}\n\n{given}" if given else asked, answer, fields, file, line, "alpaca"
        )
    for form, asking, answering in _PAIRS:
        if asking in fields and answering in fields:
            asked, answer = _text(fields, asking), _text(fields, answering)
            return _pair(asked, answer, fields, file, line, form)
    if "text" in fields:
        label = fields.get("label")
        text = _text(fields, "text")
        if "label" in fields:
            if label is None or not str(label).strip():
                raise Misshapen("label is empty")
            return Row("label", file, line, text=text, label=str(label), form="text/label")
        return Row("text", file, line, text=text, form="text")
    names = ", ".join(sorted(fields)[:8]) or "none"
    raise Misshapen(f"no known shape (fields: {names}); wanted is {KNOWN}")


def _pair(
    asked: str, answer: str, fields: Mapping[str, Any], file: str, line: int, form: str
) -> Row:
    messages: list[Message] = []
    if isinstance(fields.get("system"), str) and fields["system"].strip():
        messages.append({"role": "system", "content": fields["system"]})
    messages.append({"role": "user", "content": asked})
    messages.append({"role": "assistant", "content": answer})
    return Row("conversation", file, line, messages=tuple(messages), form=form)


def _text(fields: Mapping[str, Any], name: str) -> str:
    """A field's text; a list of answers becomes one text (chapter 10.2)."""
    value = fields[name]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    if isinstance(value, bool | int | float) and value == value:
        value = str(value)
    if value is None or value != value:
        raise Misshapen(f"{name} is empty")
    if not isinstance(value, str):
        raise Misshapen(f"{name} is {_kind(value)}, not a text")
    if not value.strip():
        raise Misshapen(f"{name} is empty")
    return value


def _messages(turns: Any, name: str, system: Any = None) -> tuple[Message, ...]:
    """Turns of either naming (role and content, from and value), checked."""
    if isinstance(turns, str) and turns.lstrip().startswith("["):  # a column of a CSV file
        try:
            turns = json.loads(turns)
        except ValueError:
            raise Misshapen(f"{name} is not valid JSON") from None
    if not isinstance(turns, list | tuple) or not turns:
        raise Misshapen(f"{name} is {_kind(turns)}, not a list of turns")
    messages: list[Message] = []
    if isinstance(system, str) and system.strip():
        messages.append({"role": "system", "content": system})
    for at, turn in enumerate(turns, 1):
        if not isinstance(turn, Mapping):
            raise Misshapen(f"turn {at} of {name} is {_kind(turn)}, not an object")
        said = str(turn.get("role") or turn.get("from") or "").lower()
        content = turn.get("content") if "content" in turn else turn.get("value")
        if said not in _ROLES:
            raise Misshapen(f"turn {at} of {name} has the unknown role {said!r}")
        if not isinstance(content, str) or not content.strip():
            raise Misshapen(f"turn {at} of {name} ({said}) is empty")
        messages.append({"role": _ROLES[said], "content": content})
    roles = [message["role"] for message in messages]
    if "system" in roles[1:]:
        raise Misshapen(f"{name} has a system turn that is not the first")
    spoken = [role for role in roles if role != "system"]
    for at, role in enumerate(spoken):
        if role != ("user", "assistant")[at % 2]:
            raise Misshapen(f"{name} does not alternate between user and assistant")
    return tuple(messages)


def _preference(fields: Mapping[str, Any], file: str, line: int) -> Row:
    """A preference: two texts that answer a prompt, or two conversations that part at the end."""
    chosen, rejected = fields["chosen"], fields["rejected"]
    if isinstance(chosen, str) and isinstance(rejected, str):
        prompt = fields.get("prompt", fields.get("question", fields.get("instruction")))
        if isinstance(prompt, str) and prompt.strip():
            messages: tuple[Message, ...] = ({"role": "user", "content": prompt},)
        elif isinstance(prompt, list):
            messages = _messages(prompt, "prompt")
        else:
            raise Misshapen("a preference needs a prompt beside chosen and rejected")
        good, bad = _text(fields, "chosen"), _text(fields, "rejected")
    else:
        before: tuple[Message, ...] = ()
        if isinstance(fields.get("prompt"), list):
            before = _messages(fields["prompt"], "prompt")
        elif (
            isinstance(chosen, list) and len(chosen) == 1 and isinstance(fields.get("prompt"), str)
        ):
            before = ({"role": "user", "content": fields["prompt"]},)
        ends = [
            _messages([*before, *_turns(side, name)], name)
            if before and len(_turns(side, name)) == 1
            else _messages(side, name)
            for name, side in (("chosen", chosen), ("rejected", rejected))
        ]
        if ends[0][:-1] != ends[1][:-1]:
            raise Misshapen("chosen and rejected part before their last turn")
        messages = ends[0][:-1]
        if not messages or ends[0][-1]["role"] != "assistant":
            raise Misshapen("chosen and rejected do not end with the assistant's turn")
        good, bad = ends[0][-1]["content"], ends[1][-1]["content"]
    if good == bad:
        raise Misshapen("chosen and rejected are the same")
    return Row(
        "preference", file, line, messages=messages, chosen=good, rejected=bad, form="preference"
    )


def _turns(side: Any, name: str) -> list[Any]:
    if not isinstance(side, list):
        raise Misshapen(f"{name} is {_kind(side)}, not a list of turns")
    return side


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "empty" if value is None else names.get(type(value), "a number")
