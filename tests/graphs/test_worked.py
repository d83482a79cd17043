"""Worked examples: the nearest are shown, and every one of them is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from agents.registry import agents
from evals.reports import cases
from graphs.worked import WorkedExamples
from mcp_servers.regex import server
from prompts import worked_examples


def letters(texts: Sequence[str]) -> Any:
    """How often each of the letters a to z occurs: shape (n, 26)."""
    return np.array([[text.count(chr(97 + n)) for n in range(26)] for text in texts])


EXAMPLES = [
    {"request": "aaa", "tool": "one", "arguments": {"x": 1}},
    {"request": "bbb", "tool": "one", "arguments": {"x": 2}},
    {"request": "abb", "tool": "one", "arguments": {"x": 3}},
    {"request": "aab", "tool": "two", "arguments": {"x": 4}},
]


def shown(request: str, tool: str | None) -> list[Any]:
    turns = WorkedExamples(EXAMPLES, letters).nearest(request, tool)  # type: ignore[arg-type]
    return [turn.text if turn.type == "human" else turn.tool_calls[0]["args"] for turn in turns]


def test_the_nearest_stands_last_each_with_its_call() -> None:
    assert shown("aa", None) == ["aab", {"x": 4}, "aaa", {"x": 1}]
    assert shown("bb", "one") == ["abb", {"x": 3}, "bbb", {"x": 2}]
    assert shown("bb", "two") == ["aab", {"x": 4}]
    assert shown("bb", "three") == []


@pytest.mark.parametrize("agent", ["regex", "metrics"])
def test_examples_call_tools_of_their_agent_and_are_no_evaluation_cases(agent: str) -> None:
    asked = {case["request"] for suite in ("tools", "tools_held_out") for case in cases(suite)}
    assert len(worked_examples(agent)) >= 15
    for example in worked_examples(agent):
        assert example["tool"] in (*agents()[agent].tools, "write")
        assert example["request"] not in asked


def test_patterns_of_examples_work_on_their_texts() -> None:
    for example in worked_examples("regex"):
        arguments = example["arguments"]
        text = arguments.get("text")
        if text is None:
            continue
        assert text in example["request"]
        result = getattr(server, example["tool"])(**arguments)
        if example["tool"] in ("findall", "replace"):
            assert result["count"] > 0
        if example["tool"] == "split":
            assert len(result["parts"]) > 1


def test_an_agent_without_examples_has_none() -> None:
    assert worked_examples("chat") == ()
