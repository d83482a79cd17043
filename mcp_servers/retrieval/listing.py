"""All passages of an index in order, a page at a time: what training data is made of (chapter 12).

Passages are in the order in which their documents were put, and in reading order within each.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.filtering import matching
from mcp_servers.retrieval.store import Store

MAX_LISTED = 500


class ListedPassage(TypedDict):
    """A passage as it stands in the index; `page` is null where its file has no pages."""

    id: str
    text: str
    source: str
    title: str
    page: int | None


class Listed(TypedDict):
    """Some passages; `next` is the `after_id` of the following ones, null after the last."""

    index: str
    passages: list[ListedPassage]
    next: str | None


def passages(index: str, source: str | None, after_id: str | None, limit: int) -> Listed:
    """See `Listed`. Raises `EngineError` for an unknown index or source, a bad id or limit."""
    if not 1 <= limit <= MAX_LISTED:
        raise EngineError(f"limit is {limit}; choose from 1 to {MAX_LISTED}.")
    after = -1
    if after_id is not None:
        if not (after_id.isascii() and after_id.isdigit() and len(after_id) < 19):
            raise EngineError(f"{after_id!r} is not a passage id. Use `next` of an earlier answer.")
        after = int(after_id)
    store = Store(index)
    if store.is_unused():
        return {"index": index, "passages": [], "next": None}
    store.must_exist()
    wanted = {row["source"] for row in matching(store, source)} if source is not None else None
    ids = sorted(store.chunk_ids())
    found: list[ListedPassage] = []
    rest = islice(ids, bisect_right(ids, after), None)
    while some := list(islice(rest, MAX_LISTED)):
        chunks = store.chunks(some)
        for chunk in (chunks[id_] for id_ in some if id_ in chunks):
            if wanted is not None and chunk.source not in wanted:
                continue
            if len(found) == limit:
                return {"index": index, "passages": found, "next": found[-1]["id"]}
            found.append(
                {
                    "id": str(chunk.id),
                    "text": chunk.text,
                    "source": chunk.source,
                    "title": chunk.title,
                    "page": chunk.page,
                }
            )
    return {"index": index, "passages": found, "next": None}
