"""Chunks: slices of pages, and the headings over them, which are searched with their text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple


class Slice(NamedTuple):
    """A chunk before it is stored; `heading` holds the titles over it, "Gemma-2B > Training"."""

    page: int | None
    text: str
    heading: str = ""

    @property
    def searched(self) -> str:
        """What is embedded and counted of it."""
        return under(self.heading, self.text)


@dataclass(frozen=True)
class Chunk:
    """A passage as it is stored."""

    id: int
    document: int
    source: str
    title: str
    page: int | None
    text: str
    heading: str

    @property
    def searched(self) -> str:
        """What is embedded and counted of it."""
        return under(self.heading, self.text)


def under(heading: str, text: str) -> str:
    """A text below its heading, if it has one."""
    return f"{heading}\n{text}" if heading else text


def text_hash(text: str) -> bytes:
    """The key under which a text's vector is kept."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()
