"""Arguments that the request itself settles, so that no model needs to write them.

Words that fix an option, lists written out, the one pattern that is quoted: what code can read,
it reads. A model that writes less is also faster and cannot lose its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from graphs.date_formats import date_change
from graphs.listed import listed
from graphs.quoted import given_pattern, given_replacement, given_text
from graphs.tool_rules import ruled_arguments

Settle = Callable[[str, Collection[str], str], dict[str, Any]]
"""(tool, its argument names, request) -> the arguments that the request settles."""

_LISTS = (("y_true", "y_pred"), ("references", "candidates"))


_LABEL = 24  # characters; what is longer is no label
_JUDGED = "classification"


def implied_tool(known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The tool that the data alone asks for, given what is settled of each: two lists of labels."""
    lists = known.get(_JUDGED, {})
    true, predicted = lists.get("y_true"), lists.get("y_pred")
    if not true or not predicted or any(isinstance(label, list) for label in true):
        return None
    labels = [*true, *predicted]
    few = len({*labels}) * 2 <= len(labels) and all(len(label) <= _LABEL for label in labels)
    return _JUDGED if few else None


def settled(tool: str, names: Collection[str], request: str) -> dict[str, Any]:
    """The arguments of a tool with these argument names that the request settles."""
    found: dict[str, Any] = {}
    if "pattern" in names and (pattern := given_pattern(request)):
        found["pattern"] = pattern
    if {"pattern", "text"} <= set(names) and (text := given_text(request)):
        found["text"] = text
    for true, predicted in _LISTS:
        if true in names and predicted in names and (lists := listed(request)):
            found |= {true: lists[0], predicted: lists[1]}
    if "replacement" in names:
        if "pattern" not in found:
            found |= date_change(request)
        elif replacement := given_replacement(request):
            found["replacement"] = replacement
    return found | ruled_arguments(tool, request)
