"""`dure chat` on a real terminal: the prompt, Ctrl-C, and approvals asked of a person."""

from __future__ import annotations

import re

import pytest

from agents.approvals import Approvals
from tests.agents.terminal import CTRL_C, CTRL_D, ENTER, Terminal, terminal
from tests.agents.test_chat import LONG, documents
from tests.conftest import Dure

pytestmark = pytest.mark.slow  # processes, waited for

PROMPT = "❯\x08"  # drawn anew; the echo of a finished line has no such step back


def test_the_chat_welcomes_shows_its_prompt_and_ends_with_quit(dure: Dure) -> None:
    with terminal(dure, "chat") as screen:
        screen.expect(r"This is Dure. Model: embedded \(no Ollama")
        screen.expect(PROMPT)
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0


def test_ctrl_c_at_the_prompt_clears_the_line_and_ctrl_d_ends(dure: Dure) -> None:
    with terminal(dure, "chat") as screen:
        screen.expect(PROMPT)
        screen.type("half a request")
        screen.expect("half a request")
        screen.type(CTRL_C)
        screen.expect(PROMPT)
        screen.type("/agent regex" + ENTER)
        screen.expect("Answering: regex")
        screen.expect(PROMPT)
        screen.type(CTRL_D)
        assert screen.ends() == 0


def test_markdown_is_drawn_and_no_color_keeps_it_plain(dure: Dure) -> None:
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with terminal(dure, "chat", **more) as screen:
            screen.expect(PROMPT)
            screen.type("/help en" + ENTER)
            screen.expect("Start a new conversation")
            screen.expect(PROMPT)
            assert "| --- |" not in screen.text
            table = screen.raw.partition("Just write")[2].partition("Leave (Ctrl-D)")[0]
            assert bool(re.search(r"\x1b\[[0-9;]*3\dm", table)) == coloured
            screen.type("/quit" + ENTER)
            assert screen.ends() == 0


def test_ctrl_c_stops_the_answer_and_the_chat_goes_on(small: Dure) -> None:
    with terminal(small, "chat", "--agent", "chat") as screen:
        screen.expect(PROMPT)
        screen.type(LONG + ENTER)
        screen.expect("→ chat")
        screen.expect("(?i)village")
        screen.type(CTRL_C)
        screen.expect("The answer was stopped.", 20)
        screen.expect(PROMPT)
        screen.type("Say the word hello only." + ENTER)
        screen.expect("→ chat")
        screen.expect("(?i)hello")
        screen.expect(PROMPT)
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0


@pytest.fixture
def indexed(small: Dure) -> Dure:
    for name in ("old.md", "older.md"):
        (small.cwd / name).write_text(f"The note {name}.", encoding="utf-8")
        assert small("call", "retrieval.add", f"paths={name}").returncode == 0
    return small


def remove(screen: Terminal, name: str) -> None:
    screen.expect(PROMPT)
    screen.type(f"remove {name} from the index" + ENTER)


def test_a_destructive_tool_asks_and_no_ctrl_c_and_yes_are_obeyed(indexed: Dure) -> None:
    question = r"Run remove\([^)]*\bold\.md[^)]*\)\? \[y\]es \[n\]o \[e\]dit \[a\]lways:"
    with terminal(indexed, "chat", "--agent", "rag") as screen:
        remove(screen, "old.md")
        screen.expect(question)
        screen.type("perhaps" + ENTER)
        screen.expect(question)
        screen.type("n" + ENTER)
        screen.expect("did not approve")
        remove(screen, "old.md")
        screen.expect(question)
        screen.type(CTRL_C)
        screen.expect("The answer was stopped.")
        assert len(documents(indexed)) == 2
        remove(screen, "old.md")
        screen.expect(question)
        screen.type("y" + ENTER)
        screen.expect("1 documents remain")
        screen.expect(PROMPT)
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0
    assert [row["title"] for row in documents(indexed)] == ["older.md"]


def test_always_holds_at_once_and_in_the_next_chat(indexed: Dure) -> None:
    with terminal(indexed, "chat", "--agent", "rag") as screen:
        remove(screen, "old.md")
        screen.expect(r"\[a\]lways:")
        screen.type("a" + ENTER)
        screen.expect("1 documents remain")
        asked = screen.text.count("lways:")
        screen.expect(PROMPT)
        screen.type("/new" + ENTER)  # a small model is easily led by the earlier request
        remove(screen, "older.md")
        screen.expect("0 documents remain")
        assert screen.text.count("lways:") == asked
        screen.expect(PROMPT)
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0
    policy = Approvals(indexed.home / "approvals.toml")
    hints = {"destructiveHint": True}
    assert policy.decide("retrieval", "remove", hints, foreign=False) == "auto"
    assert policy.decide("other", "remove", hints, foreign=True) == "ask"
