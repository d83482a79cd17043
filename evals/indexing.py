"""Indexing: what the whole job takes beside embedding alone, on the lesson plan's PDF.

The same passages are embedded raw before and after the job, by the same embedder in the same
batches; the job runs as users run it, in a process of its own, from an empty index, its start and
its reading included. It is compared without pictures, which another model embeds; with them it is
timed once beside that.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from evals.collections import DATA
from evals.homes import own_home
from mcp_servers import jobs
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.files import read
from mcp_servers.retrieval.indexing import BATCH
from mcp_servers.retrieval.slicing import slices

_TARGET = 1.15


def main(model: str, limit: int | None) -> bool:
    """`limit` is how many times to measure, by default twice; True if within the target.

    The quickest of each is compared, since whatever else runs only ever adds.
    """
    book = DATA / "lesson-plan.pdf"
    if not book.exists():
        print(f"{book} is absent. Set DURE_DATA to the folder that holds lesson-plan.pdf.")
        return False
    document = read(book, "", lambda page, pages: None)
    embedder = embedding.of(embedding.DEFAULT)
    texts = list(dict.fromkeys(chunk.searched for chunk in slices(document, embedder)))
    embedding.passage_vectors(texts[:2])  # loads the model
    print(f"{book.name}: {len(document.pages)} pages, {len(texts)} passages")
    raw, jobs_run = [_raw(texts)], []
    for _ in range(limit or 2):
        jobs_run.append(_job(book))
        raw.append(_raw(texts))
        print(f"the job {_shown(jobs_run[-1])}, embedding alone {_shown(raw[-1])}")
    (alone, alone_busy), (whole, whole_busy) = min(raw), min(jobs_run)
    print(f"indexing takes {whole / alone:.3f} times embedding alone, target {_TARGET}")
    print(f"  in processor time {whole_busy / alone_busy:.3f} times")
    print(f"with the pictures found, cropped and embedded: {_shown(_job(book, 'auto'))}")
    return whole <= _TARGET * alone


def _shown(measured: tuple[float, float]) -> str:
    return f"{measured[0]:.1f} s ({measured[1]:.1f} s of processors)"


def _raw(texts: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    began, busy = time.perf_counter(), time.process_time()
    for at in range(0, len(texts), BATCH):
        embedding.passage_vectors(texts[at : at + BATCH])
    return time.perf_counter() - began, time.process_time() - busy


def _job(book: Path, pictures: str = "off") -> tuple[float, float]:
    """The same for one indexing job, in a Dure folder that is empty and goes afterwards."""
    with own_home():
        spec = {"index": "default", "files": [str(book)], "skipped": [], "pictures": pictures}
        began = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        job = jobs.start("index", "mcp_servers.retrieval.indexing", spec)
        os.waitpid(job["pid"], 0)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        state = jobs.state(job["job"])
    if state["status"] != "done":
        raise RuntimeError(f"the job {state['status']}: {state['error']}")
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return seconds, user + system
