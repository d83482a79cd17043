"""Pictures against texts: cosines, logits, probabilities; zero-shot classes; models by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mcp_servers.clip import server
from mcp_servers.errors import EngineError
from tests.mcp_servers.calling import said
from tests.mcp_servers.clip_parts import asked, called, connected, draw


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
    ("model", "words"),
    [
        ("nothing", "no CLIP model 'nothing'"),
        ("/etc", "outside the folders"),
        ("hf-hub:", "no CLIP model"),
        ("ViT-B-32", "no CLIP model 'ViT-B-32'"),
    ],
)
async def test_a_name_that_means_no_model_says_what_to_do(
    tmp_path: Path, model: str, words: str
) -> None:
    picture = draw(tmp_path, "red", "circle")
    result = await called("similarity", pictures=[str(picture)], texts=["a"], model=model)
    assert result.isError
    assert words in said(result)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no CLIP"),
        ({"config.json": "no json"}, "holds no CLIP"),
        ({"config.json": '{"model_type": "bert"}'}, "no weights"),
        (
            {"config.json": '{"model_type": "clip"}', "model.safetensors": ""},
            "cannot be loaded",
        ),
        ({"config.json": '{"model_type": "clip"}', "pytorch_model.bin": ""}, "pickled"),
        ({"open_clip_config.json": "{}", "open_clip_pytorch_model.bin": ""}, "pickled"),
        # open_clip would take the pickle
        (
            {
                "open_clip_config.json": "{}",
                "open_clip_pytorch_model.bin": "",
                "model.safetensors": "",
            },
            "pickled",
        ),
    ],
)
async def test_folders_that_hold_no_safe_clip_are_refused(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    picture = draw(tmp_path, "red", "circle")
    result = await called("classify", pictures=[str(picture)], labels=["a", "b"], model=str(folder))
    assert result.isError
    assert words in said(result)


def _cache_as(monkeypatch: pytest.MonkeyPatch, cache: Path, name: str, folder: Path) -> None:
    """Put a model where the hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    kept = cache / f"models--{name.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("1")
    shutil.copytree(folder, kept / "snapshots" / "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


@pytest.mark.slow
def test_a_model_of_the_hub_that_is_here_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers import hugging_face
    from mcp_servers.clip import models
    from mcp_servers.drawings import weights

    def nobody(repository: str) -> list[str]:
        raise EngineError("nobody answers")

    monkeypatch.setattr(hugging_face, "files_of", nobody)
    with pytest.raises(EngineError, match="nobody answers"):
        models.load("somebody/clip")
    _cache_as(monkeypatch, tmp_path / "cache", "somebody/clip", weights.folder("clip"))
    assert models.load("somebody/clip").identity == models.load("embedded").identity


@pytest.mark.slow  # torch, transformers
async def test_similarity_is_cosine_logit_and_probability(tmp_path: Path) -> None:
    pictures = [draw(tmp_path, "red", "circle"), draw(tmp_path, "blue", "star")]
    from mcp_servers.clip import models

    models._held.clear()  # another test may have loaded it
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n but not")
    texts = ["a red circle", "파란 별", "a green square"]
    told: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(str(message))

    async with connected() as session:
        result = await session.call_tool(
            "similarity",
            {"pictures": [str(p) for p in (*pictures, broken)], "texts": texts},
            progress_callback=progress,
        )
    assert not result.isError, said(result)
    found = result.structuredContent
    assert found is not None
    assert [row["picture"] for row in found["rows"]] == [str(path) for path in pictures]
    assert [each["picture"] for each in found["skipped"]] == [str(broken)]
    for row in found["rows"]:
        assert all(-1 <= cosine <= 1 for cosine in row["cosines"])
        scaled = [found["logit_scale"] * cosine for cosine in row["cosines"]]
        assert row["logits"] == pytest.approx(scaled, abs=2e-3)
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert [row["best"] for row in found["rows"]] == texts[:2]
    assert told[0] == "loading the model embedded"
    assert found["model"] == "embedded"
    assert "소프트맥스" in found["probabilities_mean"]
    assert found["markdown"].startswith("| | a red circle | 파란 별 | a green square |")


@pytest.mark.slow
async def test_the_same_numbers_as_transformers_gives(tmp_path: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from PIL import Image
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    from mcp_servers.drawings import weights

    path = draw(tmp_path, "pink", "heart", 100)
    texts = ["분홍색 하트", "a cyan cross"]
    found = await asked("similarity", pictures=[str(path)], texts=texts)
    [row] = found["rows"]
    folder = weights.folder("clip")
    model = CLIPModel.from_pretrained(folder)
    given = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with Image.open(path) as image, torch.inference_mode():
        pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=image, return_tensors="pt")
        out = model(**given, **pixels)
    assert row["logits"] == pytest.approx(out.logits_per_image[0].tolist(), abs=1e-3)
    assert row["probabilities"] == pytest.approx(
        out.logits_per_image.softmax(-1)[0].tolist(), abs=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "best"),
    [
        (["red circle", "an orange star", "a blue cross"], "an orange star"),
        (["빨간 원", "주황색 별", "파란 십자가"], "주황색 별"),
    ],
)
async def test_zero_shot_in_both_languages(tmp_path: Path, labels: list[str], best: str) -> None:
    path = draw(tmp_path, "orange", "star")
    found = await asked("classify", pictures=[str(path)], labels=labels)
    ranked = found["pictures"][0]["labels"]
    assert ranked[0]["label"] == best
    assert sum(each["probability"] for each in ranked) == pytest.approx(1, abs=1e-3)
    assert [each["cosine"] for each in ranked] == sorted(
        (each["cosine"] for each in ranked), reverse=True
    )
    assert found["notes"] == []
    averaged = await asked(
        "classify", pictures=[str(path)], labels=labels, template=["{}", "a picture of a {}"]
    )
    assert averaged["templates"] == ["{}", "a picture of a {}"]
    assert averaged["pictures"][0]["labels"][0]["label"] == best


@pytest.mark.slow
async def test_what_the_embedded_model_does_not_know_is_said(tmp_path: Path) -> None:
    path = draw(tmp_path, "red", "circle")
    english = await asked("classify", pictures=[str(path)], labels=["dog", "red circle"])
    assert "not: dog" in english["notes"][0]
    korean = await asked("classify", pictures=[str(path)], labels=["강아지", "빨간 원"])
    assert "모르는 말: 강아지" in korean["notes"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pictures": []}, "No picture is given"),
        ({"labels": []}, "at least 2 labels"),
        ({"labels": ["a", " "]}, "is empty"),
        ({"template": "no place"}, "needs {} once"),
        ({"pictures": ["/etc/hostname"]}, "outside the folders"),
    ],
)
async def test_bad_requests_say_what_to_do(
    tmp_path: Path, arguments: dict[str, object], words: str
) -> None:
    given = {"pictures": [str(draw(tmp_path, "red", "circle"))], "labels": ["a", "b"], **arguments}
    result = await called("classify", **given)
    assert result.isError
    assert words in said(result)


@pytest.mark.slow
async def test_broken_absent_and_enormous_pictures_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers import picture_files

    monkeypatch.setattr(picture_files, "MAX_PIXELS", 100 * 100)
    draw(tmp_path, "red", "circle", 128).rename(tmp_path / "large.png")
    (tmp_path / "empty.png").touch()
    for name, words in (
        ("large.png", "too much"),
        ("empty.png", "no picture"),
        ("gone.png", "There is no file"),
        (".", "is a folder"),
    ):
        result = await called("classify", pictures=[str(tmp_path / name)], labels=["a", "b"])
        assert result.isError
        assert words in said(result)


@pytest.mark.slow
async def test_a_folder_of_open_clip_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from open_clip import CLIP
    from PIL import Image
    from safetensors.torch import save_file

    from mcp_servers.clip import models, open_clip_models
    from mcp_servers.clip.model_names import source_of

    torch.manual_seed(0)
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    folder = tmp_path / "open"
    folder.mkdir()
    model = CLIP(**config)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}})
    )
    path = draw(tmp_path, "red", "circle")
    found = await asked(
        "similarity", pictures=[str(path)], texts=["a dog", "a cat"], model=str(folder)
    )
    assert found["model"] == str(folder)
    clip = models.load(str(folder))
    (tmp_path / "written").mkdir()
    clip.write(tmp_path / "written")  # as fine-tuning does
    again = models.load(str(tmp_path / "written"))
    assert again.identity == clip.identity
    with Image.open(path) as image:
        picture = image.convert("RGB")
        assert (again.picture_vectors([picture]) == clip.picture_vectors([picture])).all()
    _cache_as(monkeypatch, tmp_path / "cache", "who/what", folder)
    cached = models.load("hf-hub:who/what")
    assert cached.identity == clip.identity
    _cache_as(monkeypatch, tmp_path / "cache", "timm/vit_base_patch32_clip_224.openai", folder)
    name, given = open_clip_models._architecture(source_of("ViT-B/32"))  # as the textbook names it
    assert (name, given["force_quick_gelu"]) == ("ViT-B-32", True)
    assert Path(given["pretrained"]).name == "open_clip_model.safetensors"
    assert clip.unread("a dog") == ""
    assert clip.unread("one " * 80).split() == ["one"] * 5
    assert found["logit_scale"] == pytest.approx(model.logit_scale.exp().item(), abs=1e-3)
