"""The image agent with the real servers and the packaged models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.agents.test_vision import FakeOpenAI, openai
from tests.conftest import Dure

__all__ = ["openai"]

pytestmark = pytest.mark.slow


def settings_in(path: str) -> dict[str, Any]:
    with Image.open(path) as image:
        image.load()
        settings: dict[str, Any] = json.loads(image.text["parameters"])  # type: ignore[attr-defined]
    return settings


def test_a_picture_is_drawn_from_the_words_and_settings_of_the_request(dure: Dure) -> None:
    done = dure("ask", "--json", "빨간 원 왼쪽에 파란 사각형을 그려줘, 시드 7, 2단계")
    answer = json.loads(done.stdout)
    assert (answer["agent"], answer["route"]["stage"]) == ("image", "rule")
    (path,) = answer["artifacts"]
    assert path in answer["answer"] and "시드 7" in answer["answer"]
    made = settings_in(path)
    assert (made["prompt"], made["seed"], made["steps"]) == ("빨간 원 왼쪽에 파란 사각형", 7, 2)
    assert Path(path).is_relative_to(dure.home / "pictures")


def test_a_picture_is_recognised_and_asked_about_again(dure: Dure, tmp_path: Path) -> None:
    drawn = Image.new("RGB", (64, 64), (255, 255, 255))
    ImageDraw.Draw(drawn).ellipse((16, 16, 48, 48), fill=(220, 30, 30))
    drawn.save(tmp_path / "a.png")
    lines = f"{tmp_path}/a.png 이건 원이야 별이야?\nis it a blue square?\n"
    said = dure("chat", stdin=lines)
    first, second = [line for line in said.stdout.splitlines() if line.startswith("**")]
    assert first.startswith("**원** ") and second.startswith("**red circle** ")
    assert said.stderr.count("→ image") == 2


def test_a_folder_is_searched_by_words_and_what_is_no_picture_is_told(
    dure: Dure, tmp_path: Path
) -> None:
    folder = tmp_path / "내 그림"
    folder.mkdir()
    for name, colour in (("red", (220, 30, 30)), ("blue", (30, 60, 210))):
        drawn = Image.new("RGB", (64, 64), (255, 255, 255))
        ImageDraw.Draw(drawn).ellipse((16, 16, 48, 48), fill=colour)
        drawn.save(folder / f"{name}.png")
    (folder / "bad.png").write_text("no picture")
    done = dure("ask", "--json", f'"{folder}"에서 파란 원 그림을 찾아줘')
    answer = json.loads(done.stdout)
    assert [step["tool"] for step in answer["steps"]] == ["index_pictures", "watch", "search"]
    results = answer["steps"][-1]["result"]["results"]
    assert [Path(each["picture"]).name for each in results] == ["blue.png", "red.png"]
    assert "열 수 없는 파일 1개" in answer["answer"]


def test_a_served_model_draws_in_a_loop_of_its_own(dure: Dure, openai: FakeOpenAI) -> None:
    arguments = json.dumps({"prompt": "a red circle", "steps": 2, "seed": 5})
    call = {"index": 0, "id": "call_1", "type": "function"}
    called = {**call, "function": {"name": "generate", "arguments": arguments}}
    openai.replies = [{"tool_calls": [called]}, {"content": "Here it is."}]
    request = "draw something round and warm, seed 5"
    words = ("ask", "--json", "--model", "openai:any", request)
    answer = json.loads(dure(*words, DURE_BASE_URL=openai.url).stdout)
    (path,) = answer["artifacts"]
    assert settings_in(path)["prompt"] == "a red circle"
    assert path in answer["answer"] and "Here it is." in answer["answer"]
    told = next(m for m in openai.asked[-1]["messages"] if m["role"] == "tool")
    assert path in json.dumps(told["content"]) and "image_url" not in json.dumps(told["content"])
