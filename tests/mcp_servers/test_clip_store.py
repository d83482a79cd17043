"""An index of pictures on the disk: vectors, files, what a killed writer leaves. No model."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mcp_servers.clip import store as stores
from mcp_servers.clip.store import File, Folder, Store
from mcp_servers.errors import EngineError

SIDE = 8


@pytest.fixture
def store(dure_home: Path) -> Store:
    found = Store("사진")
    with found.writing_alone():
        found.create()
    found.reset("embedded", "abc", SIDE)
    return found


def axes(*numbers: int) -> NDArray[np.float32]:
    return np.eye(SIDE, dtype=np.float32)[list(numbers)]


def file(name: str, size: int = 1) -> File:
    return File(f"/p/{name}.png", size, 5)


def nearest(store: Store, axis: int) -> tuple[list[str], float]:
    pytest.importorskip("torch")
    from mcp_servers.clip.searching import nearest as rows

    [(row, score)] = rows(store.snapshot(), axes(axis)[0], 1)
    return store.paths(row), score


def test_vectors_are_found_again_by_another_process_s_eyes(store: Store) -> None:
    store.add([(file("a"), "A"), (file("b"), "B")], axes(0, 1))
    stores._snapshots.clear()
    assert nearest(store, 1) == (["/p/b.png"], 1.0)
    assert nearest(store, 0) == (["/p/a.png"], 1.0)
    assert store.files() == {"/p/a.png": file("a"), "/p/b.png": file("b")}
    assert store.snapshot() is store.snapshot()


def test_files_of_equal_bytes_share_a_vector_until_the_last_one_goes(store: Store) -> None:
    store.add([(file("a"), "A")], axes(0))
    assert store.join(file("copy"), "A")
    assert not store.join(file("other"), "B")
    assert nearest(store, 0)[0] == ["/p/a.png", "/p/copy.png"]
    store.forget(["/p/a.png"])
    assert nearest(store, 0)[0] == ["/p/copy.png"]
    store.forget(["/p/copy.png"])
    assert store.different() == 0
    assert not store.snapshot().live.any()


def test_a_changed_file_loses_its_old_picture(store: Store) -> None:
    store.add([(file("a"), "A"), (file("b"), "B")], axes(0, 1))
    store.add([(file("a", 2), "C")], axes(2))
    assert store.different() == 2
    assert nearest(store, 2) == (["/p/a.png"], 1.0)
    assert nearest(store, 0)[1] == 0.0
    store.refuse(file("b", 3), "broken")
    assert store.usable() == ["/p/a.png"]
    assert store.unusable() == [("/p/b.png", "broken")]


def test_rows_that_a_killed_writer_left_are_written_over(store: Store) -> None:
    store.add([(file("a"), "A")], axes(0))
    vectors = next(store.folder.glob("vectors-*.f32"))
    with vectors.open("ab") as left:
        left.write(b"\xff" * 50)  # a row and a half that no transaction names
    store.add([(file("b"), "B")], axes(3))
    assert nearest(store, 3) == (["/p/b.png"], 1.0)
    assert np.isfinite(store.snapshot().matrix).all()


def test_unused_rows_go_when_they_are_the_most_and_a_reader_keeps_its_map(store: Store) -> None:
    store.add([(file(str(at)), str(at)) for at in range(8)], axes(*range(8)))
    before = store.snapshot()
    store.forget([f"/p/{at}.png" for at in (0, 1, 2, 4, 6)])
    store.compact()
    assert store.snapshot().matrix.shape == (3, SIDE)
    assert len(list(store.folder.glob("vectors-*.f32"))) == 1
    for at in (3, 5, 7):
        assert nearest(store, at) == ([f"/p/{at}.png"], 1.0)
    assert (before.matrix == axes(*range(8))).all()
    store.add([(file("new"), "new")], axes(0))
    assert nearest(store, 0) == (["/p/new.png"], 1.0)


def test_an_index_for_another_model_starts_empty_and_keeps_its_folders(store: Store) -> None:
    store.set_folder(Folder("/p", ("*.png",), ()))
    store.add([(file("a"), "A")], axes(0))
    store.reset("other", "def", 2)
    assert (store.files(), store.meta("identity"), store.snapshot().matrix.shape) == (
        {},
        "def",
        (0, 2),
    )
    assert store.folders() == [Folder("/p", ("*.png",), ())]


@pytest.mark.parametrize("left", [0, 5, None])
def test_vectors_that_are_not_whole_are_told(store: Store, left: int | None) -> None:
    store.add([(file("a"), "A"), (file("b"), "B")], axes(0, 1))
    stores._snapshots.clear()
    vectors = next(store.folder.glob("vectors-*.f32"))
    if left is None:
        vectors.unlink()
    else:
        vectors.write_bytes(b"\0" * left)
    with pytest.raises(EngineError, match="not whole"):
        store.snapshot()


def test_a_full_disk_is_told_and_leaves_the_index_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([(file("a"), "A")], axes(0))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stores.os, "fsync", full)
    with pytest.raises(EngineError, match="No space left"):
        store.add([(file("b"), "B")], axes(1))
    monkeypatch.undo()
    assert store.usable() == ["/p/a.png"]


def test_an_index_is_not_removed_under_its_writer(store: Store) -> None:
    with Store("사진").writing_alone() as mine:
        assert mine
        with pytest.raises(EngineError, match="Cancel it first"):
            store.remove()
    store.remove()
    assert stores.names() == []
    with pytest.raises(EngineError, match="none yet"):
        store.must_exist()


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 65])
def test_names_that_are_none(dure_home: Path, name: str) -> None:
    with pytest.raises(EngineError, match="no index name"):
        Store(name)
