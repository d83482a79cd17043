"""The job that indexes a folder's pictures: `python -m mcp_servers.clip.indexing FOLDER`.

It may be killed at any moment: what is embedded stays, and the same call goes on from there. A
file whose size and time are as they were is not read again; one that moved is known by its bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.clip.model_names import EMBEDDED
from mcp_servers.clip.opening import LONGEST_SIDE
from mcp_servers.clip.results import Unusable
from mcp_servers.clip.store import File, Folder, Store
from mcp_servers.decoding import Unreadable
from mcp_servers.errors import EngineError
from mcp_servers.picture_files import PICTURE_SUFFIXES, opened
from mcp_servers.retrieval.files import Patterns, sha256_of, walk

if TYPE_CHECKING:
    from PIL.Image import Image

    from mcp_servers.clip.models import Clip

BATCH = 32  # pictures embedded between two looks at the cancel mark
MAX_FILES = 500_000
_SHOWN = 50  # unusable files in a result; list_pictures tells all


class Spec(TypedDict):
    """What the job is asked to do; `model` None stands for the index's own."""

    index: str
    folder: str
    include: list[str]
    exclude: list[str]
    model: str | None
    rebuild: bool


class Outcome(TypedDict):
    """The job's result, in files: those that came, that were here, that are gone.

    For `copies` of the added ones nothing was embedded: the index knew their bytes, by a copy or
    by the name that they had before. `pictures` are all different ones of the index; `unusable`
    those files that cannot be opened, the first 50.
    """

    index: str
    model: str
    added: int
    copies: int
    unchanged: int
    removed: int
    unusable: list[Unusable]
    unusable_total: int
    files: int
    pictures: int
    seconds: float


def must_be_of(store: Store, model: str | None, rebuild: bool) -> None:
    """Raises `EngineError` where an index of another model is to stay."""
    own = store.meta("model") if store.exists() else ""
    if model and own and model != own and not rebuild:
        raise EngineError(
            f"Index {store.name!r} holds the vectors of {own}; those of {model} cannot be compared "
            "with them. Pass rebuild=true to embed all its folders anew, or another index name."
        )


def pictures_in(folder: Folder) -> Iterator[Path]:
    """The picture files of a folder that its patterns mean, no hidden ones.

    Raises `EngineError` for a pattern that is none, and for a folder of too many files.
    """
    root = Path(folder.path)
    patterns = Patterns(folder.include, folder.exclude).checked()
    for number, path in enumerate(walk(root, patterns)):
        if number >= MAX_FILES:
            raise EngineError(f"{root} holds more than {MAX_FILES:,} files. Name a smaller folder.")
        # a link must not lead out of the folder that the user allowed
        if path.suffix.lower() in PICTURE_SUFFIXES and path.resolve().is_relative_to(root):
            yield path


def must_hold_pictures(store: Store, folder: Folder) -> None:
    """Raises `EngineError` for a folder that is none, or where there is nothing to index."""
    root = Path(folder.path)
    if not root.is_dir():
        what = "is a file" if root.is_file() else "is no folder that can be found"
        raise EngineError(f"{root} {what}. Name a folder of pictures.")
    if store.exists() and folder.path in (each.path for each in store.folders()):
        return  # which may have become empty
    if next(pictures_in(folder), None) is None:
        meant = " that include and exclude mean" if folder.include or folder.exclude else ""
        kinds = ", ".join(sorted(PICTURE_SUFFIXES))
        raise EngineError(f"{root} holds no picture{meant} ({kinds}). Name another folder.")


def index(worker: jobs.Worker) -> dict[str, Any]:
    """Do what the job's `Spec` says. Raises `EngineError` and `jobs.Cancelled`."""
    spec: Spec = worker.spec  # type: ignore[assignment]
    began = time.monotonic()
    store = Store(spec["index"])
    while True:
        with store.writing_alone() as mine:
            if mine:
                store.create()
                with store.held_open():
                    outcome = _Indexing(worker, spec, store).run()
                break
        worker.step(0, 0, f"waiting: another job writes index {store.name}")
        time.sleep(0.3)
    outcome["seconds"] = round(time.monotonic() - began, 2)
    return dict(outcome)


class _Indexing:
    def __init__(self, worker: jobs.Worker, spec: Spec, store: Store) -> None:
        self._worker, self._spec, self._store = worker, spec, store
        self._done = self._total = self._added = self._copies = 0

    def run(self) -> Outcome:
        store = self._store
        clip = self._clip()
        store.sweep()
        spec = self._spec
        folder = Folder(spec["folder"], tuple(spec["include"]), tuple(spec["exclude"]))
        store.set_folder(folder)
        chosen = store.folders() if spec["rebuild"] else [folder]
        found = [path for folder in chosen for path in self._found(folder)]
        known = store.files()
        roots = [Path(folder.path) for folder in chosen]
        present = {str(path) for path in found}
        gone = [
            path
            for path in known
            if path not in present and any(Path(path).is_relative_to(root) for root in roots)
        ]
        self._total = len(present)
        unchanged = self._embed(clip, sorted(present), known)
        store.forget(gone)  # after the others, which may be the same files under new names
        store.compact()
        unusable = store.unusable()
        snapshot = store.snapshot()
        return {
            "index": store.name,
            "model": store.meta("model"),
            "added": self._added,
            "copies": self._copies,
            "unchanged": unchanged,
            "removed": len(gone),
            "unusable": [{"picture": path, "reason": reason} for path, reason in unusable[:_SHOWN]],
            "unusable_total": len(unusable),
            "files": len(store.usable()),
            "pictures": int(snapshot.live.sum()),
            "seconds": 0.0,
        }

    def _clip(self) -> Clip:
        """The model; the index is made anew for another one where that is asked for."""
        store, spec = self._store, self._spec
        own = store.meta("model")
        name = spec["model"] or own or EMBEDDED
        self._worker.step(0, 0, f"loading the model {name}")

        from mcp_servers.clip import models

        must_be_of(store, spec["model"], spec["rebuild"])
        clip = models.load(name)
        if store.meta("identity") == clip.identity:
            store.call_model(name)
            return clip
        if own and not spec["rebuild"]:
            raise EngineError(changed(store))
        dimension = clip.text_vectors(["a"]).shape[1]
        store.reset(name, clip.identity, dimension)
        return clip

    def _found(self, folder: Folder) -> Iterator[Path]:
        for number, path in enumerate(pictures_in(folder)):
            if number % 1000 == 0:
                self._worker.step(0, 0, f"looking for pictures: {number:,} found")
            yield path

    def _embed(self, clip: Clip, paths: list[str], known: dict[str, File]) -> int:
        """Add what is new or changed; answers how many files were known as they are."""
        from mcp_servers import torch_runtime

        unchanged = 0
        batch: list[tuple[File, str]] = []
        with ThreadPoolExecutor(torch_runtime.threads()) as readers:
            for path in paths:
                self._done += 1
                try:
                    file = _seen(path)
                    if known.get(path) == file:
                        unchanged += 1
                        continue
                    self._step("reading")
                    sha256 = sha256_of(Path(path))
                except (OSError, Unreadable) as reason:
                    self._store.refuse(File(path, -1, -1), str(reason))
                    continue
                if self._store.join(file, sha256):
                    self._added += 1
                    self._copies += 1
                    continue
                batch.append((file, sha256))
                if len(batch) == BATCH:
                    self._add(clip, batch, readers.map)
                    batch = []
            if batch:
                self._add(clip, batch, readers.map)
        return unchanged

    def _add(
        self, clip: Clip, batch: list[tuple[File, str]], each: Callable[..., Iterator[Any]]
    ) -> None:
        self._step("embedding")
        good: list[tuple[File, str]] = []
        pictures: list[Image] = []
        for given, found in zip(
            batch, each(_opened, [file.path for file, _ in batch]), strict=True
        ):
            if isinstance(found, Unreadable):
                self._store.refuse(given[0], str(found))
            else:
                good.append(given)
                pictures.append(found)
        if good:
            self._store.add(good, clip.picture_vectors(pictures))
        self._added += len(good)
        self._copies += len(good) - len({sha256 for _, sha256 in good})

    def _step(self, doing: str) -> None:
        self._worker.step(
            self._done, self._total, f"{doing}: file {self._done:,} of {self._total:,}"
        )


def changed(store: Store) -> str:
    """What to say where an index's model has other weights than it had."""
    return (
        f"The model {store.meta('model')} is not the one that index {store.name!r} was made with: "
        "its weights changed. Call index_pictures with rebuild=true."
    )


def _seen(path: str) -> File:
    status = Path(path).stat()
    return File(path, status.st_size, status.st_mtime_ns)


def _opened(path: str) -> Image | Unreadable:
    try:
        return opened(Path(path), LONGEST_SIDE)
    except Unreadable as reason:
        return reason


if __name__ == "__main__":
    jobs.work(index)
