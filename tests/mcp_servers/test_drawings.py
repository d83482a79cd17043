"""The drawn world: what may be drawn, what is held out, how it is said, and what pixels show."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evals.picture_rules import judge, look
from mcp_servers.drawings import clip_learning, weights
from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.painting import SIDE, paint
from mcp_servers.drawings.scenes import (
    BACKGROUNDS,
    COLOURS,
    SHAPES,
    Scene,
    Thing,
    is_held_out,
    random_scene,
)
from mcp_servers.drawings.train import main
from mcp_servers.errors import EngineError


def scenes(count: int, held_out: bool | None, seed: int = 1) -> list[Scene]:
    rng = random.Random(seed)
    return [random_scene(rng, held_out) for _ in range(count)]


def test_the_same_seed_gives_the_same_scenes_and_every_kind_occurs() -> None:
    drawn = scenes(400, None)
    assert drawn == scenes(400, None) != scenes(400, None, seed=2)
    assert {t.shape for s in drawn for t in s.things} == set(SHAPES)
    assert {t.colour for s in drawn for t in s.things} == set(COLOURS)
    assert {s.background for s in drawn} == set(BACKGROUNDS)
    assert {len(s.things) for s in drawn if s.many} == {2, 3, 4}
    assert 0.37 < np.mean([s.relation is not None for s in drawn]) < 0.52  # 4 of 9


def test_training_never_sees_a_combination_that_is_held_out() -> None:
    assert not any(is_held_out(scene) for scene in scenes(500, False))
    assert all(is_held_out(scene) for scene in scenes(200, True))
    assert 0.05 < np.mean([is_held_out(scene) for scene in scenes(2000, None)]) < 0.15


def test_in_a_batch_of_few_kinds_what_is_true_of_two_drawings_counts_for_neither() -> None:
    alike = clip_learning._alike(64, random.Random(4))
    assert len({t.shape for s in alike for t in s.things}) == 3
    assert len({t.colour for s in alike for t in s.things}) == 3
    circle = Thing("circle", "red", None, 0.2, 0.5, 0.12)
    big = Thing("circle", "red", "big", 0.7, 0.5, 0.22)
    shown = [Scene((circle,)), Scene((big,)), Scene((circle, big))]
    assert clip_learning._also_true(shown).tolist() == [
        [False, True, False],  # a big red circle is a red circle too; of two, more can be said
        [False, False, False],
        [False, False, False],
    ]


def test_things_lie_inside_the_picture_and_apart() -> None:
    for scene in scenes(300, None):
        for thing in scene.things:
            assert thing.radius < min(thing.x, thing.y, 1 - thing.x, 1 - thing.y)
        for first, second in zip(scene.things, scene.things[1:], strict=False):
            apart = max(abs(first.x - second.x), abs(first.y - second.y))
            assert apart > first.radius + second.radius


@pytest.mark.parametrize(
    ("scene", "korean", "english"),
    [
        (
            Scene((Thing("circle", "red", "small", 0.2, 0.2, 0.1),), "white", "top left"),
            "왼쪽 위에 작은 빨간 원",
            "a small red circle in the top left",
        ),
        (
            Scene((Thing("cross", "orange", None, 0.2, 0.2, 0.1),) * 3, "black"),
            "검은 배경에 주황색 십자가 세 개",
            "three orange crosses on a black background",
        ),
        (
            Scene(
                (
                    Thing("heart", "pink", None, 0.5, 0.2, 0.1),
                    Thing("square", "blue", "big", 0.5, 0.7, 0.2),
                ),
                relation="above",
            ),
            "큰 파란 정사각형 위에 분홍색 하트",
            "a pink heart above a big blue square",
        ),
    ],
)
def test_plain_captions(scene: Scene, korean: str, english: str) -> None:
    assert caption(scene, "ko") == korean
    assert caption(scene, "en") == english


def test_varied_captions_keep_the_particles_right() -> None:
    rng = random.Random(5)
    said = [caption(scene, "ko", rng) for scene in scenes(600, None)]
    assert len(set(said)) > 400
    for wrong in ("원가", "하트이", "별가", "세모과", "정사각형와", "an red", "a orange"):
        assert not any(wrong in text for text in said)


def test_rules_on_pixels_find_what_was_painted() -> None:
    drawn = scenes(200, None, seed=7)
    verdicts = [judge(paint(scene), scene) for scene in drawn]
    assert all(v.colour and v.shape and v.position and v.background for v in verdicts)


def test_rules_on_pixels_refuse_what_was_not_asked_for() -> None:
    red = Thing("circle", "red", None, 0.3, 0.5, 0.15)
    blue = Thing("square", "blue", None, 0.75, 0.5, 0.15)
    asked = Scene((red, blue), relation="left of")
    assert judge(paint(asked), asked).position
    swapped = Scene(
        (
            Thing("square", "red", None, 0.3, 0.5, 0.15),
            Thing("circle", "blue", None, 0.75, 0.5, 0.15),
        ),
        relation="left of",
    )
    assert not judge(paint(swapped), asked).colour  # the colours are there, on the wrong shapes
    mirrored = paint(asked).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert judge(mirrored, asked).shape and not judge(mirrored, asked).position
    one_more = paint(asked)
    ImageDraw.Draw(one_more).ellipse((28, 2, 40, 14), fill=COLOURS["green"])
    assert not judge(one_more, asked).colour
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    assert not judge(noise, asked).shape
    assert look(Image.new("RGB", (SIDE, SIDE), BACKGROUNDS["beige"])) == ([], "beige")


def test_embedded_models_that_are_not_there_say_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "weights.py"))
    with pytest.raises(EngineError, match=r"mcp_servers\.drawings\.train clip"):
        weights.folder("clip")


@pytest.mark.slow  # torch, transformers, diffusers
def test_the_recipe_writes_folders_that_the_libraries_load(tmp_path: Path) -> None:
    few = ["--out", str(tmp_path), "--steps", "2", "--batch", "4"]
    for model in ("clip", "vae", "diffusion"):
        main([model, *few, "--scenes", "8"])
    encoder = _encoder(tmp_path / "vae")
    for model in ("clip", "vae", "diffusion"):
        main([model, *few, "--scenes", "8", "--start", str(tmp_path / model)])
    assert _encoder(tmp_path / "vae") == encoder  # the U-Net has learnt its latents
    from mcp_servers.torch_runtime import torch  # isort: skip
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPModel, CLIPTokenizer

    from mcp_servers.drawings import layout_unet  # noqa: F401  or diffusers refuses it

    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "clip")
    ids = tokenizer(["빨간 원 세 개", "a dog's house"], padding=True, return_tensors="pt")
    assert ids.input_ids.shape[1] > 6  # unknown words come in pieces
    assert tokenizer.decode(ids.input_ids[0], skip_special_tokens=True) == "빨간 원 세 개"
    model = CLIPModel.from_pretrained(tmp_path / "clip")
    assert model(pixel_values=torch.zeros(1, 3, SIDE, SIDE), **ids).logits_per_image.shape == (1, 2)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "diffusion", safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline("빨간 원", num_inference_steps=2).images[0]
    assert drawn.size == (SIDE, SIDE)
    index = json.loads((tmp_path / "diffusion" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    for file in tmp_path.rglob("*.json"):
        assert str(tmp_path) not in file.read_text()


def _encoder(vae: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    weights = load_file(vae / "diffusion_pytorch_model.safetensors")
    kept = {name: part.tobytes() for name, part in weights.items() if name.startswith("encoder")}
    assert kept
    return kept


@pytest.mark.slow  # torch, diffusers
def test_the_u_net_draws_any_size_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers.drawings.diffusion_learning import new_unet
    from mcp_servers.drawings.layout_unet import LayoutUNet

    unet = new_unet().eval()
    unet.save_pretrained(tmp_path)
    again = LayoutUNet.from_pretrained(tmp_path).eval()
    text = torch.zeros(1, 32, 128)
    with torch.inference_mode():
        for height, width in ((16, 16), (16, 24)):
            latents = torch.ones(1, 4, height, width)
            out = unet(latents, 10, text).sample
            assert out.shape == latents.shape
            torch.testing.assert_close(again(latents, 10, text).sample, out)


@pytest.mark.slow  # torch, diffusers: 300 steps of the layout alone
def test_the_layout_learns_to_expect_a_thing_where_the_caption_says_it_is() -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers.drawings.caption_facts import Facts
    from mcp_servers.drawings.diffusion_learning import new_unet
    from mcp_servers.drawings.learning import Optimiser

    torch.manual_seed(0)
    layout, facts = new_unet().layout, Facts(128)
    thing = Thing("star", "blue", "big", 0.5, 0.5, 0.2)
    left, right = (Scene((thing,), place=place) for place in ("left", "right"))
    said = facts.vectors([left, right])
    wanted = torch.zeros(2, 4, 8, 8)
    wanted[0, :, :, :4] = wanted[1, :, :, 4:] = 1
    optimiser = Optimiser(layout.parameters(), 1e-3, 300)
    for _ in range(300):
        optimiser.step(torch.nn.functional.mse_loss(layout(said)[:, :4], wanted))
    with torch.inference_mode():
        assert (layout(said)[:, :4] - wanted).abs().max() < 0.25


@pytest.mark.slow  # torch
def test_a_reader_of_maps_learns_which_shape_and_colour_lie_where() -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers.drawings.learning import Optimiser
    from mcp_servers.drawings.scene_maps import MapReader, maps

    star = Thing("star", "blue", None, 0.25, 0.75, 0.2)
    heart = Thing("heart", "red", None, 0.75, 0.25, 0.2)
    truth = maps([Scene((star, heart), relation="below"), Scene((heart,))], 4)
    assert truth[0, 0].tolist() == [[0, 0, 5, 5], [0, 0, 5, 5], [4, 4, 0, 0], [4, 4, 0, 0]]
    assert truth[0, 1].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [6, 6, 0, 0], [6, 6, 0, 0]]
    assert not truth[1, :, 2:].any()
    torch.manual_seed(0)
    reader, features = MapReader(8), torch.randn(2, 8, 2, 2)
    before = reader.loss(features, truth).item()
    optimiser = Optimiser(reader.parameters(), 0.05, 60)
    for _ in range(60):
        optimiser.step(reader.loss(features, truth))
    assert reader.loss(features, truth).item() < 0.1 * before


@pytest.mark.slow  # torch
def test_muon_moves_a_kernel_by_the_same_in_every_direction() -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers.drawings.learning import Optimiser

    torch.manual_seed(0)
    kernel, bias = torch.nn.Parameter(torch.zeros(4, 2, 3, 3)), torch.nn.Parameter(torch.zeros(4))
    optimiser = Optimiser([kernel, bias], 0.01, 10, matrices=[kernel])
    scales = torch.tensor([1.0, 2.0, 4.0, 8.0])  # a gradient that is much steeper in one
    steep = torch.randn(4, 2, 3, 3) * scales[:, None, None, None]
    optimiser.step((kernel * steep).sum() + bias.sum())
    reach = torch.linalg.svdvals(kernel.detach().flatten(1))
    assert reach.min() > 0.4 * reach.max() > 0
    assert len(bias.detach().unique()) == 1 and kernel.grad is None and bias.grad is None


@pytest.mark.slow  # torch
def test_what_a_caption_says_is_a_vector_for_the_scene_and_for_each_kind_of_thing() -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers.drawings.caption_facts import Facts, facts_of

    star = Thing("star", "blue", "big", 0.5, 0.2, 0.2)
    heart = Thing("heart", "red", None, 0.5, 0.8, 0.1)
    one, many = Scene((star,), "black", "top"), Scene((heart,) * 3)
    two = Scene((star, heart), relation="above")
    assert facts_of(one) == [[1, 0], [4, 6, 2, 3], [0, 0, 0, 0]]
    assert facts_of(many) == [[0, 2], [5, 1, 0, 0], [0, 0, 0, 0]]
    assert facts_of(two) == [[0, 1], [4, 6, 2, 12], [5, 1, 0, 13]]  # the heart is below
    vectors = Facts(16).vectors([one, many, two, None])
    assert vectors.shape == (4, 3, 16)
    torch.testing.assert_close(vectors.std(2, correction=0), torch.ones(4, 3))
    assert torch.equal(vectors, Facts(16).vectors([one, many, two, None]))
    assert len(vectors.flatten(1).unique(dim=0)) == 4
    assert torch.equal(vectors[0, 2], vectors[1, 2])  # neither has a second


@pytest.mark.slow  # trains the text encoder of the embedded CLIP for 60 steps
def test_the_text_encoder_comes_to_end_in_the_vectors_of_what_is_said() -> None:
    import random

    from mcp_servers.torch_runtime import torch  # isort: skip
    from transformers import AutoTokenizer, CLIPTextModel

    from mcp_servers.drawings import diffusion_learning
    from mcp_servers.drawings.caption_facts import FACTS, Facts

    clip = weights.folder("clip")
    text, tokenizer = CLIPTextModel.from_pretrained(clip), AutoTokenizer.from_pretrained(clip)
    facts, rng = Facts(128), random.Random(1)
    told: list[str] = []
    diffusion_learning._train_text(
        text, tokenizer, facts, 60, rng, lambda *said: told.append(said[2])
    )
    plain = {"빨간 원": Scene((Thing("circle", "red", None, 0, 0, 0),)), "": None}
    ids = tokenizer(list(plain), padding="max_length", return_tensors="pt").input_ids
    with torch.inference_mode():
        ends = text(ids).last_hidden_state[:, -FACTS:]
    apart = (ends[:, None] - facts.vectors(list(plain.values()))).square().mean((2, 3))
    assert apart.argmin(1).tolist() == [0, 1]
    assert "loss" in told[-1]
