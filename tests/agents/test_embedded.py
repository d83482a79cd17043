"""The embedded model, for real: the 0.5B over llama.cpp."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import jsonschema
import psutil
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from agents import llama
from agents.embedded import EmbeddedChatModel
from agents.errors import DureError, UsageError
from tests.conftest import environment, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]

BRIEF = SystemMessage("You are brief. Answer in one sentence.")
LONG = "Count from one to one thousand in words, with commas."


class Unit(StrEnum):
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Place(BaseModel):
    city: str
    country: str | None = None


@tool
def weather(place: Place, unit: Unit, days: int = 1) -> str:
    """The weather forecast for a place."""
    return f"sunny in {place.city}"


@tool
def find_matches(pattern: str, texts: list[str], mode: Literal["first", "all"] = "all") -> str:
    """Find what a regular expression matches in texts."""
    return pattern


@tool
def f1_score(tp: int, fp: int, fn: int) -> float:
    """F1 from the counts of true positives, false positives and false negatives."""
    return 2 * tp / (2 * tp + fp + fn)


TOOLS = [weather, find_matches, f1_score]
REQUESTS = [
    "What is the weather in Paris, France, in celsius?",
    "내일 서울 날씨를 섭씨로 알려줘",
    "Find all digits in 'a1 b22' and in 'c333'.",
    "'전화 010-1234-5678'에서 전화번호를 찾아줘",
    "TP 40, FP 5, FN 5: what is F1?",
    '따옴표 " 와 역슬래시 \\ 가 들어 있는 글 "a\\b"에서 \\d+를 찾아줘',
]


def changed(model: EmbeddedChatModel, **fields: Any) -> EmbeddedChatModel:
    """The same loaded model with other settings."""
    return model.model_copy(update=fields)


def read(answer: Any) -> int:
    assert answer.usage_metadata is not None
    return int(answer.usage_metadata["input_tokens"])


# Answers


def test_a_request_is_answered_with_its_usage(small_model: EmbeddedChatModel) -> None:
    answer = small_model.invoke([BRIEF, HumanMessage("What is the capital of France?")])
    assert "Paris" in answer.text
    assert answer.response_metadata["finish_reason"] == "stop"
    usage = answer.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 20


async def test_streams_concatenate_to_the_invoked_text(small_model: EmbeddedChatModel) -> None:
    messages = [BRIEF, HumanMessage("한국의 수도는 어디인가요?")]
    whole = small_model.invoke(messages).text
    chunks = list(small_model.stream(messages))
    assert len([chunk for chunk in chunks if chunk.text]) > 2
    assert "".join(chunk.text for chunk in chunks) == whole
    assert "".join([chunk.text async for chunk in small_model.astream(messages)]) == whole
    assert (await small_model.ainvoke(messages)).text == whole


def test_stop_texts_and_a_length_end_an_answer(small_model: EmbeddedChatModel) -> None:
    stopped = small_model.invoke("Write the digits 1 2 3 4 5 6 7 8 9.", stop=["6"])
    assert "5" in stopped.text and "6" not in stopped.text
    short = small_model.invoke(LONG, max_tokens=5)
    assert short.response_metadata["finish_reason"] == "length"
    assert short.usage_metadata is not None and short.usage_metadata["output_tokens"] == 5


def test_two_threads_may_ask_at_once(small_model: EmbeddedChatModel) -> None:
    answers: dict[str, str] = {}

    def ask(word: str) -> None:
        request = f"Repeat this word and nothing else: {word}"
        answers[word] = small_model.invoke([BRIEF, HumanMessage(request)]).text

    threads = [threading.Thread(target=ask, args=(word,)) for word in ("lion", "tiger")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(word in text.lower() for word, text in answers.items()) and len(answers) == 2


def test_an_error_reaches_the_caller(small_model: EmbeddedChatModel) -> None:
    with pytest.raises(UsageError, match="embedded:huge"):
        changed(small_model, spec="embedded:huge").invoke("hello")
    with pytest.raises(DureError, match="refused the request"):
        small_model.invoke("hello", stop=[5])


# Cancelling


async def stops_and_answers(model: EmbeddedChatModel) -> None:
    """What was cancelled does not go on, and the model's one slot serves the next call."""
    deadline = time.monotonic() + 12  # a thousand tokens take longer
    while any(thread.name == "llama" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "llama.cpp goes on"
        await asyncio.sleep(0.02)
    answer = await model.ainvoke([BRIEF, HumanMessage("What is the capital of France?")])
    assert "Paris" in answer.text


async def test_leaving_a_stream_stops_the_model(small_model: EmbeddedChatModel) -> None:
    seen = 0
    async for chunk in small_model.astream(LONG, max_tokens=1000):
        seen += bool(chunk.text)
        if seen == 3:
            break
    await stops_and_answers(small_model)


@pytest.mark.timed
@pytest.mark.parametrize("way", ["astream", "ainvoke"])
async def test_cancelling_returns_at_once_and_the_next_call_works(
    small_model: EmbeddedChatModel, way: str
) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    model = changed(
        small_model,
        progress=lambda what, *_: what == "read" and loop.call_soon_threadsafe(started.set),
    )

    async def consume() -> None:
        if way == "ainvoke":
            await model.ainvoke(LONG, max_tokens=1000)
        else:
            async for _ in model.astream(LONG, max_tokens=1000):
                pass

    task = asyncio.create_task(consume())
    await asyncio.wait_for(started.wait(), 30)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1
    await stops_and_answers(small_model)


@pytest.mark.timed
async def test_cancelling_while_a_long_prompt_is_read_works_too(
    small_model: EmbeddedChatModel,
) -> None:
    steps: list[int] = []
    model = changed(
        small_model, progress=lambda what, done, total: steps.append(done) if what == "read" else 0
    )
    words = " ".join(f"word{i}" for i in range(0, 4000, 7))
    task = asyncio.create_task(model.ainvoke(words))
    deadline = time.monotonic() + 30
    while len([step for step in steps if step]) < 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1
    await stops_and_answers(small_model)
    assert steps[-1] < 1500


def test_a_loop_that_ends_in_mid_answer_leaves_the_model_usable(
    small_model: EmbeddedChatModel,
) -> None:
    async def first_words() -> str:
        async for chunk in small_model.astream(LONG, max_tokens=500):
            if chunk.text:
                return str(chunk.text)
        return ""

    assert asyncio.run(first_words())
    asyncio.run(stops_and_answers(small_model))


# Tools


@pytest.mark.parametrize("request_text", REQUESTS)
def test_a_required_call_always_parses_and_validates(
    small_model: EmbeddedChatModel, request_text: str
) -> None:
    bound = changed(small_model, max_tokens=300).bind_tools(TOOLS, tool_choice="any")
    answer = bound.invoke([HumanMessage(request_text)])
    assert len(answer.tool_calls) == 1 and answer.invalid_tool_calls == []
    call = answer.tool_calls[0]
    schemas = {t.name: convert_to_openai_tool(t)["function"]["parameters"] for t in TOOLS}
    jsonschema.validate(call["args"], schemas[call["name"]])
    chosen = next(t for t in TOOLS if t.name == call["name"])
    assert chosen.invoke(call).status == "success"


def test_a_named_tool_is_the_one_that_is_called(small_model: EmbeddedChatModel) -> None:
    bound = changed(small_model, max_tokens=300).bind_tools(TOOLS, tool_choice="f1_score")
    (call,) = bound.invoke("What is the weather in Paris?").tool_calls
    assert call["name"] == "f1_score"
    assert set(call["args"]) == {"tp", "fp", "fn"}


async def test_with_tools_a_reply_is_a_call_or_an_answer_and_streams(
    small_model: EmbeddedChatModel,
) -> None:
    bound = changed(small_model, max_tokens=300).bind_tools(TOOLS)
    for request in ("TP 40, FP 5, FN 5: what is F1?", "안녕하세요! 반갑습니다."):
        whole = None
        async for chunk in bound.astream(request):
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        assert bool(whole.text) != bool(whole.tool_calls)
        assert "{" not in whole.text


def test_a_tools_result_leads_to_an_answer(small_model: EmbeddedChatModel) -> None:
    call = {"name": "f1_score", "args": {"tp": 40, "fp": 5, "fn": 5}, "id": "call_1"}
    conversation = [
        HumanMessage("TP 40, FP 5, FN 5: what is F1?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("0.8889", tool_call_id="call_1", name="f1_score"),
    ]
    answer = small_model.bind_tools(TOOLS).invoke(conversation)
    assert answer.text or answer.tool_calls


def test_a_call_that_is_cut_off_by_the_length_is_no_call(small_model: EmbeddedChatModel) -> None:
    bound = small_model.bind_tools(TOOLS, tool_choice="any", max_tokens=6)
    answer = bound.invoke("What is the weather in Paris?")
    assert answer.tool_calls == [] and answer.invalid_tool_calls == [] and answer.text == ""
    assert answer.response_metadata["finish_reason"] == "length"


class Review(BaseModel):
    """A judgement of a text."""

    title: str = Field(description="a short title")
    mood: Literal["good", "bad"]
    scores: list[int]
    place: Place


def test_structured_output_is_the_pydantic_object(small_model: EmbeddedChatModel) -> None:
    structured = changed(small_model, max_tokens=300).with_structured_output(Review)
    review = structured.invoke("Review: 'A wonderful café in Seoul.' Scores: 5 and 4.")
    assert isinstance(review, Review)
    assert review.mood in ("good", "bad")


# Tokens


@pytest.mark.parametrize("bound", [False, True])
def test_counted_tokens_are_those_that_a_call_reads(
    small_model: EmbeddedChatModel, bound: bool
) -> None:
    call = {"name": "f1_score", "args": {"tp": 1, "fp": 2, "fn": 3}, "id": "call_1"}
    messages = [
        BRIEF,
        HumanMessage("두레가 뭐예요? <|im_end|> 🌾"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("0.2857", tool_call_id="call_1", name="f1_score"),
        HumanMessage("And in English?"),
    ]
    tools = TOOLS if bound else []
    model = small_model.bind_tools(tools) if bound else small_model
    answer = model.invoke(messages, max_tokens=8)
    assert small_model.get_num_tokens_from_messages(messages, tools=tools) == read(answer)


def test_tokens_of_a_text_are_counted_by_the_models_own_tokenizer(
    small_model: EmbeddedChatModel,
) -> None:
    assert small_model.get_num_tokens("hello world") == 2
    assert small_model.get_num_tokens("") == 0
    assert 2 <= small_model.get_num_tokens("두레는 함께 일한다") <= 20


# Too long


@pytest.fixture(scope="module")
def narrow(small_model: EmbeddedChatModel) -> EmbeddedChatModel:
    """The same weights with a context of 1024 tokens."""
    return changed(small_model, context=1024, max_tokens=32)


def test_a_long_conversation_is_trimmed_and_answered(narrow: EmbeddedChatModel) -> None:
    filler = " ".join(f"word{i}" for i in range(150))
    turns = [m for _ in range(8) for m in (HumanMessage(filler), AIMessage("I see."))]
    answer = narrow.invoke([BRIEF, *turns, HumanMessage("What is the capital of France?")])
    assert "Paris" in answer.text
    assert 300 < read(answer) <= 1024 - 32


def test_one_message_longer_than_the_context_is_answered(narrow: EmbeddedChatModel) -> None:
    answer = narrow.invoke([BRIEF, HumanMessage("두레는 함께 일한다. " * 600)])
    assert answer.text
    assert 700 < read(answer) <= 1024 - 32


def test_a_long_tool_result_is_cut_and_the_question_stays(narrow: EmbeddedChatModel) -> None:
    call = {"name": "find_matches", "args": {"pattern": "x", "texts": ["y"]}, "id": "call_1"}
    conversation = [
        BRIEF,
        HumanMessage("Which city is named in the file?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("lorem ipsum " * 2000, tool_call_id="call_1", name="find_matches"),
    ]
    sent = narrow._request(conversation, {})["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == "Which city is named in the file?"
    assert sent[3]["content"].startswith("[find_matches returned]")
    assert "characters left out" in sent[3]["content"]
    assert narrow.invoke(conversation, max_tokens=8).usage_metadata is not None


def test_more_tokens_than_the_context_may_be_asked_for(narrow: EmbeddedChatModel) -> None:
    answer = narrow.invoke([BRIEF, HumanMessage("What is the capital of France?")], max_tokens=5000)
    assert "Paris" in answer.text


# Probabilities


async def test_probabilities_of_words_sum_to_one_and_mean_something(
    small_model: EmbeddedChatModel,
) -> None:
    ask = "Answer yes or no. Is Paris the capital of France?"
    likely = small_model.probabilities([HumanMessage(ask)], ["yes", "no"])
    assert set(likely) == {"yes", "no"}
    assert sum(likely.values()) == pytest.approx(1)
    assert likely["yes"] > 0.5
    assert await small_model.aprobabilities([HumanMessage(ask)], ["yes", "no"]) == pytest.approx(
        likely, abs=0.05
    )


def test_words_that_the_model_would_never_say_are_equally_likely(
    small_model: EmbeddedChatModel,
) -> None:
    likely = small_model.probabilities([HumanMessage("Is 1 + 1 two?")], ["ᚠᚠ", "ᛟᛟ"])
    assert likely == {"ᚠᚠ": 0.5, "ᛟᛟ": 0.5}


# The prefix cache


ASK = """
import json, psutil, sys
from pathlib import Path
from langchain_core.messages import HumanMessage, SystemMessage
from agents.embedded import EmbeddedChatModel
home, rules = Path(sys.argv[1]), " ".join(f"Rule {i}: stay calm." for i in range(60))
model = EmbeddedChatModel(spec="embedded:small", home=home, context=1024, threads=1, max_tokens=8)
model.load()
(llama,) = psutil.Process().children()
def seconds(): return sum(llama.cpu_times()[:2])
began = seconds()
answer = model.invoke([SystemMessage(rules), HumanMessage("What is the capital of France?")])
print(json.dumps({"seconds": seconds() - began, "text": answer.text,
                  "read": answer.usage_metadata["input_tokens"]}))
"""


@pytest.fixture
def asking(tmp_path: Path, small_weights: Path) -> tuple[Path, Callable[[], dict[str, Any]]]:
    """The folder of saved prefixes, and a new process that asks under a long system prompt."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    os.link(small_weights, home / "models" / small_weights.name)

    def ask() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(home)],
            env=environment(home),
            capture_output=True,
            text=True,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return llama.prefix_folder(home), ask


@pytest.mark.timed
def test_a_new_process_starts_from_the_saved_state_of_a_system_prompt(
    asking: tuple[Path, Callable[[], dict[str, Any]]],
) -> None:
    folder, ask = asking
    cold = ask()
    (saved,) = folder.glob("*.bin")
    written = saved.read_bytes()
    warm = ask()
    assert cold["read"] == warm["read"] > 400
    assert warm["seconds"] < cold["seconds"] / 2
    assert warm["text"] == cold["text"]
    assert saved.read_bytes() == written and len(list(folder.iterdir())) == 1


def test_half_a_saved_state_is_thrown_away_and_made_anew(
    asking: tuple[Path, Callable[[], dict[str, Any]]],
) -> None:
    """llama.cpp would end the whole process on it."""
    folder, ask = asking
    text = ask()["text"]
    (saved,) = folder.glob("*.bin")
    written = saved.read_bytes()
    saved.write_bytes(written[: len(written) // 3])
    assert ask()["text"] == text
    assert [path.name for path in folder.iterdir()] == [saved.name]
    assert saved.stat().st_size == len(written)


def test_a_state_that_cannot_be_saved_costs_no_answer(
    small_model: EmbeddedChatModel, tmp_path: Path, small_weights: Path
) -> None:
    folder = tmp_path / "prefixes"
    served = llama.Llama(small_weights, context=1024, threads=1, prefixes=folder)
    folder.rmdir()
    said: list[str] = []

    def receive(chunk: dict[str, Any]) -> bool:
        said.extend(choice["delta"].get("content") or "" for choice in chunk.get("choices", []))
        return False

    question = HumanMessage("What is the capital of France?")
    served.chat(small_model._request([BRIEF, question], {}), receive)
    assert "Paris" in "".join(said)


def test_a_model_whose_process_was_killed_is_loaded_anew(small_weights: Path) -> None:
    def load() -> llama.Llama:
        return llama.load(small_weights, context=512, threads=1, prefixes=None)

    request = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    first = load()
    assert load() is first
    (process,) = [p for p in psutil.Process().children() if p.pid == first.pid]
    process.kill()
    with pytest.raises(DureError, match="Ask again"):
        first.chat(request, lambda chunk: False)
    process.wait()
    second = load()
    assert second is not first
    second.chat(request, lambda chunk: False)


def test_threads_that_wait_leave_the_cores_to_others_unless_the_user_says_otherwise(
    small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def policy() -> str:
        loaded = llama.Llama(small_weights, context=512, threads=1)
        process = psutil.Process(loaded.pid)
        said = process.environ()["OMP_WAIT_POLICY"]
        process.kill()
        return said

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert policy() == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert policy() == "active"


def test_a_repeated_system_prompt_is_read_once(small_model: EmbeddedChatModel) -> None:
    rules = SystemMessage(" ".join(f"Law {i}: be kind." for i in range(60)))
    processed: list[int] = []  # prompt tokens that each call had to read

    def receive(chunk: dict[str, Any]) -> bool:
        if "timings" in chunk:
            processed.append(chunk["timings"]["prompt_n"])
        return False

    for question in ("What is the capital of France?", "한국의 수도는?"):
        request = small_model._request([rules, HumanMessage(question)], {"max_tokens": 4})
        small_model.load().chat(request, receive)
    total = small_model.get_num_tokens_from_messages([rules, HumanMessage("한국의 수도는?")])
    assert total > 300
    assert processed and max(processed) < 40


# The loopback API


def post(address: str, route: str, key: str | None) -> int:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "content": "hi"}
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(address + route, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    "route", ["/v1/chat/completions", "/completion", "/tokenize", "/slots/0?action=erase"]
)
def test_the_loopback_api_refuses_who_has_no_key(
    small_model: EmbeddedChatModel, route: str
) -> None:
    served = small_model.load()
    assert served.address.startswith("http://127.0.0.1:")
    assert post(served.address, route, None) == 401
    assert post(served.address, route, "wrong") == 401


def test_the_loopback_api_answers_who_has_the_key(small_model: EmbeddedChatModel) -> None:
    served = small_model.load()
    assert post(served.address, "/v1/chat/completions", served.key) == 200


def test_a_key_is_in_no_text_of_the_model(small_model: EmbeddedChatModel) -> None:
    assert small_model.load().key not in repr(small_model) + str(small_model)


# Loading


def test_a_file_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(5000))
    with pytest.raises(DureError, match=r"broken\.gguf could not be loaded.*dure doctor"):
        llama.load(path, context=1024, threads=1, prefixes=None)


def test_a_model_is_loaded_once_by_whoever_comes_first(small_model: EmbeddedChatModel) -> None:
    found: list[llama.Llama] = []
    threads = [threading.Thread(target=lambda: found.append(small_model.load())) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(found) == 3, 20, "three loads")
    assert found == [small_model.load()] * 3
