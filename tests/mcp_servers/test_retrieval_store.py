"""An index stays whole: other processes, killed jobs, damaged graphs, one writer at a time."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding, searching
from mcp_servers.retrieval.chroma import ChromaVectors
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.searching import Request
from mcp_servers.retrieval.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    store = Store("default")
    store.create(embedding.identity())
    return store


def put(store: Store, source: str, *texts: str) -> None:
    """A document as a job puts it, before the job has told Chroma."""
    vectors = embedding.passage_vectors(list(texts))
    store.keep_vectors((text_hash(t), v.tobytes()) for t, v in zip(texts, vectors, strict=True))
    page = Page(None, "\n".join(texts))
    store.put(
        Document(source, Path(source).name, "0" * 64, [page]), [Slice(None, t) for t in texts]
    )


def start(*paths: Path) -> jobs.JobState:
    spec = {"index": "default", "files": [str(path) for path in paths], "skipped": []}
    return jobs.start("index", "mcp_servers.retrieval.indexing", spec)


def watched(job: str, wanted: Callable[[jobs.JobState], bool]) -> jobs.JobState:
    """The job's first state that is as wanted, looked at often while it runs."""
    while not wanted(state := jobs.state(job)):
        assert state["status"] == "running", state
        time.sleep(0.02)  # a bare loop would take the core from the job
    return state


def nearest(store: Store, query: str) -> list[str]:
    """What the graph alone finds, as texts."""
    ids = searching.searcher(store).vectors.nearest(embedding.query_vector(query), 10, None)
    chunks = store.chunks(ids)
    return [chunks[id_].text for id_ in ids]


def test_a_search_sees_what_another_process_writes(store: Store, tmp_path: Path) -> None:
    put(store, "/a.txt", "The cat sleeps.")
    assert nearest(store, "cat") == ["The cat sleeps."]
    other = tmp_path / "b.txt"
    other.write_text("기차는 빠르게 달린다.", encoding="utf-8")
    os.waitpid(start(other)["pid"], 0)
    assert nearest(store, "기차") == ["기차는 빠르게 달린다.", "The cat sleeps."]
    store.remove("/a.txt")
    assert nearest(store, "cat") == ["기차는 빠르게 달린다."]


def test_search_mends_a_graph_that_a_killed_job_left_behind(store: Store) -> None:
    put(store, "/a.txt", "The cat sleeps.")
    put(store, "/b.txt", "기차는 빠르게 달린다.")
    assert store.meta("graph") != store.meta("stamp")
    assert len(nearest(store, "cat")) == 2
    assert store.meta("graph") == store.meta("stamp")


def test_search_does_not_wait_for_a_writer(store: Store) -> None:
    put(store, "/a.txt", "The cat sleeps.")
    assert len(nearest(store, "cat")) == 1
    with store.writer_lock() as mine:
        assert mine
        put(store, "/b.txt", "A train runs.")
        assert nearest(store, "train") == ["The cat sleeps."]
        found = searching.search("default", Request("train", 5))  # BM25 knows it already
        assert found["passages"][0]["text"] == "A train runs."


@pytest.mark.parametrize("damage", ["gone", "database", "graph"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Chroma's own
def test_a_damaged_graph_is_rebuilt(store: Store, damage: str) -> None:
    put(store, "/a.txt", *(f"Sentence number {n} is about trains." for n in range(12)))
    graph = ChromaVectors(store)
    vector = embedding.query_vector("trains")
    assert len(graph.nearest(vector, 10, None)) == 10
    graph.close()
    folder = store.folder / "chroma"
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "database":
        (folder / "chroma.sqlite3").write_bytes(b"damaged" * 4000)
    else:
        for path in folder.glob("*/*.bin"):
            path.write_bytes(b"damaged")
    again = ChromaVectors(store)
    assert len(again.nearest(vector, 10, None)) == 10
    again.close()


@pytest.mark.slow
def test_killed_jobs_leave_a_readable_index_and_go_on_where_they_were(
    store: Store, tmp_path: Path
) -> None:
    put(store, "/first.txt", "The cat sleeps.")
    long = tmp_path / "long.txt"
    long.write_text("".join(f"{n}번 문장은 기차 이야기이다. " for n in range(500)), "utf-8")
    job = start(long)
    watched(job["job"], lambda state: state["done"] >= 8)
    os.kill(job["pid"], signal.SIGKILL)
    os.waitpid(job["pid"], 0)
    assert jobs.state(job["job"])["status"] == "failed"
    assert [row["title"] for row in store.documents()] == ["first.txt"]
    assert searching.search("default", Request("cat", 3))["searched"]["documents"] == 1

    again = start(long)
    first = watched(again["job"], lambda state: state["done"] > 0)
    assert first["done"] >= 8  # those vectors were not computed again
    state = watched(again["job"], lambda state: state["status"] != "running")
    assert state["status"] == "done" and state["done"] == state["total"]
    assert searching.search("default", Request("기차", 3))["searched"]["documents"] == 2


def test_one_writer_at_a_time(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("alpha")
    with store.writer_lock() as mine:
        assert mine
        with store.writer_lock() as second:
            assert not second
        job = start(path)
        watched(job["job"], lambda state: "waiting" in state["message"])
    os.waitpid(job["pid"], 0)
    assert jobs.state(job["job"])["status"] == "done"


def test_equal_texts_share_a_vector_and_unused_ones_go(store: Store) -> None:
    put(store, "/a.txt", "same", "only a")
    put(store, "/b.txt", "same")
    hashes = [text_hash("same"), text_hash("only a")]
    assert store.known_vectors(hashes) == set(hashes)
    store.remove("/a.txt")
    assert store.known_vectors(hashes) == {text_hash("same")}


def test_threads_search_at_once(store: Store) -> None:
    put(store, "/a.txt", *(f"Topic {n} is about number {n}." for n in range(20)))
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for _ in range(5):
                assert searching.search("default", Request(f"topic {n}", 3))["passages"]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "한글", "x" * 65])
def test_index_names(name: str) -> None:
    with pytest.raises(EngineError, match="index name"):
        Store(name)
