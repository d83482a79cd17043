"""Which tool a request's own words settle, and which arguments (data: `prompts/tool_rules.toml`).

Rules come before the model, as in routing: a word such as "ROUGE" or "split" says more about the
tool than a small model's guess. Only the grammar of the reply narrows, never the prompt, so the
cached prefix stays the same.
"""

from __future__ import annotations

import re
from typing import Any

from graphs.cues import instruction
from graphs.sentences import commands_in, without_quotes
from prompts import table

_NARROWED = re.compile(
    r"[\\`]|\[[^\]]+\][+*{]|시작|끝나|로 된|포함(?!해서|하여)|제외|없는|아닌|만 있는|정확히|딱 "
    r"|start|begin|end(s|ing)? |that (are|have)|which|without|except|exactly|domain",
    re.IGNORECASE,
)
"""A request that gives a pattern or asks for only some of the things it names."""

_ABOUT_SENTENCES = {"foundations"}
"""Agents whose users quote sentences, whose words are no commands: explain "Please stop"."""

_BEGINS = re.compile(r"시작\S*|\b(start|begin)\w*|which", re.IGNORECASE)
"""What narrows a thing for other tools, and for `match` only names what it does."""


def ruled_tool(agent: str, request: str) -> str | None:
    """The tool that the request's words settle for this agent, or None."""
    readings = [request]
    if agent in _ABOUT_SENTENCES:
        # After a colon stands the sentence, or the sentence and then what is asked.
        readings = [commands_in(request), without_quotes(request)]
    for asked in map(_asked, readings):
        for rule in _rules().get(agent, []):
            if re.search(rule["pattern"], asked, re.IGNORECASE):
                return str(rule["tool"])
    return None


def ruled_arguments(tool: str, request: str) -> dict[str, Any]:
    """The arguments of this tool that the request's words settle."""
    asked = _asked(request)
    settled: dict[str, Any] = {}
    for rule in _rules()["set"]:
        if tool not in rule["tools"]:
            continue
        # A count stands among the data; a word that settles something stands in the asking.
        counts = "(?P<number>" in rule["pattern"]
        found = re.search(rule["pattern"], request if counts else asked, re.IGNORECASE)
        if not found:
            continue
        if counts:
            settled[rule["argument"]] = int(found["number"].replace(",", ""))
        elif "value" in rule:
            settled[rule["argument"]] = rule["value"]
        elif request.count(found["value"]) > 1:  # among the values too, not only in the asking
            settled[rule["argument"]] = found["value"]
    narrowed = _BEGINS.sub("", request) if tool == "match" else request
    if not _NARROWED.search(narrowed):
        named = [
            rule
            for rule in _rules()["known"]
            if tool in rule.get("tools", ["findall", "search", "match"])
            and re.search(rule["pattern"], asked, re.IGNORECASE)
        ]
        if len(named) == 1:
            settled |= named[0]["arguments"]
    return settled


def _asked(request: str) -> str:
    """The instruction of a request, with the question that may stand after its data."""
    question = re.search(r"(?:^|[.!?\n]\s*)([^.!?\n\"'`]{4,80}\?)\s*$", request)
    asked = instruction(request)
    return f"{asked} {question[1]}" if question and question[1] not in asked else asked


def _rules() -> dict[str, list[dict[str, Any]]]:
    return table("tool_rules")
