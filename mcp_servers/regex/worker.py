"""The process in which patterns run, so that one that never ends can be killed.

It runs as a script, isolated from the project (`python -I -S worker.py`), and imports the
standard library alone: it starts in 20 ms. Requests and answers are frames (8 bytes of length,
then JSON) on standard input and output. It ends when standard input closes. `re` holds the
interpreter's lock while it matches, so a thread of `faulthandler`, which needs no lock, ends the
process when a request outlives its limit and nobody is left to kill it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import IO, Any

MEMORY_BYTES = 1 << 30
MOST_CHARACTERS_OUT = 20_000_000
MOST_MATCHES = 1000
MOST_PARTS = 100_000
NOISY_SECONDS = 0.03
GRACE_SECONDS = 1.0  # the parent's own kill comes first

Answer = dict[str, Any]


def write_frame(stream: IO[bytes], message: Answer) -> None:
    """Send one message. Lone surrogates pass, since `str` may hold them."""
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(len(body).to_bytes(8, "big"))
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Answer | None:
    """The next message, or None when the other side is gone."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "big")
    body = stream.read(length)
    if len(body) < length:
        return None
    message: Answer = json.loads(body.decode("utf-8", "surrogatepass"))
    return message


class _TooMuch(Exception):
    """The answer would be larger than anybody can use."""


def _shown(match: re.Match[str] | None) -> Answer | None:
    if match is None:
        return None
    start, end = match.span()
    groups, named = list(match.groups()), match.groupdict()
    return {"text": match[0], "start": start, "end": end, "groups": groups, "named": named}


def _findall(pattern: re.Pattern[str], ask: Answer) -> Answer:
    matches: list[Answer | None] = []
    characters = 0
    count = 0
    for match in pattern.finditer(ask["text"]):
        count += 1
        if len(matches) < MOST_MATCHES:
            matches.append(_shown(match))
            characters += sum(len(part or "") for part in (match[0], *match.groups()))
            if characters > MOST_CHARACTERS_OUT:
                raise _TooMuch
    return {"count": count, "matches": matches}


def _one(method: str) -> Callable[[re.Pattern[str], Answer], Answer]:
    def call(pattern: re.Pattern[str], ask: Answer) -> Answer:
        return {"match": _shown(getattr(pattern, method)(ask["text"]))}

    return call


def _replace(pattern: re.Pattern[str], ask: Answer) -> Answer:
    try:
        text, count = pattern.subn(ask["replacement"], ask["text"], ask["count"])
    except (re.error, IndexError) as error:
        return {"error": "replacement", "message": str(error)}
    if len(text) > MOST_CHARACTERS_OUT:
        raise _TooMuch
    return {"text": text, "count": count}


def _split(pattern: re.Pattern[str], ask: Answer) -> Answer:
    parts = pattern.split(ask["text"], ask["maxsplit"])
    if len(parts) > MOST_PARTS or sum(len(part or "") for part in parts) > MOST_CHARACTERS_OUT:
        raise _TooMuch
    return {"parts": parts}


def _fullmatches(pattern: re.Pattern[str], ask: Answer) -> Answer:
    return {"matched": [pattern.fullmatch(text) is not None for text in ask["texts"]]}


def _time(pattern: re.Pattern[str], ask: Answer) -> Answer:
    """CPU seconds of one call on growing attack strings; stops at the first slow enough.

    Each is the least of three runs, unless it takes long.
    """
    call = getattr(pattern, ask["call"])
    seconds: list[float] = []
    for repeats in ask["repeats"]:
        text = ask["prefix"] + ask["pump"] * repeats + ask["suffix"]
        best = _seconds(call, text)
        if best < NOISY_SECONDS:  # fresh memory alone can take ten times as long as the match
            best = min(best, _seconds(call, text), _seconds(call, text))
        seconds.append(best)
        if best >= ask["enough"]:
            break
    return {"seconds": seconds}


def _seconds(call: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    call(text)
    return time.process_time() - start


def _behave(pattern: re.Pattern[str], ask: Answer) -> Answer:
    """Where `match`, `fullmatch` and `finditer` match in every text, whole and by group."""
    spans: list[list[Any]] = []
    groups: list[list[Any]] = []
    for text in ask["texts"]:
        one = pattern.match(text), pattern.fullmatch(text), *pattern.finditer(text)
        spans.append([match and match.span() for match in one])
        groups.append([match and match.regs[1:] for match in one])
    names = dict(pattern.groupindex)
    return {"spans": spans, "groups": [pattern.groups, names, groups]}


CALLS: dict[str, Callable[[re.Pattern[str], Answer], Answer]] = {
    "compile": lambda pattern, ask: {"groups": pattern.groups},
    "findall": _findall,
    "search": _one("search"),
    "match": _one("match"),
    "fullmatch": _one("fullmatch"),
    "replace": _replace,
    "split": _split,
    "fullmatches": _fullmatches,
    "time": _time,
    "behave": _behave,
}


def answer(ask: Answer) -> Answer:
    """Carry out one request. What went wrong comes back under `error`, by kind."""
    try:
        pattern = re.compile(ask["pattern"], ask["flags"])
    except re.error as error:
        return {"error": "pattern", "message": error.msg, "position": error.pos}
    except (OverflowError, ValueError) as error:  # too many repeats; flags that exclude each other
        return {"error": "pattern", "message": str(error), "position": None}
    except RecursionError:
        return {"error": "pattern", "message": "groups nested too deeply", "position": None}
    try:
        return CALLS[ask["do"]](pattern, ask)
    except MemoryError:
        return {"error": "memory"}
    except _TooMuch:
        return {"error": "size"}


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):
        pass  # Windows has no such limit, and macOS refuses it


def main() -> None:
    """Answer requests until standard input closes."""
    _limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, whose end ends us
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - pathlib would slow the start
        while (ask := read_frame(requests)) is not None:
            faulthandler.dump_traceback_later(
                ask["seconds"] + GRACE_SECONDS, exit=True, file=nowhere
            )
            reply = answer(ask)
            faulthandler.cancel_dump_traceback_later()
            write_frame(answers, reply)


if __name__ == "__main__":
    main()
