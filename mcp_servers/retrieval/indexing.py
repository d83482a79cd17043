"""The indexing job: `python -m mcp_servers.retrieval.indexing FOLDER` (see `mcp_servers.jobs`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.retrieval import embedding, snapshot
from mcp_servers.retrieval.chunking import chunk_spans
from mcp_servers.retrieval.files import Document, read, sha256_of
from mcp_servers.retrieval.pdf import Unreadable
from mcp_servers.retrieval.store import Store, text_hash
from mcp_servers.retrieval.vectors import vectors_of
from mcp_servers.serving import EngineError

_BATCH = 8  # passages embedded between two looks at the cancel mark
_REFRESH_SECONDS = 5.0  # how far Chroma may lag behind the store while the job runs


class Skipped(TypedDict):
    """A file that was not indexed, and why."""

    path: str
    reason: str


class Indexed(TypedDict):
    """A file that was indexed now."""

    path: str
    pages: int | None
    chunks: int
    replaced: bool


class Outcome(TypedDict):
    """The job's result. `unchanged` files were in the index already, byte for byte."""

    index: str
    indexed: list[Indexed]
    unchanged: list[str]
    skipped: list[Skipped]
    seconds: float


@dataclass
class _Progress:
    """Chunks done, and how many there will be: exact once the last file has been read."""

    worker: jobs.Worker
    files: int
    bytes_left: int
    bytes_read: int = 0
    file: int = 0
    name: str = ""
    done: int = 0
    known: int = 0

    def step(self, doing: str) -> None:
        """Report. Raises `jobs.Cancelled`."""
        per_byte = self.known / self.bytes_read if self.bytes_read else 0.0
        total = self.known + round(self.bytes_left * per_byte)
        message = f"{self.name}: {doing} (file {self.file} of {self.files})"
        self.worker.step(self.done, total, message)


def index_files(worker: jobs.Worker) -> dict[str, Any]:
    """Index the files of the job's spec: `index`, `files` (paths), `skipped` (see `Skipped`).

    Waits while another job writes the same index. Raises `EngineError` if no file can be used.
    """
    started = time.monotonic()
    store = Store(worker.spec["index"])
    store.create(embedding.identity())
    store.must_match(embedding.identity())
    skipped: list[Skipped] = list(worker.spec["skipped"])
    while True:
        with store.writer_lock() as mine:
            if mine:
                outcome = _index(worker, store, skipped)
                break
        worker.step(0, 0, f"waiting: another job writes index {store.name}")
        time.sleep(0.3)
    outcome["seconds"] = round(time.monotonic() - started, 2)
    if not outcome["indexed"] and not outcome["unchanged"]:
        raise EngineError(none_usable(skipped))
    return dict(outcome)


def none_usable(skipped: list[Skipped]) -> str:
    """One line for a request of which nothing can be indexed."""
    shown = " ".join(f"{Path(item['path']).name}: {item['reason']}" for item in skipped[:3])
    more = f" And {len(skipped) - 3} more." if len(skipped) > 3 else ""
    return f"No file can be indexed. {shown}{more}"


def _index(worker: jobs.Worker, store: Store, skipped: list[Skipped]) -> Outcome:
    files = [Path(path) for path in worker.spec["files"]]
    vectors = vectors_of(store)
    sizes = {path: path.stat().st_size if path.exists() else 0 for path in files}
    progress = _Progress(worker, len(files), sum(sizes.values()))
    outcome: Outcome = {
        "index": store.name,
        "indexed": [],
        "unchanged": [],
        "skipped": skipped,
        "seconds": 0.0,
    }
    refreshed = time.monotonic()
    try:
        for number, path in enumerate(files, 1):
            progress.file, progress.name = number, path.name
            progress.bytes_left -= sizes[path]
            try:
                _index_file(store, path, progress, outcome)
            except Unreadable as reason:
                skipped.append({"path": str(path), "reason": str(reason)})
            else:
                progress.bytes_read += sizes[path]
            if time.monotonic() - refreshed > _REFRESH_SECONDS:
                vectors.refresh()
                refreshed = time.monotonic()
        if any(item["replaced"] for item in outcome["indexed"]):
            store.drop_unused_vectors()
    finally:
        # Also when cancelled: the files that are in stay in, and Chroma shall know them.
        if store.meta("graph") != store.meta("stamp"):
            vectors.refresh()
        vectors.close()
        snapshot.refresh(store)
    return outcome


def _index_file(store: Store, path: Path, progress: _Progress, outcome: Outcome) -> None:
    """Raises `Unreadable`, and `jobs.Cancelled` between pages and batches."""
    progress.step("reading")
    sha256 = sha256_of(path)
    before = store.sha256(str(path))
    if before == sha256:
        outcome["unchanged"].append(str(path))
        return
    document = read(path, sha256, lambda page, pages: progress.step(f"page {page + 1} of {pages}"))
    chunks = _chunks(document)
    progress.known += len(chunks)
    progress.step("embedding")
    _embed(store, [text for _, text in chunks], progress)
    store.put(document, chunks)
    numbered = [page for page in document.pages if page.number is not None]
    outcome["indexed"].append(
        {
            "path": str(path),
            "pages": len(numbered) or None,
            "chunks": len(chunks),
            "replaced": before is not None,
        }
    )
    progress.step("indexed")


def _chunks(document: Document) -> list[tuple[int | None, str]]:
    return [
        (page.number, page.text[start:end])
        for page in document.pages
        for start, end in chunk_spans(page.text, embedding.fits)
    ]


def _embed(store: Store, texts: list[str], progress: _Progress) -> None:
    """Put the vectors of these texts into the store, batch by batch, unless they are there."""
    by_hash = {text_hash(text): text for text in texts}
    known = store.known_vectors(by_hash)
    todo = [hash_ for hash_ in by_hash if hash_ not in known]
    progress.done += len(texts) - len(todo)
    for at in range(0, len(todo), _BATCH):
        progress.step("embedding")
        batch = todo[at : at + _BATCH]
        vectors = embedding.passage_vectors([by_hash[hash_] for hash_ in batch])
        store.keep_vectors(
            (hash_, vector.tobytes()) for hash_, vector in zip(batch, vectors, strict=True)
        )
        progress.done += len(batch)


if __name__ == "__main__":
    jobs.work(index_files)
