"""The stage of an indexing job that looks for pictures, after all texts are in.

It can be killed at any moment: a document's pictures enter together, and what is missing is made
when the job's files are added again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.picture_files import opened
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.figures import FIGURE_SUFFIXES, Figure, Unusable, figures_of
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.picture_store import PictureStore, key_of
from mcp_servers.retrieval.store import Store

Wanted = Literal["auto", "on", "off"]

_BATCH = 16  # texts embedded between two looks at the cancel mark
_NEEDS = ("torch", "transformers")
INSTALL = "pip install 'dure[pictures]'"
LEFT_OUT = f"Pictures were left out: searching them needs {INSTALL}."


class UnusablePicture(TypedDict):
    """A picture that is not in the index, and why."""

    path: str
    page: int | None
    reason: str


class Pictures(TypedDict):
    """What became of pictures: those that came, places that show them, all that the index holds.

    `note` says why none were looked for, or why they cannot be found by their looks; else null.
    """

    added: int
    places: int
    total: int
    skipped: list[UnusablePicture]
    note: str | None


def setting(store: Store, asked: Wanted | None) -> Wanted:
    """What this call asks for, else what the index remembers, else `auto`.

    Raises `EngineError` for pictures that are asked for and cannot be had.
    """
    if asked == "on" and not installed():
        raise EngineError(
            f"Pictures cannot be searched here yet. Install what they need: {INSTALL}."
        )
    remembered = store.meta("pictures") if store.exists() else ""
    found: Wanted = asked or (remembered or "auto")  # type: ignore[assignment]
    return found


def installed() -> bool:
    """Whether the extra `pictures` is here; nothing is imported."""
    return all(find_spec(name) for name in _NEEDS)


def enabled(wanted: Wanted) -> bool:
    """Whether pictures are looked for."""
    return wanted != "off" and installed()


def picture_document(path: Path, sha256: str, looked_for: bool) -> Document:
    """A file that is a picture, as a document without text. Raises `Unreadable`."""
    if not looked_for:
        raise Unreadable(
            f"The file is a picture, and pictures are off here. Set pictures=on ({INSTALL})."
        )
    opened(path, 64)
    return Document(str(path), composed(path.name), sha256, [Page(None, "")])


def without_text(path: Path, sha256: str, pages: int | None) -> Document | None:
    """A document that has no text (a scan) but pictures, or None. Raises `Unreadable`."""
    found = figures_of(path, lambda *_: None)
    if not any(isinstance(item, Figure) for item in found):
        return None
    numbers: Sequence[int | None] = [None] if pages is None else range(1, pages + 1)
    empty = [Page(number, "") for number in numbers]
    return Document(str(path), composed(path.name), sha256, empty)


def index_pictures(
    store: Store,
    embedder: Embedder,
    paths: Sequence[str],
    wanted: Wanted,
    clip: str | None,
    step: Callable[[str], None],
) -> Pictures:
    """Look for the pictures of these indexed files that were not looked at yet.

    `clip` names the model that is to embed the index's pictures; None is its own. The caller
    holds the writer lock; `step(message)` reports, and may raise to stop.
    """
    pictures = PictureStore(store)
    result: Pictures = {"added": 0, "places": 0, "total": 0, "skipped": [], "note": None}
    might = [path for path in paths if Path(path).suffix.lower() in FIGURE_SUFFIXES]
    if might and enabled(wanted):
        pictures.create()
        held = {place.picture for place in pictures.places()}
        for path in might:
            _look_at(store, pictures, path, held, result, step)
    elif might and wanted == "auto":
        result["note"] = LEFT_OUT
    if not pictures.exists():
        return result
    result["total"] = len(pictures.forget_gone(store.documents()))
    _embed_words(pictures, embedder, step)
    if result["total"] and enabled(wanted):
        from mcp_servers.retrieval import looks

        result["note"] = looks.embed(pictures, clip, step)
    return result


def _look_at(
    store: Store,
    pictures: PictureStore,
    path: str,
    held: set[str],
    result: Pictures,
    step: Callable[[str], None],
) -> None:
    """Put a document's pictures, unless that has been done; `held` are those that are in."""
    known = store.known(path)
    if known is None or pictures.has(document := key_of(known.sha256, path)):
        return
    name = Path(path).name

    def each_page(done: int, total: int) -> None:
        step(f"{name}: looking for pictures, page {done + 1} of {total}")

    found: list[tuple[str, Figure]] = []
    try:
        for item in figures_of(Path(path), each_page):
            if isinstance(item, Unusable):
                unusable = UnusablePicture(path=path, page=item.page, reason=item.reason)
                result["skipped"].append(unusable)
            else:
                found.append((pictures.keep(item.image), item))
    except Unreadable as reason:
        result["skipped"].append({"path": path, "page": None, "reason": str(reason)})
    pictures.put(document, found)
    result["places"] += len(found)
    new = {picture for picture, _ in found} - held
    result["added"] += len(new)
    held |= new


def _embed_words(pictures: PictureStore, embedder: Embedder, step: Callable[[str], None]) -> None:
    """Give the words around pictures their vectors, batch by batch."""
    todo = pictures.without_vector()
    for at in range(0, len(todo), _BATCH):
        step(f"embedding the words around pictures ({at} of {len(todo)})")
        batch = todo[at : at + _BATCH]
        vectors = embedder.passage_vectors([fitting(embedder, words) for words in batch])
        pictures.keep_vectors(
            (words, vector.tobytes()) for words, vector in zip(batch, vectors, strict=True)
        )


def fitting(embedder: Embedder, words: str) -> str:
    """As much from the start of these words as the embedder takes."""
    while not embedder.fits(words):
        words = words[: len(words) * 3 // 4]
    return words
