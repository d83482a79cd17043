"""Fit the chance that retrieved passages answer a question (`graphs/evidence.json`).

    python -m evals.answerability collect FILE --korquad KorQuAD_v1.0_dev.json
    python -m evals.answerability fit FILE

`collect` asks the embedded model about questions whose answerability is known: those of the lesson
plan (it must be indexed: `dure call retrieval.add`), and KorQuAD questions over paragraphs that
BM25 ranks, every second one with its own paragraph taken away. It takes 10 to 20 seconds a
question and goes on where it stopped. `fit` prints what each sign and both stages are worth, by
cross-validation, and writes the weights.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agents.meta import sentence_vectors
from agents.session import Session, open_session
from agents.settings import load_settings
from evals.reports import cases, share
from graphs.citing import cite
from graphs.compression import compress
from graphs.evidence import Stage, answerable_prompt, evades, quotes_answer, signs, yes_or_no
from graphs.rag import BUDGET, PASSAGES, answer_prompt, search_arguments
from graphs.reading import counter

_WEIGHTS = Path(__file__).parents[1] / "graphs" / "evidence.json"
_SETS = (
    "lesson_plan_questions",
    "lesson_plan_fitting",
    "lesson_plan_paraphrased",
    "lesson_plan_ordinary",
    "lesson_plan_students",
    "lesson_plan_measured",  # held out once, and read since
)
_SKIPPED = 2000  # KorQuAD questions that retrieval is fitted on and measured with
_SIGNS: dict[Stage, tuple[str, ...]] = {
    "read": ("yes", "coverage", "names", "foreign"),
    "answered": ("yes", "coverage", "names", "foreign", "quoted"),
}
_STRENGTH = 0.2  # inverse of the L2 penalty
_REPEATS = 10  # of the cross-validation
_KEEP = 0.98  # share of the answerable that must pass the first stage

Case = dict[str, Any]


async def collect(file: Path, korquad: Path | None, count: int, seconds: float) -> None:
    """Append what the model says about each case that the file does not hold yet."""
    known = {case["question"] for case in _read(file)} if file.exists() else set()
    until = time.monotonic() + seconds
    async with open_session(load_settings(model="embedded")) as session:
        todo = [case async for case in _lesson_plan(session)]
        if korquad is not None:
            todo += _korquad(korquad, count)
        random.Random(1).shuffle(todo)
        for case in todo:
            if time.monotonic() > until:
                return
            if case["question"] not in known:
                told = await _ask(session, case)
                known.add(case["question"])
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(told, ensure_ascii=False) + "\n")
                mark = "yes" if case["answerable"] else "no "
                print(
                    f"{mark} {told['yes']:.2f} {told['quoted']:.2f} {case['question']}", flush=True
                )


async def _ask(session: Session, case: Case) -> Case:
    model, question = session.chosen.model, case["question"]
    read = compress(question, case["passages"], BUDGET, counter(model), sentence_vectors)
    yes = await yes_or_no(model, answerable_prompt(read, question))
    reply = str((await model.ainvoke(answer_prompt(read, question))).text)
    marked, citations = cite(reply, case["passages"], question, sentence_vectors)
    kept = bool(citations) and not evades(question, reply, marked)
    quoted = await quotes_answer(model, citations, question) if kept else 0.0
    told = {"read": read, "yes": yes, "reply": reply, "kept": kept, "quoted": quoted}
    return {**case, **told}


async def _lesson_plan(session: Session) -> Any:
    for name in _SETS:
        for case in cases(name):
            arguments = search_arguments(case["question"])
            found = await session.pool.call("retrieval", "search", arguments)
            yield {**case, "passages": (found.structuredContent or {})["passages"]}


def _korquad(file: Path, count: int) -> Iterator[Case]:
    """Questions over the paragraphs that BM25 ranks first, each second without its own."""
    from mcp_servers.retrieval.analysis import terms
    from mcp_servers.retrieval.lexical import LexicalIndex

    paragraphs: list[str] = []
    asked: list[tuple[str, int, str]] = []
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                asked.append((qa["question"], len(paragraphs), qa["answers"][0]["text"]))
            paragraphs.append(paragraph["context"])
    random.Random(0).shuffle(asked)
    index = LexicalIndex.build(terms(paragraph) for paragraph in paragraphs)
    for number, (question, own, answer) in enumerate(asked[_SKIPPED : _SKIPPED + count]):
        answerable = number % 2 == 0
        ranked = [int(place) for place in (-index.scores(question)[0]).argsort(kind="stable")]
        best = [p for p in ranked[: PASSAGES + 1] if answerable or p != own][:PASSAGES]
        if answerable and own not in best:
            continue
        passages = [
            {
                "text": paragraphs[place],
                "title": "korquad",
                "page": None,
                "scores": {"coverage": index.coverage(question, paragraphs[place])},
            }
            for place in best
        ]
        keywords = {"keywords": [answer]} if answerable else {}
        yield {"question": question, "answerable": answerable, "passages": passages, **keywords}


def fit(file: Path) -> None:
    """Fit both stages, print what they are worth, and write `graphs/evidence.json`."""
    rows = _read(file)
    unread = sum(row["answerable"] and not _was_read(row) for row in rows)
    print(f"{len(rows)} questions, {sum(row['answerable'] for row in rows)} of them answerable;")
    print(f"{unread} whose answer was not among what was read: judged, not learned from")
    fitted = {stage: _fit(stage, rows) for stage in _SIGNS}
    _WEIGHTS.write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    print(f"written: {_WEIGHTS.name}")


def _was_read(row: Case) -> bool:
    """Whether what the model read holds the answer."""
    read = "".join(" ".join(row["read"]).lower().split())
    return any("".join(word.lower().split()) in read for word in row["keywords"])


def _fit(stage: Stage, rows: Sequence[Case]) -> dict[str, Any]:
    """One stage's weights and threshold. An answer without a quote never reaches the second."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    names = _SIGNS[stage]
    found = [signs(r["question"], r["passages"], r["read"], r["yes"], r["quoted"]) for r in rows]
    table = np.array([[row[name] for name in names] for row in found])
    target = np.array([bool(row["answerable"]) for row in rows])
    judged = np.array([stage == "read" or row["kept"] for row in rows])
    learned = judged & np.array([not row["answerable"] or _was_read(row) for row in rows])
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced")
    model.fit(table[learned], target[learned])
    fewest = min(10, *np.bincount(target[learned]))
    validated = [  # one division's luck moves the threshold by several points
        cross_val_predict(
            model,
            table[learned],
            target[learned],
            cv=StratifiedKFold(fewest, shuffle=True, random_state=repeat),
            method="predict_proba",
        )[:, 1]
        for repeat in range(_REPEATS)
    ]
    chances = np.where(judged, model.predict_proba(table)[:, 1], 0.0)
    chances[learned] = np.mean(validated, axis=0)
    if stage == "read":
        threshold = float(np.quantile(chances[target & learned], 1 - _KEEP)) - 0.02
    else:  # where the worse of the two errors is least; the middle, where that is a range
        steps = np.linspace(0.1, 0.8, 71)
        worse = [max((chances[target] < t).mean(), (chances[~target] >= t).mean()) for t in steps]
        threshold = float(np.median(steps[np.isclose(worse, min(worse))]))
    area = roc_auc_score(target[learned], chances[learned])
    print(f"\n{stage}, {learned.sum()} questions: area under the curve {area:.3f}, cross-validated")
    for place, name in enumerate(names):
        alone = roc_auc_score(target[learned], table[learned, place])
        print(f"  {name:<9} weight {model.coef_[0][place]:+.2f}, alone {alone:.3f}")
    for kind, what in ((target, "answerable"), (~target, "unanswerable")):
        below = share(int((chances[kind] < threshold).sum()), int(kind.sum()))
        print(f"  at {threshold:.2f}: {what} refused {below}")
    weights = {name: round(float(w), 4) for name, w in zip(names, model.coef_[0], strict=True)}
    bias = round(float(model.intercept_[0]), 4)
    return {"bias": bias, "threshold": round(threshold, 3), "weights": weights}


def _read(file: Path) -> list[Case]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fit graphs/evidence.json.")
    parser.add_argument("action", choices=["collect", "fit"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--korquad", type=Path)
    parser.add_argument("--count", type=int, default=60, help="KorQuAD questions")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop collecting after")
    given = parser.parse_args()
    if given.action == "fit":
        fit(given.file)
    else:
        asyncio.run(collect(given.file, given.korquad, given.count, given.seconds))
