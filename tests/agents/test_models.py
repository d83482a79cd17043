"""Which chat model a spec becomes; Ollama is faked at the wire, everything else is real."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from agents.embedded import EmbeddedChatModel
from agents.errors import DureError, UsageError
from agents.models import choose, ollama_models, resolve
from agents.settings import load_settings
from tests.conftest import NO_OLLAMA, environment

KEY = "sk-do-not-show-7391"


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


class FakeOllama:
    """Ollama's HTTP API as it stands on the wire: a list, details, and chats as lines of JSON."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []  # messages, one line each
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tags = [{"name": n, "model": n, **m["tag"]} for n, m in fake.models.items()]
                self.answer(200, json.dumps({"models": tags}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                found = fake.models.get(body.get("model", ""))
                if found is None or found.get("broken"):
                    self.answer(404, json.dumps({"error": f"model '{body['model']}' not found"}))
                elif self.path == "/api/show":
                    self.answer(200, json.dumps(found["show"]))
                else:
                    fake.asked.append(body)
                    self.answer(200, "".join(fake.lines(body["model"])), "application/x-ndjson")

            def answer(self, status: int, body: str, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def add(
        self,
        name: str,
        *capabilities: str,
        modified: str = "2026-01-01T00:00:00Z",
        broken: bool = False,
        remote: str | None = None,
    ) -> None:
        far = {"remote_host": remote, "remote_model": name} if remote else {}
        self.models[name] = {
            "tag": {"modified_at": modified, "size": 1, **far},
            "show": {"capabilities": ["completion", *capabilities], **far},
            "broken": broken,
        }

    def lines(self, model: str) -> Iterator[str]:
        base = {"model": model, "created_at": "2026-01-01T00:00:00Z"}
        for message in self.replies:
            said = {"role": "assistant", "content": "", **message}
            yield json.dumps({**base, "message": said, "done": False}) + "\n"
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
        said = {"role": "assistant", "content": ""}
        yield json.dumps({**base, "message": said, **end}) + "\n"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def ollama(dure_home: Path) -> Iterator[FakeOllama]:
    fake = FakeOllama()
    yield fake
    fake.close()


# auto


def test_auto_without_ollama_is_the_embedded_model_and_says_why(dure_home: Path) -> None:
    chosen = choose(load_settings(ollama_url=NO_OLLAMA))
    assert (chosen.spec, chosen.small) == ("embedded", True)
    assert isinstance(chosen.model, EmbeddedChatModel)
    assert "no Ollama is running" in chosen.reason


def test_auto_takes_the_latest_ollama_model_that_can_use_tools(ollama: FakeOllama) -> None:
    ollama.add("old:7b", "tools", modified="2026-01-01T00:00:00Z")
    ollama.add("new:8b", "tools", modified="2026-03-01T00:00:00Z")
    ollama.add("vision:1b", "vision", modified="2026-04-01T00:00:00Z")
    chosen = choose(load_settings(ollama_url=ollama.url))
    assert (chosen.spec, chosen.small) == ("ollama:new:8b", False)
    assert "can use tools" in chosen.reason


def test_auto_with_an_ollama_that_has_no_such_model_is_the_embedded_model(
    ollama: FakeOllama,
) -> None:
    assert resolve(load_settings(ollama_url=ollama.url))[0] == "embedded"
    ollama.add("vision:1b", "vision")
    spec, reason = resolve(load_settings(ollama_url=ollama.url))
    assert spec == "embedded" and "no model that can use tools" in reason


def test_auto_passes_over_a_model_that_ollama_cannot_show(ollama: FakeOllama) -> None:
    ollama.add("broken:1b", "tools", modified="2026-05-01T00:00:00Z", broken=True)
    ollama.add("fine:1b", "tools")
    assert resolve(load_settings(ollama_url=ollama.url))[0] == "ollama:fine:1b"


def test_auto_never_takes_a_model_that_ollama_runs_in_its_cloud(ollama: FakeOllama) -> None:
    ollama.add("big:120b-cloud", "tools", remote="https://far.example:443")
    spec, reason = resolve(load_settings(ollama_url=ollama.url))
    assert spec == "embedded" and "no model that can use tools" in reason
    ollama.add("here:1b", "tools")
    assert resolve(load_settings(ollama_url=ollama.url))[0] == "ollama:here:1b"


def test_auto_reaches_nothing_but_this_machine_whatever_keys_lie_around(tmp_path: Path) -> None:
    script = """
import sys
reached = []
def watch(event, args):
    if event == "socket.connect":
        reached.append(args[1])
    if event == "socket.getaddrinfo":
        reached.append((args[0],))
sys.addaudithook(watch)
from agents.models import choose
from agents.settings import load_settings
chosen = choose(load_settings())
print(chosen.spec, sorted({address[0] for address in reached}))
"""
    keys = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "HTTP_PROXY": "http://proxy.example:1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path, **keys),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "embedded ['127.0.0.1']"


# ollama:


async def test_an_ollama_model_streams_an_answer(ollama: FakeOllama) -> None:
    ollama.add("tiny:1b", "tools")
    ollama.replies = [{"content": "두레는 "}, {"content": "함께 "}, {"content": "일합니다."}]
    chosen = choose(load_settings(model="ollama:tiny:1b", ollama_url=ollama.url, max_tokens=99))
    pieces = [chunk async for chunk in chosen.model.astream("두레가 뭐예요?")]
    assert "".join(str(piece.text) for piece in pieces) == "두레는 함께 일합니다."
    asked = ollama.asked[0]
    assert asked["model"] == "tiny:1b" and asked["stream"] is True
    assert asked["options"]["temperature"] == 0 and asked["options"]["num_predict"] == 99
    answer = chosen.model.invoke("두레가 뭐예요?")
    assert answer.usage_metadata is not None and answer.usage_metadata["total_tokens"] == 10


async def test_an_ollama_model_calls_a_tool(ollama: FakeOllama) -> None:
    ollama.add("tiny:1b", "tools")
    call = {"function": {"name": "weather", "arguments": {"city": "서울"}}}
    ollama.replies = [{"tool_calls": [call]}]
    chosen = choose(load_settings(model="ollama:tiny:1b", ollama_url=ollama.url))
    answer = await chosen.model.bind_tools([weather]).ainvoke([HumanMessage("서울 날씨?")])
    assert [(c["name"], c["args"]) for c in answer.tool_calls] == [("weather", {"city": "서울"})]
    assert ollama.asked[0]["tools"][0]["function"]["name"] == "weather"
    assert weather.invoke(answer.tool_calls[0]).content == "sunny in 서울"


def test_the_tag_latest_may_be_left_out(ollama: FakeOllama) -> None:
    ollama.add("tiny:latest", "tools")
    assert choose(load_settings(model="ollama:tiny", ollama_url=ollama.url)).spec == "ollama:tiny"


def test_a_model_that_ollama_does_not_have_says_how_to_get_it(ollama: FakeOllama) -> None:
    ollama.add("tiny:1b", "tools")
    with pytest.raises(DureError, match=r"no model 'big' \(it has tiny:1b\).*ollama pull big"):
        choose(load_settings(model="ollama:big", ollama_url=ollama.url))


def test_an_ollama_that_does_not_run_says_how_to_start_it(dure_home: Path) -> None:
    with pytest.raises(DureError, match=r"not running at .*127\.0\.0\.1:9.*ollama serve"):
        choose(load_settings(model="ollama:tiny", ollama_url=NO_OLLAMA))


@pytest.mark.parametrize("url", ["", "no address", "http://[::", "http://127.0.0.1:99999"])
def test_an_address_that_is_none_is_an_ollama_that_does_not_run(dure_home: Path, url: str) -> None:
    with pytest.raises(DureError, match="ollama serve"):
        ollama_models(url)
    assert resolve(load_settings(ollama_url=url))[0] == "embedded"


@pytest.mark.parametrize("body", ["[]", '{"models": null}', "<html>", '{"models": [1]}', "3"])
def test_another_server_on_its_port_is_no_ollama(dure_home: Path, body: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        assert resolve(load_settings(ollama_url=url))[0] == "embedded"
    finally:
        server.shutdown()
        server.server_close()


# openai: and others


def test_openai_without_a_key_is_a_clear_error(dure_home: Path) -> None:
    with pytest.raises(DureError, match=r"openai:gpt-x needs a key.*OPENAI_API_KEY.*DURE_BASE_URL"):
        choose(load_settings(model="openai:gpt-x"))


def test_an_openai_key_is_in_no_text_of_the_model(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_API_KEY", KEY)
    chosen = choose(load_settings(model="openai:gpt-x"))
    assert KEY not in repr(chosen) + str(chosen.model) + repr(chosen.model.__dict__)


def test_openai_goes_through_a_proxy(dure_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURE_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    chosen = choose(load_settings(model="openai:gpt-x"))
    with pytest.raises(Exception, match="Connection error"):
        chosen.model.bind(timeout=5).invoke("hello")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "astream", "tools"])
async def test_openai_streams_from_a_compatible_server_of_ones_own(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch, small_model: EmbeddedChatModel, way: str
) -> None:
    served = small_model.load()
    monkeypatch.setenv("DURE_API_KEY", served.key)
    settings = load_settings(model="openai:any", base_url=f"{served.address}/v1", max_tokens=16)
    chosen = choose(settings)
    question = "Count from one to fifty in words."
    if way == "stream":
        pieces = list(chosen.model.stream(question))
    elif way == "astream":
        pieces = [piece async for piece in chosen.model.astream(question)]
    else:
        answer = await chosen.model.bind_tools([weather]).ainvoke(question)
        assert answer.text or answer.tool_calls
        return
    assert len([piece for piece in pieces if piece.text]) > 3
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert usage[-1]["output_tokens"] <= 16
    assert not chosen.small


@pytest.mark.slow
def test_a_second_event_loop_may_ask_the_same_openai_server(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch, small_model: EmbeddedChatModel
) -> None:
    served = small_model.load()
    monkeypatch.setenv("DURE_API_KEY", served.key)
    settings = load_settings(model="openai:any", base_url=f"{served.address}/v1", max_tokens=16)
    for _ in range(2):
        assert asyncio.run(choose(settings).model.ainvoke("Count to ten.")).text


@pytest.mark.slow
def test_openai_with_the_wrong_key_is_refused_by_the_server(
    dure_home: Path, small_model: EmbeddedChatModel
) -> None:
    base = f"{small_model.load().address}/v1"
    chosen = choose(load_settings(model="openai:any", base_url=base))
    with pytest.raises(Exception, match=r"(?i)invalid api key|401"):
        chosen.model.invoke("hello")


@pytest.mark.parametrize("spec", ["garbage", "embedded:huge", "gpt:4", " ", ":", "auto:x", "두레"])
def test_a_spec_that_means_nothing_lists_the_choices(dure_home: Path, spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(load_settings(model=spec, ollama_url=NO_OLLAMA))
    message = str(caught.value)
    assert repr(spec) in message
    assert "\n" not in message
    for choice in ("embedded:small", "ollama:", "openai:"):
        assert choice in message


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_a_provider_without_a_model_says_how_to_name_one(dure_home: Path, provider: str) -> None:
    with pytest.raises(UsageError, match=f"{provider}:NAME"):
        choose(load_settings(model=f"{provider}:"))


def test_a_provider_whose_package_is_missing_is_named_with_it(dure_home: Path) -> None:
    with pytest.raises(DureError, match=r"'anthropic:claude'.*langchain[-_]anthropic"):
        choose(load_settings(model="anthropic:claude"))


def test_the_embedded_models_take_the_settings(dure_home: Path) -> None:
    settings = load_settings(model="embedded:small", context=2048, threads=1, max_tokens=50)
    chosen = choose(settings)
    assert isinstance(chosen.model, EmbeddedChatModel)
    model = chosen.model
    assert (model.spec, model.home, model.context, model.threads, model.max_tokens) == (
        *("embedded:small", dure_home, 2048, 1, 50),
    )
    assert chosen.reason == "chosen by you"
    assert not (dure_home / "models").exists()  # nothing is joined or loaded yet
