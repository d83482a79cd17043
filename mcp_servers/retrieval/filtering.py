"""Which passages a search may find: metadata filters (chapter 13.9.4)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.snapshot import Snapshot
from mcp_servers.retrieval.store import DocumentRow, Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class Where(TypedDict, total=False):
    """Conditions that all must hold. `title` may have wildcards ("report-*"); `type` is a file's
    ending ("pdf"); `folder` a path above the file; `added_since` a date (YYYY-MM-DD); pages are
    counted from 1.
    """

    title: str
    type: str
    folder: str
    added_since: str
    first_page: int
    last_page: int


def allowed(store: Store, snapshot: Snapshot, source: str | None, where: Where) -> Mask | None:
    """Which of a snapshot's passages may be found, or None for all.

    Raises `EngineError` where no document meets the conditions.
    """
    import numpy as np

    chosen = chosen_documents(store, source, where)
    if chosen is None:
        return None
    documents = store.document_ids([row["source"] for row in chosen])
    mask: Mask = np.isin(snapshot.documents, sorted(documents))
    if (first := where.get("first_page")) is not None:
        mask &= snapshot.pages >= first
    if (last := where.get("last_page")) is not None:
        mask &= (snapshot.pages >= 0) & (snapshot.pages <= last)
    return mask


def chosen_documents(store: Store, source: str | None, where: Where) -> list[DocumentRow] | None:
    """The documents that may be found, whatever their pages, or None for all.

    Raises `EngineError` where no document meets the conditions.
    """
    if source is None and not where:
        return None
    rows = store.documents() if source is None else matching(store, source)
    chosen = [row for row in rows if _meets(row, where)]
    if not chosen:
        conditions = ", ".join(f"{name} {value!r}" for name, value in where.items())
        raise EngineError(
            f"No document in index {store.name!r} meets {conditions}. See list_documents."
        )
    return chosen


def matching(store: Store, source: str) -> list[DocumentRow]:
    """The document with this path, else all with this file name. Raises `EngineError` for none."""
    rows = store.documents()
    wanted = composed(source).strip()
    found = [row for row in rows if wanted in map(composed, (row["source"], *row["other_paths"]))]
    found = found or [row for row in rows if row["title"].casefold() == wanted.casefold()]
    if not found:
        known = ", ".join(row["title"] for row in rows[:10]) or "none"
        more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
        raise EngineError(
            f"No document {source!r} is in index {store.name!r}. It holds: {known}{more}."
        )
    return found


def _meets(row: DocumentRow, where: Where) -> bool:
    path = Path(row["source"])
    tests = (
        ("title", lambda wanted: fnmatchcase(row["title"].casefold(), composed(wanted).casefold())),
        ("type", lambda wanted: path.suffix.casefold() == f".{wanted.casefold().lstrip('.')}"),
        ("folder", lambda wanted: path.is_relative_to(Path(wanted).expanduser().resolve())),
        ("added_since", lambda wanted: row["added"] >= wanted),
    )
    return all(test(where[name]) for name, test in tests if name in where)  # type: ignore[literal-required]
