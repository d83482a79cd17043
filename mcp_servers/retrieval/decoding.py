"""Bytes into clean text, or the reason why not."""

from __future__ import annotations

import re

from mcp_servers.decoding import Unreadable as Unreadable
from mcp_servers.decoding import candidates, undecodable
from mcp_servers.retrieval.cleaning import plain

MAX_CHARACTERS = 20_000_000  # of one document's text


class NoText(Unreadable):
    """Why a document of pictures alone cannot be read; `pages` is None for a kind without."""

    def __init__(self, reason: str, pages: int | None) -> None:
        super().__init__(reason)
        self.pages = pages


def decoded(data: bytes, declared: str | None = None) -> str:
    """Clean text: UTF-8, UTF-16 with its mark, or CP949 (what Korean Windows writes).

    `declared` is an encoding that the file itself names; it is tried first. Raises `Unreadable`.
    """
    for encoding in candidates(data, declared):
        try:
            text = data.decode(encoding)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    else:
        raise undecodable()
    head = text[:100_000]
    if len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)) > 0.01 * len(head):
        raise Unreadable("The file is binary, not text. Name a document or a text file.")
    return plain(text)
