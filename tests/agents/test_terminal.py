"""What a person is shown of a step that takes a while."""

from __future__ import annotations

import io

from rich.console import Console

from agents.terminal import Screen


def test_progress_is_a_line_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out))
    with screen:
        screen.show({"event": "progress", "text": "reading the document, part 2 of 9"})
    assert out.getvalue() == "  … reading the document, part 2 of 9\n"


def test_a_quiet_screen_shows_no_progress() -> None:
    out = io.StringIO()
    with Screen(Console(file=out), quiet=True) as screen:
        screen.show({"event": "progress", "text": "reading"})
    assert out.getvalue() == ""
