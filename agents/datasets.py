"""Training sets as folders: made passage by passage, resumed after a kill, written out whole.

`DURE_HOME/datasets/NAME/` holds `settings.json` (what was asked of which data), `log.jsonl` (one
line a finished passage, only ever appended to) and, once made, the shapes and the report, which
are derived from the log alone.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from agents.dataset_report import write_out
from agents.errors import DureError, ModelRefused, UsageError
from agents.tool_results import structured
from graphs.training_checks import question_key
from graphs.training_data import Recipe, build_row_maker, planned
from graphs.training_passages import Library, data_hash, in_order
from graphs.training_rows import Kind, Rejected, Row, SourcePassage
from graphs.training_writer import recipe_hash
from mcp_servers.home import write_atomically

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agents.pool import ServerPool

JOB_LOG = "make.log"  # what a process without a terminal said
_LISTED = 500  # passages asked for at once; the server's limit


@dataclass(frozen=True)
class Order:
    """What is wanted. All but the limit makes the rows what they are, and is kept."""

    name: str
    index: str
    source: str | None
    kinds: tuple[Kind, ...]
    seed: int
    distractors: int
    gold_share: float
    limit: int | None

    def recipe(self) -> Recipe:
        """The part that the graph needs."""
        return Recipe(self.kinds, self.seed, self.distractors, self.gold_share, self.index)


class Finished(TypedDict):
    """One line of the log: what came of a passage."""

    passage: str
    seconds: float
    rows: list[Row]
    rejected: list[Rejected]


@dataclass
class Progress:
    """How far it is: accepted rows, rejected drafts, and usable passages."""

    rows: int
    rejected: int
    passages: int
    of: int


class Dataset:
    """One data set's folder."""

    def __init__(self, home: Path, name: str) -> None:
        """Raises `UsageError` for a name that is not letters, digits, - and _."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise UsageError(f"{name!r} is not a name. Use up to 64 letters, digits, - and _.")
        self.name = name
        self.folder = home / "datasets" / name
        self._log = self.folder / "log.jsonl"

    def settings(self) -> dict[str, Any] | None:
        """What the set was begun with, or None for a new one."""
        path = self.folder / "settings.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def begin(self, settings: dict[str, Any]) -> None:
        """Keep the settings of a new set. Raises `DureError` if it was begun with others."""
        known = self.settings()
        if known is None:
            text = json.dumps(settings, ensure_ascii=False, indent=1)
            write_atomically(self.folder / "settings.json", text)
            return
        changed = [key for key in settings if known.get(key) != settings[key]]
        if changed:
            told = ", ".join(f"{key} {known.get(key)!r}, now {settings[key]!r}" for key in changed)
            if changed == ["data"]:
                told = "an index that has changed since"
            raise DureError(
                f"The data set {self.name!r} was begun with {told}. Its rows would not fit "
                f"together. Choose another --name, or delete {self.folder} to begin anew."
            )

    def finished(self) -> list[Finished]:
        """The passages done so far, in order; half a line at the end is not one of them."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._whole().splitlines()]

    def mend(self) -> None:
        """Cut off half a line that a kill left behind. Only for the set's one maker."""
        if self._log.exists():
            os.truncate(self._log, len(self._whole()))

    def _whole(self) -> bytes:
        data = self._log.read_bytes()
        return data[: data.rfind(b"\n") + 1]

    def append(self, finished: Finished) -> None:
        """Record a finished passage; it is on the disk when this returns."""
        line = json.dumps(finished, ensure_ascii=False) + "\n"
        with self._log.open("ab") as log:
            log.write(line.encode("utf-8", "replace"))
            log.flush()
            os.fsync(log.fileno())

    def is_being_made(self) -> bool:
        """Whether a process is making it now."""
        try:
            with self.alone(patience=0):
                return False
        except DureError:
            return True

    @contextmanager
    def alone(self, patience: float = 1.0) -> Iterator[None]:
        """Be the set's one maker. Raises `DureError` if another process is at it.

        The lock is a transaction on a database of its own, which ends with its process. Somebody
        who only looks whether it is held lets it go again within `patience` seconds.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / "lock", timeout=patience)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                raise DureError(
                    f"The data set {self.name!r} is being made by another process. Watch it with: "
                    f"dure dataset show {self.name}"
                ) from None
            yield


def dataset_names(home: Path) -> list[str]:
    """The names of all data sets, the latest first."""
    root = home / "datasets"
    found = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return [path.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def state_of(dataset: Dataset) -> str:
    """One line: how far a set is, whether it is being made now, and what its process said last."""
    finished = dataset.finished()
    rows = sum(len(one["rows"]) for one in finished)
    state = "being made" if dataset.is_being_made() else "at rest"
    line = f"{dataset.name}: {rows} rows of {len(finished)} passages, {state}, {dataset.folder}"
    log = dataset.folder / JOB_LOG
    said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return f"{line} ({said[-1]})" if said else line


async def make(
    order: Order,
    home: Path,
    model: BaseChatModel,
    spec: str,
    pool: ServerPool,
    progress: Callable[[Progress], None],
) -> Path:
    """Make a set, or go on with it, until the limit or the passages end; gives its folder.

    Raises `DureError` for settings or data other than those it was begun with, and for an index
    without a usable passage. Cancelled or killed, it goes on at the next call.
    """
    dataset = Dataset(home, order.name)
    everything = await listed(pool, order.index, None)
    chosen = everything
    if order.source is not None:
        chosen = await listed(pool, order.index, order.source)
    recipe = order.recipe()
    usable = [p for p in in_order(chosen, order.seed) if planned(p, recipe)]
    if not usable:
        raise DureError(
            f"No passage of index {order.index!r} states anything to ask about. Add documents "
            "with sentences: dure call retrieval.add paths=FILE"
        )
    with dataset.alone():
        kept = {k: v for k, v in asdict(order).items() if k not in ("name", "limit")}
        kept |= {"kinds": list(order.kinds), "model": spec, "recipe": recipe_hash()}
        dataset.begin(kept | {"data": data_hash(everything)})
        dataset.mend()
        done = dataset.finished()
        library = Library(everything, order.seed)
        tools = {tool.name: tool for tool in await pool.tools("retrieval")}
        maker = build_row_maker(model, tools, recipe, library, (ModelRefused,))
        at = Progress(0, 0, 0, len(usable))
        for finished in done:
            _count(at, finished)
        asked = [question_key(row["question"]) for f in done for row in f["rows"]]
        progress(at)
        for passage in usable[len(done) :]:
            if order.limit is not None and at.rows >= order.limit:
                break
            began = time.monotonic()
            try:
                made = await maker.ainvoke({"passage": passage, "asked": asked})
            except DureError:
                raise
            except Exception as error:  # a served model fails in its provider's own ways
                told = (str(error).splitlines() or [""])[0] or type(error).__name__
                raise DureError(
                    f"{spec} failed at passage {passage['id']}: {told} What is finished is safe: "
                    "mend it and run the same command again."
                ) from error
            seconds = round(time.monotonic() - began, 2)
            latest: Finished = {
                "passage": passage["id"],
                "seconds": seconds,
                "rows": made["rows"],
                "rejected": made["rejected"],
            }
            dataset.append(latest)
            done.append(latest)
            asked += [question_key(row["question"]) for row in latest["rows"]]
            _count(at, latest)
            progress(at)
        settings = dataset.settings() or {}
        write_out(dataset.folder, settings, done, everything, len(usable), order.limit)
    return dataset.folder


async def listed(pool: ServerPool, index: str, source: str | None) -> list[SourcePassage]:
    """All passages of an index or of one document, over MCP. `DureError` as the server says."""
    found: list[SourcePassage] = []
    after: str | None = None
    while True:
        arguments = {"index": index, "source": source, "after_id": after, "limit": _LISTED}
        page = structured(await pool.call("retrieval", "passages", arguments))
        found += page["passages"]
        after = page["next"]
        if after is None:
            return found


def _count(at: Progress, finished: Finished) -> None:
    at.rows += len(finished["rows"])
    at.rejected += len(finished["rejected"])
    at.passages += 1
