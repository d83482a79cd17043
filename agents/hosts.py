"""Where MCP hosts keep their `mcpServers`, and how Dure is written into it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from agents.errors import DureError
from mcp_servers.home import write_atomically


def config_path(host: str) -> Path:
    """The host's configuration file on this system ("claude" is Claude Desktop)."""
    if host == "cursor":
        return Path.home() / ".cursor" / "mcp.json"
    if sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        folder = Path(os.environ["APPDATA"])
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "Claude" / "claude_desktop_config.json"


def install_entry(path: Path, entry: dict[str, Any]) -> tuple[Path, Path | None]:
    """Put `entry` under `mcpServers.dure`; all else stays. Returns the file and its backup.

    A file that is not JSON is left alone: raises `DureError` with the line.
    """
    document: dict[str, Any] = {}
    backup = None
    if path.exists():
        text = path.read_text(encoding="utf-8-sig")
        try:
            document = json.loads(text) if text.strip() else {}
        except json.JSONDecodeError as error:
            raise DureError(
                f"{path}, line {error.lineno}: {error.msg}. Mend it first; nothing was changed."
            ) from None
        if not isinstance(document, dict) or not isinstance(document.get("mcpServers", {}), dict):
            raise DureError(f"{path} has an unexpected shape; nothing was changed.")
        if document.get("mcpServers", {}).get("dure") == entry:
            return path, None
        backup = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak")
        shutil.copy2(path, backup)
    document.setdefault("mcpServers", {})["dure"] = entry
    write_atomically(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path, backup
