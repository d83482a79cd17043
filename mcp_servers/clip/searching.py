"""Pictures of an index by words or by a picture, and those that are there twice (5.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.clip import models, notes
from mcp_servers.clip.indexing import changed
from mcp_servers.clip.opening import checked_texts, opened
from mcp_servers.clip.results import Duplicates, Found, Group, PicturesFound
from mcp_servers.clip.store import Snapshot, Store
from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from mcp_servers.clip.models import Clip, Floats, Say

_ROWS = 2048  # vectors compared at once with all others
MOST_PAIRS = 5_000_000


def search(
    store: Store, query_text: str | None, picture: Path | None, k: int, say: Say
) -> PicturesFound:
    """The k pictures nearest to a text or a picture. Raises `EngineError`.

    A picture's own file is not among its results; other files of the same bytes are.
    """
    clip = _model(store, say)
    told: list[str] = []
    if picture is not None:
        query = str(picture)
        vector = clip.picture_vectors([opened(picture)])[0]
    else:
        [query] = checked_texts([query_text or ""], "query")
        vector = clip.text_vectors([query])[0]
        told = notes.of_texts(clip, [query])
    snapshot = store.snapshot()
    results: list[Found] = []
    for slot, score in nearest(snapshot, vector, k + 1):
        paths = [path for path in store.paths(slot) if path != query]
        if paths:
            results.append({"picture": paths[0], "score": round(score, 6), "copies": paths[1:]})
    return {
        "index": store.name,
        "model": clip.name,
        "query": query,
        "results": results[:k],
        "pictures": int(snapshot.live.sum()),
        "notes": told,
    }


def nearest(snapshot: Snapshot, vector: Floats, k: int) -> list[tuple[int, float]]:
    """The k rows with the highest cosine, best first: one product with the whole matrix."""
    import numpy as np

    scores = snapshot.matrix @ vector
    scores[~snapshot.live] = -np.inf
    k = min(k, int(snapshot.live.sum()))
    if not k:
        return []
    best = np.argpartition(-scores, k - 1)[:k]
    best = best[np.argsort(-scores[best], kind="stable")]
    return [(int(row), float(scores[row])) for row in best]


def duplicates(
    store: Store, threshold: float, most: int, report: Callable[[int, int], None]
) -> Duplicates:
    """Groups of files that are equal, or whose cosine is at least the threshold.

    A group's files are all so near to its first; so no chain joins what is unlike. The largest
    groups come first, `most` of them. Raises `EngineError` where the threshold joins too much.
    """
    if not -1 <= threshold <= 1:
        raise EngineError(f"threshold is {threshold:g}. Pass a cosine of -1 to 1, such as 0.98.")
    snapshot = store.snapshot()
    rows = snapshot.live.nonzero()[0].tolist()
    groups: list[Group] = []
    near = exact = 0
    for members in _alike(snapshot, rows, threshold, report):
        files = [path for row, _ in members for path in store.paths(row)]
        same = len(members) == 1
        if len(files) < 2:
            continue
        exact, near = exact + same, near + (not same)
        lowest = min(cosine for _, cosine in members)
        groups.append({"files": files, "exact": same, "similarity": round(min(lowest, 1.0), 6)})
    groups.sort(key=lambda group: -len(group["files"]))
    told = [] if len(groups) <= most else [f"{len(groups)} groups; the first {most} are told."]
    return {
        "index": store.name,
        "threshold": threshold,
        "exact": exact,
        "near": near,
        "groups": groups[:most],
        "notes": told,
    }


def _alike(
    snapshot: Snapshot,
    rows: Sequence[int],
    threshold: float,
    report: Callable[[int, int], None],
) -> list[list[tuple[int, float]]]:
    """Every row in one group, each member with its cosine to the first."""
    import numpy as np

    matrix = snapshot.matrix[rows]
    neighbours: dict[int, list[tuple[int, float]]] = {at: [] for at in range(len(rows))}
    pairs = 0
    for start in range(0, len(rows), _ROWS):
        report(start, len(rows))
        cosines = matrix[start : start + _ROWS] @ matrix.T
        here, there = (cosines >= threshold).nonzero()
        pairs += len(here)
        if pairs > MOST_PAIRS:
            raise EngineError(
                f"More than {MOST_PAIRS:,} pairs are nearer than {threshold:g}. Pass a higher "
                "threshold."
            )
        for one, other in zip(here.tolist(), there.tolist(), strict=True):
            if start + one != other:
                neighbours[start + one].append((other, float(cosines[one, other])))
    taken = np.zeros(len(rows), bool)
    groups: list[list[tuple[int, float]]] = []
    for at in sorted(neighbours, key=lambda at: -len(neighbours[at])):
        if taken[at]:
            continue
        members = [(at, 1.0), *(each for each in neighbours[at] if not taken[each[0]])]
        for other, _ in members:
            taken[other] = True
        groups.append([(rows[other], cosine) for other, cosine in members])
    return groups


def _model(store: Store, say: Say) -> Clip:
    """The index's model. Raises `EngineError` where its weights are not what they were."""
    store.must_exist()
    name = store.meta("model")
    if not name:
        raise EngineError(f"Index {store.name!r} is still being made. Ask job, then search again.")
    clip = models.load(name, say)
    if clip.identity != store.meta("identity"):
        raise EngineError(changed(store))
    return clip
