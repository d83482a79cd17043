"""What a run tells while it trains: `metrics.jsonl`, the job's state, and whether to stop."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any, Literal

from mcp_servers.home import write_atomically
from mcp_servers.jobs import Worker
from mcp_servers.torch_runtime import torch
from mcp_servers.training.launching import launched
from mcp_servers.training.runs import lines_of

# isort: split
from transformers import TrainerCallback

_REPORT_SECONDS = 0.3  # at most this often: a step on a GPU may take milliseconds
_RENAMED = {"num_tokens": "tokens", "num_input_tokens_seen": "tokens", "grad_norm": "gradient_norm"}
Stop = Literal["", "pause", "cancel"]


class Progress(TrainerCallback):
    """Reports steps, writes metrics and ends the training when the user asked for it.

    `worker` is None on all processes but the first, which decides for all of them.
    """

    def __init__(self, folder: Path, worker: Worker | None) -> None:
        self.stopped: Stop = ""
        self._folder = folder
        self._worker = worker
        self._parent = os.getppid()
        self._reported = 0.0
        self._began = self._last_time = time.monotonic()
        self._before = 0.0  # seconds of training before this process
        self._last_step = 0
        self._last_tokens = 0.0
        self._evaluating = 0.0  # seconds of evaluation since the last log

    def rewind(self, checkpoint: Path | None) -> None:
        """Forget what was logged after a checkpoint, or all: that is done again."""
        known: set[tuple[int, bool]] = set()
        if checkpoint is not None:
            told = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
            known = {(line["step"], "eval_loss" in line) for line in told["log_history"]}
        path = self._folder / "metrics.jsonl"
        kept = [line for line in lines_of(path) if (line["step"], "eval_loss" in line) in known]
        self._before = max((line["seconds"] for line in kept), default=0.0)
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = self._last_time = time.monotonic()
        self._last_step = state.global_step
        self._last_tokens = state.num_input_tokens_seen  # 0 where trl counts: it starts anew
        self._report(state, "training")

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if os.getppid() != self._parent and launched():
            os._exit(1)  # the launcher was killed: its processes must not train on

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step < state.max_steps:
            self.stopped = self._asked()
        if self.stopped:
            control.should_training_stop = True
            control.should_evaluate = False
            control.should_save = self.stopped == "pause"
        if self.stopped or time.monotonic() - self._reported >= _REPORT_SECONDS:
            self._report(state, "training")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if self._worker is None or "train_runtime" in logs:
            return
        now = time.monotonic()
        line: dict[str, float] = {
            "step": state.global_step,
            "epoch": round(state.epoch or 0.0, 4),
            "seconds": round(self._before + now - self._began, 3),
        }
        for name, value in logs.items():
            if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value):
                line[_RENAMED.get(name, name)] = value
        if "loss" in logs:
            steps = state.global_step - self._last_step
            seconds = now - self._last_time - self._evaluating
            tokens = line.get("tokens", 0.0)
            if steps > 0 and seconds > 0:
                line["seconds_per_step"] = round(seconds / steps, 4)
                line["tokens_per_second"] = round((tokens - self._last_tokens) / seconds, 1)
            self._last_step, self._last_time, self._last_tokens = state.global_step, now, tokens
            self._evaluating = 0.0
        elif "eval_runtime" in logs:
            self._evaluating += float(logs["eval_runtime"])
        with (self._folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            self._report(state, "judging on held-out rows")

    def tell(self, doing: str, step: int = 0, steps: int = 0) -> None:
        """Say what is done now. Raises `Cancelled` if the user asked for it and this one is alone.

        Of several processes none may leave while the others wait for it: `_asked` decides for all.
        """
        self._reported = time.monotonic()
        if self._worker is not None:
            (self._worker.report if launched() else self._worker.step)(step, steps, doing)

    def _report(self, state: Any, doing: str) -> None:
        self.tell(doing, state.global_step, state.max_steps)

    def _asked(self) -> Stop:
        """What the user asked for; the same on every process, or they would wait for ever."""
        asked: Stop = ""
        if self._worker is not None:
            if self._worker.cancelling:
                asked = "cancel"
            elif self._worker.pausing:
                asked = "pause"
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            said: list[Stop] = [asked]
            torch.distributed.broadcast_object_list(said, src=0)
            asked = said[0]
        return asked
