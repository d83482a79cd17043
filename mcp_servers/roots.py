"""Which folders a tool may touch: those the user allowed, and no others.

In order: the MCP client's roots (https://modelcontextprotocol.io, `roots/list`), else
`DURE_ALLOW` (folders separated as in `PATH`), else the user's home folder. Hidden files and
folders below an allowed folder (`.ssh`, `.env`) stay closed unless they are allowed by name.
The pictures that Dure made itself may always be used: what one tool drew, another one changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home

if TYPE_CHECKING:
    from mcp.server.fastmcp import Context


def allowed_folders(context: Context[Any, Any, Any] | None) -> list[Path]:
    """The folders (or single files) that the user allowed, resolved."""
    if context is not None:
        import anyio.from_thread  # jobs do without the protocol
        from mcp.types import ClientCapabilities, RootsCapability

        session = context.session
        if session.check_client_capability(ClientCapabilities(roots=RootsCapability())):
            listed = anyio.from_thread.run(session.list_roots)
            paths = (unquote(urlparse(str(root.uri)).path) for root in listed.roots)
            return [Path(path).resolve() for path in paths]
    chosen = os.environ.get("DURE_ALLOW")
    if chosen:
        folders = [Path(part).expanduser() for part in chosen.split(os.pathsep) if part]
        return [folder.resolve() for folder in folders]
    return [Path.home().resolve()]


def allowed_path(path: str, context: Context[Any, Any, Any] | None) -> Path:
    """Resolve a path given by a user or a model; refuse what lies outside the allowed folders.

    Links are followed before the check, so a link cannot lead out. Raises `EngineError`.
    """
    try:
        resolved = Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise EngineError(f"{path!r} is not a path: {error} Name an existing file.") from None
    folders = allowed_folders(context)
    if is_within(resolved, folders):
        return resolved
    shown = ", ".join(str(folder) for folder in folders) or "none"
    raise EngineError(
        f"{resolved} is outside the folders that Dure may use ({shown}). "
        f"Allow it with DURE_ALLOW={resolved.parent}, or name the path yourself in the chat."
    )


def is_within(resolved: Path, folders: Iterable[Path]) -> bool:
    """Whether a resolved path lies in allowed folders, or is a picture that Dure made."""
    for folder in [*folders, (dure_home() / "pictures").resolve()]:
        if resolved == folder:
            return True
        if resolved.is_relative_to(folder):
            inside = resolved.relative_to(folder).parts
            if not any(part.startswith(".") for part in inside):
                return True
    return False
