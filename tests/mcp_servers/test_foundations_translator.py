"""The translator's life: trained in a job that may be killed, judged by BLEU, then translating."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.foundations import server
from tests.conftest import eventually
from tests.mcp_servers.calling import Client, said

_client = Client(server.ENGINE)
connected, called = _client.connected, _client.called


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path))
    return tmp_path


async def test_every_tool_is_listed_with_what_it_does() -> None:
    async with connected() as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert list(tools) == [function.__name__ for function in server.ENGINE.tools]
    destructive = [
        name
        for name, tool in tools.items()
        if tool.annotations and tool.annotations.destructiveHint
    ]
    assert destructive == ["delete_model"]
    assert all(len(tool.description or "") < 230 for tool in tools.values())


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("translate", {"source": "I love you."}, "Train one with train_translator"),
        ("translate", {"source": "I love you.", "translator": "a/b"}, "is not a name"),
        ("explain_attention", {"source": "I", "translator": "mine"}, "train_translator"),
        ("train_translator", {"data": "absent.tsv"}, "outside the folders|There is no"),
        ("train_translator", {"d_model": 10, "heads": 4}, "does not divide"),
        ("train_translator", {"epochs": 0}, "epochs is 0. Pass 1 to 1000"),
        ("train_translator", {"name": "../up"}, "is not a name"),
        ("delete_model", {"name": "x", "kind": "translator"}, "There are: none"),
    ],
)
async def test_what_cannot_be_done_says_what_to_do(
    tool: str, arguments: dict[str, Any], words: str
) -> None:
    result = await called(tool, **arguments)
    assert result.isError
    assert any(each in said(result) for each in words.split("|")), said(result)


async def test_a_file_that_is_absent_is_refused_before_a_job_starts(tmp_path: Path) -> None:
    result = await called("train_translator", data=str(tmp_path / "absent.tsv"))
    assert result.isError and "There is no file" in said(result)
    assert jobs.listing() == []


async def test_nothing_is_trained_yet() -> None:
    result = await called("list_models")
    assert result.structuredContent == {"result": []}


def ended(job: str) -> jobs.JobState | None:
    state = jobs.state(job)
    return state if state["status"] != "running" else None


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Processes that must not outlive the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def numbers(tmp_path: Path) -> Path:
    """A small set of the user's own: digits in English and Korean."""
    english = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    korean = ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"]
    rows = [
        f"{english[a]} {english[b]} {english[c]}\t{korean[a]} {korean[b]} {korean[c]}"
        for a in range(10)
        for b in range(10)
        for c in range(0, 10, 3)
    ]
    path = tmp_path / "numbers.tsv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


SMALL = {"d_model": 32, "heads": 2, "hidden": 64, "layers": 1, "epochs": 80, "vocabulary": 100}


@pytest.mark.slow
async def test_a_cancelled_and_a_killed_run_go_on_to_the_very_same_translator(
    tmp_path: Path, dure_home: Path, started: list[int]
) -> None:
    arguments = {"data": str(numbers(tmp_path)), **SMALL}

    async def start(name: str) -> str:
        result = await called("train_translator", name=name, **arguments)
        assert result.structuredContent is not None, result.content
        job: str = result.structuredContent["job"]
        started.append(jobs.state(job)["pid"])
        return job

    kept = dure_home / "models" / "translators" / ".training"
    first = await start("broken")
    eventually(lambda: list(kept.glob("broken-*.safetensors")), 60, "the first checkpoint")
    assert (await called("cancel", job=first)).structuredContent is not None
    assert eventually(lambda: ended(first), 20)["status"] == "cancelled"  # type: ignore[index]
    at = jobs.state(first)["done"]

    second = await start("broken")
    eventually(lambda: jobs.state(second)["done"] > at, 60, "steps after the cancelled ones")
    os.kill(jobs.state(second)["pid"], signal.SIGKILL)
    assert eventually(lambda: ended(second), 20)["status"] == "failed"  # type: ignore[index]

    third = await start("broken")
    state = eventually(lambda: ended(third), 90, "the end")
    result = state["result"]  # type: ignore[index]
    assert result["resumed_from_step"] >= at > 0
    assert result["exact"] > 0.5

    whole = eventually(lambda: ended(job), 90) if (job := await start("whole")) else None
    assert whole["result"]["resumed_from_step"] == 0  # type: ignore[index]
    weights = [
        (dure_home / "models" / "translators" / name / "model.safetensors").read_bytes()
        for name in ("broken", "whole")
    ]
    assert weights[0] == weights[1]
    assert not list(kept.glob("*.safetensors"))
    curve = (dure_home / "jobs" / job / "metrics.jsonl").read_text().splitlines()
    assert len(curve) == SMALL["epochs"]
    assert json.loads(curve[-1])["held_out_loss"] < json.loads(curve[0])["held_out_loss"] / 2

    taken = await called("train_translator", name="whole", **arguments)
    assert taken.isError and "replace=true" in said(taken)
    gone = await called("delete_model", name="whole", kind="translator")
    assert gone.structuredContent == {"removed": "whole", "kind": "translator"}
    listed = (await called("list_models")).structuredContent
    assert listed is not None and [each["name"] for each in listed["result"]] == ["broken"]


@pytest.mark.slow
async def test_the_packaged_set_is_learned_and_translated(
    dure_home: Path, started: list[int]
) -> None:
    result = await called("train_translator", epochs=6)
    assert result.structuredContent is not None, result.content
    job = result.structuredContent["job"]
    started.append(jobs.state(job)["pid"])
    state = eventually(lambda: ended(job), 240, "the end")
    assert state["error"] is None  # type: ignore[index]
    figures = state["result"]  # type: ignore[index]
    assert figures["bleu"] > 85
    assert figures["exact"] > 0.6

    right = [each for each in figures["samples"] if each["translation"] == each["reference"]]
    assert len(right) >= 4
    for sample in right:
        result = await called("translate", source=sample["source"], method="greedy")
        found = result.structuredContent
        assert found is not None
        assert found["translation"] == sample["reference"]
        assert found["unknown"] == []
    found = (await called("translate", source="She drinks tea.", beam_width=3)).structuredContent
    assert found is not None and found["translation"].startswith("그녀는 ")
    assert len(found["candidates"]) == 3
    scores = [each["score"] for each in found["candidates"]]
    assert scores == sorted(scores, reverse=True)
    strange = (await called("translate", source="Zebras 漢字 yawn")).structuredContent
    assert strange is not None and strange["unknown"] == ["zebras", "漢字", "yawn"]
    assert len(strange["notes"]) == 2
    for bad, words in (("", "source is empty"), ("book " * 90, "Translate a shorter part")):
        assert words in said(await called("translate", source=bad))

    shown = (await called("explain_attention", source="She drinks tea.")).structuredContent
    assert shown is not None and shown["trained"] is True
    assert shown["target"].startswith("그녀는 ")
    first = shown["predictions"][0]
    assert (first["after"], first["expected"]) == ("<bos>", "그녀는")
    assert first["probability"] > 0.3
    heads = [
        (await called("explain_attention", source="She drinks tea.", head=head)).structuredContent
        for head in (1, 2)
    ]
    assert heads[0] and heads[1] and heads[0]["stages"][5] != heads[1]["stages"][5]
