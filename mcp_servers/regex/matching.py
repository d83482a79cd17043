"""The calls of Python's `re` (textbook section 4.5), run in the sandbox with clear errors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.regex.results import Match, Matches, OneMatch, Parts, Replaced, Verification
from mcp_servers.regex.sandbox import SANDBOX, SECONDS_PER_CHARACTER, TIME_LIMIT_SECONDS

MOST_TEXT_CHARACTERS = 10_000_000
MOST_PATTERN_CHARACTERS = 10_000
FLAG_LETTERS = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "x": re.X}


def flag_bits(flags: str) -> int:
    """The `re` flags behind letters out of "aimsx". Raises `EngineError` for any other."""
    bits = 0
    for letter in flags:
        if letter not in FLAG_LETTERS:
            raise EngineError(f"There is no flag {letter!r}. Use letters out of 'aimsx', or ''.")
        bits |= FLAG_LETTERS[letter]
    return bits


def run(do: str, pattern: str, flags: str, text: str = "", **more: Any) -> dict[str, Any]:
    """Compile the pattern in the sandbox and carry out one request there (`worker.CALLS`).

    Raises `EngineError` for an invalid pattern, showing the place, and for too long input.
    """
    bits = flag_bits(flags)
    if len(pattern) > MOST_PATTERN_CHARACTERS:
        raise EngineError(
            f"The pattern has {len(pattern):,} characters; shorten it to "
            f"{MOST_PATTERN_CHARACTERS:,} at most."
        )
    if len(text) > MOST_TEXT_CHARACTERS:
        raise EngineError(
            f"The text has {len(text):,} characters; send pieces of "
            f"{MOST_TEXT_CHARACTERS:,} at most."
        )
    seconds = TIME_LIMIT_SECONDS + SECONDS_PER_CHARACTER * len(text)
    request = {"do": do, "pattern": pattern, "flags": bits, "text": text, **more}
    answer = SANDBOX.ask(request, seconds)
    if answer.get("error") == "pattern":
        raise EngineError(_pattern_error(pattern, answer["message"], answer["position"]))
    return answer


def findall(pattern: str, text: str, flags: str) -> Matches:
    """Every match, like `re.finditer`; at most 1000 of them are returned, all are counted."""
    answer = run("findall", pattern, flags, text)
    matches: list[Match] = answer["matches"]
    return {
        "pattern": pattern,
        "count": answer["count"],
        "matches": matches,
        "truncated": answer["count"] > len(matches),
        "note": None if matches else _note("search", pattern, text, flags),
    }


def one_match(call: str, pattern: str, text: str, flags: str) -> OneMatch:
    """The result of `re.search`, `re.match` or `re.fullmatch`, by name."""
    match: Match | None = run(call, pattern, flags, text)["match"]
    return {
        "pattern": pattern,
        "matched": match is not None,
        "match": match,
        "note": _note(call, pattern, text, flags) if match is None else None,
    }


def replace(pattern: str, replacement: str, text: str, count: int, flags: str) -> Replaced:
    """`re.subn`. A replacement that names a missing group raises `EngineError`."""
    if count < 0:
        raise EngineError(f"count is {count}; give 0 to replace all, or a positive number.")
    answer = run("replace", pattern, flags, text, replacement=replacement, count=count)
    if answer.get("error") == "replacement":
        raise EngineError(
            f"Invalid replacement {replacement!r}: {answer['message']}. Refer to groups that the "
            r"pattern has, as \1 or \g<name>, and write a backslash as \\."
        )
    return {"pattern": pattern, "text": answer["text"], "count": answer["count"]}


def split(pattern: str, text: str, maxsplit: int, flags: str) -> Parts:
    """`re.split`."""
    if maxsplit < 0:
        raise EngineError(f"maxsplit is {maxsplit}; give 0 to split at all, or a positive number.")
    answer = run("split", pattern, flags, text, maxsplit=maxsplit)
    return {"pattern": pattern, "parts": answer["parts"]}


def verify(
    pattern: str, examples: Sequence[str], counterexamples: Sequence[str], flags: str
) -> Verification:
    """Match whole texts: every example must, no counter-example may."""
    if not examples and not counterexamples:
        raise EngineError("There is nothing to verify. Give at least one example.")
    texts = [*examples, *counterexamples]
    if sum(map(len, texts)) > MOST_TEXT_CHARACTERS:
        raise EngineError(f"Give examples of {MOST_TEXT_CHARACTERS:,} characters in all at most.")
    matched: list[bool] = run("fullmatches", pattern, flags, texts=texts)["matched"]
    expected = [True] * len(examples) + [False] * len(counterexamples)
    return {
        "pattern": pattern,
        "passed": matched == expected,
        "results": [
            {"text": text, "expected": wanted, "matched": got}
            for text, wanted, got in zip(texts, expected, matched, strict=True)
        ],
    }


def _note(call: str, pattern: str, text: str, flags: str) -> str | None:
    """Why a visible match may be missing: Hangul typed on macOS comes as single jamo (NFD)."""
    if unicodedata.is_normalized("NFC", text):
        return None
    composed = unicodedata.normalize("NFC", text)
    if run(call, pattern, flags, composed)["match"] is None:
        return None
    return (
        "Nothing matched because the text is decomposed Unicode (NFD, as macOS file names are); "
        "composed (NFC) it would match. Normalise the text to NFC and call again."
    )


def _pattern_error(pattern: str, message: str, position: int | None) -> str:
    if position is None:
        return f"Invalid pattern: {message}. Mend it and call again.\n{pattern[:200]}"
    line_start = pattern.rfind("\n", 0, position) + 1
    line_end = pattern.find("\n", position)
    line = pattern[line_start : line_end if line_end >= 0 else len(pattern)]
    column = position - line_start
    first = max(0, column - 60)
    before = line[first:column]
    # Hangul and other wide characters fill two columns of a terminal.
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in before)
    return (
        f"Invalid pattern at position {position}: {message}. Mend it there and call again.\n"
        f"{line[first : column + 60]}\n{' ' * (len(before) + wide)}^"
    )
