"""A folder's pictures indexed, searched by words and pictures, and those that are there twice."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.clip import indexing
from mcp_servers.clip.store import Store
from mcp_servers.drawings.scenes import Colour, Shape
from mcp_servers.errors import EngineError
from tests.conftest import eventually
from tests.mcp_servers.calling import said
from tests.mcp_servers.clip_parts import asked, called, draw

_STARTING = 120  # seconds that a process may take to import torch on a busy machine
KINDS: tuple[tuple[Colour, Shape], ...] = (
    ("red", "circle"),
    ("blue", "star"),
    ("green", "square"),
    ("yellow", "heart"),
)


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path.parent))
    monkeypatch.setenv("DURE_THREADS", "1")
    return tmp_path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "사진"
    for colour, shape in KINDS:
        draw(folder, colour, shape)
    return folder


def indexed(folder: Path, **more: Any) -> dict[str, Any]:
    """The job's work, done in this process."""
    spec = {"index": "pictures", "folder": str(folder), "include": [], "exclude": []}
    job = jobs.create("pictures", {**spec, "model": None, "rebuild": False, **more})
    return indexing.index(jobs.Worker(job))


@pytest.mark.slow  # torch, transformers
async def test_pictures_are_found_by_words_and_by_a_picture(photos: Path, tmp_path: Path) -> None:
    outcome = indexed(photos)
    assert (outcome["added"], outcome["files"], outcome["model"]) == (4, 4, "embedded")
    for query, name in (
        ("a blue star", "blue-star"),
        ("노란 하트", "yellow-heart"),
        ("빨간 동그라미", "red-circle"),
    ):
        found = await asked("search", query_text=query, k=2)
        assert Path(found["results"][0]["picture"]).stem == name
        assert found["results"][0]["score"] > found["results"][1]["score"]
        assert (len(found["results"]), found["pictures"], found["notes"]) == (2, 4, [])
    like = await asked("search", picture=str(draw(tmp_path / "more", "green", "square", 96)))
    assert Path(like["results"][0]["picture"]).stem == "green-square"
    own = await asked("search", picture=str(photos / "red-circle.png"), k=9)
    assert len(own["results"]) == 3  # not itself
    unknown = await asked("search", query_text="고양이")
    assert "고양이" in unknown["notes"][0]
    listed = await asked("list_pictures", limit=3)
    assert (listed["total"], len(listed["pictures"]), listed["folders"]) == (4, 3, [str(photos)])
    [index] = (await asked("indexes"))["result"]
    assert (index["index"], index["pictures"], index["dimension"]) == ("pictures", 4, 128)


@pytest.mark.slow
async def test_what_changed_is_embedded_and_what_vanished_leaves(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(photos)
    (photos / "red-circle.png").rename(photos / "moved.png")
    (photos / "blue-star.png").unlink()
    draw(photos, "pink", "cross").rename(photos / "green-square.png")  # other bytes, same name
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but not")
    (photos / "notes.txt").write_text("no picture")
    shutil.copy(photos / "yellow-heart.png", photos / "copy.png")
    outcome = indexed(photos)
    assert (outcome["added"], outcome["copies"], outcome["removed"]) == (3, 2, 2)
    assert (outcome["unchanged"], outcome["files"], outcome["pictures"]) == (1, 4, 3)
    assert Path(outcome["unusable"][0]["picture"]).name == "broken.png"
    again = indexed(photos)
    assert (again["added"], again["removed"], again["unchanged"]) == (0, 0, 5)
    found = await asked("search", query_text="a pink cross", k=1)
    assert Path(found["results"][0]["picture"]).stem == "green-square"
    twice = await asked("duplicates")
    [group] = twice["groups"]
    assert [Path(path).stem for path in group["files"]] == ["copy", "yellow-heart"]
    assert (group["exact"], twice["exact"], twice["near"]) == (True, 1, 0)
    everything = await asked("duplicates", threshold=-1)
    assert len(everything["groups"][0]["files"]) == 4
    only = indexed(photos, include=["*.png"], exclude=["copy*"])
    assert (only["removed"], only["files"]) == (1, 3)


@pytest.mark.slow
async def test_near_duplicates_are_grouped(photos: Path) -> None:
    draw(photos / "small", "red", "circle", 48)
    indexed(photos)
    [group] = (await asked("duplicates", threshold=0.95))["groups"]
    assert [Path(path).stem for path in group["files"]] == ["red-circle", "red-circle"]
    assert not group["exact"]
    assert 0.95 <= group["similarity"] < 1


@pytest.mark.slow
async def test_another_model_asks_to_rebuild(photos: Path, tmp_path: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from transformers import CLIPModel

    from mcp_servers.drawings import weights

    indexed(photos)
    folder = tmp_path / "other"
    shutil.copytree(weights.folder("clip"), folder)
    result = await called("index_pictures", folder=str(photos), model=str(folder))
    assert "rebuild=true" in said(result)
    outcome = indexed(photos, model=str(folder), rebuild=True)
    assert outcome["model"] == str(folder)
    model = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        model.visual_projection.weight.mul_(-1)
    model.save_pretrained(folder)
    result = await called("search", query_text="a red circle")
    assert "its weights changed" in said(result)
    with pytest.raises(EngineError, match="its weights changed"):
        indexed(photos)
    assert indexed(photos, rebuild=True)["added"] == 4


@pytest.mark.slow  # two processes with torch
async def test_a_killed_job_leaves_an_index_and_resumes(photos: Path) -> None:
    first = draw(photos, "red", "circle")
    for at in range(400):  # of different bytes
        (photos / f"{at:03d}.png").write_bytes(first.read_bytes() + str(at).encode())
    started = await asked("index_pictures", folder=str(photos))
    job = started["job"]
    store = Store("pictures")
    eventually(lambda: store.exists() and store.files(), _STARTING, "a first batch")
    os.kill(jobs.state(job)["pid"], signal.SIGKILL)
    eventually(lambda: jobs.state(job)["status"] == "failed", what="the kill is noticed")
    before = len(store.files())
    assert 32 <= before < 404
    assert (await asked("search", query_text="a red circle", k=1))["results"]
    await asked("resume", job=job)
    eventually(lambda: jobs.state(job)["status"] != "running", _STARTING, "the job's end")
    state = await asked("job", job=job)
    assert state["status"] == "done", state["error"]
    assert (state["result"]["added"], state["result"]["unchanged"]) == (404 - before, before)
    assert (state["result"]["files"], state["result"]["unusable"]) == (404, [])


async def test_requests_that_cannot_be_done_say_what_to_do(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "empty").mkdir()
    for tool, arguments, words in (
        ("search", {"query_text": "a"}, "There is no index 'pictures'"),
        ("search", {}, "one of them"),
        ("search", {"query_text": "a", "picture": "b"}, "one of them"),
        ("search_texts", {"picture": str(photos / "red-circle.png")}, "one of them"),
        ("duplicates", {"index": "none"}, "There is no index 'none'"),
        ("list_pictures", {"index": "../x"}, "no index name"),
        ("remove_index", {"index": "none"}, "There is no index"),
        ("index_pictures", {"folder": str(tmp_path / "empty")}, "holds no picture"),
        ("index_pictures", {"folder": str(tmp_path / "gone")}, "no folder that can be found"),
        ("index_pictures", {"folder": str(photos / "red-circle.png")}, "is a file"),
        ("index_pictures", {"folder": str(photos), "include": ["*.bmp"]}, "include and exclude"),
        ("index_pictures", {"folder": str(photos), "model": "nothing"}, "no CLIP model"),
        ("index_pictures", {"folder": "/etc"}, "outside the folders"),
        ("resume", {"job": jobs.create("translator", {}).name}, "no job of this server"),
    ):
        result = await called(tool, **arguments)
        assert result.isError, (tool, arguments)
        assert words in said(result), said(result)
    assert not Store("pictures").exists()


async def test_a_broken_index_says_so_and_can_be_removed(dure_home: Path) -> None:
    folder = dure_home / "clip" / "broken"
    folder.mkdir(parents=True)
    (folder / "index.sqlite").write_bytes(b"no database at all, but long enough" * 10)
    result = await called("list_pictures", index="broken")
    assert "is broken" in said(result)
    assert "remove_index" in said(result)
    await asked("remove_index", index="broken")
    assert not folder.exists()


@pytest.mark.slow
async def test_texts_are_found_for_a_picture(tmp_path: Path) -> None:
    picture = draw(tmp_path, "blue", "star")
    texts = ["a red circle", "파란 별", "a green square"]
    found = await asked("search_texts", picture=str(picture), texts=texts, k=2)
    assert found["results"][0]["text"] == "파란 별"
    assert (len(found["results"]), found["texts"]) == (2, 3)
    (tmp_path / "lines.txt").write_text("a red circle\n\n파란 별\n", encoding="cp949")
    lines = await asked("search_texts", picture=str(picture), file=str(tmp_path / "lines.txt"))
    assert [each["text"] for each in lines["results"]] == ["파란 별", "a red circle"]


@pytest.mark.slow
async def test_an_index_is_removed_and_its_pictures_stay(photos: Path) -> None:
    indexed(photos)
    assert await asked("remove_index", index="pictures") == {"index": "pictures"}
    assert len(list(photos.iterdir())) == 4
    assert (await asked("indexes"))["result"] == []
