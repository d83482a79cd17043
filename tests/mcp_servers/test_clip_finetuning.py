"""CLIP fine-tuned on the user's pairs: the loss, the data, figures before and after, resuming."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.clip import pairs
from mcp_servers.drawings.scenes import COLOURS, SHAPES
from mcp_servers.errors import EngineError
from tests.conftest import eventually
from tests.mcp_servers.calling import said
from tests.mcp_servers.clip_parts import asked, called, draw

_STARTING = 120  # seconds that a process may take to import torch on a busy machine


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path.parent))
    monkeypatch.setenv("DURE_THREADS", "1")
    return tmp_path


@pytest.fixture
def gems(tmp_path: Path) -> Path:
    """48 drawings whose captions have words that the embedded model does not know."""
    folder = tmp_path / "gems"
    rows = []
    for colour in COLOURS:
        for shape in SHAPES:
            picture = draw(folder, colour, shape)
            rows.append({"file_name": picture.name, "text": f"gem-{colour} {shape}"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def tuned(data: Path, **more: Any) -> dict[str, Any]:
    """The job's work, done in this process."""
    from mcp_servers.clip import finetuning

    spec = {"name": "gems", "data": str(data), "general": None, "model": "embedded", "epochs": 2}
    spec |= {"batch_size": 16, "learning_rate": 1e-4, "weight_decay": 0.05, "blend": 1.0}
    spec |= {"held_out": 0.1, "seed": 65, "allowed": [], **more}
    return finetuning.finetune(jobs.Worker(jobs.create("clip", spec)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'image,caption\n{},"a red, round circle"\n'),
        ("a.tsv", "file_name\ttext\n{}\ta red circle\n"),
        ("a.jsonl", '{{"image": "{}", "caption": "빨간 원"}}\n'),
        ("a.csv", "설명,그림\n빨간 원,{}\n"),
        ("a.csv", "filepath,title\n{},a red circle\n"),
    ],
)
def test_tables_of_pictures_and_captions(
    tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "LEAST", 1)
    monkeypatch.setattr(pairs, "_must_be_enough", lambda *_: None)
    picture = draw(tmp_path, "red", "circle")
    (tmp_path / name).write_text(text.format(picture.name), encoding="cp949")
    found = pairs.read(tmp_path / name, lambda path: False)
    assert [pair.picture for pair in found.pairs] == [picture]
    assert "," in found.pairs[0].caption or found.pairs[0].caption in ("a red circle", "빨간 원")
    assert found.skipped == []


def test_rows_that_cannot_be_used_are_told(gems: Path, tmp_path: Path) -> None:
    outside = draw(tmp_path / "elsewhere", "red", "star")
    with (gems / "metadata.jsonl").open("a") as table:
        for row in (
            '{"file_name": "gone.png", "text": "x"}',
            '{"file_name": "red-star.png", "text": " "}',
            f'{{"file_name": "{outside}", "text": "x"}}',
            '{"file_name": "../elsewhere/red-star.png", "text": "x"}',
            "no json",
        ):
            table.write(f"\n{row}")
    found = pairs.read(gems, lambda path: False)
    assert len(found.pairs) == 48
    for problem, words in zip(
        found.skipped, ("no file", "is empty", "outside", "outside", "no JSON"), strict=True
    ):
        assert words in problem
    assert len(pairs.read(gems, lambda path: True).pairs) == 49  # both name one picture


def test_no_picture_is_on_both_sides_not_even_as_a_copy(gems: Path) -> None:
    (gems / "copy.png").write_bytes((gems / "red-star.png").read_bytes())
    with (gems / "metadata.jsonl").open("a") as table:
        table.write('\n{"file_name": "copy.png", "text": "the same star"}')
        table.write('\n{"file_name": "broken.png", "text": "nothing"}')
    (gems / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but not")
    found = pairs.read(gems, lambda path: False)
    for seed in range(8):
        data = pairs.split(found, 0.25, seed, lambda done, total: None)
        sides = [
            {pair.picture.read_bytes() for pair in side} for side in (data.train, data.held_out)
        ]
        assert not sides[0] & sides[1]
        assert len(sides[1]) == 12
        assert len(data.train) + len(data.held_out) == 49
    assert "broken" in data.skipped[0]


async def test_requests_that_cannot_be_done_say_what_to_do(gems: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("image,caption\ngems/red-star.png,a\ngems/red-circle.png,b\n")
    same = tmp_path / "same.csv"
    names = [path.name for path in gems.glob("*.png")]
    same.write_text("\n".join(["image,caption", *(f"gems/{name},a" for name in names)]))
    (tmp_path / "models").mkdir()
    for arguments, words in (
        ({"data": str(tmp_path / "gone.csv")}, "no file or folder"),
        ({"data": str(tmp_path)}, "has no metadata.jsonl"),
        ({"data": str(few)}, "names 2 pictures"),
        ({"data": str(same)}, "are the same"),
        ({"data": "/etc/passwd"}, "outside the folders"),
        ({"batch_size": 1}, "batch_size is 1. Pass 2"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"blend": 2}, "blend is 2"),
        ({"name": "a/b"}, "is not a name"),
        ({"name": "embedded"}, "Pass another name"),
        ({"model": "nothing"}, "no CLIP model"),
        ({"general": str(few)}, "names 2 pictures"),
    ):
        result = await called("finetune", **{"data": str(gems), "name": "gems", **arguments})
        assert result.isError, arguments
        assert words in said(result), said(result)
    assert jobs.listing() == []


@pytest.mark.slow  # torch, transformers
def test_the_loss_is_clip_s_own_where_all_pairs_differ(gems: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    from mcp_servers.clip import contrast

    torch.manual_seed(0)
    pictures, texts = torch.nn.functional.normalize(torch.randn(2, 6, 8), dim=-1)
    scale = torch.tensor(20.0)
    own = contrast.loss_of(pictures, texts, scale, torch.eye(6, dtype=torch.bool))
    theirs = image_text_contrastive_loss(scale * texts @ pictures.T)
    assert own.item() == pytest.approx(theirs.item(), abs=1e-5)
    # two pairs of one caption: either text is right, so a model that sees that has no loss
    alike = texts.clone()
    alike[1] = alike[0]
    same = torch.eye(6, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    perfect = contrast.loss_of(alike, alike, torch.tensor(1000.0), same)
    assert perfect.item() == pytest.approx(torch.log(torch.tensor(2.0)).item() / 3, abs=1e-3)
    assert contrast.loss_of(alike, alike, torch.tensor(1000.0), ~same).item() > 100


@pytest.mark.slow
async def test_a_model_learns_new_words_says_what_it_forgot_and_is_used(gems: Path) -> None:
    found = tuned(gems, epochs=8)
    assert found["steps"] == 24
    assert found["pairs"] == {"train": 43, "held_out": 5}
    assert found["after"]["held_out"]["loss"] < found["before"]["held_out"]["loss"]
    fell = found["before"]["general"]["accuracy"] - found["after"]["general"]["accuracy"]
    assert fell > 0.01
    assert "blend=0.7" in found["notes"][0]
    picture = str(gems / "red-star.png")
    seen = await asked("classify", pictures=[picture], labels=["gem-red", "gem-blue"], model="gems")
    assert (seen["model"], seen["pictures"][0]["label"]) == ("gems", "gem-red")
    again = await called("finetune", data=str(gems), name="gems")
    assert "already" in said(again)
    report = json.loads((Path(found["folder"]) / "finetuning.json").read_text())
    assert report["after"] == found["after"]
    kept = tuned(gems, epochs=8, blend=0.3)
    assert kept["after"]["general"]["accuracy"] > found["after"]["general"]["accuracy"]


@pytest.mark.slow
def test_one_s_own_general_set_is_judged_too(gems: Path, tmp_path: Path) -> None:
    names = [path.name for path in gems.glob("*.png")]
    general = tmp_path / "general.csv"
    rows = (f"gems/{name},a {name[:-4].replace('-', ' ')}" for name in names)
    general.write_text("\n".join(["image,caption", *rows]))
    found = tuned(gems, epochs=1, general=str(general))
    assert found["general_set"] == str(general)
    assert found["before"]["general"]["accuracy"] > 0.6


@pytest.mark.slow  # three processes with torch
async def test_a_killed_run_resumes_and_ends_in_the_same_model(gems: Path, dure_home: Path) -> None:
    from safetensors.numpy import load_file

    common = {"data": str(gems), "epochs": 30, "batch_size": 16}
    job = (await asked("finetune", name="killed", **common))["job"]
    training = dure_home / "models" / "clips" / ".training"
    eventually(lambda: list(training.glob("killed-*.safetensors")), _STARTING, "a checkpoint")
    os.kill(jobs.state(job)["pid"], signal.SIGKILL)
    eventually(lambda: jobs.state(job)["status"] == "failed", what="the kill is noticed")
    assert not (dure_home / "models" / "clips" / "killed").exists()
    await asked("resume", job=job)
    eventually(lambda: jobs.state(job)["status"] != "running", _STARTING, "the job's end")
    state = await asked("job", job=job)
    assert state["status"] == "done", state["error"]
    assert 0 < state["result"]["resumed_from_step"] < state["result"]["steps"] == 90
    assert list(training.iterdir()) == []
    whole = tuned(gems, name="whole", epochs=30)
    one, other = (
        load_file(dure_home / "models" / "clips" / name / "model.safetensors")
        for name in ("killed", "whole")
    )
    assert whole["resumed_from_step"] == 0
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.slow
def test_a_siglip_is_not_tuned_by_the_wrong_loss(gems: Path, tmp_path: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from transformers import (
        AutoTokenizer,
        SiglipConfig,
        SiglipImageProcessorPil,
        SiglipModel,
    )

    from mcp_servers.drawings import weights

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(weights.folder("clip"))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small["num_attention_heads"] = 2
    text = {**small, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    vision = {**small, "image_size": 32, "patch_size": 16}
    folder = tmp_path / "siglip"
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    with pytest.raises(EngineError, match="another loss"):
        tuned(gems, model=str(folder))
