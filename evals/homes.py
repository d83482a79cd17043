"""A Dure folder of a suite's own: what it makes goes, and what the user has stays as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcp_servers.home import dure_home


@contextmanager
def own_home(*, models: bool = False) -> Iterator[Path]:
    """An empty `DURE_HOME`, gone afterwards; with the user's `models` linked in if asked for."""
    kept = os.environ.get("DURE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        if models:
            users = dure_home() / "models"
            users.mkdir(exist_ok=True)
            (Path(folder) / "models").symlink_to(users)
        os.environ["DURE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if kept is None:
                del os.environ["DURE_HOME"]
            else:
                os.environ["DURE_HOME"] = kept
