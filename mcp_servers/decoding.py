"""Bytes into text as they were meant: UTF-8, UTF-16 with its mark, or CP949."""

from __future__ import annotations

import codecs
from typing import IO

_PIECE = 1 << 20


class Unreadable(Exception):
    """Why a file cannot be read: one sentence or two for the person who named it."""


def candidates(start: bytes, declared: str | None = None) -> list[str]:
    """Encodings to try in order, given a file's first bytes. Raises `Unreadable` for a binary one.

    CP949 is what Korean Windows writes. `declared` is what the file itself names; it goes first.
    """
    encodings = ["utf-8-sig", "cp949"]
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in start:
        raise Unreadable("The file is binary, not text. Name a document or a text file.")
    if declared:
        # CP949 is EUC-KR with more syllables, and pages that say the one hold the other.
        korean = declared.lower().replace("_", "-") in ("euc-kr", "ks-c-5601-1987", "ksc5601")
        encodings.insert(0, "cp949" if korean else declared)
    return encodings


def undecodable() -> Unreadable:
    """The error where none of the encodings fits."""
    return Unreadable(
        "The text is neither UTF-8 nor Korean CP949 (or the file is binary). Save it as UTF-8."
    )


def encoding_of(file: IO[bytes]) -> str:
    """The encoding in which the whole file decodes, read piece by piece. Raises `Unreadable`."""
    start = file.read(_PIECE)
    for encoding in candidates(start):
        decoder = codecs.getincrementaldecoder(encoding)()
        file.seek(0)
        try:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        file.seek(0)
        return encoding
    raise undecodable()
