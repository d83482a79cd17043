"""Pictures found by their looks: which CLIP embeds them, and what it says of questions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.clip import models
from mcp_servers.drawings import weights
from mcp_servers.errors import EngineError
from mcp_servers.retrieval import searching
from mcp_servers.retrieval.picture_search import sought
from mcp_servers.retrieval.picture_store import PictureStore
from mcp_servers.retrieval.searching import Request
from mcp_servers.retrieval.store import Store
from tests.mcp_servers.pictured import drawing, report, slides
from tests.mcp_servers.test_retrieval_indexing import add, docs

__all__ = ["docs"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two CLIPs, `one` and `two`: the embedded one, and it without its memory."""
    from mcp_servers.torch_runtime import torch

    folder = tmp_path_factory.mktemp("clips")
    for name in ("one", "two"):
        shutil.copytree(weights.folder("clip"), folder / name)
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(1)
    model = CLIPModel(CLIPConfig.from_pretrained(folder / "two"))
    model.save_pretrained(folder / "two")
    return folder


def find(query: str, **options: Any) -> Any:
    return searching.search("default", Request(query=query, **options))


def held() -> PictureStore:
    return PictureStore(Store("default"))


def test_the_model_is_the_indexs_own_and_another_embeds_all_anew(
    docs: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_ALLOW", f"{docs}:{others}")
    drawing("red", "star").save(docs / "a.png")
    assert add(docs, clip=str(others / "one"))["pictures"]["note"] is None
    assert held().meta("clip_name") == str(others / "one")
    first = held().looks()
    drawing("blue", "heart").save(docs / "b.png")
    assert add(docs)["pictures"]["total"] == 2  # by the same model, unnamed
    assert held().meta("clip_name") == str(others / "one")
    grown = held().looks()
    assert len(grown) == 2 and first.items() <= grown.items()
    add(docs, clip=str(others / "two"))
    anew = held().looks()
    assert anew.keys() == grown.keys()
    assert all(anew[name] != grown[name] for name in anew)


def test_without_a_model_pictures_are_found_by_their_words_and_a_note_says_why(
    docs: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_ALLOW", f"{docs}:{others}")
    report(docs / "report.pdf")
    broken = shutil.copytree(others / "one", others / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    note = add(docs, clip=str(broken))["pictures"]["note"]
    assert "by the words around them alone" in note and "cannot be loaded" in note
    found = find("마을의 표식인 별")
    assert found["pictures"][0]["page"] == 1
    assert found["note"] is None  # nothing of it was embedded: nothing is missing
    add(docs, clip=str(others / "one"))
    monkeypatch.setattr(models, "_held", {})
    (others / "one").rename(others / "gone")
    try:
        found = find("마을의 표식인 별")
    finally:
        (others / "gone").rename(others / "one")
    assert found["pictures"][0]["page"] == 1
    assert "by the words around them alone" in found["note"]


def test_vectors_of_another_version_are_not_compared(
    docs: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_ALLOW", f"{docs}:{others}")
    drawing("red", "star").save(docs / "a.png")
    add(docs, clip=str(others / "one"))
    model = models.load(str(others / "one"))
    monkeypatch.setitem(model.__dict__, "identity", "trained further")
    found = find("별")
    assert "another version" in found["note"] and "Add their files again" in found["note"]
    add(docs)
    assert held().meta("clip") == "trained further"
    assert find("별")["note"] is None


def test_a_model_that_cannot_be_is_refused_before_a_job_starts(
    docs: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path))
    drawing("red", "star").save(docs / "a.png")
    with pytest.raises(EngineError, match="There is no CLIP model"):
        add(docs, clip="clop")
    with pytest.raises(EngineError, match="outside the folders"):
        add(docs, clip=str(others / "one"))
    pickled = shutil.copytree(others / "one", tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(EngineError, match="pickled"):
        add(docs, clip=str(pickled))


def test_words_that_every_picture_is_are_not_sought() -> None:
    assert sought("파란 원이 있는 그림") == "파란 원"
    assert sought("a picture of a red star") == "a red star"
    assert sought("그림 2") == "그림 2"
    assert sought("Figure 3 encoder") == "Figure 3 encoder"
    assert sought("그림") == "그림"


def test_drawings_are_found_by_their_looks_in_both_languages(docs: Path) -> None:
    report(docs / "report.pdf")
    slides(docs / "deck.pptx")
    for number, (colour, shape) in enumerate(
        [("yellow", "square"), ("cyan", "circle"), ("purple", "cross"), ("pink", "triangle")]
    ):
        drawing(colour, shape, 160).save(docs / f"IMG_{number}.png")  # type: ignore[arg-type]
    add(docs)
    for query, title in (
        ("보라색 십자가", "IMG_2.png"),
        ("a yellow square", "IMG_0.png"),
        ("분홍 삼각형", "IMG_3.png"),
    ):
        best = find(query, modality="pictures")["pictures"][0]
        assert (best["title"], best["scores"]["looks_rank"]) == (title, 1)
    star = find("빨간 별")["pictures"][0]
    assert (star["title"], star["page"]) == ("report.pdf", 1)
    assert star["scores"]["words_rank"] == star["scores"]["looks_rank"] == 1
    assert find("연차 휴가는 며칠인가요?")["pictures"] == []
