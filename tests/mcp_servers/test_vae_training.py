"""An autoencoder's life: trained in a job that may be killed, then used by every tool."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from mcp_servers import jobs
from tests.conftest import eventually
from tests.mcp_servers.calling import said
from tests.mcp_servers.diffusion_parts import asked, called, pixels

SMALL = {"side": 32, "grey": True, "latent_dim": 4, "steps": 200, "batch_size": 16}


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path))
    monkeypatch.setenv("DURE_THREADS", "1")
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[str]]:
    """Jobs whose processes must not outlive the test."""
    names: list[str] = []
    yield names
    for name in names:
        if pid := jobs.state(name)["pid"]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def squares(folder: Path, count: int) -> Path:
    """Pictures of one light square each, in two folders: on the left, and on the right."""
    rng = random.Random(1)
    for number in range(count):
        image = Image.new("L", (32, 32), 20)
        side = ("left", "right")[number % 2]
        x, y = rng.randint(1, 5) + 14 * (number % 2), rng.randint(1, 17)
        ImageDraw.Draw(image).rectangle((x, y, x + 12, y + 12), rng.randint(150, 250))
        (folder / side).mkdir(parents=True, exist_ok=True)
        image.save(folder / side / f"{number:03}.png")
    return folder


def ended(job: str) -> jobs.JobState | None:
    state = jobs.state(job)
    return state if state["status"] != "running" else None


def end_of(job: str, status: str) -> dict[str, Any]:
    state = eventually(lambda: ended(job), 200, f"{job} to be {status}")
    assert state["status"] == status, state  # type: ignore[index]
    return dict(state)  # type: ignore[call-overload]


@pytest.mark.slow
async def test_a_cancelled_and_a_killed_job_go_on_to_the_very_same_model_which_every_tool_uses(
    tmp_path: Path, dure_home: Path, started: list[str]
) -> None:
    folder = squares(tmp_path / "squares", 80)

    async def start(name: str) -> str:
        job: str = (await asked("train_vae", folder=str(folder), name=name, **SMALL))["job"]
        started.append(job)
        return job

    broken = await start("broken")
    eventually(lambda: jobs.state(broken)["done"] in range(5, 150), 100, "the first steps")
    await asked("cancel", job=broken)
    at = end_of(broken, "cancelled")["done"]
    await asked("resume", job=broken)
    eventually(lambda: jobs.state(broken)["done"] in range(at + 1, 200), 100, "more steps")
    os.kill(jobs.state(broken)["pid"], signal.SIGKILL)
    end_of(broken, "failed")
    await asked("resume", job=broken)
    result = end_of(broken, "done")["result"]
    assert result["resumed_from_step"] >= at > 0
    assert result["held_out_error"] < result["error_of_mean_picture"] / 2
    assert result["explained"] > 0.5 and result["active_dimensions"] >= 2

    whole = end_of(await start("whole"), "done")["result"]
    assert whole["resumed_from_step"] == 0
    models = dure_home / "models" / "vaes"
    weights = [(models / name / "model.safetensors").read_bytes() for name in ("broken", "whole")]
    assert weights[0] == weights[1]
    rows = [(models / name / "metrics.jsonl").read_text() for name in ("broken", "whole")]
    steps = [[json.loads(row)["step"] for row in each.splitlines()] for each in rows]
    assert steps[0] == steps[1] == [*range(10, 201, 10)]
    assert not list((models / ".training").glob("*.safetensors"))
    assert pixels(whole["curve"]).shape == (400, 1000, 3)
    await every_tool(folder, tmp_path)

    taken = await called("train_vae", folder=str(folder), name="whole", **SMALL)
    assert taken.isError and "replace=true" in said(taken)
    assert (await asked("delete_vae", name="broken")) == {"removed": "broken"}
    assert [each["name"] for each in (await asked("vaes"))["result"]] == ["whole"]
    (models / "whole" / "model.safetensors").write_bytes(b"damaged")
    (models / "whole" / "config.json").touch()
    damaged = await called("vae_sample", vae="whole")
    assert damaged.isError and "is damaged" in said(damaged)


async def every_tool(folder: Path, tmp_path: Path) -> None:
    left, right = (sorted((folder / side).iterdir())[0] for side in ("left", "right"))
    again = await asked("vae_reconstruct", pictures=[str(left), str(right)], vae="whole")
    assert again["mean_error"] < 0.03 and len(again["pictures"]) == 2
    assert Path(again["picture"]).is_file()

    samples = await asked("vae_sample", count=3, seed=4, vae="whole")
    assert samples["seeds"] == [4, 5, 6]
    alone = await asked("vae_sample", count=1, seed=6, vae="whole")
    assert (pixels(samples["pictures"][2]) == pixels(alone["pictures"][0])).all()
    assert (pixels(samples["pictures"][0]) != pixels(samples["pictures"][1])).any()

    between = await asked("vae_interpolate", first=str(left), last=str(right), vae="whole")
    frames = [pixels(each) for each in between["pictures"]]
    assert len(frames) == 8
    weight = [int(frame[:, 16:].sum()) - int(frame[:, :16].sum()) for frame in frames]
    assert weight[0] < 0 < weight[-1]  # the light goes from the left to the right

    denoised = await asked("vae_denoise", picture=str(left), noise=0.2, vae="whole", language="ko")
    assert denoised["denoised_error"] < denoised["noisy_error"] * 0.8
    kept = await asked("vae_denoise", picture=str(left), vae="whole")
    assert kept["noisy_error"] is None and pixels(kept["denoised"]).shape == (32, 32, 3)

    odd = folder.parent / "odd"
    odd.mkdir()
    chance = random.Random(0)
    noise = Image.frombytes("L", (32, 32), bytes(chance.randrange(256) for _ in range(1024)))
    noise.save(odd / "noise.png")
    (odd / "broken.png").write_bytes(b"nothing")
    looked = await asked("vae_outliers", pictures=[str(odd), str(folder)], vae="whole")
    strangest = looked["pictures"][0]
    assert Path(strangest["path"]).name == "noise.png"
    assert strangest["outlier"] and "worse than usual" in strangest["why"]
    assert 1 <= looked["found"] <= 10 and looked["looked_at"] == 81
    assert "8 held-out pictures" in looked["notes"][0]
    assert [Path(each["path"]).name for each in looked["skipped"]] == ["broken.png"]

    plot = await asked("vae_plot", clusters=2, vae="whole")
    assert len(plot["points"]) == 80 and sum(plot["groups"].values()) == 80
    assert plot["agreement"] is not None and 0 < plot["explained"] <= 1
    plain = await asked("vae_plot", folder=str(folder), method="tsne", vae="whole")
    assert plain["groups"] == {"left": 40, "right": 40} and plain["explained"] is None

    for tool, arguments, words in (
        ("vae_sample", {"count": 65}, "Pass 1 to 64"),
        ("vae_sample", {"seed": -1}, "seed is -1"),
        ("vae_interpolate", {"first": str(left), "last": str(odd / "broken.png")}, "no picture"),
        ("vae_denoise", {"picture": str(odd / "broken.png")}, "no picture"),
        ("vae_denoise", {"picture": str(left), "noise": 2}, "Pass 0"),
        ("vae_reconstruct", {"pictures": []}, "No picture is named"),
        ("vae_reconstruct", {"pictures": [str(folder)]}, "the limit is 64"),
        ("vae_plot", {"folder": str(folder), "clusters": 1}, "clusters is 1"),
        ("vae_outliers", {"pictures": [str(folder)], "threshold": 0}, "threshold is 0"),
    ):
        result = await called(tool, **arguments, vae="whole")
        assert result.isError and words in said(result), said(result)
