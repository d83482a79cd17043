"""Training: what LoRA with the defaults learns, how fast, and how soon the server answers.

Learning: SmolLM2-135M on the textbook's question-answer files, one row in ten held out; both sides
are judged before and after. Speed: the job against a bare transformers Trainer with the same
model, rows, order and settings, each in a process of its own, in turn. Answers: the calls that
start a run and tell its state.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from evals.training_runs import BASE, data, result, runs_home, start
from mcp_servers.training import runs, starting

_MINUTES = 10.0
_SPEED = 0.95
_FROM_ZERO = 0.1  # the score that counts as doubled where nothing was right before
_STEPS = 12  # of the comparison of speeds, of which the first two are left out
_WARM = 2

_BARE = """
import json, sys, time
from pathlib import Path
from mcp_servers.torch_runtime import torch
from mcp_servers.training import bases, dataset, methods, settings as options
from datasets import Dataset
from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
spec = json.loads((folder / "spec.json").read_text())
settings = options.of(spec["method"], spec["settings"])
base = bases.resolve(spec["base"])
tokenizer = bases.load_tokenizer(base)
examples = dataset.examples(*dataset.kept(folder), tokenizer, settings).train
model = methods.attach(methods.load_model(base, settings), settings, base).model
times = []
class Clock(TrainerCallback):
    def on_step_end(self, *_, **__):
        times.append(time.perf_counter())
number = methods.precision(settings)
arguments = TrainingArguments(
    output_dir=str(folder / "bare"), max_steps=steps, seed=settings.seed, data_seed=settings.seed,
    per_device_train_batch_size=settings.batch_size, learning_rate=settings.learning_rate,
    gradient_accumulation_steps=settings.gradient_accumulation, optim=settings.optimizer,
    lr_scheduler_type=settings.scheduler, warmup_steps=settings.warmup_ratio,
    bf16=number == "bf16", fp16=number == "fp16", use_cpu=not torch.cuda.is_available(),
    save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True)
trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(examples),
    data_collator=DataCollatorForSeq2Seq(tokenizer), callbacks=[Clock()])
trainer.train()
print("times", json.dumps(times))
"""


def main(model: str, limit: int | None) -> bool:
    """`limit` is a number of steps in place of the default epochs; True if all targets are met."""
    files = data()
    if not files:
        return False
    with runs_home():
        learnt = _learning(files, limit)
        quick = _speeds(files)
    return learnt and quick


def _learning(files: list[str], limit: int | None) -> bool:
    began = time.perf_counter()
    state = start(files, **({"max_steps": limit} if limit else {}))
    starting_took = time.perf_counter() - began
    asked = []
    for _ in range(20):
        moment = time.perf_counter()
        runs.state(Path(state["folder"]))
        asked.append(time.perf_counter() - moment)
        time.sleep(0.2)
    print(f"train answers after {starting_took:.3f} s, target 1; status {max(asked):.4f} s, 0.1")
    trained = result(state)
    minutes = (time.perf_counter() - began) / 60
    judged = result(starting.follow_up("evaluate", state["run"], {"rows": 50}))
    print(
        f"{BASE}, LoRA, {trained['steps']} steps over {trained['rows']} rows: {minutes:.1f} "
        f"minutes, target {_MINUTES:g}; {trained['tokens_per_second']} tokens/s"
    )
    print(f"{'rows':<10}{'measure':<14}{'before':>9}{'after':>9}")
    for side in ("seen", "held_out"):
        before, after = judged[side]["before"], judged[side]["after"]
        for measure in before:
            cells = (_cell(judgement[measure]) for judgement in (before, after))
            print(f"{side:<10}{measure:<14}{''.join(cells)}")
    seen = judged["seen"]
    doubled = any(
        doubles(seen["before"][measure], seen["after"][measure])
        for measure in ("exact_match", "token_f1")
    )
    fell = trained["eval_loss"] < trained["eval_loss_before"]
    print(f"exact match or token F1 on seen rows at least doubles: {'yes' if doubled else 'no'}")
    print(
        f"loss on all held-out rows {trained['eval_loss_before']:.3f} -> "
        f"{trained['eval_loss']:.3f}: {'falls' if fell else 'does not fall'}"
    )
    answers_in_time = starting_took < 1 and max(asked) < 0.1
    return doubled and fell and minutes < _MINUTES and answers_in_time


def doubles(before: float, after: float) -> bool:
    """Whether a score at least doubled; from nothing at all it has to reach `_FROM_ZERO`."""
    return after >= (2 * before if before > 0 else _FROM_ZERO)


def _cell(score: float | None) -> str:
    return f"{'-':>9}" if score is None else f"{score:>9.4g}"


def _speeds(files: list[str]) -> bool:
    """Median seconds of a step, the job's over the bare Trainer's, two of each in turn."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(2):
        state = start(files, max_steps=_STEPS, test_size=0.0, logging_steps=1)
        result(state)
        folder = Path(state["folder"])
        lines = runs.lines_of(folder / "metrics.jsonl")
        took = [line["seconds_per_step"] for line in lines if "seconds_per_step" in line]
        ours.append(sum(took[_WARM:]))
        bare.append(_bare(folder))
        print(f"{_STEPS - _WARM} steps: the job {ours[-1]:.1f} s, bare {bare[-1]:.1f} s")
    ratio = statistics.median(bare) / statistics.median(ours)
    print(f"throughput {ratio:.3f} of a bare transformers Trainer, target {_SPEED}")
    return ratio >= _SPEED


def _bare(folder: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _BARE, str(folder), str(_STEPS)],
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(one for one in done.stdout.splitlines() if one.startswith("times "))
    times: list[float] = json.loads(line.removeprefix("times "))
    return times[-1] - times[_WARM - 1]
