"""The training server as a client sees it: quick answers, pictures, judging, merging, errors."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.memory import create_connected_server_and_client_session as connect
from mcp.types import ImageContent, TextContent

from mcp_servers import jobs
from mcp_servers.serving import build
from mcp_servers.training import runs, starting
from mcp_servers.training.server import ENGINE
from tests.conftest import eventually
from tests.mcp_servers.training_parts import make_base, prepared, run_here, write_rows


def connected() -> Any:
    return connect(build([ENGINE], name="training", namespaced=False)._mcp_server)


async def call(tool: str, **arguments: Any) -> Any:
    async with connected() as session:
        return await session.call_tool(tool, arguments)


async def error_of(tool: str, **arguments: Any) -> str:
    result = await call(tool, **arguments)
    assert result.isError, result.structuredContent
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch, dure_home: Path, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path))
    return tmp_path


def a_run(folder: Path, name: str = "rows", **changes: Any) -> Path:
    """A run's folder that says that it is done, with two losses: no engine is needed to show it."""
    run = prepared(write_rows(folder), Path("embedded:tiny"), **changes.pop("settings", {}))
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "status": "done", "done": 2, "total": 2}))
    lines = [
        {"step": 1, "seconds": 1.0, "loss": 2.0, "seconds_per_step": 1.0, "tokens_per_second": 9.0},
        {"step": 2, "seconds": 2.0, "loss": 1.0},
        {"step": 2, "seconds": 3.0, "eval_loss": 1.5},
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"st')
    return run


async def test_train_is_marked_for_approval_and_status_is_not() -> None:
    async with connected() as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    for name in ("train", "delete_run", "push"):
        assert tools[name].annotations.destructiveHint
    for name in ("status", "runs", "logs", "curve", "compare", "samples", "estimate"):
        assert tools[name].annotations.readOnlyHint


async def test_without_runs_it_says_how_to_start(allowed: Path) -> None:
    assert "Start with train" in await error_of("status")
    assert (await call("runs")).structuredContent == {"result": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "lora", "rank": -1}, "rank"),
        ({"name": "a/b"}, "cannot be a name"),
        ({"weights": [1.0, 2.0]}, "one number above 0 for each"),
        ({"data": ["/nowhere/else.json"]}, "outside the folders"),
        ({"data": []}, "No data is given"),
    ],
)
async def test_a_wrong_request_starts_nothing(
    arguments: dict[str, Any], words: str, allowed: Path
) -> None:
    data = str(write_rows(allowed))
    assert words in await error_of("train", **{"data": [data], **arguments})
    assert runs.folders() == []


async def test_a_value_of_the_wrong_type_or_choice_is_told_in_a_sentence(allowed: Path) -> None:
    told = await error_of("estimate", data=[str(write_rows(allowed))], scheduler="foo", rank="x")
    assert "scheduler: Input should be 'linear', 'cosine'" in told
    assert "; rank: Input should be a valid integer" in told
    assert told.endswith("Call it again with other values for what is named.")
    assert "validation error" not in told and "http" not in told and "\n" not in told


async def test_a_name_that_is_taken_is_refused_and_a_default_one_made_new(allowed: Path) -> None:
    run = a_run(allowed)
    data = str(allowed / "rows.json")
    assert runs.spec(run)["name"] == "rows"
    assert "is taken" in await error_of("train", data=[data], name="rows")
    assert runs.new_name(None, [data]) == "rows-2"
    assert runs.new_name("지도-qa_1", [data]) == "지도-qa_1"


@pytest.mark.parametrize("name", ["off", "끄기", "embedded"])
async def test_a_word_of_the_chat_is_no_name(name: str, allowed: Path) -> None:
    data = str(write_rows(allowed, name=f"{name}.json"))
    assert "means something else" in await error_of("train", data=[data], name=name)
    assert runs.new_name(None, [data]) == f"{name}-2"


async def test_of_jobs_with_one_name_the_one_that_runs_is_meant(allowed: Path) -> None:
    run = a_run(allowed)
    judging, other = run.with_name("evaluate-1"), run.with_name("train-2")
    state = json.loads((run / "state.json").read_text())
    for folder, status, kind, started in (
        (judging, "running", "evaluate", state["started"] + 1),
        (other, "done", "train", state["started"] + 2),
    ):
        folder.mkdir()
        told = {**state, "job": folder.name, "kind": kind, "status": status, "started": started}
        (folder / "state.json").write_text(json.dumps(told))
    (judging / "spec.json").write_text(json.dumps({"name": "rows", "run": run.name}))
    (other / "spec.json").write_text(json.dumps({"name": "other"}))
    (judging / "log.txt").write_text("judging\n")
    for name in ("rows", None):
        assert (await call("status", run=name)).structuredContent["run"] == judging.name
        assert (await call("logs", run=name)).structuredContent["lines"] == ["judging"]
    assert (await call("status", run=run.name)).structuredContent["run"] == run.name
    assert (await call("cancel", run="rows")).structuredContent["run"] == judging.name
    (judging / "state.json").write_text(json.dumps({**state, "job": judging.name}))
    assert (await call("status", run="rows")).structuredContent["run"] == run.name
    assert (await call("status")).structuredContent["run"] == other.name


@pytest.mark.timed
async def test_a_run_is_shown_in_figures_and_pictures(allowed: Path) -> None:
    run = a_run(allowed)
    began = time.perf_counter()
    found = (await call("status", run="rows")).structuredContent
    assert time.perf_counter() - began < 1
    assert found["loss"] == 1.0
    assert found["eval_loss"] == 1.5
    assert found["tokens_per_second"] == 9.0
    result = await call("curve")
    text, image = result.content
    assert isinstance(image, ImageContent)
    assert base64.b64decode(image.data) == (run / "curve.png").read_bytes()
    assert json.loads(text.text)["loss"] == [2.0, 1.0]
    assert "o" in result.structuredContent["terminal"]


async def test_runs_are_compared_by_what_differs(allowed: Path) -> None:
    a_run(allowed, settings={"rank": 8, "seed": 1})
    a_run(allowed, settings={"rank": 16, "seed": 1})
    found = (await call("compare", runs=["rows", "rows-2"])).structuredContent
    assert [row["settings"] for row in found["runs"]] == [{"rank": 8}, {"rank": 16}]
    assert "| rank | 8 | 16 |" in found["table"]
    assert "perplexity | 4.482 | 4.482 |" in found["table"]
    assert Path(found["picture"]).exists()
    assert "at least two" in await error_of("compare", runs=["rows"])


async def test_a_run_that_loads_does_not_say_when_it_ends(allowed: Path) -> None:
    run = a_run(allowed)
    state = json.loads((run / "state.json").read_text())
    for total, left in ((0, None), (5, 3.0)):
        told = {**state, "status": "running", "total": total, "done": min(total, 2)}
        (run / "state.json").write_text(json.dumps(told))
        assert runs.state(run)["seconds_left"] == left


async def test_logs_are_the_last_lines(allowed: Path) -> None:
    run = a_run(allowed)
    (run / "log.txt").write_text("one\ntwo\nthree\n")
    found = (await call("logs", run="rows", lines=2)).structuredContent
    assert found["lines"] == ["two", "three"]


async def test_what_is_not_there_is_said(allowed: Path) -> None:
    a_run(allowed)
    assert "no run 'none'. The latest: rows" in await error_of("curve", run="none")
    assert "Run evaluate first" in await error_of("samples")
    assert "published is gone" in await error_of("evaluate")
    assert "is not running, it is done" in await error_of("cancel")
    assert "Only a job that stopped" in await error_of("resume")


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("evaluate", {"rows": 0}, "greater than or equal to 1"),
        ("export", {"kind": "q4_0"}, "'f32', 'f16', 'bf16' or 'q8_0'"),
        ("push", {"run": "rows", "repo": "no name"}, "not a repository.*Write owner/name"),
        ("push", {"run": "rows", "repo": "name"}, "does not say whose"),
    ],
)
async def test_what_cannot_be_is_refused_before_a_job_starts(
    tool: str, arguments: dict[str, Any], words: str, allowed: Path
) -> None:
    run = a_run(allowed)
    adapter = run.parents[1] / "adapters" / "rows"
    adapter.mkdir(parents=True)
    (adapter / "run.json").write_text(json.dumps({"run": run.name}))
    assert re.search(words, await error_of(tool, **arguments), re.DOTALL)
    assert runs.folders(runs.KINDS) == [run]


@pytest.mark.slow
async def test_weights_count_in_an_estimate_and_a_look_as_in_a_run(allowed: Path) -> None:
    base = str(make_base(allowed / "base"))
    given = {"data": [str(write_rows(allowed))], "base": base, "weights": [2.0]}
    found = (await call("estimate", **given, probe=False)).structuredContent
    assert found["rows"] == 72
    looked = (await call("inspect_dataset", **given)).structuredContent
    assert looked["sources"][0]["weight"] == 2.0


async def test_deleting_takes_the_result_with_it_unless_it_is_kept(allowed: Path) -> None:
    for keep in (False, True):
        run = a_run(allowed)
        name = runs.spec(run)["name"]
        adapter = run.parents[1] / "adapters" / name
        adapter.mkdir(parents=True)
        (adapter / "run.json").write_text(json.dumps({"run": run.name}))
        found = (await call("delete_run", run=name, keep_result=keep)).structuredContent
        assert str(run) in found["folders"]
        assert not run.exists()
        assert adapter.exists() == keep


def finished(kind: str, state: Any) -> Any:
    found: Any = eventually(
        lambda: (
            seen if (seen := runs.state(Path(state["folder"])))["status"] != "running" else None
        ),
        90,
        f"{kind} to end",
    )
    assert found["status"] == "done", found["error"]
    return found["result"]


@pytest.mark.timed
@pytest.mark.slow
async def test_a_run_is_judged_sampled_and_merged(
    allowed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = make_base(tmp_path_factory.mktemp("llama"))
    data = write_rows(allowed, 30)
    run_here(data, base, epochs=30, learning_rate=1e-2, batch_size=9, dtype="fp32", dropout=0.0)
    began = time.perf_counter()
    state = (await call("evaluate", rows=8)).structuredContent
    assert time.perf_counter() - began < 1
    merging = (await call("merge", name="whole")).structuredContent
    judged = finished("evaluate", state)
    seen = judged["seen"]
    assert seen["after"]["loss"] < seen["before"]["loss"]
    assert seen["after"]["token_f1"] > seen["before"]["token_f1"]
    assert seen["after"]["rouge1"] > 0.3
    assert judged["held_out"]["after"]["perplexity"] < judged["held_out"]["before"]["perplexity"]
    samples = (await call("samples", n=4)).structuredContent["samples"]
    assert [sample["seen"] for sample in samples] == [False, False, True, True]
    assert all(sample["question"].startswith("What is number") for sample in samples)

    merged = Path(finished("merge", merging)["model"])
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from mcp_servers.torch_runtime import torch

    whole = AutoModelForCausalLM.from_pretrained(merged)
    plain = AutoModelForCausalLM.from_pretrained(base)
    adapted = PeftModel.from_pretrained(plain, str(merged.parents[1] / "adapters" / "rows"))
    ids = torch.arange(3, 30)[None]
    with torch.inference_mode():
        assert torch.allclose(whole(ids).logits, adapted(ids).logits, atol=1e-4)
    assert json.loads((merged / "passport.json").read_text())["base"] == str(base)
    assert "is taken" in await error_of("merge", name="whole")

    exporting = (await call("export", run="whole")).structuredContent
    assert exporting["name"] == "whole"
    ended: Any = eventually(
        lambda: (
            seen if (seen := runs.state(Path(exporting["folder"])))["status"] != "running" else None
        ),
        90,
    )
    assert "GGUF" in ended["error"], ended  # a base of one's own has none to take tokens from
    gone = (await call("delete_run", run="whole")).structuredContent
    assert gone["name"] == "whole" and str(merged) in gone["folders"] and not merged.exists()
    assert runs.published(runs.find("rows")) is not None


@pytest.mark.timed
@pytest.mark.slow
async def test_a_job_starts_in_less_than_a_second_and_a_cancel_ends_it(
    allowed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = make_base(allowed / "base")
    data = write_rows(allowed)
    began = time.perf_counter()
    state = (
        await call("train", data=[str(data)], base=str(base), max_steps=100_000, logging_steps=1)
    ).structuredContent
    assert time.perf_counter() - began < 1
    assert state["status"] == "running"
    folder = Path(state["folder"])
    eventually(lambda: "loss" in runs.figures(folder) or jobs.state(folder.name)["error"], 60)
    began = time.perf_counter()
    told = runs.state(folder)
    assert time.perf_counter() - began < 0.1
    assert told["seconds_left"] is not None
    starting.cancel(None)
    ended: Any = eventually(
        lambda: s if (s := runs.state(folder))["status"] != "running" else None, 20
    )
    assert ended["status"] == "cancelled"
