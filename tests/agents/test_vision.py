"""Chat models that can see are shown the picture of a question; others are told its path."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agents import sight
from agents.errors import DureError
from agents.models import choose
from agents.settings import load_settings
from tests.agents.test_models import FakeOllama, ollama
from tests.conftest import Dure

__all__ = ["ollama"]


class FakeOpenAI:
    """An OpenAI-compatible API at the wire: it streams what a test wrote down, and remembers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []  # deltas; the last one for ever
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                delta = fake.replies.pop(0) if len(fake.replies) > 1 else fake.replies[0]
                ended = "tool_calls" if "tool_calls" in delta else "stop"
                base = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "x"}
                chunks = [
                    {**base, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}}]},
                    {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": ended}]},
                ]
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for chunk in chunks:
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def openai() -> Iterator[FakeOpenAI]:
    fake = FakeOpenAI()
    yield fake
    fake.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a cat.png"
    Image.new("RGB", (3000, 1500), (220, 30, 30)).save(path)
    return path


def blocks_of(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of the last user message; a plain text is one."""
    content = next(m for m in reversed(asked["messages"]) if m["role"] == "user")["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        *((name, True) for name in ("gpt-4o", "gpt-5-mini", "qwen2.5-vl-7b", "llava:13b")),
        *((name, True) for name in ("Qwen/Qwen3-VL-8B-Instruct", "pixtral-12b", "gemma-3-12b-it")),
        *((name, False) for name in ("gpt-3.5-turbo", "qwen2.5-coder:7b", "any", "llama-3.1-8b")),
        *((name, False) for name in ("o3-mini", "gemma-3-1b-it", "vllm-model")),
    ],
)
def test_a_served_model_sees_by_its_profile_or_its_name(
    dure_home: Path, name: str, sees: bool
) -> None:
    given: Any = {"model": f"openai:{name}", "base_url": "http://127.0.0.1:9/v1"}
    assert choose(load_settings(**given)).sees == sees
    assert not choose(load_settings(**given, vision="off")).sees
    assert choose(load_settings(**given, vision="on")).sees


def test_ollama_says_itself_whether_a_model_sees(ollama: FakeOllama) -> None:
    ollama.add("eyes:1b", "tools", "vision")
    ollama.add("words:1b", "tools")
    for name, sees in (("eyes:1b", True), ("words:1b", False)):
        assert choose(load_settings(model=f"ollama:{name}", ollama_url=ollama.url)).sees == sees


async def test_a_picture_is_made_small_and_what_is_none_is_refused(picture: Path) -> None:
    (block,) = await sight.blocks([str(picture)])
    with Image.open(io.BytesIO(base64.b64decode(block["base64"]))) as shown:
        assert shown.size == (1024, 512) and shown.format == "PNG"
    (picture.parent / "no.png").write_text("no picture")
    with pytest.raises(DureError, match=r"no\.png is no picture that can be read"):
        await sight.blocks([str(picture.parent / "no.png")])


@pytest.mark.slow
@pytest.mark.parametrize("vision", ["on", "off"])
def test_the_picture_of_a_question_goes_to_a_model_that_sees(
    dure: Dure, openai: FakeOpenAI, picture: Path, vision: str
) -> None:
    openai.replies = [{"content": "사진에는 빨간 면만 있습니다."}]
    given = {"DURE_BASE_URL": openai.url, "DURE_VISION": vision}
    done = dure(
        "ask", "--json", "--model", "openai:any", f'이 사진에 뭐가 있어? "{picture}"', **given
    )
    answer = json.loads(done.stdout)
    assert answer["answer"] == "사진에는 빨간 면만 있습니다."
    assert (answer["agent"], answer["route"]["stage"]) == ("image", "rule")
    text, *shown = blocks_of(openai.asked[-1])
    assert str(picture) in text["text"] and "이 사진에 뭐가 있어?" in text["text"]
    if vision == "off":
        assert shown == []
    else:
        assert shown[0]["type"] == "image_url"
        assert shown[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert {tool["function"]["name"] for tool in openai.asked[-1]["tools"]} >= {"generate"}


@pytest.mark.slow
def test_an_ollama_model_that_sees_is_shown_the_picture(
    dure: Dure, ollama: FakeOllama, picture: Path
) -> None:
    ollama.add("eyes:1b", "tools", "vision")
    ollama.replies = [{"content": "A plain red picture."}]
    words = ("ask", "--json", "--model", "ollama:eyes:1b", f"what does '{picture}' show?")
    assert json.loads(dure(*words, DURE_OLLAMA_URL=ollama.url).stdout)["answer"] == (
        "A plain red picture."
    )
    (sent,) = [m for m in ollama.asked[-1]["messages"] if m["role"] == "user"]
    with Image.open(io.BytesIO(base64.b64decode(sent["images"][0]))) as shown:
        assert shown.size == (1024, 512)


@pytest.mark.slow
def test_a_broken_picture_ends_in_one_clear_line(
    dure: Dure, openai: FakeOpenAI, tmp_path: Path
) -> None:
    openai.replies = [{"content": "never said"}]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    given = {"DURE_BASE_URL": openai.url, "DURE_VISION": "on"}
    done = dure("ask", "--model", "openai:any", f"what is in {tmp_path}/broken.png?", **given)
    assert done.returncode == 1
    assert "broken.png is no picture that can be read" in done.stderr
