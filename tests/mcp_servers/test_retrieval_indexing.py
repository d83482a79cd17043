"""The indexing job by its tool: folders that change, the same file twice, sizes, embedders."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding, indexing, server
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.store import Store
from tests.conftest import eventually
from tests.mcp_servers.test_retrieval_parsing import HTML, slide_file, word_file
from tests.mcp_servers.test_retrieval_text import pdf_bytes

Embedded = list[str]


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for documents, with an empty home of Dure's beside it."""
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path))
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """Every text that is embedded from here on in this process, in order."""
    texts: list[str] = []
    embedder = embedding.of(embedding.DEFAULT)
    whole = embedder.passage_vectors

    def counted(given: list[str]) -> Any:
        texts.extend(given)
        return whole(given)

    monkeypatch.setattr(embedder, "passage_vectors", counted)
    return texts


def add(*paths: Path, cancel_at: int | None = None, **options: Any) -> Any:
    """What the tool asks of the job, done in this process: the job's result.

    `cancel_at` cancels it at its first step with so many chunks done.
    """
    spec: dict[str, Any] = {}

    def keep(kind: str, module: str, given: dict[str, Any]) -> jobs.JobState:
        spec.update(given)
        return {"job": "index-1", "status": "running"}  # type: ignore[typeddict-item]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "start", keep)
        server.add(None, [str(path) for path in paths], **options)  # type: ignore[arg-type]

    class Worker:
        def __init__(self) -> None:
            self.spec = spec

        def step(self, done: int, total: int, message: str) -> None:
            assert 0 <= done <= total or total == 0
            if cancel_at is not None and done >= cancel_at:
                raise jobs.Cancelled

    return indexing.index_files(Worker())  # type: ignore[arg-type]


def rows(index: str = "default") -> list[tuple[str, list[str]]]:
    """Titles, and the titles of their other paths."""
    return [
        (row["title"], [Path(path).name for path in row["other_paths"]])
        for row in server.list_documents(index)
    ]


def test_every_kind_of_file_is_indexed_and_found_verbatim(docs: Path) -> None:
    word_file(docs / "보고서.docx")
    slide_file(docs / "slides.pptx")
    (docs / "guide.html").write_text(HTML)
    (docs / "people.csv").write_text("이름,나이\n김철수,35\n이영희,41\n", encoding="cp949")
    (docs / "notes.md").write_text("# Notes\n\nThe village cooperative shares its tools.")
    (docs / "old.doc").write_bytes(b"x")
    (docs / "broken.pptx").write_bytes(b"x")
    (docs / "paper.pdf").write_bytes(pdf_bytes([["MMR의 λ는 다양성을 조절한다."]]))
    result = add(docs)
    assert {Path(item["path"]).name: item["pages"] for item in result["indexed"]} == {
        **{"보고서.docx": None, "slides.pptx": 3, "guide.html": None, "people.csv": None},
        **{"notes.md": None, "paper.pdf": 1},
    }
    assert {Path(item["path"]).name for item in result["skipped"]} == {"old.doc", "broken.pptx"}
    for query, title, page in [
        ("김철수의 나이는?", "people.csv", None),
        ("LoRA의 rank는?", "slides.pptx", 1),
        ("next line 위의 글", "slides.pptx", 3),
        ("쌀은 언제 거두나요?", "guide.html", None),
        ("What does the cooperative share?", "notes.md", None),
    ]:
        found = server.search(query, k=1)["passages"][0]
        assert (found["title"], found["page"]) == (title, page), query
        assert found["text"] in server.page_text(found["source"], found["page"])["text"]


def test_only_what_changed_is_embedded_again(docs: Path, embedded: Embedded) -> None:
    first, second = ("가을에 벼를 거둔다. " * 24, "The cat sleeps all day. " * 12)
    (docs / "a.md").write_text(f"# 하나\n\n{first}\n\n# Two\n\n{second}")
    (docs / "b.txt").write_text("기차는 빠르다.")
    add(docs)
    assert len(embedded) == 3
    assert add(docs)["unchanged"] == [str(docs / "a.md"), str(docs / "b.txt")]
    (docs / "a.md").write_text(f"# 하나\n\n{first}\n\n# Two\n\nA dog barks.")
    changed = add(docs)
    assert [item["replaced"] for item in changed["indexed"]] == [True]
    assert len(embedded) == 4 and "A dog barks." in embedded[-1]


def test_what_a_cancelled_job_embedded_is_not_embedded_again(
    docs: Path, embedded: Embedded
) -> None:
    (docs / "a.txt").write_text("먼저 읽는 글이다.")
    (docs / "b.txt").write_text(
        " ".join(f"문장 번호 {n}은 여기에서 조용히 끝난다." for n in range(60))
    )
    sizes = {"chunk_size": 50, "chunk_overlap": 0}
    with pytest.raises(jobs.Cancelled):
        add(docs, cancel_at=17, **sizes)
    assert rows() == [("a.txt", [])] and server.search("글", k=1)["passages"]
    assert len(embedded) == 17
    (docs / "a.txt").write_text("먼저 읽는 글이 바뀌었다.")
    add(docs / "a.txt")  # another job in between takes nothing away from it
    add(docs)
    assert len(embedded) == len(set(embedded)) > 20
    assert [title for title, _ in rows()] == ["a.txt", "b.txt"]


def test_a_file_that_vanished_from_its_folder_leaves_the_index(docs: Path) -> None:
    (docs / "deep").mkdir()
    for name in ("a.txt", "deep/b.txt", "c.txt"):
        (docs / name).write_text(f"text of {name}")
    alone = docs / "alone.txt"
    alone.write_text("named by itself")
    add(alone)
    add(docs / "deep", docs, exclude=["alone.txt"])
    (docs / "deep" / "b.txt").unlink()
    alone.unlink()
    result = add(docs)
    assert result["removed"] == [str(docs / "deep" / "b.txt")]
    assert sorted(title for title, _ in rows()) == ["a.txt", "alone.txt", "c.txt"]
    assert add(docs, include=["a.txt"])["removed"] == []  # left out is not gone
    assert add(alone)["removed"] == [str(alone)]
    with pytest.raises(EngineError, match="no such file"):
        server.add(None, [str(alone)])  # type: ignore[arg-type]
    for name in ("a.txt", "c.txt"):
        (docs / name).unlink()
    assert len(add(docs)["removed"]) == 2
    assert rows() == [] and Store("default").known_vectors([text_hash("text of a.txt")]) == set()


def test_a_folder_that_is_not_there_takes_nothing_out(docs: Path) -> None:
    (docs / "a.txt").write_text("alpha")
    add(docs)
    shutil.move(docs, docs.with_name("moved"))
    with pytest.raises(EngineError, match="no such file"):
        server.add(None, [str(docs)])  # type: ignore[arg-type]
    assert rows() == [("a.txt", [])]


def test_the_same_content_is_one_document_with_all_its_paths(
    docs: Path, embedded: Embedded
) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (docs / name).write_text("같은 글이다.")
    (docs / "same.csv").write_text("같은 글이다.")  # another kind reads the same bytes otherwise
    result = add(docs)
    assert result["duplicates"] == [
        {"path": str(docs / name), "source": str(docs / "a.txt")} for name in ("b.txt", "c.txt")
    ]
    assert rows() == [("a.txt", ["b.txt", "c.txt"]), ("same.csv", [])]
    (docs / "a.txt").unlink()
    assert add(docs)["removed"] == [str(docs / "a.txt")]
    assert rows()[0] == ("b.txt", ["c.txt"])
    found = server.search("같은 글", k=1, source=str(docs / "b.txt"))["passages"][0]
    assert found["source"] == str(docs / "b.txt")
    (docs / "b.txt").write_text("이제 다른 글이다.")
    add(docs)
    assert sorted(rows()) == [("b.txt", []), ("c.txt", []), ("same.csv", [])]
    embedded.clear()
    (docs / "c.txt").rename(docs / "renamed.txt")
    renamed = add(docs)
    assert (len(renamed["duplicates"]), len(renamed["removed"]), embedded) == (1, 1, [])
    (docs / "copy.txt").write_text("같은 글이다.")
    add(docs)
    removed = server.remove(str(docs / "copy.txt"))
    assert removed["removed"] == str(docs / "renamed.txt")
    assert removed["other_paths"] == [str(docs / "copy.txt")] and removed["documents"] == 2


def test_chunk_sizes_are_recorded_and_kept(docs: Path) -> None:
    text = " ".join(f"문장 번호 {n}는 여기에서 조용히 끝난다." for n in range(24))
    (docs / "a.txt").write_text(text)
    add(docs)
    (before,) = server.list_documents()
    assert before["chunking"].startswith("500/100 characters")
    add(docs, chunk_size=200)
    (small,) = server.list_documents()
    assert small["chunking"].startswith("200/40 characters")
    assert small["chunks"] > 1.5 * before["chunks"]
    assert add(docs)["unchanged"]  # the index's own sizes hold from now on
    add(docs, chunk_size=64, chunk_overlap=0, chunk_unit="tokens")
    (tokens,) = server.list_documents()
    assert tokens["chunking"].startswith("64/0 tokens")
    embedder = embedding.of(embedding.DEFAULT)
    found = server.search("문장 번호 7", k=20)["passages"]
    assert max(embedder.tokens(passage["text"]) for passage in found) <= 64


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunk_size": 10}, "from 50"),
        ({"chunk_size": 200, "chunk_overlap": 150}, "half of chunk_size"),
        ({"include": ["!"]}, "pattern is wrong"),
        ({"exclude": ["*.txt"]}, "include and exclude"),
        ({"embedder": "none/such"}, "pip install sentence-transformers"),
    ],
)
def test_bad_options_are_refused_at_once(docs: Path, options: dict[str, Any], words: str) -> None:
    (docs / "a.txt").write_text("alpha")
    if "embedder" in options and _has_sentence_transformers():
        pytest.skip("sentence-transformers is installed")
    with pytest.raises(EngineError, match=words):
        server.add(None, [str(docs)], **options)  # type: ignore[arg-type]
    assert not Store("default").exists()


def _has_sentence_transformers() -> bool:
    from importlib.util import find_spec

    return find_spec("sentence_transformers") is not None


def test_more_tokens_than_the_embedder_takes_are_refused(docs: Path) -> None:
    (docs / "a.txt").write_text("alpha")
    with pytest.raises(EngineError, match=r"takes 512\. Choose a smaller one"):
        add(docs, chunk_size=600, chunk_unit="tokens")


def test_an_index_keeps_its_embedder_and_an_english_one_refuses_korean(docs: Path) -> None:
    (docs / "seoul.txt").write_text("Seoul (서울) is the capital of the Republic of Korea.")
    (docs / "한국.txt").write_text("서울은 대한민국의 수도이다. Seoul.")
    result = add(docs, index="english", embedder="e5-small-en-pt")
    assert [Path(item["path"]).name for item in result["indexed"]] == ["seoul.txt"]
    (skipped,) = result["skipped"]
    assert Path(skipped["path"]).name == "한국.txt"
    assert "Korean" in skipped["reason"] and "e5-small-en-pt" in skipped["reason"]
    assert "multilingual-e5-small" in skipped["reason"]
    add(docs / "seoul.txt", index="english")  # the index's own embedder, unnamed
    with pytest.raises(EngineError, match="Rebuild it"):
        server.add(None, [str(docs)], index="english", embedder=embedding.DEFAULT)  # type: ignore[arg-type]
    add(docs)
    with pytest.raises(EngineError, match="built with the embedder multilingual-e5-small"):
        server.add(None, [str(docs)], embedder="e5-small-en-pt")  # type: ignore[arg-type]
    embedder = embedding.of_index(Store("english"))
    assert embedder.name == "e5-small-en-pt"
    with pytest.raises(EngineError, match="Korean"):
        embedding.must_read(embedder, "대한민국의 수도는?")
    embedding.must_read(embedder, "capital of Korea")
    embedding.must_read(embedding.of_index(Store("default")), "대한민국의 수도는?")


def test_an_index_from_before_paths_were_kept_is_read_and_grows(docs: Path) -> None:
    (docs / "a.txt").write_text("alpha beta")
    add(docs)
    with closing(sqlite3.connect(Store("default").folder / "index.sqlite")) as database, database:
        for change in ("DROP TABLE paths", "DROP INDEX documents_sha256"):
            database.execute(change)
        database.execute("ALTER TABLE documents DROP COLUMN chunking")
        database.execute("ALTER TABLE chunks DROP COLUMN heading")
        database.execute("DELETE FROM meta WHERE key IN ('embedder_name', 'chunking')")
        database.execute("PRAGMA user_version = 0")
    assert rows() == [("a.txt", [])]
    (docs / "b.txt").write_text("gamma")
    result = add(docs)
    assert [item["replaced"] for item in result["indexed"]] == [True, False]
    assert rows() == [("a.txt", []), ("b.txt", [])]
    assert server.search("gamma", k=1)["passages"][0]["title"] == "b.txt"


@pytest.mark.parametrize("made", [b"", None])
def test_an_index_that_was_killed_while_it_was_made_is_empty_and_grows(
    docs: Path, made: bytes | None
) -> None:
    (docs / "a.txt").write_text("alpha beta")
    store = Store("half")
    store.folder.mkdir(parents=True)
    (store.folder / "index.sqlite").write_bytes(made or b"")
    if made is None:
        assert store.meta("stamp")  # the tables are there, the embedder is not
    assert rows("half") == []
    assert len(add(docs, index="half", embedder="e5-small-en-pt")["indexed"]) == 1
    assert embedding.of_index(store).name == "e5-small-en-pt"


def test_a_document_goes_with_its_last_path(docs: Path) -> None:
    store = Store("default")
    store.create(embedding.identity())
    store.keep_vectors([(text_hash(text), b"\0" * 4) for text in ("one", "two", "job")])
    for source, text in (("/a.txt", "one"), ("/b.txt", "two")):
        document = Document(source, Path(source).name, text, [Page(None, text)])
        store.put(document, [Slice(None, text)], "c", "/")
    assert store.twin(Path("/x.txt"), "one", "c") == "/a.txt"
    assert store.twin(Path("/x.md"), "one", "c") is store.twin(Path("/x.txt"), "one", "d") is None
    store.join("/b.txt", "/a.txt", None)
    assert [(row["source"], row["other_paths"]) for row in store.documents()] == [
        ("/a.txt", ["/b.txt"])
    ]
    hashes = [text_hash(text) for text in ("one", "two", "job")]
    # What nothing uses any more went; what a job given up has embedded stays for the next.
    assert store.known_vectors(hashes) == {hashes[0], hashes[2]}
    store.forget("/a.txt")
    assert [row["source"] for row in store.documents()] == ["/b.txt"]
    store.forget("/b.txt")
    assert store.documents() == [] and store.came_from(Path("/")) == []


def watched(job: str, wanted: Callable[[jobs.JobState], bool]) -> jobs.JobState:
    state = eventually(
        lambda: s if wanted(s := jobs.state(job)) or s["status"] != "running" else None, 120
    )
    assert isinstance(state, dict)
    return state  # type: ignore[return-value]


@pytest.mark.slow
def test_jobs_killed_again_and_again_leave_a_readable_index_and_finish(docs: Path) -> None:
    """Killed at five moments of its life: before its first file, in the middle, near its end."""
    for name in "abc":
        text = "".join(f"{name} 문서의 {n}번째 문장은 서로 다르다. " for n in range(150))
        (docs / f"{name}.txt").write_text(text)

    def vectors() -> int:
        with closing(sqlite3.connect(Store("default").folder / "index.sqlite")) as database:
            return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])

    moments: list[Callable[[jobs.JobState], bool]] = [
        lambda state: "reading" in state["message"],
        lambda state: "embedding" in state["message"],
        lambda state: state["done"] > 0,
        lambda state: "b.txt: indexed" in state["message"] or "c.txt" in state["message"],
        lambda state: state["done"] == state["total"] > 0 and "c.txt" in state["message"],
    ]
    kept = 0
    for moment in moments:
        job = server.add(None, [str(docs)])["job"]  # type: ignore[arg-type]
        state = watched(job, moment)
        if state["status"] == "running":
            os.kill(state["pid"], signal.SIGKILL)
        watched(job, lambda state: False)
        if Store("default").exists():
            listed = server.list_documents()
            assert all(row["chunks"] > 3 for row in listed)  # whole or not at all
            if listed:
                found = server.search("문서의 3번째 문장", k=3)
                assert found["searched"]["documents"] == len(listed) and found["passages"]
            assert vectors() >= kept
            kept = vectors()
    state = watched(server.add(None, [str(docs)])["job"], lambda state: False)  # type: ignore[arg-type]
    assert state["status"] == "done"
    chunks = sum(row["chunks"] for row in server.list_documents())
    assert [title for title, _ in rows()] == ["a.txt", "b.txt", "c.txt"]
    assert vectors() == chunks
    assert state["done"] == state["total"] <= chunks
