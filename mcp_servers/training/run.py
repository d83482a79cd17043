"""The training job: `python -m mcp_servers.training.run FOLDER` (see `mcp_servers.jobs`).

It may be killed at any moment. Resumed, it goes on from its last whole checkpoint with the same
rows in the same order, the same seeds and the optimizer as it was. With several processes it
prepares the run, then becomes `accelerate launch`, which starts it again once for each of them;
the first reports for all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import write_atomically
from mcp_servers.training import runs
from mcp_servers.training import settings as options
from mcp_servers.training.settings import Settings

MODULE = "mcp_servers.training.run"
_NEARLY_FULL = 4 << 20  # bytes that are free where a write has just failed for want of room
_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes")


def train(worker: jobs.Worker) -> dict[str, Any]:
    """Do what the job's spec says, from wherever its folder says that it stands."""
    folder, spec = worker.folder, worker.spec
    settings = options.of(spec["method"], spec["settings"])
    try:
        if "RANK" not in os.environ:
            if (result := _published(folder)) is not None:
                return result
            _prepare(worker, settings)
        return _ended(folder, fit(folder, settings, worker))
    except (EngineError, jobs.Cancelled, jobs.Paused):
        raise
    except Exception as error:
        if (cause := _cause(error, folder)) is None:
            raise
        traceback.print_exc()
        raise EngineError(cause) from None


def _cause(error: Exception, folder: Path) -> str | None:
    """What to do about an error, where it comes from a full disk or too little memory.

    torch and safetensors have errors of their own for a disk that is full, so the disk is asked.
    """
    full = shutil.disk_usage(folder).free < _NEARLY_FULL
    if full or getattr(error, "errno", None) == errno.ENOSPC:
        # What could not be written whole goes: the state of the run needs a place, too.
        for part in ("checkpoints/.partial", "adapter", "model"):
            shutil.rmtree(folder / part, ignore_errors=True)
        return "The disk is full. Make room, then resume the run."
    if "out of memory" in str(error) or "can't allocate memory" in str(error):
        return (
            "The memory does not suffice. Lower batch_size or max_length, set "
            "gradient_checkpointing or quantize, or take a smaller base; estimate says more."
        )
    return None


def _published(folder: Path) -> dict[str, Any] | None:
    """The result of a run that was killed after it had published, and before it had said so."""
    path = folder / "result.json"
    if not path.exists() or runs.published(folder) is None:
        return None
    return _ended(folder, json.loads(path.read_text(encoding="utf-8")))


def _ended(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """The result, kept in the folder; the checkpoints go, of which a run that is done needs none.

    They are renamed first: a kill in the middle of deleting leaves no half of one to resume from.
    """
    write_atomically(folder / "result.json", json.dumps(result, ensure_ascii=False, indent=1))
    checkpoints, gone = folder / "checkpoints", folder / ".checkpoints"
    shutil.rmtree(gone, ignore_errors=True)
    if checkpoints.exists():
        checkpoints.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
    return result


def _prepare(worker: jobs.Worker, settings: Settings) -> None:
    """All that comes before training and is done once: base, rows, passport, versions."""
    folder, spec = worker.folder, worker.spec
    worker.step(0, 0, "loading the libraries (torch, transformers, peft, trl)")
    from mcp_servers.training import bases, dataset, launching, methods
    from mcp_servers.training.rows import left_out

    methods.check_machine(settings)
    worker.step(0, 0, f"loading the base {spec['base']}")
    base = bases.resolve(
        spec["base"],
        lambda share, message: worker.step(0, 0, f"{message} ({share:.0%})"),
        pickled=settings.allow_pickle,
    )
    passport, path = bases.passport(base), folder / "passport.json"
    if not path.exists():
        write_atomically(path, json.dumps(passport, indent=1))
    elif json.loads(path.read_text(encoding="utf-8")) != passport:
        raise EngineError(
            f"{base.name} is not the base that this run began with: its weights, tokenizer or "
            "template have changed. Start a new run."
        )
    if not dataset.told(folder):
        worker.step(0, 0, "reading the rows")
        told = dataset.keep(folder, spec["data"], spec.get("weights"), settings)
        if warning := left_out(told["problem_count"], told["problems"]):
            print(warning, flush=True)  # into the log
    write_atomically(folder / "versions.json", json.dumps(_versions(), indent=1))
    if launching.wanted(settings):
        worker.step(0, 0, f"starting {settings.processes} processes")
        launching.become_launcher(folder, MODULE, settings)


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fit(folder: Path, settings: Settings, worker: jobs.Worker | None) -> dict[str, Any]:
    """Train, from the last checkpoint if there is one, and publish; in each process of the run."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))

    from mcp_servers import torch_runtime
    from mcp_servers.training import bases, dataset, methods, publishing, trainers
    from mcp_servers.training.progress import Progress

    progress = Progress(folder, worker)
    methods.quiet()
    torch_runtime.seed(settings.seed)
    base = bases.resolve(spec["base"], pickled=settings.allow_pickle)
    tokenizer = bases.load_tokenizer(base)
    rows = dataset.kept(folder)
    progress.tell("encoding the rows")
    examples = dataset.examples(*rows, tokenizer, settings)
    progress.tell("loading the weights")
    model = methods.load_model(base, settings, examples.labels)
    trainable = methods.attach(model, settings, base)
    trainer = trainers.build(
        trainable,
        tokenizer,
        settings,
        folder,
        examples.train,
        examples.held_out,
        [progress],
    )
    shutil.rmtree(folder / "checkpoints" / ".partial", ignore_errors=True)
    checkpoint = trainers.last_checkpoint(folder / "checkpoints")
    if worker is not None:
        progress.rewind(checkpoint)
    trainer.args.eval_on_start = bool(examples.held_out) and checkpoint is None
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if progress.stopped == "cancel":
        raise jobs.Cancelled
    if progress.stopped == "pause":
        raise jobs.Paused
    return publishing.finish(
        trainer, folder, spec, settings, base, tokenizer, trainable, examples, worker is not None
    )


def main() -> None:
    """The job of one process; or one of several, of which only the first reports."""
    if "RANK" not in os.environ:
        jobs.work(train)
        return
    if os.environ["RANK"] == "0":
        if jobs.work(_launched, claimed=True) == "failed":
            sys.exit(1)  # so that the launcher ends the others, which wait for this one
        return
    folder = Path(sys.argv[1])
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    with contextlib.suppress(jobs.Cancelled, jobs.Paused):
        fit(folder, options.of(spec["method"], spec["settings"]), None)


def _launched(worker: jobs.Worker) -> dict[str, Any]:
    # The launcher ends its processes by SIGTERM when one of them fails: not the user's cancel.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return train(worker)


if __name__ == "__main__":
    main()
