"""Which tool calls run by themselves, ask first, or never run: policy is data."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.tools import StructuredTool

from agents.approvals import Approvals
from agents.errors import UsageError

DESTRUCTIVE = {"destructiveHint": True}
READS = {"readOnlyHint": True}


def policy(tmp_path: Path, text: str | None) -> Approvals:
    path = tmp_path / "approvals.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return Approvals(path)


def test_without_a_policy_our_destructive_tools_ask_and_the_others_run(tmp_path: Path) -> None:
    approvals = policy(tmp_path, None)
    assert approvals.decide("retrieval", "remove", DESTRUCTIVE, foreign=False) == "ask"
    assert approvals.decide("retrieval", "add", {}, foreign=False) == "auto"
    assert approvals.decide("regex", "findall", READS, foreign=False) == "auto"


def test_without_a_policy_foreign_tools_ask_unless_they_only_read(tmp_path: Path) -> None:
    approvals = policy(tmp_path, None)
    assert approvals.decide("files", "write", {}, foreign=True) == "ask"
    assert approvals.decide("files", "read", READS, foreign=True) == "auto"


def test_the_first_matching_pattern_decides(tmp_path: Path) -> None:
    approvals = policy(
        tmp_path, '[tools]\n"files.read" = "auto"\n"files.*" = "deny"\n"*.remove" = "auto"\n'
    )
    assert approvals.decide("files", "read", {}, foreign=True) == "auto"
    assert approvals.decide("files", "write", READS, foreign=True) == "deny"
    assert approvals.decide("files", "remove", {}, foreign=True) == "deny"
    assert approvals.decide("retrieval", "remove", DESTRUCTIVE, foreign=False) == "auto"


def test_patterns_can_make_a_harmless_tool_ask(tmp_path: Path) -> None:
    approvals = policy(tmp_path, '[tools]\n"metrics.*" = "ask"\n')
    assert approvals.decide("metrics", "bleu", READS, foreign=False) == "ask"


def test_denied_tools_are_not_even_offered(tmp_path: Path) -> None:
    approvals = policy(tmp_path, '[tools]\n"files.format" = "deny"\n')
    tools = [
        StructuredTool.from_function(
            lambda: None, name=name, description="x", metadata={"server": "files", **hints}
        )
        for name, hints in (("format", {}), ("read", READS), ("write", {}))
    ]
    allowed, ask_first = approvals.split(tools, foreign=True)
    assert [tool.name for tool in allowed] == ["read", "write"]
    assert ask_first == {"write"}


def test_what_is_remembered_holds_now_and_next_time(tmp_path: Path) -> None:
    approvals = policy(tmp_path, '[tools]\n"files.*" = "ask"\n')
    approvals.remember("files", "write")
    again = Approvals(tmp_path / "approvals.toml")
    for known in (approvals, again):
        assert known.decide("files", "write", {}, foreign=True) == "auto"
        assert known.decide("files", "format", {}, foreign=True) == "ask"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tools]\n"a.b" = "perhaps"\n', "'a.b'"),
        ("[tools\n", "cannot be read"),
        ('tools = "all"\n', "tools"),
    ],
)
def test_a_broken_policy_names_its_file_and_what_is_wrong(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=r"approvals\.toml") as error:
        policy(tmp_path, text)
    assert said in str(error.value)
