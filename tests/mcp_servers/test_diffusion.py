"""Pictures from words: the controls of a pipeline, exact seeds, settings kept in the file."""

from __future__ import annotations

import contextlib
import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import McpError
from mcp.types import (
    CancelledNotification,
    CancelledNotificationParams,
    ClientNotification,
    ImageContent,
)

from mcp_servers import pictures
from mcp_servers.diffusion import server, stamps
from tests.mcp_servers.calling import said
from tests.mcp_servers.diffusion_parts import asked, called, connected, pixels


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path.parent))
    return tmp_path


async def test_every_tool_is_listed_with_what_it_does() -> None:
    async with connected() as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert list(tools) == [function.__name__ for function in server.ENGINE.tools]
    assert all(len(tool.description or "") < 230 for tool in tools.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "x" * 10_001}, "the limit is 10,000"),
        ({"steps": 0}, "steps is 0: Input should be greater than or equal to 1"),
        ({"count": 0}, "count is 0"),
        ({"seed": 2**32}, "seed is"),
        ({"seed": 2**32 - 1, "count": 2}, "pass a smaller seed"),
        ({"guidance_scale": -1}, "guidance_scale is -1"),
        ({"lora_scale": [1.0]}, "one number for each of lora"),
        ({"eta": 0.5, "scheduler": "euler"}, "eta acts with ddim"),
        ({"scheduler": "dpm"}, "Input should be"),
        ({"model": "nothing"}, "no model 'nothing'"),
        ({"model": "/etc"}, "outside the folders"),
        ({"model": "./absent"}, "outside the folders"),
    ],
)
async def test_what_cannot_be_drawn_says_what_to_do(arguments: dict[str, Any], words: str) -> None:
    result = await called("generate", **{"prompt": "a red circle", **arguments})
    assert result.isError
    assert words in said(result)


@pytest.mark.parametrize(
    ("index", "files", "words"),
    [
        (None, {}, "has no model_index.json"),
        ("not json", {}, "has no model_index.json"),
        ({"unet": ["diffusers", "UNet"]}, {"unet/diffusion_pytorch_model.bin": ""}, "pickled"),
        ({"unet": ["mine", "UNet"]}, {"unet/mine.py": "exit()"}, "code of its own"),
        ({"_class_name": ["mine", "Pipeline"]}, {"mine.py": "exit()"}, "own code"),
        ({"_class_name": "StableDiffusionPipeline"}, {}, "cannot be loaded"),
    ],
)
async def test_folders_that_hold_no_safe_pipeline_are_refused(
    tmp_path: Path, index: object, files: dict[str, str], words: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    if index is not None:
        text = index if isinstance(index, str) else json.dumps(index)
        (folder / "model_index.json").write_text(text)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    result = await called("generate", prompt="a red circle", model=str(folder))
    assert result.isError
    assert words in said(result)


@pytest.mark.slow  # torch, diffusers
async def test_a_picture_is_drawn_shown_and_says_how_it_was_made(tiny_pipeline: Path) -> None:
    told: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(f"{done:g}/{total:g} {message}")

    async with connected() as session:
        result = await session.call_tool(
            "generate",
            {"prompt": "a red circle", "model": str(tiny_pipeline), "steps": 3, "seed": 7},
            progress_callback=progress,
        )
    assert not result.isError, said(result)
    assert result.structuredContent is not None
    found = result.structuredContent
    [picture] = found["pictures"]
    assert picture["seed"] == 7
    assert (found["width"], found["height"], found["scheduler"]) == (32, 32, "DDIMScheduler")
    assert pixels(picture["picture"]).shape == (32, 32, 3)
    assert isinstance(result.content[1], ImageContent)
    settings, _ = stamps.settings_in(Path(picture["picture"]))
    assert settings == {**found["settings"], "seed": 7}
    assert settings["prompt"] == "a red circle"
    assert settings["width"] == 32
    assert settings["guidance_scale"] == 7.5  # the pipeline's own
    assert settings["model"] == "tiny"  # not where it lies
    assert told[-1].startswith("3/3 step 3 of 3")


@pytest.mark.slow
async def test_picture_i_of_a_batch_is_what_its_seed_alone_gives(tiny_pipeline: Path) -> None:
    common = {
        "prompt": "파란 별",
        "model": str(tiny_pipeline),
        "steps": 2,
        "scheduler": "euler_ancestral",
    }
    batch = await asked("generate", seed=40, count=3, **common)
    assert [each["seed"] for each in batch["pictures"]] == [40, 41, 42]
    alone = await asked("generate", seed=41, **common)
    again = pixels(alone["pictures"][0]["picture"])
    assert (pixels(batch["pictures"][1]["picture"]) == again).all()
    assert (pixels(batch["pictures"][0]["picture"]) != again).any()


@pytest.mark.slow
async def test_each_control_changes_the_picture(tiny_pipeline: Path) -> None:
    common: dict[str, Any] = {
        "prompt": "a red circle",
        "model": str(tiny_pipeline),
        "steps": 3,
        "seed": 1,
    }
    plain = pixels((await asked("generate", **common))["pictures"][0]["picture"])
    for control in (
        {"prompt": "a blue star"},
        {"negative_prompt": "a blue star"},
        {"guidance_scale": 1.0},
        {"steps": 4},
        {"eta": 1.0},
        {"clip_skip": 1},
        {"width": 48},
    ):
        found = await asked("generate", **{**common, **control})
        other = pixels(found["pictures"][0]["picture"])
        assert other.shape != plain.shape or (other != plain).any(), control


@pytest.mark.slow
async def test_every_scheduler_draws(tiny_pipeline: Path) -> None:
    seen = set()
    for name in ("ddim", "ddpm", "pndm", "plms", "euler", "heun", "dpm++", "unipc"):
        found = await asked(
            "generate", prompt="a", model=str(tiny_pipeline), steps=4, seed=1, scheduler=name
        )
        seen.add(pixels(found["pictures"][0]["picture"]).tobytes())
    assert len(seen) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
async def test_half_precision_draws_nearly_the_same(tiny_pipeline: Path, dtype: str) -> None:
    common = {"prompt": "a", "model": str(tiny_pipeline), "steps": 2, "seed": 1}
    whole = await asked("generate", dtype="float32", **common)
    half = await asked("generate", dtype=dtype, preview_every=1, **common)
    apart = pixels(whole["pictures"][0]["picture"]) - pixels(half["pictures"][0]["picture"])
    assert abs(apart).mean() < 8
    assert len(half["previews"]) == 2


@pytest.mark.slow
async def test_step_previews_become_the_picture(tiny_pipeline: Path) -> None:
    found = await asked(
        "generate", prompt="a", model=str(tiny_pipeline), steps=4, seed=1, preview_every=2
    )
    assert [each["step"] for each in found["previews"]] == [2, 4]
    assert all(pixels(each["preview"]).shape == (32, 32, 3) for each in found["previews"])


@pytest.mark.slow
async def test_sizes_that_do_not_fit_name_those_that_do(tiny_pipeline: Path) -> None:
    result = await called("generate", prompt="a", model=str(tiny_pipeline), width=33)
    assert "multiples of 4 pixels" in said(result)
    assert "32 or 36" in said(result)
    result = await called("generate", prompt="a", model=str(tiny_pipeline), height=4096)
    assert "up to 256: pass 256" in said(result)
    found = await asked("generate", prompt="a", model=str(tiny_pipeline), steps=1, width=64)
    assert any("tend to repeat" in note for note in found["notes"])


@pytest.mark.slow
async def test_a_damaged_pipeline_is_refused_and_nothing_is_left_behind(
    tiny_pipeline: Path, tmp_path: Path, dure_home: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_pipeline, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 100)
    result = await called("generate", prompt="a", model=str(broken))
    assert "cannot be loaded" in said(result)
    assert not list((dure_home / "pictures").glob("*"))


@pytest.mark.slow
async def test_numbers_out_of_range_are_an_error_not_a_black_picture(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "infinite"
    shutil.copytree(tiny_pipeline, broken)
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    parts = load_file(weights)
    parts["conv_out.bias"] = torch.full_like(parts["conv_out.bias"], float("nan"))
    save_file(parts, weights, metadata={"format": "pt"})
    result = await called("generate", prompt="a", model=str(broken), steps=2)
    assert "left their range at step 1" in said(result)


@pytest.mark.slow
async def test_notes_are_in_the_language_of_the_prompt(tiny_pipeline: Path) -> None:
    found = await asked("generate", prompt="빨간 원" * 20, model=str(tiny_pipeline), steps=1)
    assert any("영어" in note for note in found["notes"])
    assert any("쓰이지 않았습니다" in note for note in found["notes"])


async def test_a_hub_that_cannot_be_reached_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    result = await called("generate", prompt="a", model="someone/paints")
    assert "Check the network, or name a folder or embedded" in said(result)


def test_words_that_the_drawn_world_does_not_hold() -> None:
    from mcp_servers.diffusion.notes import of_the_prompt
    from mcp_servers.drawings.known_words import unknown_words

    assert unknown_words("Two red circles on a black background") == []
    assert unknown_words("검은 배경에 주황색 십자가 세 개") == []
    assert unknown_words("a red cat on a sofa") == ["cat", "sofa"]
    [note] = of_the_prompt("고양이", embedded=True, tokenizer=None)
    assert "도형" in note and "고양이" in note


@pytest.mark.slow
async def test_hangul_in_parts_is_the_same_prompt(tiny_pipeline: Path) -> None:
    common = {"model": str(tiny_pipeline), "steps": 1, "seed": 1}
    whole = await asked("generate", prompt="빨간 원", **common)
    parts = await asked("generate", prompt=unicodedata.normalize("NFD", "빨간 원"), **common)
    assert parts["settings"] == whole["settings"]


@pytest.mark.slow
async def test_a_call_that_the_client_cancels_stops_drawing(tiny_pipeline: Path) -> None:
    from mcp_servers.diffusion import drawing

    common = {"prompt": "a", "model": str(tiny_pipeline)}
    async with connected() as session, anyio.create_task_group() as tasks:
        begun = anyio.Event()

        async def progress(done: float, total: float | None, message: str | None) -> None:
            if done > 1:
                begun.set()

        async def call() -> None:
            with contextlib.suppress(McpError):
                await session.call_tool(
                    "generate", {**common, "steps": 100}, progress_callback=progress
                )

        tasks.start_soon(call)
        await begun.wait()
        running = CancelledNotificationParams(requestId=session._request_id - 1)
        await session.send_notification(
            ClientNotification(
                CancelledNotification(method="notifications/cancelled", params=running)
            )
        )
        for _ in range(1000):
            if not drawing._drawing.locked():
                break
            await anyio.sleep(0.02)
        assert not drawing._drawing.locked()
        assert not list(pictures.folder().glob("*"))
        tasks.cancel_scope.cancel()
