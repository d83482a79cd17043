"""A finished training set, written out: three shapes, what was rejected, and a report."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphs.training_checks import REASONS
from graphs.training_rows import (
    SPLITS,
    Rejected,
    Row,
    SourcePassage,
    alpaca,
    beir_corpus,
    beir_qrels,
    beir_query,
    sharegpt,
)
from mcp_servers.home import write_atomically

SHAPES = ("alpaca", "sharegpt", "beir")


def write_out(
    folder: Path,
    settings: Mapping[str, Any],
    done: Sequence[Mapping[str, Any]],
    passages: Sequence[SourcePassage],
    usable: int,
    limit: int | None,
) -> None:
    """Write the shapes, `rejected.jsonl` and the report of the finished passages.

    All is written aside and then renamed, so that a reader or a kill never sees half a file.
    """
    rows: list[Row] = [row for finished in done for row in finished["rows"]][:limit]
    rejected: list[Rejected] = [draft for finished in done for draft in finished["rejected"]]
    aside = folder / f".aside.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    for split in SPLITS:
        mine = [row for row in rows if row["split"] == split]
        _write_lines(aside / "alpaca" / f"{split}.jsonl", map(alpaca, mine))
        _write_lines(aside / "sharegpt" / f"{split}.jsonl", map(sharegpt, mine))
        write_atomically(aside / "beir" / "qrels" / f"{split}.tsv", beir_qrels(rows, split))
    _write_lines(aside / "beir" / "corpus.jsonl", beir_corpus(passages))
    _write_lines(aside / "beir" / "queries.jsonl", map(beir_query, rows))
    for shape in SHAPES:
        old = aside / f"{shape}.old"
        if (folder / shape).exists():
            (folder / shape).rename(old)
        (aside / shape).rename(folder / shape)
    _write_lines(folder / "rejected.jsonl", rejected)
    report = _report(settings, rows, rejected, done, usable)
    write_atomically(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1))
    write_atomically(folder / "report.md", _as_markdown(folder.name, report))
    for rest in folder.glob(".aside.*"):  # ours, and those of processes that were killed
        shutil.rmtree(rest, ignore_errors=True)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _report(
    settings: Mapping[str, Any],
    rows: Sequence[Row],
    rejected: Sequence[Rejected],
    done: Sequence[Mapping[str, Any]],
    usable: int,
) -> dict[str, Any]:
    drafts = len(rejected) + sum(len(finished["rows"]) for finished in done)
    seconds = sum(finished["seconds"] for finished in done)
    raft = [row for row in rows if row["kind"] == "raft"]
    gold = sum(any(d["gold"] for d in row.get("documents", [])) for row in raft)
    return {
        "rows": len(rows),
        "by_kind": dict(Counter(row["kind"] for row in rows)),
        "by_split": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "raft_with_gold": gold,
        "drafts": drafts,
        "accepted_share": round((drafts - len(rejected)) / drafts, 3) if drafts else 0.0,
        "rejected": dict(Counter(draft["reason"] for draft in rejected).most_common()),
        "rejected_by_kind": dict(Counter(draft["kind"] for draft in rejected)),
        "passages": {"used": len(done), "usable": usable},
        "seconds": round(seconds, 1),
        "seconds_a_row": round(seconds / (drafts - len(rejected)), 2) if rows else None,
        "settings": dict(settings),
    }


def _as_markdown(name: str, report: Mapping[str, Any]) -> str:
    settings, passages = report["settings"], report["passages"]
    kinds = ", ".join(f"{kind} {count}" for kind, count in report["by_kind"].items()) or "none"
    lines = [
        f"# Training set {name}",
        "",
        f"- rows: {report['rows']} ({kinds}); train {report['by_split']['train']}, "
        f"test {report['by_split']['test']}; no passage is in both",
        f"- RAFT rows with the gold document: {report['raft_with_gold']} of "
        f"{report['by_kind'].get('raft', 0)}",
        f"- accepted: {report['accepted_share']:.1%} of {report['drafts']} drafts",
        f"- passages: {passages['used']} of {passages['usable']} that state something",
        f"- seconds a row: {report['seconds_a_row']} ({report['seconds']} in all)",
        "",
        "| rejected because | drafts |",
        "| --- | ---: |",
        *(f"| {REASONS[key]} (`{key}`) | {n} |" for key, n in report["rejected"].items()),
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"
