"""Indexing: what the whole job takes beside embedding alone, on the lesson plan's PDF.

The same passages are embedded raw before and after the job, by the same embedder in the same
batches; the job runs as users run it, in a process of its own, from an empty index, its start and
its reading included.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from mcp_servers import jobs
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.chunking import chunk_spans
from mcp_servers.retrieval.files import read
from mcp_servers.retrieval.indexing import BATCH

DATA = Path(os.environ.get("DURE_DATA") or Path(__file__).parents[2] / "shared" / "data")
_TARGET = 1.15


def main(model: str, limit: int | None) -> bool:
    """`limit` is how many times to measure, by default once; True if the median is in target."""
    book = DATA / "lesson-plan.pdf"
    if not book.exists():
        print(f"{book} is absent. Set DURE_DATA to the folder that holds lesson-plan.pdf.")
        return False
    pages = read(book, "", lambda page, pages: None).pages
    texts = list(
        dict.fromkeys(
            page.text[start:end]
            for page in pages
            for start, end in chunk_spans(page.text, embedding.fits)
        )
    )
    embedding.passage_vectors(texts[:2])  # loads the model
    print(f"{book.name}: {len(pages)} pages, {len(texts)} passages")
    ratios = []
    for _ in range(limit or 1):
        before = _raw(texts)
        whole = _job(book)
        after = _raw(texts)
        ratios.append(whole / statistics.mean((before, after)))
        print(
            f"embedding alone {before:.1f} s and {after:.1f} s, the job {whole:.1f} s: "
            f"{ratios[-1]:.3f} times"
        )
    median = statistics.median(ratios)
    print(f"indexing takes {median:.3f} times embedding alone, target {_TARGET}")
    return median <= _TARGET


def _raw(texts: list[str]) -> float:
    began = time.perf_counter()
    for at in range(0, len(texts), BATCH):
        embedding.passage_vectors(texts[at : at + BATCH])
    return time.perf_counter() - began


def _job(book: Path) -> float:
    """Seconds of one indexing job, in a Dure folder that is empty and goes afterwards."""
    kept = os.environ.get("DURE_HOME")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DURE_HOME"] = home
        try:
            spec = {"index": "default", "files": [str(book)], "skipped": []}
            began = time.perf_counter()
            job = jobs.start("index", "mcp_servers.retrieval.indexing", spec)
            os.waitpid(job["pid"], 0)
            seconds = time.perf_counter() - began
            state = jobs.state(job["job"])
        finally:
            if kept is None:
                del os.environ["DURE_HOME"]
            else:
                os.environ["DURE_HOME"] = kept
    if state["status"] != "done":
        raise RuntimeError(f"the job {state['status']}: {state['error']}")
    return seconds
