"""A real terminal around a process: what a person types and sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import DURE, Dure

ENTER, CTRL_C, CTRL_D = "\r", "\x03", "\x04"
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>()][0-9A-B]?)")


class Terminal:
    """One `dure` on a pseudo-terminal of 120 by 40."""

    def __init__(self, dure: Dure, *words: str, **env: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [DURE, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=dure.cwd,
            env=dure.env(**{"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **env}),
            preexec_fn=own_terminal,
        )
        os.close(slave)
        self._raw = b""
        self._seen = 0

    @property
    def raw(self) -> str:
        """All that was written to the terminal so far."""
        return self._raw.decode(errors="replace")

    @property
    def text(self) -> str:
        """The same without colours and cursor movements."""
        return _ESCAPES.sub("", self.raw)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def expect(self, pattern: str, seconds: float = 40) -> str:
        """Wait until the pattern is shown after what was last expected."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.text
            if found := re.search(pattern, text[self._seen :]):
                self._seen += found.end()
                return found[0]
            if not self._read(min(1.0, deadline - time.monotonic())):
                break
        raise AssertionError(f"{pattern!r} was not shown; the end of it: {self.text[-2000:]!r}")

    def ends(self, seconds: float = 20) -> int:
        """Read to the end; the exit status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read(1.0):
            continue
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        """Take what comes within the time; False once nobody writes any more."""
        if not select.select([self._master], [], [], max(0.0, seconds))[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:
            return False
        self._raw += piece
        return bool(piece)


@contextmanager
def terminal(dure: Dure, *words: str, **env: str) -> Iterator[Terminal]:
    opened = Terminal(dure, *words, **env)
    try:
        yield opened
    finally:
        opened.close()
