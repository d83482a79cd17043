"""Training from the chat and from the command line, to the end, with real servers and jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.agents.terminal import ENTER, terminal
from tests.conftest import Dure
from tests.mcp_servers.training_parts import make_base

pytestmark = pytest.mark.slow  # servers, jobs and torch

PROMPT = "❯\x08"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mini")


@pytest.fixture
def rows(small: Dure, base: Path) -> Dure:
    """The command line beside twelve rows and a base whose steps take milliseconds."""
    lines = ["question,answer", *(f"What is {n}?,It is {n}." for n in range(12))]
    (small.cwd / "faq.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (small.cwd / "mini").symlink_to(base)
    return Dure(small.home, small.cwd, small.model, ONE_THREAD)


def test_a_user_trains_from_the_chat_edits_follows_and_deletes(rows: Dure) -> None:
    with terminal(rows, "chat", "--agent", "finetune") as screen:

        def say(text: str, shown: str) -> None:
            screen.expect(PROMPT)
            screen.type(text + ENTER)
            screen.expect(shown, 90)

        say("faq.csv로 학습시켜줘, base=./mini 최대 스텝 9, 이름은 mini-faq", "데이터 12행")
        screen.expect("max_steps = 9")
        screen.expect("시작할까요")
        screen.type("rank 4로" + ENTER)
        screen.expect("rank = 4")
        screen.expect("시작할까요")
        screen.type("y" + ENTER)
        screen.expect("mini-faq 학습을 시작했습니다")
        say("지켜볼게", "걸렸습니다")
        say("얼마나 됐어?", "9/9 단계")
        say("곡선 보여줘", "그림: ")
        say("delete mini-faq", r'Run delete_run\(\{"run": "mini-faq"\}\)')
        screen.type("y" + ENTER)
        screen.expect("Deleted mini-faq")
        screen.expect(PROMPT)
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0
    assert not list((rows.home / "adapters").glob("*"))


def test_nothing_starts_without_a_yes_and_scripts_can_give_it(rows: Dure) -> None:
    asked = ("ask", "--agent", "finetune", "train on faq.csv, base=./mini max_steps=3 name=one")
    refused = rows(*asked)
    assert (refused.returncode, refused.stdout) == (3, ""), refused.stderr
    assert "Approval is needed for train(" in refused.stderr and "--yes" in refused.stderr
    assert "12 rows" in refused.stderr and "max_steps = 3" in refused.stderr
    command = ("train", "start", "faq.csv", "--base", "./mini", "--max-steps", "3")
    done = rows(*command)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "12 rows" in done.stderr and "about" in done.stderr
    assert rows("train", "list").stdout.startswith("Nothing has been trained yet.")
    allowed = rows(*asked, "--yes", "--json")
    assert allowed.returncode == 0, allowed.stderr
    (step,) = json.loads(allowed.stdout)["steps"]
    assert (step["tool"], step["ok"], step["result"]["run"]["name"]) == ("train", True, "one")
    watched = rows("train", "watch", "one", "--json")
    assert watched.returncode == 0, watched.stderr
    assert json.loads(watched.stdout)["status"] == "done"


def test_a_yes_starts_nothing_that_cannot_work_and_hears_what_is_wrong(rows: Dure) -> None:
    start = ("train", "start", "faq.csv", "--base", "./mini", "--max-steps", "1", "--yes")
    for wrong, reason in (
        (("--method", "bitfit"), "no bias terms"),
        (("--method", "dpo"), "is of shape preference"),
        (("--set", "targets=nosuch"), "no module 'nosuch'"),
    ):
        refused = rows(*start, *wrong)
        assert (refused.returncode, refused.stdout) == (1, ""), refused.stderr
        assert reason in refused.stderr and "Started" not in refused.stderr
    assert rows("train", "list").stdout.startswith("Nothing has been trained yet.")
    with (rows.cwd / "faq.csv").open("a") as file:
        file.write("Why?,\n")
    done = rows(*start, "--json")
    assert done.returncode == 0, done.stderr
    assert "faq.csv:14: answer is empty" in done.stderr
    assert json.loads(done.stdout)["name"] == "faq"


def test_the_command_line_goes_from_start_to_comparison(rows: Dure) -> None:
    start = (
        "train",
        "start",
        "faq.csv",
        "--base",
        "./mini",
        "--yes",
        "--watch",
        "--max-steps",
        "4",
    )
    for name, rank in (("a", "2"), ("b", "4")):
        done = rows(*start, "--name", name, "--rank", rank)
        assert done.returncode == 0, done.stderr
        assert f"**{name}** training: done" in done.stdout
        assert "step 4/4" in done.stdout
    compared = rows("train", "compare", "a", "b").stdout
    assert "| rank | 2 | 4 |" in compared
    judged = rows("train", "evaluate", "b", "--rows", "2")
    assert "held-out rows" in judged.stdout, judged.stderr
    assert "before (F1" in rows("train", "samples", "b", "-n", "2").stdout
    assert rows("train", "delete", "a", "--yes").returncode == 0
    assert [
        row["name"] for row in json.loads(rows("train", "list", "--json").stdout)["result"]
    ] == ["b"]
