"""Every prompt, one Markdown file each, loaded by name; fixed texts and router examples too."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def prompt(name: str) -> str:
    """The text of `prompts/<name>.md`. Raises `FileNotFoundError` for an unknown name."""
    return files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def table(name: str) -> dict[str, Any]:
    """What `prompts/<name>.toml` holds. Raises `FileNotFoundError` for an unknown name."""
    return tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def say(key: str, language: str, **values: object) -> str:
    """A fixed text of `messages.toml` in "ko" or "en", with its values filled in."""
    text: str = table("messages")[key][language]
    return text.format(**values)


@cache
def router_examples() -> dict[str, tuple[str, ...]]:
    """Example requests of each agent, from the lists in `prompts/router/<agent>.md`."""
    found = {}
    for file in sorted(files(__name__).joinpath("router").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".md"):
            lines = file.read_text(encoding="utf-8").splitlines()
            found[file.name.removesuffix(".md")] = tuple(
                line[2:].strip() for line in lines if line.startswith("- ")
            )
    return found


@cache
def worked_examples(agent: str) -> tuple[Any, ...]:
    """What an agent should do with which request, from `prompts/worked/<agent>.jsonl`."""
    file = files(__name__).joinpath("worked", f"{agent}.jsonl")
    if not file.is_file():
        return ()
    return tuple(map(json.loads, file.read_text(encoding="utf-8").splitlines()))
