"""`dure chat` over a pipe: lines, commands, conversations that survive."""

from __future__ import annotations

import json
import re

import pytest

from agents.chat_commands import COMMANDS
from prompts import prompt
from tests.conftest import Dure, eventually

pytestmark = pytest.mark.slow

ANSWERING = ("chat", "--agent", "chat")
LONG = "Write a story of 500 words about a fox in a village."


class TestCommands:
    """What needs no model."""

    def test_help_comes_in_both_languages(self, dure: Dure) -> None:
        said = dure("chat", stdin="/help\n/도움말\n/help ko\n/help en\n", LC_ALL="C.UTF-8").stdout
        assert said.count(prompt("help_en")) == 2
        assert said.count(prompt("help_ko")) == 2

    def test_help_names_every_command(self) -> None:
        for language in ("ko", "en"):
            for command in COMMANDS:
                if command not in ("/도움말", "/그림"):
                    assert f"`{command}" in prompt(f"help_{language}")

    def test_an_unknown_command_points_to_the_help(self, dure: Dure) -> None:
        done = dure("chat", stdin="/dance now\n/quit\n")
        assert done.returncode == 0
        assert done.stdout == "There is no command /dance. See `/help`.\n"

    def test_a_line_that_begins_with_a_path_is_no_command(self, dure: Dure) -> None:
        done = dure("chat", "--agent", "image", stdin="/tmp/gone 폴더의 그림들을 색인해줘\n")
        assert "There is no command" not in done.stdout

    def test_quit_ends_and_so_does_the_end_of_input(self, dure: Dure) -> None:
        assert dure("chat", stdin="/quit\n/help\n").stdout == ""
        assert dure("chat", stdin="").returncode == 0

    def test_an_agent_is_chosen_and_an_unknown_one_refused(self, dure: Dure) -> None:
        said = dure("chat", stdin="/agent regex\n/agent\n/agent dance\n/agent auto\n").stdout
        lines = said.splitlines()
        assert lines[0].startswith("Answering: regex (choose from: auto, chat, rag, finetune,")
        assert lines[1] == lines[0]
        assert "no agent 'dance'" in lines[2]
        assert lines[3].startswith("Answering: auto")
        assert dure("chat", "--agent", "dance", stdin="hi").returncode == 2

    def test_the_model_is_shown_and_a_wrong_one_leaves_the_chat_as_it_was(self, dure: Dure) -> None:
        said = dure("chat", stdin="/model\n/model gpt-9\n/model\n").stdout.splitlines()
        assert said[0].startswith("Model: embedded (no Ollama")
        assert "no model 'gpt-9'" in said[1]
        assert said[2] == said[0]

    def test_the_model_is_changed_in_the_same_conversation(self, dure: Dure) -> None:
        stdin = "/new mine\n/model embedded:small\n/model\n/threads\n"
        done = dure("chat", stdin=stdin)
        assert "Model: embedded:small (chosen by you)" in done.stdout.splitlines()[-2]

    def test_tools_lists_the_servers_tools(self, dure: Dure) -> None:
        said = dure("chat", stdin="/tools regex\n/tools dance\n").stdout
        assert "- `findall`: " in said
        assert "no server 'dance'" in said

    def test_documents_are_added_listed_and_removed(self, dure: Dure) -> None:
        (dure.cwd / "내 메모.md").write_text("두레는 함께 하는 일이다.", encoding="utf-8")
        lines = ["/docs", "/docs add '내 메모.md'", "/docs", "/docs remove '내 메모.md'", "/docs x"]
        said = dure("chat", stdin="\n".join(lines) + "\n").stdout
        assert said.startswith("No documents are indexed yet.")
        assert "done 1/1" in said and "indexed 1" in said
        assert re.search(r"^내 메모\.md \| - \| 1 ", said, re.MULTILINE)
        assert "Removed `" in said
        assert said.rstrip().endswith("Use `/docs`, `/docs add PATH…` or `/docs remove NAME`.")

    def test_a_document_that_is_not_there_is_told_in_one_line(self, dure: Dure) -> None:
        said = dure("chat", stdin="/docs add no-such.pdf\n/docs remove nothing.md\n").stdout
        assert len(said.splitlines()) == 2
        assert all(line.startswith("dure: ") for line in said.splitlines())

    def test_an_empty_chat_has_no_conversations(self, dure: Dure) -> None:
        said = dure("chat", stdin="/threads\n/resume\n/resume x\n").stdout.splitlines()
        assert said == ["There are no conversations yet."] * 3

    def test_unbalanced_quotes_do_not_end_the_chat(self, dure: Dure) -> None:
        done = dure("chat", stdin="/new it's\n/help en\n")
        assert "Conversation: it's" in done.stdout
        assert prompt("help_en") in done.stdout


class TestAnswers:
    """With the 0.5B model."""

    def test_each_line_of_a_pipe_is_answered_in_one_conversation(self, small: Dure) -> None:
        lines = ["My dog is called Bori. Say OK.", "", "What is my dog called?", "/threads"]
        done = small(*ANSWERING, "--thread", "dogs", stdin="\n".join(lines) + "\n")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("→ chat  (fixed") == 2
        assert "bori" in done.stdout.lower()
        assert done.stdout.rstrip().endswith("- **dogs**")

    def test_a_conversation_goes_on_by_name_in_a_new_process(self, small: Dure) -> None:
        small(*ANSWERING, "--thread", "고양이", stdin="My cat is called Nabi. Say OK.\n")
        small(*ANSWERING, "--thread", "other", stdin="Say OK.\n")
        stdin = "/threads\n/resume 고양이\nWhat is my cat called?\n/resume nothing\n"
        done = small(*ANSWERING, stdin=stdin)
        assert done.stdout.startswith("- other\n- 고양이\nConversation: 고양이\n❯ My cat is called")
        answer = done.stdout.partition("Say OK.\n")[2]
        assert "nabi" in answer.lower()
        assert "고양이 라는" in done.stdout or "no conversation nothing" in done.stdout

    def test_a_new_conversation_knows_nothing_of_the_old_one(self, small: Dure) -> None:
        lines = ["My cat is called Nabi. Say OK.", "/new fresh", "What is my cat called?"]
        done = small(*ANSWERING, "--thread", "old", stdin="\n".join(lines))
        assert "nabi" not in done.stdout.partition("Conversation: fresh")[2].lower()

    @pytest.mark.parametrize("by", ["--thread", "/resume"])
    def test_after_kill_9_in_mid_answer_the_request_is_answered(self, by: str, small: Dure) -> None:
        process = small.start(*ANSWERING, "--thread", "long")
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{LONG}\n")
        process.stdin.flush()
        while "→ chat" not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
        process.communicate()
        short = {"DURE_MAX_TOKENS": "40"}
        if by == "--thread":
            done = small("chat", "--thread", "long", stdin="/export out.md\n", **short)
        else:
            done = small("chat", stdin="/resume long\n/export out.md\n", **short)
        assert "Continuing the answer that was interrupted." in done.stdout
        exported = (small.cwd / "out.md").read_text(encoding="utf-8")
        assert exported.count(f"## {LONG}") == 1
        assert len(exported.partition("chosen by you)*")[2].split()) > 10
        again = small("chat", "--thread", "long", stdin="/quit\n", **short)
        assert "Continuing" not in again.stdout

    def test_a_conversation_is_exported_as_markdown_and_no_file_is_overwritten(
        self, small: Dure
    ) -> None:
        lines = [
            "tp 8 fp 2 fn 0, what is the recall?",
            "/export report.md",
            "/export report.md",
            "/export no/such/folder.md",
        ]
        done = small("chat", "--agent", "metrics", "--thread", "m", stdin="\n".join(lines))
        exported = (small.cwd / "report.md").read_text(encoding="utf-8")
        assert exported.startswith("# m\n\n## tp 8 fp 2 fn 0, what is the recall?\n\n*metrics (")
        assert re.search(r"^\*metrics\.\w+, \d+\.\d\d s\*$", exported, re.MULTILINE)
        assert "report.md exists already. Choose another name." in done.stdout
        assert "cannot be written" in done.stdout

    def test_removing_a_document_waits_for_a_yes(self, small: Dure) -> None:
        (small.cwd / "old.md").write_text("An old note.", encoding="utf-8")
        assert small("call", "retrieval.add", "paths=old.md").returncode == 0
        ask = ("ask", "--agent", "rag", "remove old.md from the index")
        refused = small(*ask)
        assert (refused.returncode, refused.stdout) == (3, ""), refused.stderr
        assert re.search(r"Approval is needed for remove\(.*old\.md.*--yes", refused.stderr)
        assert [row["title"] for row in documents(small)] == ["old.md"]
        piped = small("chat", "--agent", "rag", stdin="remove old.md from the index\n/quit\n")
        assert "Approval is needed for remove(" in piped.stdout
        assert len(documents(small)) == 1
        allowed = small(*ask, "--yes", "--json")
        assert allowed.returncode == 0, allowed.stderr
        assert json.loads(allowed.stdout)["steps"][0]["tool"] == "remove"
        assert documents(small) == []

    def test_a_denied_request_does_not_hold_up_the_conversation(self, small: Dure) -> None:
        (small.cwd / "old.md").write_text("An old note.", encoding="utf-8")
        small("call", "retrieval.add", "paths=old.md")
        ask = ("ask", "--thread", "t", "--agent")
        assert small(*ask, "rag", "remove old.md from the index").returncode == 3
        after = small(*ask, "chat", "Say hello.")
        assert after.returncode == 0, after.stderr
        assert len(documents(small)) == 1


def documents(dure: Dure) -> list[dict[str, object]]:
    done = dure("call", "retrieval.list_documents")
    rows: list[dict[str, object]] = json.loads(done.stdout)["result"]
    return rows


def test_no_server_outlives_a_killed_chat(small: Dure) -> None:
    import psutil

    process = small.start("chat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("/tools regex\n")
    process.stdin.flush()
    assert "regex" in process.stdout.readline()
    servers = psutil.Process(process.pid).children(recursive=True)
    assert servers
    process.kill()
    process.communicate()

    def gone(server: psutil.Process) -> bool:
        # What process 1 has yet to reap runs no more.
        return not server.is_running() or server.status() == psutil.STATUS_ZOMBIE

    eventually(lambda: all(map(gone, servers)), 5, "servers gone")
