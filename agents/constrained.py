"""Tool calls of a small model: a JSON Schema that it must follow, and its reply read back.

A small model names tools well and writes JSON badly, so the grammar guarantees the JSON: each
reply is one object, either `{"tool": name, "arguments": {...}}` or `{"answer": text}`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

_ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


GIVEN = "(given)"
"""What stands in a reply for a text that the request settles; whoever settled it puts it in."""


def reply_schema(
    tools: Sequence[dict[str, Any]],
    tool_choice: str | None,
    settled: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Any]:
    """`anyOf` the tools, and an answer unless a tool is required.

    `tools` are OpenAI function dicts; `tool_choice` is None or "auto", "any" (or "required"), or
    one tool's name. `settled` names, for each tool, arguments that the model need not write:
    `GIVEN` stands for a required text, the others are left out.
    """
    named = [tool for tool in tools if tool["name"] == tool_choice]
    branches = [
        _call_schema(tool, (settled or {}).get(tool["name"], ())) for tool in named or tools
    ]
    if tool_choice in (None, "auto"):
        branches.append(_ANSWER)
    return {"anyOf": branches}


def _call_schema(tool: dict[str, Any], settled: Collection[str]) -> dict[str, Any]:
    arguments = _inline(tool.get("parameters") or {"type": "object", "properties": {}})
    properties, required = arguments["properties"], arguments.get("required", [])
    for name in settled:
        # A text that the model expects to write next, it would write into the argument before it.
        if name in required and properties.get(name, {}).get("type") == "string":
            properties[name] = {"const": GIVEN}
        else:
            properties.pop(name, None)
    arguments["required"] = [name for name in required if name in properties]
    arguments.setdefault("additionalProperties", False)
    return {
        "type": "object",
        "properties": {"tool": {"const": tool["name"]}, "arguments": arguments},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _inline(
    schema: Any, definitions: dict[str, Any] | None = None, inside: tuple[str, ...] = ()
) -> Any:
    """Copy a schema with its `$ref`s replaced: llama.cpp resolves them from the outer root.

    `inside` names the references being replaced. One that contains itself is written out twice;
    deeper down anything goes.
    """
    if isinstance(schema, list):
        return [_inline(item, definitions, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs") or schema.get("definitions") or definitions or {}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name not in definitions or inside.count(name) > 1:
            return {}
        return _inline(definitions[name], definitions, (*inside, name))
    copied: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":  # its keys are names, and "title" may be one
            copied[key] = {k: _inline(v, definitions, inside) for k, v in value.items()}
        elif key not in ("$defs", "definitions", "title", "default"):
            copied[key] = _inline(value, definitions, inside)
    return copied


def describe_tools(tools: Sequence[dict[str, Any]]) -> str:
    """The tool list as a prompt, one line a tool: a schema in JSON would cost three times that.

    The same whatever `tool_choice` is, so that one cached prefix serves them all.
    """
    lines = ["Tools:"]
    for tool in tools:
        described = " ".join(tool.get("description", "").split())
        lines.append(f"- {tool['name']}({_signature(tool)}): {described}")
    lines.append(
        'Reply with one line of JSON: {"tool": NAME, "arguments": {...}} to use a tool, or '
        '{"answer": TEXT} to answer without one.'
    )
    return "\n".join(lines)


def _signature(tool: dict[str, Any]) -> str:
    parameters = _inline(tool.get("parameters") or {})
    required = parameters.get("required", [])
    parts = []
    for name, schema in parameters.get("properties", {}).items():
        mark = "" if name in required else "?"
        parts.append(f"{name}{mark}: {_type(schema)}")
    return ", ".join(parts)


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    if "anyOf" in schema:
        types = [_type(option) for option in schema["anyOf"] if option.get("type") != "null"]
        return "|".join(dict.fromkeys(types))
    return str(schema.get("type", "any"))


class ReplyReader:
    """Reads a constrained reply as it streams in.

    `feed` gives the part of an answer's text that can be shown already; `tool_call` gives the
    call at the end, if the reply is one.
    """

    def __init__(self) -> None:
        self._raw = ""
        self._shown = ""

    def feed(self, piece: str) -> str:
        """Take the next piece of JSON; return the newly decoded piece of the answer's text."""
        self._raw += piece
        found = re.match(r'\s*\{\s*"answer"\s*:\s*"((?:[^"\\]|\\.)*)', self._raw, re.DOTALL)
        if not found:
            return ""
        # An escape that has come in part waits for its rest, and so does half a surrogate pair.
        whole = re.match(r"(?:\\u[0-9a-fA-F]{4}|\\[^u]|[^\\])*", found[1], re.DOTALL)
        decoded = str(json.loads(f'"{whole[0]}"', strict=False)) if whole else ""
        if decoded[-1:] and "\ud800" <= decoded[-1] <= "\udbff":
            decoded = decoded[:-1]
        decoded = _encodable(decoded)
        new = decoded[len(self._shown) :]
        self._shown = decoded
        return new

    def tool_call(self) -> ToolCallChunk | None:
        """The tool call, or None for an answer or for a reply that was cut off."""
        try:
            reply = json.loads(self._raw, strict=False)
        except json.JSONDecodeError:
            return None
        if "tool" not in reply:
            return None
        return tool_call_chunk(
            name=reply["tool"],
            args=_encodable(json.dumps(reply["arguments"], ensure_ascii=False)),
            id=f"call_{uuid.uuid4().hex[:12]}",
            index=0,
        )


def _encodable(text: str) -> str:
    """The text with a mark for each half of a surrogate pair, which no encoding can write."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
