"""Where the embedded picture models lie: folders inside this package, trained by `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mcp_servers.errors import EngineError

Name = Literal["clip", "diffusion"]


def folder(name: Name) -> Path:
    """The embedded model's folder, in transformers' (clip) or diffusers' (diffusion) format."""
    found = Path(__file__).with_name("models") / name
    if not found.is_dir():
        raise EngineError(
            f"The embedded {name} model is not here. Install Dure again, or train it: "
            f"python -m mcp_servers.drawings.train {name} (--help names what it needs first)."
        )
    return found
