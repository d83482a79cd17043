"""Every advice of the training engine, and all that a run says before its first step, in Korean."""

from __future__ import annotations

import ast
import inspect
import re
from types import ModuleType

import pytest

from agents.training_advice import translated
from mcp_servers.training import bases, estimating, evaluating, inspection, run
from mcp_servers.training.rows import left_out

_VALUES = {"hours": "7 hours"}  # what does not read as a number alone


def _texts(node: ast.expr) -> list[str]:
    """A literal or an f-string as it may read, with 7 for each value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(map(_part, node.values))]
    return []


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return _VALUES.get(ast.unparse(part.value), "7")
    return str(ast.literal_eval(part))


def _said(module: ModuleType, called: str, place: int) -> list[str]:
    """What stands at a place of all calls of something in a module."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Call) or len(node.args) <= place:
            continue
        if f".{ast.unparse(node.func)}".endswith(f".{called}"):
            found += _texts(node.args[place])
    return found


ADVICE = [
    *_said(inspection, "advice.append", 0),
    *_said(estimating, "told.append", 0),
    str(left_out(7, [{"file": "7", "line": 7, "reason": "7"}])),
]
SAID = [
    *(text for text in _said(run, "worker.step", 2) if text != "7 (7)"),
    *_said(run, "tell", 0),
    *(f"{text} (20%)" for text in _said(bases, "progress", 1)),
    *_said(evaluating, "worker.step", 2)[:2],  # the others stand beside a count of steps
]


def test_all_of_them_are_found() -> None:
    assert len(ADVICE) >= 12
    assert len(SAID) >= 12


@pytest.mark.parametrize("text", [*ADVICE, *SAID, "starting", "resuming"])
def test_what_the_engine_says_has_a_korean_text(text: str) -> None:
    korean = translated(text, "ko")
    assert re.search("[가-힣]", korean), text
    assert re.findall(r"7|20%", korean).count("7") == text.count("7")  # each value is in it
    assert translated(text, "en") == text


def test_what_nobody_has_translated_stays() -> None:
    assert translated("no such advice", "ko") == "no such advice"
