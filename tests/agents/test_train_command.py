"""`dure train`: what the command line says, asks and refuses."""

from __future__ import annotations

import re

import click
import pytest

from agents.commands.train import command
from tests.conftest import Dure
from tests.test_house import check_command, commands


def texts(group: click.Group) -> list[str]:
    found = [group.get_help(click.Context(group))]
    for name in group.commands:
        found.append(group.commands[name].get_help(click.Context(group.commands[name])))
    return found


def test_every_command_explains_itself_and_its_examples_exist() -> None:
    examples = [
        words
        for text in texts(command)
        for words in commands("```\n" + re.sub(r"(?m)^ +", "", text) + "\n```")
        if words[:1] == ["train"]
    ]
    assert len(examples) >= 8
    known = {"look,", "estimate,", "memory", "what", "follow", "before"}
    wrong = [words for words in examples if check_command([w for w in words if w not in known])]
    assert wrong == []
    for name, each in command.commands.items():
        assert each.help and len(each.help.split()) > 3, name


@pytest.mark.slow
class TestWithoutARun:
    """Real servers, nothing trained."""

    def test_nothing_trained_yet_is_told_with_what_to_do(self, dure: Dure) -> None:
        listed = dure("train", "list")
        assert (listed.returncode, "train on ./faq.csv" in listed.stdout) == (0, True)
        for words in (("status",), ("evaluate", "faq")):
            done = dure("train", *words)
            assert (done.returncode, done.stdout) == (1, ""), words
            assert done.stderr.startswith("dure: Nothing has been trained yet."), words

    def test_wrong_use_is_status_2(self, dure: Dure) -> None:
        (dure.cwd / "faq.csv").write_text("question,answer\nQ?,A.\n", encoding="utf-8")
        for words in (
            ("start", "faq.csv", "--method", "magic"),
            ("start", "faq.csv", "--set", "magic=1"),
        ):
            assert dure("train", *words).returncode == 2, words

    def test_a_file_that_is_not_there_is_told_before_any_question(self, dure: Dure) -> None:
        done = dure("train", "start", "gone.csv", "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert "gone.csv" in done.stderr

    def test_without_a_terminal_nothing_is_deleted(self, dure: Dure) -> None:
        done = dure("train", "delete", "faq")
        assert done.returncode == 3
        assert "--yes" in done.stderr
