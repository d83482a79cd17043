"""Pictures in the chat: attached to a question, and shown where the terminal can show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from agents.session import _paths_in
from tests.agents.terminal import ENTER, terminal
from tests.agents.test_chat_terminal import PROMPT
from tests.conftest import Dure

BLOCK = "\N{UPPER HALF BLOCK}"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red picture whose name has a space."""
    path = tmp_path / "my pictures" / "red one.png"
    path.parent.mkdir()
    Image.new("RGB", (64, 32), (220, 30, 30)).save(path)
    return path


def test_a_quoted_path_keeps_its_spaces(picture: Path) -> None:
    assert _paths_in(f'what is this? "{picture}"') == [picture]
    assert _paths_in(f"이건 '{picture}' 뭐야?") == [picture]


@pytest.mark.slow
def test_a_terminal_shows_what_is_attached(dure: Dure, picture: Path) -> None:
    with terminal(dure, "chat") as screen:
        screen.expect(PROMPT)
        screen.type(f"/image '{picture}'" + ENTER)
        screen.expect("Attached to the next question: red one.png")
        assert BLOCK in screen.text
        assert re.search(r"\x1b\[[0-9;]*38;2;220;30;30", screen.raw) or "\x1b[38;5;" in screen.raw
        screen.expect(r"\[red one.png\] ")
        screen.type("/quit" + ENTER)
        assert screen.ends() == 0


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colour_is_shown_the_path_alone(
    dure: Dure, picture: Path, more: dict[str, str]
) -> None:
    with terminal(dure, "chat", **more) as screen:
        screen.expect("❯")
        screen.type(f"/image '{picture}'" + ENTER)
        screen.expect("Attached to the next question: red one.png")
        assert BLOCK not in screen.text


@pytest.mark.slow
def test_over_a_pipe_pictures_are_attached_and_taken_off(dure: Dure, picture: Path) -> None:
    (picture.parent / "notes.txt").write_text("no picture")
    lines = [
        "/image",
        f"/image '{picture}'",
        "/image",
        "/image off",
        f"/image '{picture.parent}/gone.png'",
        f"/image '{picture.parent}/notes.txt'",
    ]
    said = dure("chat", stdin="\n".join(lines)).stdout.splitlines()
    assert said[0].startswith("Pictures for the next question: -.")
    assert said[1] == "Attached to the next question: red one.png"
    assert str(picture) in said[2]
    assert said[3] == "No picture is attached."
    assert "There is no file" in said[4] and "gone.png" in said[4]
    assert "is no picture" in said[5] and ".png" in said[5]
    assert BLOCK not in "".join(said)
