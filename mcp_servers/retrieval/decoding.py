"""Bytes into text, or the reason why not."""

from __future__ import annotations

import codecs
import re

from mcp_servers.retrieval.cleaning import plain

MAX_CHARACTERS = 20_000_000  # of one document's text


class Unreadable(Exception):
    """Why a file cannot be indexed: one sentence or two for the person who named it."""


def decoded(data: bytes, declared: str | None = None) -> str:
    """Clean text: UTF-8, UTF-16 with its mark, or CP949 (what Korean Windows writes).

    `declared` is an encoding that the file itself names; it is tried first. Raises `Unreadable`.
    """
    encodings = ["utf-8-sig", "cp949"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in data:
        raise Unreadable("The file is binary, not text. Name a document or a text file.")
    if declared:
        # CP949 is EUC-KR with more syllables, and pages that say the one hold the other.
        korean = declared.lower().replace("_", "-") in ("euc-kr", "ks-c-5601-1987", "ksc5601")
        encodings.insert(0, "cp949" if korean else declared)
    for encoding in encodings:
        try:
            text = data.decode(encoding)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    else:
        raise Unreadable(
            "The text is neither UTF-8 nor Korean CP949 (or the file is binary). Save it as UTF-8."
        )
    head = text[:100_000]
    if len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)) > 0.01 * len(head):
        raise Unreadable("The file is binary, not text. Name a document or a text file.")
    return plain(text)
