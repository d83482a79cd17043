"""The evaluation job: a base before and after training, on held-out rows and on seen ones.

`python -m mcp_servers.training.evaluating FOLDER` (see `mcp_servers.jobs`). Chapter 10.12: the
same questions to both. Losses and accuracies are over all held-out rows and at most `rows` of the
seen ones, answers over at most `rows` of each.
"""

from __future__ import annotations

import json
import random
from typing import Any

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import write_atomically
from mcp_servers.training.rows import Row

_SIDES = ("held_out", "seen")


def evaluate(worker: jobs.Worker) -> dict[str, Any]:
    """Loss, perplexity, exact match, token F1, ROUGE by side, before and after."""
    spec = worker.spec
    worker.step(0, 0, "loading the libraries")
    from mcp_servers.training import bases, dataset, judging, loading

    one = loading.finished(spec["run"])
    settings = one.settings
    if settings.method == "dpo":
        raise EngineError("evaluate judges answers and labels; read a DPO run by its curve.")
    tokenizer = bases.load_tokenizer(one.base)
    train, held_out = dataset.kept(one.folder)
    rows = spec["rows"]
    judged: dict[str, list[Row]] = {
        "held_out": held_out,
        "seen": random.Random(settings.seed).sample(train, min(rows, len(train))),
    }
    asked = {
        side: [row for row in part if row.shape == "conversation"][:rows]
        for side, part in judged.items()
    }
    labels = loading.labels_of(one)
    worker.step(0, 0, "loading the base")
    model = loading.base_model(one)
    told: dict[str, Any] = {side: {} for side in _SIDES}
    said: dict[str, dict[str, list[str]]] = {side: {} for side in _SIDES}
    talks = settings.task_type == "CAUSAL_LM"
    parts = (*judged.values(), *(asked.values() if talks else ()))
    total = 2 * sum(len(part) for part in parts)
    done = 0
    for moment in ("before", "after"):
        if moment == "after":
            worker.step(done, total, "loading what was learnt")
            model = loading.trained_model(one, model if settings.method != "full" else None)
        for side in _SIDES:
            part = judged[side]

            def step(finished: int, side: str = side, moment: str = moment) -> None:
                nonlocal done
                done = min(done + finished, total)  # a long text is judged in several pieces
                worker.step(done, total, f"{side.replace('_', ' ')} rows, {moment}")

            if not part:
                told[side][moment] = None
            elif not talks:
                right = judging.accuracy(model, part, tokenizer, labels, settings.max_length, step)
                told[side][moment] = {"rows": len(part), "accuracy": round(right, 4)}
            else:
                loss = judging.loss(model, part, tokenizer, settings, step)
                answers = judging.answers(model, asked[side], tokenizer, settings, step)
                matches = judging.matches(answers, asked[side])
                told[side][moment] = judging.scores(loss, matches, len(part))
                said[side][moment] = answers
    if talks:
        samples = [
            {**sample, "seen": side == "seen"}
            for side in _SIDES
            for sample in _samples(judging, asked[side], said[side])
        ]
        text = json.dumps(samples, ensure_ascii=False, indent=1)
        write_atomically(one.folder / "samples.json", text)
    text = json.dumps(told, ensure_ascii=False, indent=1)
    write_atomically(one.folder / "evaluation.json", text)
    return told


def _samples(
    judging: Any, questions: list[Row], said: dict[str, list[str]]
) -> list[dict[str, Any]]:
    if not said:
        return []
    before, after = (judging.matches(said[moment], questions) for moment in ("before", "after"))
    return [
        {
            "question": row.messages[-2]["content"],
            "expected": row.messages[-1]["content"],
            "before": said["before"][at],
            "after": said["after"][at],
            "token_f1_before": round(before[at]["token_f1"], 4),
            "token_f1_after": round(after[at]["token_f1"], 4),
        }
        for at, row in enumerate(questions)
    ]


if __name__ == "__main__":
    jobs.work(evaluate)
