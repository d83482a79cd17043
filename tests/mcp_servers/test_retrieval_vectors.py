"""Every vector store finds the same neighbours, follows the store and survives damage."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.store import Store
from mcp_servers.retrieval.vectors import FAISS_KINDS, VectorIndex, checked, vectors_of
from tests.conftest import environment, eventually

SIZE = 400


@pytest.fixture(scope="module")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Chroma server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma")
    command = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert command, "the chromadb package brings the command chroma"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [command, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, 60, "the Chroma server to listen")
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    store = Store("default")
    store.create(embedding.identity(), embedding.DEFAULT)
    return store


@pytest.fixture(params=["chroma", "server", *FAISS_KINDS])
def store(request: pytest.FixtureRequest, own_store: Store) -> Store:
    kind = request.param
    if kind == "server":
        kind = request.getfixturevalue("chroma_server")
    own_store.set_meta("vectors", kind)
    return own_store


def unit_vectors(size: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(size, embedding.DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def put(store: Store, name: str, vectors: np.ndarray) -> None:
    texts = [f"{name} {number}" for number in range(len(vectors))]
    store.keep_vectors((text_hash(t), v.tobytes()) for t, v in zip(texts, vectors, strict=True))
    page = Page(None, "\n".join(texts))
    store.put(
        Document(f"/{name}", name, name[:1] * 64, [page]), [Slice(None, text) for text in texts]
    )


def refresh(store: Store, index: VectorIndex) -> None:
    with store.writer_lock() as mine:
        assert mine
        index.refresh()


def found(store: Store, index: VectorIndex, query: np.ndarray, **within: set[int]) -> list[str]:
    ids = index.nearest(query, 10, within.get("documents"))
    chunks = store.chunks(ids)
    return [chunks[id_].text for id_ in ids]


@pytest.mark.slow
def test_neighbours_follow_what_comes_and_goes(store: Store) -> None:
    first, second = unit_vectors(SIZE), unit_vectors(SIZE, seed=1)
    put(store, "first", first)
    index = vectors_of(store)
    refresh(store, index)
    for number in (0, 7, SIZE - 1):
        assert found(store, index, first[number])[0] == f"first {number}"
    put(store, "second", second)
    assert found(store, index, second[5])[0] == "second 5"  # the search itself follows
    only = store.document_ids(["/second"])
    assert {text.split()[0] for text in found(store, index, first[0], documents=only)} == {"second"}
    store.remove("/first")
    refresh(store, index)
    assert {text.split()[0] for text in found(store, index, first[0])} == {"second"}
    again = vectors_of(store)  # as another process would open it
    assert found(store, again, second[9])[0] == "second 9"
    index.close()
    again.close()


@pytest.mark.slow
@pytest.mark.parametrize("store", FAISS_KINDS, indirect=True)
@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_lost_file_is_built_again(store: Store, damage: str) -> None:
    vectors = unit_vectors(SIZE)
    put(store, "first", vectors)
    index = vectors_of(store)
    refresh(store, index)
    index.close()
    (path,) = store.folder.glob("faiss-*.index")
    path.unlink() if damage == "gone" else path.write_bytes(b"damaged")
    assert found(store, vectors_of(store), vectors[3])[0] == "first 3"


@pytest.mark.parametrize("kind", ["faiss-annoy", "postgres://x", "", "http://"])
def test_an_unknown_store_is_refused_with_the_choice(kind: str) -> None:
    with pytest.raises(EngineError, match="Choose chroma, faiss-flat"):
        checked(kind)


def test_a_server_that_is_not_there_says_how_to_start_it(own_store: Store) -> None:
    own_store.set_meta("vectors", checked("http://127.0.0.1:9"))
    put(own_store, "first", unit_vectors(3))
    with pytest.raises(EngineError, match="chroma run --port 9"):
        vectors_of(own_store).nearest(unit_vectors(1)[0], 1, None)


def test_preparing_opens_chroma_here_and_leaves_a_server_alone(own_store: Store) -> None:
    index = vectors_of(own_store)
    index.prepare()
    opened = own_store.folder / "chroma" / "chroma.sqlite3"
    assert opened.exists()
    index.prepare()
    put(own_store, "first", unit_vectors(3))
    refresh(own_store, index)
    assert found(own_store, index, unit_vectors(3)[1])[0] == "first 1"
    index.close()
    own_store.set_meta("vectors", checked("http://127.0.0.1:9"))
    vectors_of(own_store).prepare()  # nobody listens there


def test_chroma_never_meets_a_numpy_that_is_half_imported(tmp_path: Path) -> None:
    """Which threads of one process can bring about: it begins with `numpy.typing`."""
    script = """
import builtins, sys

imported, asked = builtins.__import__, []

def spy(name, *how):
    if name.partition(".")[0] == "numpy":
        asked.append(name)
    return imported(name, *how)

from mcp_servers.retrieval.store import Store
from mcp_servers.retrieval.vectors import vectors_of

store = Store("default")
store.create("some embedder")
store.set_meta("vectors", "chroma")
index = vectors_of(store)
assert "numpy" not in sys.modules
builtins.__import__ = spy
index.prepare()
assert "chromadb" in sys.modules
print(asked[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "numpy", done.stderr
