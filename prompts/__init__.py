"""Every prompt, one Markdown file each, loaded by name; the router's examples live here too."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    """The text of `prompts/<name>.md`. Raises `FileNotFoundError` for an unknown name."""
    return files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()
