"""Models in their folders and runs in training: published whole, swept, forgotten, judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import checkpoints, folders, jobs, model_folders
from mcp_servers.errors import EngineError
from mcp_servers.foundations import learning, server
from mcp_servers.foundations.settings import TranslatorSettings

DIGEST = "0123456789abcdef"
pytestmark = pytest.mark.usefixtures("dure_home")


def published(name: str, said: str) -> Path:
    folder = model_folders.folder_of("translators", name)
    with folders.replaced(folder) as aside:
        (aside / "config.json").write_text(said, encoding="utf-8")
    return folder


def test_a_new_model_takes_the_old_ones_place() -> None:
    published("a", "old")
    folder = published("a", "new")
    assert (folder / "config.json").read_text() == "new"
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


def test_the_old_model_stays_where_the_new_one_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = published("a", "old")
    with pytest.raises(ValueError, match="no room"), folders.replaced(folder):
        raise ValueError("no room")
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError("no room")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no room"):
        published("a", "new")
    assert (folder / "config.json").read_text() == "old"
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


def test_what_killed_processes_left_is_swept_and_what_others_write_is_not() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = model_folders.folder_of("translators", "a")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        names = [f".a.{gone.pid}.new", f".a.{gone.pid}.old", f".a.{other.pid}.new", ".ab.1.new"]
        for name in names:
            (folder.parent / name).mkdir(parents=True)
        published("a", "new")
        assert {path.name for path in folder.parent.iterdir()} == {"a", *names[2:]}
        (folder.parent / names[0]).mkdir()
        folders.remove(folder)
        assert {path.name for path in folder.parent.iterdir()} == {*names[2:]}
    finally:
        other.communicate(b"\n")


def test_what_abandoned_runs_left_goes_with_their_model() -> None:
    free, held = (checkpoints.path_of("translators", "a", digit * 16) for digit in "01")
    others = [
        checkpoints.path_of("translators", "a-b", DIGEST),
        checkpoints.path_of("translators", "ab", DIGEST),
    ]
    for path in (free, held, *others):
        path.write_bytes(b"state")
        path.with_suffix(".lock").touch()
    free.with_suffix(".123.tmp").touch()
    published("a", "{}")
    with checkpoints.only_one(held):
        server.delete_model("a", "translator")
        kept = {path.stem for path in held.parent.iterdir()}
        assert kept == {path.stem for path in (held, *others)}
        with pytest.raises(EngineError, match="A job is training"), checkpoints.only_one(held):
            pass
    server.delete_model("a", "translator")  # nothing is published, but a run was begun
    assert not held.exists() and not held.with_suffix(".lock").exists()
    with pytest.raises(EngineError, match="There is no translator 'a'"):
        server.delete_model("a", "translator")
    with checkpoints.only_one(held):
        assert held.with_suffix(".lock").exists()


def learned(data: Path, **changed: Any) -> dict[str, Any]:
    """What a very small run in this process answers."""
    spec = TranslatorSettings(
        **{
            **{"name": "a", "data": str(data), "epochs": 1, "batch_size": 64, "seed": 1},
            **{"learning_rate": 0.01, "d_model": 8, "heads": 1, "layers": 1, "hidden": 8},
            **{"dropout": 0.0, "vocabulary": 40, "longest": 12, **changed},
        }
    ).checked()
    return learning.learn(jobs.Worker(jobs.create("translator", spec)))


def test_references_are_the_sentences_as_written_and_an_abandoned_run_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = [chr(0x4E00 + n) for n in range(60)]
    data = tmp_path / "p.tsv"
    data.write_text("\n".join(f"no {n}\t{sign}" for n, sign in enumerate(signs)), encoding="utf-8")
    left = checkpoints.path_of("translators", "a", DIGEST)
    left.touch()
    monkeypatch.setattr(learning, "MAX_JUDGED", 4)
    found = learned(data)
    references = {each["reference"] for each in found["samples"]}
    assert len(references) == 4 and references <= {*signs}  # in training none of them stood
    assert (found["data"]["train"], found["data"]["held_out"]) == (54, 4)
    assert found["data"]["skipped"] == 0 and found["exact"] == 0
    assert list(left.parent.iterdir()) == []
