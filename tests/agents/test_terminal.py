"""What a person is shown of a step that takes a while."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agents.errors import ApprovalNeeded
from agents.terminal import Screen, deny


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


async def test_where_nobody_can_be_asked_the_preview_is_shown_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = {"name": "train", "args": {"data": ["faq.csv"]}, "preview": "**Data** 12 rows"}
    with pytest.raises(ApprovalNeeded, match=r"train\(.*--yes"):
        await deny([call, {"name": "push", "args": {}}])
    assert capsys.readouterr() == ("", "**Data** 12 rows\n")
