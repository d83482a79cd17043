"""Pictures from pictures: redrawn by strength, filled in under a mask, LoRA, settings read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from mcp_servers.diffusion import model_names
from mcp_servers.diffusion.model_names import Sizes
from mcp_servers.errors import EngineError
from tests.mcp_servers.calling import said
from tests.mcp_servers.diffusion_parts import asked, called, pixels


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path.parent))
    return tmp_path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """48 x 36 pixels, blue with a yellow disc."""
    image = Image.new("RGB", (48, 36), "blue")
    ImageDraw.Draw(image).ellipse((8, 8, 28, 28), fill="yellow")
    path = tmp_path / "photo.png"
    image.save(path)
    return path


def test_sizes_near_a_picture_keep_its_proportions() -> None:
    sizes = Sizes(multiple=16, native=64)
    assert sizes.near((640, 480), None, None) == (64, 48)
    assert sizes.near((10, 1000), None, None) == (16, 64)
    assert sizes.near((640, 480), 128, None) == (128, 96)
    assert sizes.near((10, 1000), 64, None) == (64, 512)
    assert sizes.near((640, 480), None, 96) == (128, 96)
    assert sizes.near((640, 480), 64, 64) == (64, 64)
    assert Sizes(multiple=16, native=None).near((640, 470), None, None) == (640, 464)
    with pytest.raises(EngineError, match="pass 64 or 80"):
        sizes.near((640, 480), 65, None)


@pytest.mark.slow  # torch, diffusers
async def test_strength_says_how_far_a_picture_goes(tiny_pipeline: Path, photo: Path) -> None:
    common = {"picture": str(photo), "prompt": "a", "model": str(tiny_pipeline), "seed": 3}
    far = {}
    for strength in (0.1, 1.0):
        found = await asked("image_to_image", steps=10, strength=strength, **common)
        assert (found["width"], found["height"]) == (32, 24)  # the photo's proportions
        far[strength] = pixels(found["pictures"][0]["picture"])
    again = await asked("image_to_image", steps=10, strength=0.1, **common)
    assert (pixels(again["pictures"][0]["picture"]) == far[0.1]).all()
    assert (far[0.1] != far[1.0]).any()
    assert again["settings"]["picture"] == "photo.png"
    assert again["settings"]["strength"] == 0.1


@pytest.mark.slow
@pytest.mark.parametrize("boxed", [True, False])
async def test_inpainting_leaves_everything_outside_the_mask(
    tiny_pipeline: Path, photo: Path, tmp_path: Path, boxed: bool
) -> None:
    mask = "4,6,30,20"
    if not boxed:
        drawn = Image.new("L", (48, 36), 0)
        drawn.paste(255, (4, 6, 30, 20))
        drawn.save(tmp_path / "mask.png")
        mask = str(tmp_path / "mask.png")
    found = await asked(
        "inpaint",
        picture=str(photo),
        mask=mask,
        prompt="a red star",
        model=str(tiny_pipeline),
        steps=3,
        seed=1,
    )
    after, before = pixels(found["pictures"][0]["picture"]), pixels(str(photo))
    assert after.shape == before.shape  # not the model's own size
    outside = np.ones(before.shape[:2], bool)
    outside[6:20, 4:30] = False
    assert (after[outside] == before[outside]).all()
    assert (after[~outside] != before[~outside]).any()


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("image_to_image", {"picture": "absent.png"}, "There is no file"),
        ("image_to_image", {"strength": 0}, "strength is 0"),
        ("image_to_image", {"strength": 0.1, "steps": 5}, "no whole step"),
        ("image_to_image", {"picture": "note.txt"}, "no picture that can be read"),
        ("image_to_image", {"picture": "half.png"}, "broken"),
        ("inpaint", {"mask": "0,0,0,0"}, "48 x 36"),
        ("inpaint", {"mask": "60,0,80,20"}, "48 x 36"),
        ("inpaint", {"mask": "black.png"}, "black all over"),
        ("inpaint", {"mask": "1,2,3"}, "There is no file"),
    ],
)
@pytest.mark.slow
async def test_pictures_and_masks_that_cannot_be_used_say_why(
    tiny_pipeline: Path,
    photo: Path,
    tmp_path: Path,
    tool: str,
    arguments: dict[str, Any],
    words: str,
) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "half.png").write_bytes(photo.read_bytes()[:90])
    Image.new("L", (48, 36), 0).save(tmp_path / "black.png")
    given: dict[str, Any] = {"picture": "photo.png", **arguments}
    if tool == "inpaint":
        given.setdefault("mask", "0,0,9,9")
    for name in ("picture", "mask"):
        if name in given and (given[name].endswith((".png", ".txt")) or given[name] == "1,2,3"):
            given[name] = str(tmp_path / given[name])
    result = await called(tool, prompt="a", model=str(tiny_pipeline), **given)
    assert result.isError
    assert words in said(result)


@pytest.mark.slow
async def test_lora_acts_by_its_scale_and_goes_again(tiny_pipeline: Path, tmp_path: Path) -> None:
    lora = _write_lora(tiny_pipeline, tmp_path / "style")
    common = {"prompt": "a", "model": str(tiny_pipeline), "steps": 2, "seed": 5}

    async def drawn(**more: Any) -> Any:
        return pixels((await asked("generate", **common, **more))["pictures"][0]["picture"])

    plain = await drawn()
    assert (await drawn(lora=[str(lora)]) != plain).any()
    assert (await drawn(lora=[str(lora)], lora_scale=[0.0]) == plain).all()
    assert (await drawn() == plain).all()
    pickled = tmp_path / "old.bin"
    pickled.write_bytes(b"")
    for name, words in (
        (pickled, "pickled"),
        (tmp_path / "absent.safetensors", "There is no LoRA"),
    ):
        result = await called("generate", **common, lora=[str(name)])
        assert words in said(result)
    other = tiny_pipeline / "vae" / "diffusion_pytorch_model.safetensors"
    assert "cannot be put on" in said(await called("generate", **common, lora=[str(other)]))
    assert (await drawn() == plain).all()


def _write_lora(pipeline: Path, folder: Path) -> Path:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet")
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v", "to_out.0"]))
    torch.manual_seed(0)
    state = get_peft_model_state_dict(unet)
    noise = {name: torch.randn_like(value) for name, value in state.items()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=noise)
    return folder


async def test_settings_of_pictures_that_others_made(tmp_path: Path, photo: Path) -> None:
    text = PngInfo()
    text.add_text("parameters", "a cat\nSteps: 20, Seed: 1")
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png", pnginfo=text)
    found = await asked("settings_of", picture=str(tmp_path / "other.png"))
    assert found["settings"] == {}
    assert "Steps: 20" in found["text"]
    assert "not generated" in said(await called("settings_of", picture=str(photo)))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    assert "no PNG" in said(await called("settings_of", picture=str(tmp_path / "broken.png")))
    assert "outside the folders" in said(await called("settings_of", picture="/etc/passwd"))


@pytest.mark.slow
async def test_settings_read_back_make_the_same_picture_again(tiny_pipeline: Path) -> None:
    first = await asked(
        "generate", prompt="파란 별", model=str(tiny_pipeline), steps=2, scheduler="euler"
    )
    [made] = first["pictures"]
    told = (await asked("settings_of", picture=made["picture"]))["settings"]
    again = await asked("generate", **{**told, "model": str(tiny_pipeline)})
    assert (pixels(again["pictures"][0]["picture"]) == pixels(made["picture"])).all()


async def test_pipelines_lists_what_the_hubs_cache_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    snapshot = tmp_path / "models--someone--paints" / "snapshots" / "0a"
    snapshot.mkdir(parents=True)
    (snapshot / model_names.INDEX).write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline"})
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    result = await asked("pipelines")
    [found] = [each for each in result["result"] if each["name"] == "someone/paints"]
    assert found["pipeline"] == "StableDiffusionPipeline"
