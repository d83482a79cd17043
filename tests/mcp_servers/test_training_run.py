"""The life of a run: killed, paused and resumed it ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import process_exists
from mcp_servers.training import runs, starting
from mcp_servers.training.results import RunState
from tests.conftest import eventually
from tests.mcp_servers.training_parts import (
    losses,
    make_base,
    now,
    prepared,
    run_here,
    start,
    write_rows,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path)


def until(state: RunState, step: int) -> RunState:
    """Wait until a run has logged this step, or has ended."""

    def there() -> RunState | None:
        seen = now(state)
        logged = runs.figures(Path(state["folder"])).get("step", 0)
        return seen if seen["status"] != "running" or logged >= step else None

    found: Any = eventually(there, 60, f"step {step} of {state['run']}")
    return found  # type: ignore[no-any-return]


def ended(state: RunState) -> RunState:
    found: Any = eventually(
        lambda: seen if (seen := now(state))["status"] != "running" else None, 90, state["run"]
    )
    return found  # type: ignore[no-any-return]


def test_killed_and_paused_it_ends_with_the_same_steps_and_losses(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings: dict[str, Any] = {
        "max_steps": 240,
        "save_steps": 20,
        "logging_steps": 1,
        "eval_steps": 120,
        "learning_rate": 1e-3,
    }
    undisturbed, wanted = run_here(rows, base, **settings)
    first = start(rows, base, **settings)
    until(first, 50)
    os.kill(jobs.state(first["run"])["pid"], signal.SIGKILL)
    killed = ended(first)
    assert killed["status"] == "failed"
    reached = int(runs.figures(Path(first["folder"]))["step"])
    assert 50 <= reached < 240, killed
    resumed = starting.resume(first["run"])
    assert resumed["status"] == "running"
    until(resumed, reached + 30)
    starting.pause(None)
    paused = ended(first)
    assert paused["status"] == "paused", paused
    assert list((Path(first["folder"]) / "checkpoints").glob(f"checkpoint-{paused['step']}"))
    starting.resume(first["name"])
    done = ended(first)
    assert done["status"] == "done", done["error"]
    assert done["result"] is not None
    assert done["result"]["steps"] == wanted["steps"] == 240
    assert losses(first["folder"]) == pytest.approx(losses(undisturbed), rel=1e-4)
    assert done["result"]["eval_loss"] == pytest.approx(wanted["eval_loss"], rel=1e-4)


def test_a_checkpoint_that_was_not_finished_is_not_there(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    from mcp_servers.training import run
    from mcp_servers.training.trainers import last_checkpoint

    free = shutil.disk_usage(dure_home)._replace(free=0)
    saved = []
    whole = Trainer._save_rng_state

    def fails_at_the_second(self: Any, folder: str) -> None:
        saved.append(folder)
        if len(saved) == 2:
            monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
            raise RuntimeError(
                "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"
            )  # what torch.save says on a full disk
        whole(self, folder)

    monkeypatch.setattr(Trainer, "_save_rng_state", fails_at_the_second)
    folder = prepared(rows, base, max_steps=8, save_steps=3, save_total_limit=1, logging_steps=1)
    with pytest.raises(EngineError, match=r"disk is full.*resume the run"):
        run.train(jobs.Worker(folder))
    latest = last_checkpoint(folder / "checkpoints")
    assert latest is not None
    assert latest.name == "checkpoint-3"
    assert len(losses(folder)) == 6
    assert not (folder / "checkpoints" / ".partial").exists()
    shutil.copytree(latest, folder / "checkpoints" / ".partial" / "checkpoint-7")
    result = run.train(jobs.Worker(folder))
    assert result["steps"] == 8
    assert len(losses(folder)) == 8


class Killed(BaseException):
    """In the place of a signal: nothing catches it, and nothing is cleaned up after it."""


def test_killed_while_it_publishes_it_ends_with_the_steps_and_weights_that_it_had(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from mcp_servers.training import publishing, run
    from mcp_servers.training.trainers import last_checkpoint

    settings: dict[str, Any] = {"max_steps": 5, "save_steps": 3, "logging_steps": 1}
    undisturbed, wanted = run_here(rows, base, eval_steps=3, **settings)
    folder = prepared(rows, base, eval_steps=3, **settings)

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_figures", killed)  # judged and saved, not published
        with pytest.raises(Killed):
            run.train(jobs.Worker(folder))
    assert runs.published(folder) is None
    latest = last_checkpoint(folder / "checkpoints")
    assert latest is not None
    learnt = load_file(latest / "adapter_model.safetensors")
    again = run.train(jobs.Worker(folder))
    assert again["steps"] == wanted["steps"] == 5
    assert losses(folder) == pytest.approx(losses(undisturbed), rel=1e-4)
    judged = [
        [line["step"] for line in runs.lines_of(one / "metrics.jsonl") if "eval_loss" in line]
        for one in (folder, undisturbed)
    ]
    assert judged[0] == judged[1] == [0, 3, 5]
    published = load_file(Path(again["adapter"]) / "adapter_model.safetensors")
    assert all(published[name].equal(weight) for name, weight in learnt.items())


def killed_in_deleting(patch: pytest.MonkeyPatch, name: str, file: str) -> None:
    """Have the deleting of a folder of this name end after one file of it."""
    whole = shutil.rmtree

    def killed(path: Path, **given: Any) -> None:
        if Path(path).name == name and (found := next(Path(path).rglob(file), None)):
            found.unlink()
            raise Killed
        whole(path, **given)

    patch.setattr(shutil, "rmtree", killed)


def test_killed_after_it_has_published_it_trains_no_more(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers.training import run

    folder = prepared(rows, base, max_steps=3, save_steps=2)
    with monkeypatch.context() as patch:
        killed_in_deleting(patch, ".checkpoints", "optimizer.pt")
        with pytest.raises(Killed):
            run.train(jobs.Worker(folder))
    monkeypatch.setattr(run, "fit", lambda *_: pytest.fail("it trained again"))
    result = run.train(jobs.Worker(folder))
    assert result["steps"] == 3
    assert (Path(result["adapter"]) / "adapter.gguf").exists()
    assert not list(folder.rglob("checkpoint-*"))


def test_killed_while_it_replaces_what_it_published_it_can_publish_again(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers.training.publishing import appearing

    target = dure_home / "adapters" / "rows"
    for number in range(3):
        with monkeypatch.context() as patch:
            if number == 1:
                killed_in_deleting(patch, "rows", "run.json")
                killed_in_deleting(patch, f".rows.{os.getpid()}.old", "run.json")
            with contextlib.suppress(Killed), appearing(target, "train-1") as aside:
                (aside / "run.json").write_text('{"run": "train-1"}')
                (aside / "weights").write_text(str(number))
    assert (target / "weights").read_text() == "2"
    assert [path.name for path in target.parent.iterdir()] == ["rows"]


def test_a_changed_file_is_noticed_and_the_copy_is_used(
    base: Path, rows: Path, dure_home: Path
) -> None:
    from mcp_servers.training import run

    folder = prepared(rows, base, max_steps=2)
    worker = jobs.Worker(folder)
    (folder / "pause").touch()
    with pytest.raises(jobs.Paused):
        run.train(worker)
    (folder / "pause").unlink()
    kept = folder / "rows" / "train.jsonl"
    whole = kept.read_bytes()
    kept.write_text("")
    with pytest.raises(EngineError, match="not what this run was started with"):
        run.train(jobs.Worker(folder))
    kept.write_bytes(whole)
    rows.write_text('{"responses": [{"question": "other", "answer": "rows"}]}')
    result = run.train(jobs.Worker(folder))
    assert result["rows"] == 36
    assert result["notes"][0].startswith(f"{rows} has changed")


def test_a_base_that_changed_or_is_gone_is_refused_at_resume(
    base: Path, rows: Path, tmp_path: Path, dure_home: Path
) -> None:
    from mcp_servers.training import run

    own = tmp_path / "base"
    shutil.copytree(base, own)
    folder = prepared(rows, own, max_steps=2)
    (folder / "pause").touch()
    with pytest.raises(jobs.Paused):
        run.train(jobs.Worker(folder))
    (folder / "pause").unlink()
    template = own / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    with pytest.raises(EngineError, match=r"have changed\. Start a new run"):
        run.train(jobs.Worker(folder))
    shutil.rmtree(own)
    with pytest.raises(EngineError, match="There is no folder"):
        run.train(jobs.Worker(folder))


def test_two_processes_learn_as_one_with_the_same_global_batch(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings: dict[str, Any] = {
        "max_steps": 12,
        "logging_steps": 1,
        "eval_steps": 6,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "dtype": "fp32",
    }
    two = start(rows, base, batch_size=2, processes=2, **settings)
    alone, wanted = run_here(rows, base, batch_size=4, **settings)
    done = ended(two)
    assert done["status"] == "done", done["error"]
    assert done["result"] is not None
    assert losses(two["folder"]) == pytest.approx(losses(alone), rel=1e-4)
    assert done["result"]["eval_loss"] == pytest.approx(wanted["eval_loss"], rel=1e-3)


def test_a_cancel_while_two_processes_load_ends_both(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    state = start(rows, base, processes=2, max_steps=100_000)
    eventually(lambda: "starting 2" in now(state)["message"] or now(state)["error"], 60)
    starting.cancel(None)
    assert ended(state)["status"] == "cancelled"
    launcher = jobs.state(state["run"])["pid"]
    eventually(lambda: not process_exists(launcher), 20, "the end of its processes")


def test_one_of_several_does_not_leave_the_others_by_an_exception(
    base: Path, rows: Path, dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers.training.progress import Progress

    folder = prepared(rows, base)
    (folder / "cancel").touch()
    progress = Progress(folder, jobs.Worker(folder))
    with pytest.raises(jobs.Cancelled):
        progress.tell("judging on held-out rows")
    monkeypatch.setenv("RANK", "0")
    progress.tell("judging on held-out rows", 3, 4)
    assert jobs.state(folder.name)["done"] == 3


@pytest.mark.timed
def test_what_is_done_again_is_logged_once_and_its_speed_is_of_its_own_tokens(
    base: Path, rows: Path, dure_home: Path
) -> None:
    from transformers import TrainerControl, TrainerState

    from mcp_servers.training.progress import Progress

    folder = prepared(rows, base)
    metrics = folder / "metrics.jsonl"
    metrics.write_text('{"step": 0, "seconds": 9.0, "eval_loss": 2.0}\n')
    progress = Progress(folder, jobs.Worker(folder))
    progress.rewind(None)
    assert runs.lines_of(metrics) == []
    state, control = TrainerState(global_step=5, max_steps=9), TrainerControl()
    state.num_input_tokens_seen = 1000
    progress.on_train_begin(None, state, control)
    state.global_step = 6
    progress._last_time -= 10
    progress.on_log(None, state, control, logs={"loss": 1.0, "num_input_tokens_seen": 1100})
    (line,) = runs.lines_of(metrics)
    assert line["seconds"] < 9
    assert line["tokens_per_second"] == pytest.approx(10, abs=0.1)
