"""The MCP client pool over real server processes: spawned lazily, kept, restarted, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp.types import CallToolResult, TextContent

from agents import pool as pool_module
from agents.errors import UsageError
from agents.mcp_config import ServerSpec, own_servers
from agents.pool import ServerFailure, ServerPool
from tests.conftest import DURE, ROOT, environment, eventually

pytestmark = pytest.mark.slow

TINY = '''
import os, sys, time
from pathlib import Path
import anyio
from mcp.server.fastmcp import Context, FastMCP

server = FastMCP("tiny", log_level="WARNING")

@server.tool()
def pid() -> int:
    """This process."""
    return os.getpid()

@server.tool()
async def slow(seconds: float) -> str:
    """Answer late."""
    await anyio.sleep(seconds)
    return "at last"

@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("the disk is on fire")

@server.tool()
def die() -> str:
    """End in the middle of a call."""
    os._exit(3)

@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text

@server.tool()
async def steps(context: Context, name: str) -> str:
    """Report and log."""
    for done in (1, 2, 3):
        await context.report_progress(done, 3, f"{name} {done}")
    await context.info(f"{name} said 두레")
    return name

@server.resource("note://one")
def note() -> str:
    return "a note"
'''
RUN = "\nserver.run()\n"
STUBBORN = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])

@server.tool()
def family() -> list[int]:
    "This process and its child."
    return [os.getpid(), child.pid]

server.run()
while True:  # standard input has ended, and it does not care
    time.sleep(1)
"""

Notes = list[tuple[str, str, float | None, float | None]]


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., ServerSpec]:
    """Make a spec of a server whose source is given."""

    def make(source: str = TINY + RUN, *, foreign: bool = False, name: str = "tiny") -> ServerSpec:
        path = tmp_path / f"{name}_server.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return ServerSpec(name, command=sys.executable, args=(str(path),), foreign=foreign)

    return make


@pytest.fixture
def pool_of(tmp_path: Path) -> Callable[..., ServerPool]:
    def make(*specs: ServerSpec, **options: Any) -> ServerPool:
        given = {"timeout": 20.0, "logs": tmp_path / "logs", **options}
        return ServerPool({spec.name: spec for spec in specs}, **given)

    return make


Script = Callable[..., ServerSpec]
PoolOf = Callable[..., ServerPool]


def text(result: CallToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, TextContent))


async def pid_of(pool: ServerPool, server: str = "tiny") -> int:
    return int(text(await pool.call(server, "pid", {})))


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def soon(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if alive(child.pid)}


# Sessions


async def test_nothing_is_spawned_before_it_is_needed(script: Script, pool_of: PoolOf) -> None:
    before = children()
    async with pool_of(script(), script(name="other")) as pool:
        assert pool.names() == ["tiny", "other"]
        assert children() == before
        pid = await pid_of(pool)
        assert children() == before | {pid}
    assert children() == before


async def test_one_session_serves_every_call_also_at_once(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        pids = await asyncio.gather(*(pid_of(pool) for _ in range(5)))
        assert len({*pids, await pid_of(pool)}) == 1


async def test_calls_run_beside_each_other(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        slow = asyncio.create_task(pool.call("tiny", "slow", {"seconds": 20}))
        assert text(await pool.call("tiny", "echo", {"text": "두레 🌾"})) == "두레 🌾"
        assert not slow.done()
        slow.cancel()
        with suppress(asyncio.CancelledError):
            await slow
        assert text(await pool.call("tiny", "echo", {"text": "still here"})) == "still here"


async def test_a_large_argument_and_answer_pass(script: Script, pool_of: PoolOf) -> None:
    large = "두레" * 500_000
    async with pool_of(script()) as pool:
        assert text(await pool.call("tiny", "echo", {"text": large})) == large


async def test_tools_come_as_langchain_tools_that_outlive_a_process(
    script: Script, pool_of: PoolOf
) -> None:
    async with pool_of(script()) as pool:
        tools = {tool.name: tool for tool in await pool.tools("tiny")}
        assert tools["pid"].metadata is not None and tools["pid"].metadata["server"] == "tiny"
        first = await pid_of(pool)
        os.kill(first, signal.SIGKILL)
        with suppress(ServerFailure):  # the call that finds out
            await pid_of(pool)
        answer = await tools["echo"].ainvoke({"text": "hello"})
        assert answer[0]["text"] == "hello"
        assert await pid_of(pool) != first


async def test_resources_are_read(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        assert await pool.server("tiny").read_resources() == [("note://one", "a note")]


async def test_an_unknown_server_lists_the_known_ones(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        with pytest.raises(UsageError, match=r"'large'.*Choose from: tiny"):
            await pool.call("large", "pid", {})


async def test_progress_and_logs_reach_the_notice(script: Script, pool_of: PoolOf) -> None:
    notes: Notes = []
    async with pool_of(script(), notice=lambda *note: notes.append(note)) as pool:
        await pool.call("tiny", "steps", {"name": "a"})
        await soon(lambda: len(notes) >= 4, 5, "three steps and a log line")
    assert notes == [
        ("tiny", "a 1", 1.0, 3.0),
        ("tiny", "a 2", 2.0, 3.0),
        ("tiny", "a 3", 3.0, 3.0),
        ("tiny", "a said 두레", None, None),
    ]


async def test_a_broken_notice_does_not_break_the_call(script: Script, pool_of: PoolOf) -> None:
    def notice(*note: Any) -> None:
        raise RuntimeError("a bug in the display")

    async with pool_of(script(), notice=notice, timeout=5) as pool:
        assert text(await pool.call("tiny", "steps", {"name": "a"})) == "a"
        assert text(await pool.call("tiny", "echo", {"text": "and on"})) == "and on"


# Errors and time-outs


async def test_a_tool_error_is_an_error_result(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        result = await pool.call("tiny", "fail", {})
        assert result.isError and "the disk is on fire" in text(result)
        wrong = await pool.call("tiny", "echo", {"txt": 1})
        assert wrong.isError
        unknown = await pool.call("tiny", "no_such_tool", {})
        assert unknown.isError
        assert not (await pool.call("tiny", "echo", {"text": "on"})).isError


@pytest.mark.timed
async def test_a_call_that_takes_too_long_fails_and_the_server_stays(
    script: Script, pool_of: PoolOf
) -> None:
    async with pool_of(script(), timeout=1) as pool:
        pid = await pid_of(pool)
        began = time.monotonic()
        with pytest.raises(ServerFailure, match=r"tiny\.slow took longer than 1 s"):
            await pool.call("tiny", "slow", {"seconds": 60})
        assert time.monotonic() - began < 2
        assert await pid_of(pool) == pid


@pytest.mark.timed
async def test_a_killed_server_is_an_error_at_once_and_starts_again(
    script: Script, pool_of: PoolOf
) -> None:
    async with pool_of(script()) as pool:
        first = await pid_of(pool)
        call = asyncio.create_task(pool.call("tiny", "slow", {"seconds": 60}))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(ServerFailure, match=r"'tiny'.*starts again"):
            await call
        assert time.monotonic() - began < 2
        second = await pid_of(pool)
        assert second != first
        assert await pid_of(pool) == second


async def test_a_server_that_ends_in_a_call_starts_again(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script()) as pool:
        with pytest.raises(ServerFailure, match=r"'tiny' died during die.*tiny\.log"):
            await pool.call("tiny", "die", {})
        assert alive(await pid_of(pool))


@pytest.mark.timed
@pytest.mark.parametrize("foreign", [False, True])
async def test_a_frozen_server_is_an_error_in_time_and_is_replaced_once(
    script: Script, pool_of: PoolOf, foreign: bool
) -> None:
    async with pool_of(script(foreign=foreign), timeout=1) as pool:
        frozen = await pid_of(pool)
        os.kill(frozen, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(ServerFailure, match="did not answer for 1 s"):
            await pool.call("tiny", "echo", {"text": "x" * 300_000})  # more than a pipe holds
        assert time.monotonic() - began < 4.5
        fresh = await pid_of(pool)
        assert fresh != frozen
        # The frozen process is still being ended; that must not end its successor's session.
        await soon(lambda: not alive(frozen), 10, "the frozen server is gone")
        assert await pid_of(pool) == fresh
    assert not alive(fresh)


async def test_a_frozen_server_cannot_hang_the_listing_of_its_tools(
    script: Script, pool_of: PoolOf
) -> None:
    async with pool_of(script(), timeout=1) as pool:
        frozen = await pid_of(pool)
        os.kill(frozen, signal.SIGSTOP)
        async with asyncio.timeout(6):
            with pytest.raises(ServerFailure, match="did not answer for 1 s"):
                await pool.tools("tiny")
        assert len(await pool.tools("tiny")) == 6
    assert not alive(frozen)


async def test_leaving_the_pool_ends_a_frozen_server_too(script: Script, pool_of: PoolOf) -> None:
    async with pool_of(script(), timeout=1) as pool:
        frozen = await pid_of(pool)
        os.kill(frozen, signal.SIGSTOP)
        with pytest.raises(ServerFailure):
            await pool.call("tiny", "pid", {})
    assert not alive(frozen)


# Servers that do not start


@pytest.mark.parametrize("foreign", [False, True])
async def test_a_command_that_does_not_exist_is_named(pool_of: PoolOf, foreign: bool) -> None:
    spec = ServerSpec("it", command="no-such-command-7391", foreign=foreign)
    async with pool_of(spec) as pool:
        with pytest.raises(ServerFailure, match=r"'it' did not start.*no-such-command-7391"):
            await pool.call("it", "pid", {})


async def test_a_command_is_found_on_the_path_that_its_own_entry_sets(
    script: Script, pool_of: PoolOf, tmp_path: Path
) -> None:
    tiny = script()
    folder = tmp_path / "bin"
    folder.mkdir()
    start = folder / "start-tiny"
    start.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tiny.args[0]}"\n')
    start.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    async with pool_of(ServerSpec("tiny", command="start-tiny", env={"PATH": path})) as pool:
        assert alive(await pid_of(pool))
    async with pool_of(ServerSpec("tiny", command="./start-tiny", cwd=str(folder))) as pool:
        assert alive(await pid_of(pool))


async def test_a_working_folder_that_does_not_exist_is_named(pool_of: PoolOf) -> None:
    spec = ServerSpec("it", command=sys.executable, cwd="/no/such/folder")
    async with pool_of(spec) as pool:
        with pytest.raises(ServerFailure, match=r"'it' did not start.*/no/such/folder"):
            await pool.call("it", "pid", {})


@pytest.mark.timed
@pytest.mark.parametrize("foreign", [False, True])
async def test_a_server_that_ends_at_once_is_an_error_with_its_own_words_in_the_log(
    script: Script, pool_of: PoolOf, tmp_path: Path, foreign: bool
) -> None:
    spec = script('import sys; sys.exit("the key is missing")', foreign=foreign)
    async with pool_of(spec) as pool:
        began = time.monotonic()
        with pytest.raises(ServerFailure, match=r"'tiny' did not start.*logs/tiny\.log"):
            await pool.call("tiny", "pid", {})
        assert time.monotonic() - began < 5
    assert "the key is missing" in (tmp_path / "logs" / "tiny.log").read_text()


async def test_a_server_that_keeps_failing_is_left_alone_for_a_while(
    script: Script, pool_of: PoolOf, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    source = f"import sys, os\nif not os.path.exists({str(key)!r}): sys.exit(1)\n{TINY}{RUN}"
    async with pool_of(script(source)) as pool:
        for _ in range(2):
            with pytest.raises(ServerFailure, match="did not start"):
                await pool.call("tiny", "pid", {})
        with pytest.raises(ServerFailure, match=r"keeps failing; it is tried again in 1 s"):
            await pool.call("tiny", "pid", {})
        key.touch()
        deadline = time.monotonic() + 5
        while True:
            try:
                assert alive(await pid_of(pool))
                break
            except ServerFailure:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


async def test_a_server_that_never_answers_is_given_up_and_ended(
    script: Script, pool_of: PoolOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_START_TIMEOUT", 0.5)
    before = children()
    async with pool_of(script("import sys; sys.stdin.read()")) as pool:
        with pytest.raises(ServerFailure, match=r"did not start \(no answer in 0.5 s\)"):
            await pool.call("tiny", "pid", {})
    await soon(lambda: children() == before, 3, "its process is gone")


@pytest.mark.timed
async def test_a_start_that_was_cancelled_leaves_nothing_behind(
    script: Script, pool_of: PoolOf
) -> None:
    before = children()
    async with pool_of(script("import sys; sys.stdin.read()")) as pool:
        call = asyncio.create_task(pool.call("tiny", "pid", {}))
        await soon(lambda: children() != before, 5, "the server is spawned")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        began = time.monotonic()
    assert time.monotonic() - began < 3
    await soon(lambda: children() == before, 3, "its process is gone")


@pytest.mark.parametrize(
    "junk", ['print("starting up!", flush=True)', 'os.write(1, b"\\xff\\xfe{]\\n")', "print()"]
)
async def test_junk_on_standard_output_is_passed_over(
    script: Script, pool_of: PoolOf, junk: str
) -> None:
    source = f"{TINY}\n@server.tool()\ndef noisy() -> str:\n    'Print.'\n    {junk}\n"
    source += f"    return 'heard'\n{junk}\n{RUN}"
    async with pool_of(script(source), timeout=5) as pool:
        assert text(await pool.call("tiny", "noisy", {})) == "heard"
        assert text(await pool.call("tiny", "echo", {"text": "on"})) == "on"


async def test_a_file_in_the_working_folder_cannot_hide_a_module_of_our_servers(
    pool_of: PoolOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mcp", "json", "mcp_servers", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    async with pool_of(own_servers(tmp_path)["regex"]) as pool:
        assert await pool.tools("regex")


# The end of the owner


OWNER = """
import asyncio, json, sys
from pathlib import Path
from agents.mcp_config import ServerSpec
from agents.pool import ServerPool

async def main():
    given = json.loads(sys.argv[1])
    spec = ServerSpec("it", command=given["command"], args=tuple(given["args"]),
                      foreign=given["foreign"])
    async with ServerPool({"it": spec}, logs=Path(given["logs"])) as pool:
        result = await pool.call("it", given["tool"], {})
        print(json.dumps([part.text for part in result.content]), flush=True)
        if given["then"]:
            await pool.call("it", given["then"], {"seconds": 600})
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[int]]]]:
    """Start a process that owns a pool; gives it and the process ids that its server told."""
    started: list[subprocess.Popen[str]] = []
    seen: list[int] = []

    def start(
        spec: ServerSpec, tool: str, then: str = ""
    ) -> tuple[subprocess.Popen[str], list[int]]:
        given = {"command": spec.command, "args": spec.args, "foreign": spec.foreign}
        given |= {"tool": tool, "then": then, "logs": str(tmp_path / "logs")}
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, json.dumps(given)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        assert process.stdout is not None
        pids = [int(word) for word in json.loads(process.stdout.readline())]
        seen.extend(pids)
        assert all(alive(pid) for pid in pids)
        return process, pids

    yield start
    for process in started:
        process.kill()
        process.communicate()
    for pid in seen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


Owner = Callable[..., tuple[subprocess.Popen[str], list[int]]]


def test_our_server_ends_within_two_seconds_of_its_owners_kill(
    script: Script, owner: Owner
) -> None:
    process, pids = owner(script(), "pid")
    process.kill()
    eventually(lambda: not any(map(alive, pids)), 2, "our server is gone")


def test_our_server_ends_in_the_middle_of_a_call_too(
    script: Script, owner: Owner, tmp_path: Path
) -> None:
    engine = """
    import os, time
    from pathlib import Path
    from mcp_servers.serving import Engine, run, tool

    @tool("pid")
    def pid() -> int:
        "This process."
        return os.getpid()

    @tool("block")
    def block(seconds: float) -> str:
        "Block a worker thread."
        Path(__file__).with_name("begun").touch()
        time.sleep(seconds)
        return "done"

    run(Engine("it", "a test", (pid, block)))
    """
    process, pids = owner(script(engine), "pid", then="block")
    eventually((tmp_path / "begun").exists, 5, "the call has begun")
    process.kill()
    eventually(lambda: not any(map(alive, pids)), 2, "our server is gone")


def test_a_foreign_server_ends_with_its_whole_group_when_its_owner_is_killed(
    script: Script, owner: Owner
) -> None:
    process, pids = owner(script(TINY + STUBBORN, foreign=True), "family")
    assert len(pids) == 2
    process.kill()
    eventually(lambda: not any(map(alive, pids)), 3, "the foreign server and its child are gone")


async def test_a_stubborn_foreign_server_ends_with_the_pool(
    script: Script, pool_of: PoolOf
) -> None:
    async with pool_of(script(TINY + STUBBORN, foreign=True)) as pool:
        result = await pool.call("tiny", "family", {})
        pids = [int(part.text) for part in result.content if isinstance(part, TextContent)]
        assert len(pids) == 2 and all(map(alive, pids))
    await soon(lambda: not any(map(alive, pids)), 2, "the foreign server and its child are gone")


async def test_a_child_of_a_foreign_server_that_ends_by_itself_ends_too(
    script: Script, pool_of: PoolOf
) -> None:
    source = TINY + STUBBORN.replace("while True:", "while False:")
    async with pool_of(script(source, foreign=True)) as pool:
        result = await pool.call("tiny", "family", {})
        pids = [int(part.text) for part in result.content if isinstance(part, TextContent)]
    await soon(lambda: not any(map(alive, pids)), 2, "the foreign server and its child are gone")


# Servers over HTTP


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start `dure mcp --transport ...`; gives its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def start(transport: str, token: str | None = None) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["mcp", "--transport", transport, "--port", str(port)]
        words += ["--servers", "metrics", "--no-ask"]
        more = {"DURE_TOKEN": token} if token else {}
        process = subprocess.Popen(
            [DURE, *words],
            env=environment(tmp_path / "home", **more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)

        def listens() -> bool:
            assert process.poll() is None, "dure mcp ended"
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        eventually(listens, 20, "dure mcp listens")
        return f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"

    yield start
    for process in started:
        process.kill()
        process.wait()


def remote(url: str, transport: str, token: str | None = None) -> ServerSpec:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    kind = "sse" if transport == "sse" else "streamable_http"
    return ServerSpec("far", url=url, transport=kind, headers=headers)


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_server_over_http_is_used_like_any_other(
    served: Callable[..., str], pool_of: PoolOf, transport: str
) -> None:
    async with pool_of(remote(served(transport), transport)) as pool:
        names = [tool.name for tool in await pool.tools("far")]
        assert "metrics_from_counts" in names
        result = await pool.call("far", "metrics_from_counts", {"tp": 40, "fp": 5, "fn": 5})
        assert not result.isError
        assert result.structuredContent is not None
        assert "0.88" in json.dumps(result.structuredContent)


@pytest.mark.timed
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_token_is_asked_for_and_taken(
    served: Callable[..., str], pool_of: PoolOf, transport: str
) -> None:
    url = served(transport, token="open sesame")
    async with pool_of(remote(url, transport, "open sesame")) as pool:
        assert await pool.tools("far")
    for wrong in (None, "open barley"):
        async with pool_of(remote(url, transport, wrong)) as pool:
            began = time.monotonic()
            with pytest.raises(ServerFailure, match=r"'far' did not start \(.*401"):
                await pool.call("far", "metrics_from_counts", {})
            assert time.monotonic() - began < 5


@pytest.mark.timed
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_server_over_http_that_is_not_there_is_named_with_its_address(
    pool_of: PoolOf, transport: str
) -> None:
    async with pool_of(remote("http://127.0.0.1:9/mcp", transport)) as pool:
        began = time.monotonic()
        with pytest.raises(ServerFailure, match=r"'far' did not start.*http://127\.0\.0\.1:9/mcp"):
            await pool.call("far", "pid", {})
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_server_over_http_that_ends_is_an_error_in_time(
    served: Callable[..., str], pool_of: PoolOf, transport: str
) -> None:
    url = served(transport)
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    async with pool_of(remote(url, transport), timeout=3) as pool:
        assert await pool.tools("far")
        for connection in psutil.net_connections("tcp4"):
            if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                os.kill(connection.pid, signal.SIGKILL)
        async with asyncio.timeout(8):
            with pytest.raises(ServerFailure, match="'far'"):
                await pool.call("far", "metrics_from_counts", {"tp": 1, "fp": 1, "fn": 1})


# Roots


LOOK = """
from mcp.server.fastmcp import Context
from typing import Any
from mcp_servers import roots
from mcp_servers.serving import Engine, run, tool

@tool("look")
def look(context: Context[Any, Any, Any], path: str) -> str:
    "Read a file."
    return roots.allowed_path(path, context).read_text()

run(Engine("tiny", "a test", (look,)))
"""


async def test_our_server_may_read_what_was_allowed_and_nothing_before(
    script: Script, pool_of: PoolOf, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "안 folder #1", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file.txt").write_text(f"words in {folder.name}")
    async with pool_of(script(LOOK), roots=[inside]) as pool:
        seen = await pool.call("tiny", "look", {"path": str(inside / "file.txt")})
        assert text(seen) == "words in 안 folder #1"
        refused = await pool.call("tiny", "look", {"path": str(outside / "file.txt")})
        assert refused.isError and "outside the folders" in text(refused)
        await pool.allow(outside / "file.txt")
        seen = await pool.call("tiny", "look", {"path": str(outside / "file.txt")})
        assert text(seen) == "words in outside"
        beside = await pool.call("tiny", "look", {"path": str(outside)})
        assert beside.isError


async def test_a_foreign_server_is_told_no_folders(
    script: Script, pool_of: PoolOf, tmp_path: Path
) -> None:
    (tmp_path / "file.txt").write_text("words")
    async with pool_of(script(LOOK, foreign=True), roots=[tmp_path]) as pool:
        refused = await pool.call("tiny", "look", {"path": str(tmp_path / "file.txt")})
        assert refused.isError and "(none)" in text(refused)


async def test_allowing_a_path_does_not_fail_on_a_server_that_has_died(
    script: Script, pool_of: PoolOf, tmp_path: Path
) -> None:
    (tmp_path / "later").mkdir()
    async with pool_of(script(), roots=[]) as pool:
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGKILL)
        await soon(lambda: not alive(pid), 5, "it is dead")
        for name in ("later", "a", "b"):
            await pool.allow(tmp_path / name)
        with suppress(ServerFailure):
            await pid_of(pool)
        assert await pid_of(pool) != pid
