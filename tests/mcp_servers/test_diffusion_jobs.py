"""Pictures in the background: a job that shows previews, is killed, resumed and cancelled."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs, pictures
from mcp_servers.diffusion import patience
from tests.conftest import eventually
from tests.mcp_servers.calling import said
from tests.mcp_servers.diffusion_parts import asked, called, pixels

_STARTING = 120  # seconds that a process may take to import torch on a busy machine


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path.parent))
    return tmp_path


def made(job: str) -> list[Path]:
    return sorted(pictures.folder().glob(f"{job}-[0-9][0-9][0-9].png"))


@pytest.mark.slow  # two processes with torch
async def test_a_killed_job_resumes_and_keeps_what_was_drawn(tiny_pipeline: Path) -> None:
    common: dict[str, Any] = {"prompt": "빨간 원", "model": str(tiny_pipeline), "seed": 9}
    started = await asked("generate", count=6, steps=60, **common)
    job = started["job"]
    assert started["pictures"] == []
    assert started["status"] == "running"
    assert job in started["notes"][0] and "백그라운드" in started["notes"][0]
    eventually(lambda: made(job), _STARTING, "a first picture")
    os.kill(jobs.state(job)["pid"], signal.SIGKILL)
    eventually(lambda: jobs.state(job)["status"] == "failed", what="the kill is noticed")
    drawn = {path: path.stat().st_mtime_ns for path in made(job)}
    assert 1 <= len(drawn) < 6
    resumed = await asked("resume", job=job)
    assert resumed["status"] == "running"
    eventually(lambda: jobs.state(job)["status"] != "running", _STARTING, "the job's end")
    state = await asked("job", job=job)
    assert state["status"] == "done", state["error"]
    assert [each["seed"] for each in state["result"]["pictures"]] == [9, 10, 11, 12, 13, 14]
    assert {path: path.stat().st_mtime_ns for path in drawn} == drawn
    assert [str(path) for path in made(job)] == [
        each["picture"] for each in state["result"]["pictures"]
    ]
    alone = await asked("generate", steps=60, **{**common, "seed": 13})
    assert (pixels(alone["pictures"][0]["picture"]) == pixels(str(made(job)[4]))).all()
    assert [each["job"] for each in (await asked("jobs"))["result"]] == [job]


@pytest.mark.slow
async def test_what_takes_longer_than_a_client_waits_becomes_a_job(
    tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.0)
    started = await asked(
        "generate", prompt="a", model=str(tiny_pipeline), steps=3, seed=5, preview_every=1
    )
    assert started["job"] and started["pictures"] == []
    job = started["job"]
    eventually(lambda: jobs.state(job)["status"] == "done", _STARTING, "the job's end")
    # nothing is left of the picture that was begun here
    assert {path.name.rpartition("-")[0] for path in pictures.folder().iterdir()} == {
        job,
        f"{job}-001",
    }


def test_patience_looks_at_the_first_steps_alone() -> None:
    told: list[int] = []
    report = patience.watched(lambda done, total, said: told.append(done), seconds=0.0)
    report(0, 0, "loading")
    report(1, 100, "")
    report(11, 100, "")
    with pytest.raises(patience.TooLong):
        report(2, 100, "")
    assert told == [0, 1, 11]


@pytest.mark.slow
async def test_a_cancelled_job_leaves_no_half_picture(tiny_pipeline: Path) -> None:
    started = await asked(
        "generate", prompt="a", model=str(tiny_pipeline), steps=500, background=True
    )
    job = started["job"]
    eventually(lambda: jobs.state(job)["done"] > 2, _STARTING, "a few steps")
    await asked("cancel", job=job)
    eventually(lambda: jobs.state(job)["status"] == "cancelled", 60, "the cancel")
    assert not list(pictures.folder().glob(f"*{job}*"))  # nor its preview


async def test_jobs_of_other_servers_are_not_resumed_here(dure_home: Path) -> None:
    folder = jobs.create("translator", {})
    result = await called("resume", job=folder.name)
    assert "no job of this server" in said(result)
    assert (await asked("jobs"))["result"] == []
