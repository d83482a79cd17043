"""The text of a PDF's pages as pypdf gives it, long files by as many processes as there are cores.

pypdf is pure Python, and reading a page with it takes a sixth of the time that embedding it takes.
It stays, since the faster readers lose what chunking needs: code's indentation, blank lines, and
the space that tells a broken word from two words.

`python -m mcp_servers.retrieval.pdf_pages PATH START END` prints a JSON string a page.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.retrieval.cleaning import plain
from mcp_servers.retrieval.decoding import MAX_CHARACTERS, Unreadable

if TYPE_CHECKING:
    from pypdf import PdfReader

_WORTH_A_PROCESS = 15  # pages; a process takes as long to start as ten pages to read
_MOST_PROCESSES = 4
_PIPE = 1 << 20  # bytes: some 400 Korean pages that a process can be ahead


def page_texts(path: Path, each_page: Callable[[int, int], None]) -> list[str]:
    """The text of every page, in order; empty strings for pages without text.

    `each_page(done, total)` is called before each page, and may raise to stop. Raises
    `Unreadable` for a file that is broken, encrypted or too large.
    """
    reader = _opened(path)
    try:
        total = len(reader.pages)
    except Exception as error:
        raise _broken(error) from None
    readers = min(_MOST_PROCESSES, os.cpu_count() or 1, total // _WORTH_A_PROCESS)
    texts: list[str] = []
    characters = 0
    with contextlib.ExitStack() as stack:
        if readers < 2:
            pages = _here(reader, 0, total)
        else:
            # None are read here, where other threads hold Python's lock meanwhile.
            reader.close()
            del reader  # and the whole file with it
            starts = [total * number // readers for number in range(readers + 1)]
            parts = [_elsewhere(path, *part) for part in itertools.pairwise(starts)]
            pages = itertools.chain(*[stack.enter_context(part) for part in parts])
        for number in range(total):
            each_page(number, total)
            texts.append(next(pages))
            characters += len(texts[-1])
            if characters > MAX_CHARACTERS:
                raise Unreadable(
                    f"The PDF holds more than {MAX_CHARACTERS:,} characters. Split it into volumes."
                )
    return texts


def _broken(error: Exception | str) -> Unreadable:
    """What to say of a damaged file."""
    reason = str(error).rstrip(".") or type(error).__name__
    return Unreadable(f"The PDF is broken ({reason}). Open it in a viewer and save it again.")


def _opened(path: Path) -> PdfReader:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    try:
        reader = PdfReader(path)
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError as error:
        raise Unreadable(
            f"The PDF is encrypted ({error}). Save a copy without its password."
        ) from None
    except Exception as error:
        # pypdf meets damaged files in many ways, and only some of them have a name there.
        raise _broken(error) from None
    if locked:
        raise Unreadable("The PDF is encrypted. Save a copy without its password.")
    return reader


def _here(reader: PdfReader, start: int, end: int) -> Iterator[str]:
    for number in range(start, end):
        try:
            yield plain(reader.pages[number].extract_text())
        except Exception as error:
            raise _broken(error) from None


@contextlib.contextmanager
def _elsewhere(path: Path, start: int, end: int) -> Iterator[Iterator[str]]:
    """The same, read by a process of its own, which ends with the block or with this process."""
    command = [sys.executable, "-m", __name__, str(path), str(start), str(end)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pipesize=_PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield _pages(process.stdout, end - start)
        finally:
            process.kill()


def _pages(lines: Iterator[bytes], count: int) -> Iterator[str]:
    for _ in range(count):
        line = json.loads(next(lines, b"null"))
        if isinstance(line, str):
            yield line
        else:
            raise Unreadable(line["unreadable"]) if line else _broken("its reader died")


def _main(path: str, start: str, end: str) -> None:
    def put(line: str | dict[str, str]) -> None:
        sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        sys.stdout.buffer.flush()

    gc.set_threshold(50_000)  # of short-lived objects pypdf makes many: 4% less time
    try:
        for text in _here(_opened(Path(path)), int(start), int(end)):
            put(text)
    except Unreadable as error:
        put({"unreadable": str(error)})
    except BrokenPipeError:
        os._exit(1)  # nobody reads on


if __name__ == "__main__":
    _main(*sys.argv[1:])
