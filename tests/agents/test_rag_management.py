"""What the rag agent shows of the tools that manage documents."""

from __future__ import annotations

from typing import Any

from agents.rag import AGENT

RESULT: dict[str, Any] = {
    "index": "default",
    "indexed": [{"path": "/a.docx", "pages": None, "chunks": 3, "replaced": False}],
    "unchanged": [],
    "duplicates": [{"path": "/b.docx", "source": "/a.docx"}],
    "removed": ["/gone.md"],
    "skipped": [{"path": f"/{n}.doc", "reason": "Save it as .docx."} for n in range(21)],
    "seconds": 1.0,
}
STATE: dict[str, Any] = {
    **{"job": "index-1", "status": "done", "done": 3, "total": 3, "message": "done"},
    **{"error": None, "result": RESULT},
}


def test_a_finished_job_tells_what_became_of_each_file() -> None:
    lines = AGENT.renderers["job"](STATE, "ko").split("\n")
    assert lines[0] == "`index-1`: done 3/3"
    assert lines[2] == "색인함 1, 같은 내용이 있음 1, 사라져서 뺌 1, 건너뜀 21"
    assert lines[3] == "- /0.doc: Save it as .docx."
    assert lines[-1] == "- ... (+1)"
    english = AGENT.renderers["job"](STATE, "en")
    assert "indexed 1, same as another 1, vanished and removed 1, skipped 21" in english


def test_a_finished_job_tells_of_its_pictures() -> None:
    broken = {"path": "/deck.pptx", "page": 2, "reason": "The picture is broken. Save it again."}
    pictures = {"added": 2, "places": 3, "total": 5, "skipped": [broken], "note": None}
    result = {**RESULT, "skipped": [], "pictures": pictures}
    told = AGENT.renderers["job"]({**STATE, "result": result}, "ko")
    assert "그림 2장 더해 모두 5장" in told
    assert "- /deck.pptx: The picture is broken." in told
    left_out = {**pictures, "added": 0, "total": 0, "skipped": [], "note": "Pictures were left out"}
    result = {**RESULT, "pictures": left_out}
    told = AGENT.renderers["job"]({**STATE, "result": result}, "en")
    assert "Pictures were left out. To find them too, run `pip install 'dure[pictures]'`" in told


def test_a_job_that_runs_or_failed_says_where_it_is() -> None:
    running = {**STATE, "status": "running", "done": 1, "message": "a.pdf: page 3 of 9"}
    assert AGENT.renderers["job"](running, "en") == "`index-1`: running 1/3 (a.pdf: page 3 of 9)"
    failed = {**STATE, "status": "failed", "error": "No file can be indexed.", "result": None}
    assert AGENT.renderers["job"](failed, "ko").endswith("(No file can be indexed.)")
    cancelled = {**STATE, "status": "cancelled", "result": None}
    assert AGENT.renderers["cancel"](cancelled, "en") == "`index-1`: cancelled 3/3"


def test_a_document_is_shown_once_with_its_other_paths() -> None:
    row = {"title": "a.md", "other_paths": ["/x/b.md"], "pages": None, "chunks": 2}
    shown = AGENT.renderers["list_documents"](
        {"result": [{**row, "added": "2026-11-24T21:54:39+0000"}]}, "en"
    )
    assert shown.split("\n")[2] == "a.md = /x/b.md | - | 2 | 2026-11-24T21:54"
    gone = {"index": "default", "removed": "/a.md", "other_paths": ["/b.md"], "documents": 4}
    assert "`/a.md`, `/b.md`" in AGENT.renderers["remove"](gone, "ko")
