"""`dure train`: what leaves this computer, or cannot be undone, needs a name and a yes."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from agents import training
from agents.commands.train import command
from agents.errors import ApprovalNeeded
from tests.graphs.operating import STATE


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the training server would be called with."""
    calls: list[dict[str, Any]] = []

    async def show(tool: str, **arguments: Any) -> Any:
        calls.append({"tool": tool, **arguments})
        return {**STATE, "run": "push-1", "kind": "push"}

    monkeypatch.setattr(training, "show", show)
    return calls


@pytest.mark.parametrize("words", [("push", "faq", "me/faq"), ("delete", "faq")])
def test_without_a_yes_nothing_is_uploaded_or_deleted(
    words: tuple[str, ...], shown: list[dict[str, Any]]
) -> None:
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, ApprovalNeeded)
    assert "--yes" in str(done.exception)
    assert shown == []


@pytest.mark.parametrize(("option", "private"), [((), True), (("--public",), False)])
def test_a_push_names_its_run_and_its_repository(
    option: tuple[str, ...], private: bool, shown: list[dict[str, Any]]
) -> None:
    done = CliRunner().invoke(command, ["push", "faq", "me/faq", "--yes", *option])
    assert done.exit_code == 0, done.output
    assert shown == [
        {"tool": "push", "wait": True, "run": "faq", "repo": "me/faq", "private": private}
    ]
    assert CliRunner().invoke(command, ["push", "me/faq", "--yes"]).exit_code == 2  # no run
