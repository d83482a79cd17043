"""The retrieval server lists an index's passages in order, a page at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mcp_servers.test_retrieval_server import GUIDE, PAGES, SEOUL, client
from tests.mcp_servers.test_retrieval_text import pdf_bytes

pytestmark = pytest.mark.slow


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents to index: a PDF of two pages and two texts."""
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "docs"
    folder.mkdir()
    monkeypatch.setenv("DURE_ALLOW", str(folder))
    (folder / "lora.pdf").write_bytes(pdf_bytes(PAGES))
    (folder / "서울.txt").write_text(SEOUL, encoding="utf-8")
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    return folder


async def test_all_passages_come_once_in_reading_order_whatever_the_page_size(docs: Path) -> None:
    async with client() as call:
        assert (await call("passages"))["passages"] == []
        await call.index(docs / "lora.pdf", docs / "서울.txt")
        await call.index(docs / "guide.md")
        whole = await call("passages")
        assert whole["next"] is None
        texts = [(p["title"], p["page"], p["text"]) for p in whole["passages"]]
        assert texts[:2] == [("lora.pdf", n, "\n".join(page)) for n, page in enumerate(PAGES, 1)]
        assert texts[2] == ("서울.txt", None, SEOUL)
        assert {title for title, _, _ in texts[3:]} == {"guide.md"}
        ids = [int(p["id"]) for p in whole["passages"]]
        assert ids == sorted(ids)

        for limit in (1, 2, len(ids)):
            found: list[dict[str, Any]] = []
            after = None
            while True:
                page = await call("passages", after_id=after, limit=limit)
                assert len(page["passages"]) <= limit
                found += page["passages"]
                after = page["next"]
                if after is None:
                    break
            assert found == whole["passages"]

        found_one = (await call("search", query="BM25 순위", k=1))["passages"][0]
        listed = next(p for p in whole["passages"] if p["id"] == found_one["id"])
        assert listed["text"] == found_one["text"] and listed["source"] == found_one["source"]


async def test_one_document_and_what_is_not_there(docs: Path) -> None:
    async with client() as call:
        await call.index(docs)
        only = await call("passages", source="lora.pdf", limit=1)
        assert [p["page"] for p in only["passages"]] == [1] and only["next"]
        rest = await call("passages", source="lora.pdf", after_id=only["next"])
        assert [p["page"] for p in rest["passages"]] == [2] and rest["next"] is None
        assert "It holds" in await call.error("passages", source="none.pdf")
        assert "there are: default" in await call.error("passages", index="none")
        assert "from 1 to 500" in await call.error("passages", limit=0)
        assert "from 1 to 500" in await call.error("passages", limit=501)
        assert "not a passage id" in await call.error("passages", after_id="first")
