"""The indexing job: `python -m mcp_servers.retrieval.indexing FOLDER` (see `mcp_servers.jobs`).

It can be killed at any moment: a document enters the index whole or not at all, and the vectors
that were made stay, so that adding the same files again goes on from there.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.picture_files import PICTURE_SUFFIXES
from mcp_servers.retrieval import embedding, picture_indexing, snapshot
from mcp_servers.retrieval.chunking import Chunking
from mcp_servers.retrieval.chunks import text_hash
from mcp_servers.retrieval.decoding import NoText, Unreadable
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.files import Document, read, sha256_of
from mcp_servers.retrieval.picture_indexing import Pictures, Wanted
from mcp_servers.retrieval.slicing import slices
from mcp_servers.retrieval.store import Store
from mcp_servers.retrieval.vectors import vectors_of

BATCH = 16  # passages embedded between two looks at the cancel mark
_REFRESH_SECONDS = 5.0  # how far Chroma may lag behind the store while the job runs
_REFRESH_SHARE = 20  # at most one part in so many of the job's time


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


class Duplicate(TypedDict):
    """A file whose bytes are in the index already, as the document `source`."""

    path: str
    source: str


class Outcome(TypedDict):
    """The job's result.

    `unchanged` files were in the index already, byte for byte; `removed` ones have left it, since
    they are no longer where they were.
    """

    index: str
    indexed: list[Indexed]
    unchanged: list[str]
    duplicates: list[Duplicate]
    removed: list[str]
    skipped: list[Skipped]
    pictures: Pictures
    seconds: float


class Spec(TypedDict, total=False):
    """What the job is asked to do.

    `files` are paths; `through` names the folder through which a file was found; `folders` are
    those whose vanished files shall leave, `gone` vanished files that were named themselves.
    `embedder`, `chunking` (as `Chunking.recorded`), `vectors` (a kind that `vectors.checked`
    takes), `pictures` and `clip` (the model that embeds them) are the index's own where left out.
    """

    index: str
    files: list[str]
    through: dict[str, str]
    folders: list[str]
    gone: list[str]
    skipped: list[Skipped]
    embedder: str
    chunking: str
    vectors: str
    pictures: Wanted
    clip: str


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
    """Do what the job's `Spec` says.

    Waits while another job writes the same index. Raises `EngineError` if nothing can be done.
    """
    started = time.monotonic()
    spec: Spec = worker.spec  # type: ignore[assignment]
    store = Store(spec["index"])
    wanted = spec.get("embedder")
    if not store.exists() or not store.meta("embedder"):
        first = embedding.of(wanted or embedding.DEFAULT)
        store.create(first.identity(), first.name)
    must_be_of(store, wanted)
    embedder = embedding.of_index(store)
    while True:
        with store.writer_lock() as mine:
            if mine:
                with store.held_open():
                    outcome = _Indexing(worker, spec, store, embedder).run()
                break
        worker.step(0, 0, f"waiting: another job writes index {store.name}")
        time.sleep(0.3)
    outcome["seconds"] = round(time.monotonic() - started, 2)
    if not any(outcome[key] for key in ("indexed", "unchanged", "duplicates", "removed")):
        raise EngineError(none_usable(outcome["skipped"]))
    return dict(outcome)


def must_be_of(store: Store, wanted: str | None) -> None:
    """Raises `EngineError` when an index exists and was built with another embedder."""
    if wanted is None or not store.exists() or not store.meta("embedder"):
        return
    recorded = store.meta("embedder_name") or embedding.DEFAULT
    if wanted != recorded:
        raise EngineError(
            f"Index {store.name!r} was built with the embedder {recorded}; vectors of {wanted} "
            "cannot be compared with its own. Rebuild it: add its files to a new index with "
            f"embedder={wanted}, or leave embedder out."
        )


def none_usable(skipped: list[Skipped]) -> str:
    """One line for a request of which nothing can be indexed."""
    shown = " ".join(f"{Path(item['path']).name}: {item['reason']}" for item in skipped[:3])
    more = f" And {len(skipped) - 3} more." if len(skipped) > 3 else ""
    return f"No file can be indexed. {shown}{more}"


class _Indexing:
    """One run of the job, as the index's only writer."""

    def __init__(self, worker: jobs.Worker, spec: Spec, store: Store, embedder: Embedder) -> None:
        self.spec, self.store, self.embedder = spec, store, embedder
        self.chunking = Chunking.parsed(spec.get("chunking") or store.meta("chunking"))
        if self.chunking.unit == "tokens" and self.chunking.size > embedder.max_tokens:
            raise EngineError(
                f"chunk_size is {self.chunking.size} tokens, but the embedder {embedder.name} "
                f"takes {embedder.max_tokens}. Choose a smaller one."
            )
        self.recorded = self.chunking.recorded()
        if self.recorded != store.meta("chunking"):
            store.set_meta("chunking", self.recorded)
        self.pictures = picture_indexing.setting(store, spec.get("pictures"))
        if self.pictures != store.meta("pictures"):
            store.set_meta("pictures", self.pictures)
        if (kind := spec.get("vectors")) and kind != store.meta("vectors"):
            store.set_meta("vectors", kind)
            store.set_meta("graph", "")  # none of it is there yet
        self.vectors = vectors_of(store)
        self.files = [Path(path) for path in spec["files"]]
        self.sizes = {path: path.stat().st_size if path.exists() else 0 for path in self.files}
        # The engine embeds without Python's lock: what comes after it is made ready meanwhile.
        self.beside = ThreadPoolExecutor(max_workers=1)
        self.progress = _Progress(worker, len(self.files), sum(self.sizes.values()))
        self.outcome: Outcome = {
            "index": store.name,
            "indexed": [],
            "unchanged": [],
            "duplicates": [],
            "removed": [],
            "skipped": list(spec["skipped"]),
            "pictures": {"added": 0, "places": 0, "total": 0, "skipped": [], "note": None},
            "seconds": 0.0,
        }

    def run(self) -> Outcome:
        """Raises `jobs.Cancelled` between pages and batches."""
        next_refresh = time.monotonic() + _REFRESH_SECONDS
        try:
            for number, path in enumerate(self.files, 1):
                self.progress.file, self.progress.name = number, path.name
                self.progress.bytes_left -= self.sizes[path]
                try:
                    self._index_file(path)
                except Unreadable as reason:
                    self.outcome["skipped"].append({"path": str(path), "reason": str(reason)})
                else:
                    self.progress.bytes_read += self.sizes[path]
                if (began := time.monotonic()) > next_refresh:
                    self.vectors.refresh()
                    took = time.monotonic() - began
                    next_refresh = began + max(_REFRESH_SECONDS, _REFRESH_SHARE * took)
            # At the end, so that a file under a new name is found as the same one.
            self._forget_vanished()
        finally:
            self.beside.shutdown(cancel_futures=True)
            # Also when cancelled: the files that are in stay in, and Chroma shall know them.
            if self.store.meta("graph") != self.store.meta("stamp"):
                self.vectors.refresh()
            self.vectors.close()
            snapshot.refresh(self.store)
        self._look_for_pictures()
        return self.outcome

    def _look_for_pictures(self) -> None:
        """After all texts, which can be searched meanwhile."""
        progress, outcome = self.progress, self.outcome

        def step(message: str) -> None:
            progress.worker.step(progress.done, progress.known, message)

        paths = [item["path"] for item in (*outcome["indexed"], *outcome["duplicates"])]
        outcome["pictures"] = picture_indexing.index_pictures(
            self.store,
            self.embedder,
            [*paths, *outcome["unchanged"]],
            self.pictures,
            self.spec.get("clip"),
            step,
        )

    def _forget_vanished(self) -> None:
        listed = set(self.spec.get("gone", []))
        for folder in self.spec.get("folders", []):
            listed.update(self.store.came_from(Path(folder)))
        for path in sorted(listed):
            if not Path(path).exists() and self.store.known(path):
                self.store.forget(path)
                self.outcome["removed"].append(path)

    def _index_file(self, path: Path) -> None:
        """Raises `Unreadable`, and `jobs.Cancelled` between pages and batches."""
        step = self.progress.step
        step("reading")
        sha256 = sha256_of(path)
        before = self.store.known(str(path))
        folder = self.spec.get("through", {}).get(str(path), before.folder if before else None)
        if before and (before.sha256, before.chunking) == (sha256, self.recorded):
            if folder and folder != before.folder:
                self.store.found_in(str(path), folder)
            self.outcome["unchanged"].append(str(path))
            return
        if twin := self.store.twin(path, sha256, self.recorded):
            self.store.join(str(path), twin, folder)
            self.outcome["duplicates"].append({"path": str(path), "source": twin})
            return
        self.beside.submit(self.embedder.tokens, "")  # loads it, while the file is read
        self.beside.submit(self.vectors.prepare)
        document = self._read(path, sha256)
        if reason := embedding.unread(self.embedder, "".join(p.text for p in document.pages)):
            raise Unreadable(reason)
        chunks = slices(document, self.embedder, self.chunking)
        self.progress.known += len(chunks)
        step("embedding")
        texts = [chunk.searched for chunk in chunks]
        self.beside.submit(snapshot.analyse, self.store, texts)
        self._embed(texts)
        self.store.put(document, chunks, self.recorded, folder)
        numbered = [page for page in document.pages if page.number is not None]
        self.outcome["indexed"].append(
            {
                "path": str(path),
                "pages": len(numbered) or None,
                "chunks": len(chunks),
                "replaced": before is not None,
            }
        )
        step("indexed")

    def _read(self, path: Path, sha256: str) -> Document:
        """Raises `Unreadable`; a scan is a document where its pictures are looked for."""
        looked_for = picture_indexing.enabled(self.pictures)
        if path.suffix.lower() in PICTURE_SUFFIXES:
            return picture_indexing.picture_document(path, sha256, looked_for)
        step = self.progress.step
        try:
            return read(path, sha256, lambda page, pages: step(f"page {page + 1} of {pages}"))
        except NoText as reason:
            scan = picture_indexing.without_text(path, sha256, reason.pages) if looked_for else None
            if scan is None:
                raise
            return scan

    def _embed(self, texts: list[str]) -> None:
        """Put the vectors of these texts into the store, batch by batch, unless they are there."""
        by_hash = {text_hash(text): text for text in texts}
        known = self.store.known_vectors(by_hash)
        todo = [hash_ for hash_ in by_hash if hash_ not in known]
        self.progress.done += len(texts) - len(todo)
        for at in range(0, len(todo), BATCH):
            self.progress.step("embedding")
            batch = todo[at : at + BATCH]
            vectors = self.embedder.passage_vectors([by_hash[hash_] for hash_ in batch])
            self.store.keep_vectors(
                (hash_, vector.tobytes()) for hash_, vector in zip(batch, vectors, strict=True)
            )
            self.progress.done += len(batch)


if __name__ == "__main__":
    jobs.work(index_files)
