"""The job that fine-tunes a CLIP: `python -m mcp_servers.clip.finetuning FOLDER`.

It may be killed at any moment: resumed, or asked for again in the same words, it goes on from the
last checkpoint and ends, on the CPU, in the very same model.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections import deque
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from mcp_servers import checkpoints, folders, jobs, torch_runtime
from mcp_servers.clip import contrast, models, pairs
from mcp_servers.clip.finetune_settings import FinetuneSettings
from mcp_servers.clip.model_names import own_folder, source_of
from mcp_servers.clip.models import Clip
from mcp_servers.clip.pairs import Data, Pair
from mcp_servers.drawings.learning import Optimiser
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch
from mcp_servers.two_languages import say

REPORT = "finetuning.json"
SAVE_SECONDS = 2.0
_SAVE_SHARE = 0.05  # of the time at most: a large model takes seconds to write
_DRAWINGS = 200  # of the general set, unless the user names another
_MOST_JUDGED = 1000  # held-out pairs
_FALL = 0.01  # of the general accuracy: more is told as a warning
_RECENT = 20  # steps whose mean is shown
_HIGHEST_SCALE = math.log(100)  # as CLIP's own


def finetune(worker: jobs.Worker) -> dict[str, Any]:
    """Train, judge before and after, publish; the result holds the figures.

    Raises `EngineError` for data that cannot be learnt from, `jobs.Cancelled` between steps.
    """
    settings = FinetuneSettings(**worker.spec)
    began = time.monotonic()
    table = pairs.read(Path(settings.data), settings.may_open)
    data = pairs.split(
        table,
        settings.held_out,
        settings.seed,
        lambda done, total: worker.step(0, 0, f"looking at the pictures: {done:,} of {total:,}"),
    )
    worker.step(0, 0, f"loading the model {settings.model}")
    clip = models.read(source_of(settings.model))
    if clip.logit_bias is not None:
        raise EngineError(
            f"{settings.model} is of SigLIP's kind, which learns by another loss. Name a CLIP."
        )
    checkpoint = _checkpoint_of(settings, data, clip)
    with checkpoints.only_one(checkpoint):
        drawings = worker.folder / "drawings"
        judges = {
            "held_out": data.held_out[:_MOST_JUDGED],
            "general": _general(settings, drawings),
        }
        worker.step(0, 0, "judging the model as it is")
        before = _figures(clip, judges)
        per_epoch = math.ceil(len(data.train) / settings.batch_size)
        learnt = [each for each in clip.module.parameters() if each.requires_grad]
        optimiser = Optimiser(
            learnt, settings.learning_rate, per_epoch * settings.epochs, settings.weight_decay
        )
        base = _copied(clip) if settings.blend < 1 else {}
        optimiser.taken = checkpoints.restore(checkpoint, clip.module, optimiser.adam)
        resumed = optimiser.taken
        _train(worker, settings, data, clip, optimiser, checkpoint)
        _blend(clip, base, settings.blend)
        worker.step(optimiser.taken, optimiser.taken, "judging the fine-tuned model")
        after = _figures(clip, judges)
        result = {
            "model": settings.name,
            "base": settings.model,
            "pairs": {"train": len(data.train), "held_out": len(data.held_out)},
            "skipped": len(data.skipped),
            "problems": data.skipped[:5],
            "steps": optimiser.taken,
            "resumed_from_step": resumed,
            "general_set": settings.general or f"{_DRAWINGS} drawings of coloured shapes",
            "before": before,
            "after": after,
            "seconds": round(time.monotonic() - began, 1),
        }
        result["notes"] = _notes(result, data)
        folder = _published(settings, data, clip, result)
    checkpoints.forget("clips", settings.name)
    shutil.rmtree(drawings, ignore_errors=True)
    return {**result, "folder": str(folder)}


def _train(
    worker: jobs.Worker,
    settings: FinetuneSettings,
    data: Data,
    clip: Clip,
    optimiser: Optimiser,
    checkpoint: Path,
) -> None:
    per_epoch = math.ceil(len(data.train) / settings.batch_size)
    total = per_epoch * settings.epochs
    recent: deque[float] = deque(maxlen=_RECENT)
    saved, pause = time.monotonic(), SAVE_SECONDS
    clip.module.train()
    try:
        while optimiser.taken < total:
            epoch, number = divmod(optimiser.taken, per_epoch)
            for batch in _batches(data.train, settings, epoch)[number:]:
                recent.append(_step(clip, batch, optimiser, settings))
                if (now := time.monotonic()) - saved > pause:
                    checkpoints.keep(checkpoint, clip.module, optimiser.adam, optimiser.taken)
                    saved = time.monotonic()
                    pause = max(SAVE_SECONDS, (saved - now) / _SAVE_SHARE)
                loss = sum(recent) / len(recent)
                said = f"epoch {epoch + 1} of {settings.epochs}: loss {loss:.3f}"
                worker.step(optimiser.taken, total, said)
    finally:
        # Also when cancelled: the same request goes on from here.
        checkpoints.keep(checkpoint, clip.module, optimiser.adam, optimiser.taken)
        clip.module.train(False)


def _batches(train: list[Pair], settings: FinetuneSettings, epoch: int) -> list[list[Pair]]:
    """The pairs in an order by the seed and the epoch."""
    order = list(train)
    random.Random(f"{settings.seed}-{epoch}").shuffle(order)
    size = settings.batch_size
    return [order[at : at + size] for at in range(0, len(order), size)]


def _step(clip: Clip, batch: list[Pair], optimiser: Optimiser, settings: FinetuneSettings) -> float:
    """One step. Returns its loss in nats; a lone pair teaches nothing and is passed over."""
    if len(batch) < 2:
        optimiser.taken += 1
        return 0.0
    place = torch_runtime.device()
    dtype = torch_runtime.dtype("auto", place)
    try:
        with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
            pictures, texts = contrast.encoded(clip, batch)
            same = contrast.same_in(batch).to(place)
            loss = contrast.loss_of(pictures, texts, clip.logit_scale, same)
        if not torch.isfinite(loss):
            raise EngineError(
                f"The loss is no number any more at step {optimiser.taken + 1}. Pass a lower "
                f"learning_rate than {settings.learning_rate:g}."
            )
        optimiser.step(loss)
    except torch.OutOfMemoryError:
        raise EngineError(
            f"A batch of {len(batch)} pairs does not fit into memory. Pass a smaller batch_size."
        ) from None
    clip.limit_scale(_HIGHEST_SCALE)
    return float(loss.detach())


def _copied(clip: Clip) -> dict[str, torch.Tensor]:
    return {name: value.cpu().clone() for name, value in clip.module.state_dict().items()}


@torch.no_grad()
def _blend(clip: Clip, base: dict[str, torch.Tensor], share: float) -> None:
    """Go back towards the base's weights, and what they know (Wortsman et al. 2022, WiSE-FT)."""
    tuned = clip.module.state_dict()
    for name, value in base.items():
        if value.is_floating_point():
            tuned[name].lerp_(value.to(tuned[name].device), 1 - share)


def _general(settings: FinetuneSettings, folder: Path) -> list[Pair]:
    """What the model should still know: the user's second set, or unseen drawings with captions."""
    if settings.general:
        given = pairs.read(Path(settings.general), settings.may_open)
        return given.pairs[:_MOST_JUDGED]

    from mcp_servers.drawings.captions import caption
    from mcp_servers.drawings.painting import paint
    from mcp_servers.drawings.scenes import random_scene

    folder.mkdir(exist_ok=True)
    rng = random.Random(0)
    found: list[Pair] = []
    for at in range(_DRAWINGS):
        scene = random_scene(rng, held_out=True)
        path = folder / f"{at}.png"
        paint(scene).save(path)
        found.append(Pair(path, caption(scene, "ko" if at % 2 else "en")))
    return found


def _figures(clip: Clip, judges: dict[str, list[Pair]]) -> dict[str, dict[str, float]]:
    return {name: contrast.judged(clip, some) for name, some in judges.items()}


def _notes(result: dict[str, Any], data: Data) -> list[str]:
    """Warnings, in the language of the captions."""
    captions = " ".join(pair.caption for pair in data.train[:50])
    before, after = result["before"], result["after"]
    found = []
    fell = before["general"]["accuracy"] - after["general"]["accuracy"]
    if fell > _FALL:
        shares = before["general"]["accuracy"], after["general"]["accuracy"]
        found.append(
            say(
                captions,
                f"The model forgets: on {result['general_set']} it is right in {shares[1]:.1%}, "
                f"where it was in {shares[0]:.1%}. Pass blend=0.7 to keep a part of the base's "
                "weights, fewer epochs, or add pairs of the general kind.",
                f"모델이 일반 능력을 잃었습니다({result['general_set']}): 정확도가 {shares[0]:.1%}"
                f"에서 {shares[1]:.1%}로 떨어졌습니다. 기본 모델의 가중치를 일부 남기려면 "
                "blend=0.7을 주고, 아니면 epochs를 줄이거나 일반적인 쌍을 데이터에 더하십시오.",
            )
        )
    if after["held_out"]["accuracy"] < before["held_out"]["accuracy"]:
        found.append(
            say(
                captions,
                "On the held-out pairs it is worse than before: the data teaches nothing that "
                "holds beyond it, or the learning rate is too high.",
                "따로 떼어 둔 쌍에서 이전보다 나빠졌습니다: 데이터가 적거나 learning_rate가 너무 "
                "높습니다.",
            )
        )
    return found


def _published(settings: FinetuneSettings, data: Data, clip: Clip, result: dict[str, Any]) -> Path:
    """Put the model and its report in place, whole. Raises `EngineError` where there is no room."""
    folder = own_folder(settings.name)
    told = {
        **result,
        "settings": asdict(settings),
        "data_sha256": data.sha256,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    text = json.dumps(told, ensure_ascii=False, indent=1)
    try:
        with folders.replaced(folder) as aside:
            clip.write(aside)
            (aside / REPORT).write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise EngineError(
            f"The model cannot be written to {folder.parent} ({error}). Make room there, then "
            "resume the job: it goes on from its last step."
        ) from None
    return folder


def _checkpoint_of(settings: FinetuneSettings, data: Data, clip: Clip) -> Path:
    """Where a run keeps its state: the same request finds it again, another one does not."""
    asked = {key: value for key, value in asdict(settings).items() if key != "allowed"}
    asked |= {"data": data.sha256, "base": clip.identity, "torch": version("torch")}
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    return checkpoints.path_of("clips", settings.name, digest)


if __name__ == "__main__":
    jobs.work(finetune)
