"""Which files a tool may touch: only what the user allowed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from mcp import ClientSession
from mcp.server.fastmcp import Context, FastMCP
from mcp.shared.memory import create_connected_server_and_client_session as connect
from mcp.types import ListRootsResult, Root
from pydantic import FileUrl

from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_folders, allowed_path


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "allowed"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "note.md").write_text("hi")
    (tmp_path / "outside.md").write_text("secret")
    monkeypatch.setenv("DURE_ALLOW", str(folder))
    return folder


def test_files_below_an_allowed_folder_may_be_used(allowed: Path) -> None:
    assert allowed_path(str(allowed / "sub" / "note.md"), None) == allowed / "sub" / "note.md"
    assert allowed_path(str(allowed), None) == allowed
    assert allowed_path(str(allowed / "not-there-yet.md"), None).name == "not-there-yet.md"


@pytest.mark.parametrize("path", ["outside.md", "allowed/../outside.md", "allowed-too/x", ""])
def test_everything_else_is_refused_with_what_to_do(
    path: str, allowed: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="outside the folders") as error:
        allowed_path(str(tmp_path / path), None)
    assert "DURE_ALLOW=" in str(error.value)
    assert str(allowed) in str(error.value)


def test_a_link_cannot_lead_out(allowed: Path, tmp_path: Path) -> None:
    (allowed / "link.md").symlink_to(tmp_path / "outside.md")
    (allowed / "up").symlink_to(tmp_path)
    for path in ("link.md", "up/outside.md", "up/allowed/../outside.md"):
        with pytest.raises(EngineError, match="outside the folders"):
            allowed_path(str(allowed / path), None)
    assert allowed_path(str(allowed / "up" / "allowed" / "sub"), None) == allowed / "sub"


def test_pictures_that_dure_made_may_always_be_used_and_nothing_else_of_it(
    allowed: Path, dure_home: Path
) -> None:
    made = dure_home / "pictures" / "a.png"
    assert allowed_path(str(made), None) == made
    for path in ("approvals.toml", "pictures/.a.png", "pictures/../logs/x.log"):
        with pytest.raises(EngineError, match="outside the folders"):
            allowed_path(str(dure_home / path), None)


@pytest.mark.parametrize("path", [".env", ".ssh/id_rsa", "sub/.git/config"])
def test_hidden_files_stay_closed_unless_allowed_by_name(
    path: str, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="outside the folders"):
        allowed_path(str(allowed / path), None)
    monkeypatch.setenv("DURE_ALLOW", f"{allowed}{os.pathsep}{allowed / path}")
    assert allowed_path(str(allowed / path), None) == allowed / path


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "x\0y"])
def test_a_text_that_is_no_path_is_refused_too(path: str, allowed: Path) -> None:
    with pytest.raises(EngineError):
        allowed_path(path, None)


def test_without_a_choice_it_is_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DURE_ALLOW", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert allowed_folders(None) == [tmp_path.resolve()]
    assert allowed_path("~/notes.md", None) == tmp_path.resolve() / "notes.md"


async def asked(session: ClientSession, path: Path) -> bool:
    result = await session.call_tool("use", {"path": str(path)})
    return not result.isError


async def test_the_clients_roots_come_before_everything_else(allowed: Path, tmp_path: Path) -> None:
    server: FastMCP[None] = FastMCP("rooted")

    @server.tool()
    async def use(path: str, context: Context) -> str:  # type: ignore[type-arg]
        return str(await anyio.to_thread.run_sync(allowed_path, path, context))

    project = tmp_path / "내 프로젝트 #1"
    project.mkdir()
    (project / "a.md").write_text("x")

    async def roots(context: object) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=FileUrl(project.as_uri()))])

    async def none(context: object) -> ListRootsResult:
        return ListRootsResult(roots=[])

    async with connect(server._mcp_server, list_roots_callback=roots) as session:
        assert await asked(session, project / "a.md")
        assert not await asked(session, allowed / "sub" / "note.md")
    async with connect(server._mcp_server, list_roots_callback=none) as session:
        assert not await asked(session, project / "a.md")
        assert not await asked(session, allowed / "sub" / "note.md")
    async with connect(server._mcp_server) as session:
        assert await asked(session, allowed / "sub" / "note.md")
