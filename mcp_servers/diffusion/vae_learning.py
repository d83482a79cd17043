"""The training job: `python -m mcp_servers.diffusion.vae_learning FOLDER` (see `mcp_servers.jobs`).

It may be killed at any moment: the same request, or the job resumed, goes on from the last
checkpoint and ends, on the CPU, in the very same autoencoder.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp_servers import checkpoints, jobs, torch_runtime
from mcp_servers.diffusion import vae_drawing, vae_models, vae_pictures
from mcp_servers.diffusion.vae_network import (
    Shape,
    Vae,
    kl_divergence,
    reparameterised,
    squared_error,
)
from mcp_servers.diffusion.vae_pictures import Pictures
from mcp_servers.diffusion.vae_settings import VaeSettings
from mcp_servers.drawings.learning import Optimiser
from mcp_servers.errors import EngineError
from mcp_servers.model_folders import folder_of
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor

LEAST = 10  # pictures, one of them held out
SAVE_SECONDS = 2.0
_HELD_OUT_SHARE, _MOST_HELD_OUT = 0.1, 500
_JUDGED_TIMES = 20  # in a run
_RECENT = 50  # steps whose mean is shown
_ACTIVE = 0.01  # nats: a latent dimension with less tells nothing about the picture
_PREVIEWED = 8  # held-out pictures, and samples


@dataclass(frozen=True)
class Data:
    """The two parts of the pictures, which have none in common."""

    pictures: Pictures
    train: Tensor
    held_out: Tensor
    duplicates: int
    sha256: str


def learn(worker: jobs.Worker) -> dict[str, Any]:
    """Train, judge on the held-out part, publish; the result holds the figures.

    Raises `EngineError` for pictures that cannot be learnt from, `jobs.Cancelled` between steps.
    """
    settings = VaeSettings(**worker.spec)

    def reading(done: int, total: int) -> None:
        worker.step(0, settings.steps, f"reading the pictures: {done:,} of {total:,}")

    data = _read(settings, reading)
    checkpoint = _checkpoint_of(settings, data)
    with checkpoints.only_one(checkpoint):
        began = time.monotonic()
        torch_runtime.seed(settings.seed)
        shape = Shape(settings.side, 1 if settings.grey else 3, settings.latent_dim)
        model = Vae(shape).to(torch_runtime.device())
        optimiser = Optimiser(model.parameters(), settings.learning_rate, settings.steps)
        optimiser.taken = checkpoints.restore(checkpoint, model, optimiser.adam)
        resumed = optimiser.taken
        rows = _train(worker, settings, data, model, optimiser, checkpoint)
        worker.step(settings.steps, settings.steps, "judging on the held-out pictures")
        model.to("cpu").eval()
        figures, usual = _judged(model, data, settings)
        figures |= {"seconds": round(time.monotonic() - began, 1), "resumed_from_step": resumed}
        config = {
            "settings": asdict(settings),
            "data": {
                "folder": settings.folder,
                "sha256": data.sha256,
                "train": len(data.train),
                "held_out": len(data.held_out),
                "duplicates": data.duplicates,
                "skipped": len(data.pictures.skipped),
            },
            "figures": figures,
            "usual": usual,
            "versions": {"torch": version("torch")},
        }
        with vae_models.published(settings.name, model, config) as aside:
            (aside / "metrics.jsonl").write_text(_lines(rows), encoding="utf-8")
            (aside / "curve.png").write_bytes(
                vae_drawing.curve(rows, settings.name, figures["error_of_mean_picture"])
            )
            (aside / "preview.png").write_bytes(_preview(model, data))
    checkpoints.forget("vaes", settings.name)
    folder = folder_of("vaes", settings.name)
    return {
        "vae": settings.name,
        "folder": str(folder),
        "curve": str(folder / "curve.png"),
        "picture": str(folder / "preview.png"),
        "data": config["data"],
        "problems": data.pictures.skipped[:5],
        "parameters": sum(each.numel() for each in model.parameters()),
        "steps": settings.steps,
        **figures,
        "notes": _notes(figures, settings),
    }


def _read(settings: VaeSettings, report: Callable[[int, int], None]) -> Data:
    """The pictures, each once, in two parts by the seed."""
    files = vae_pictures.found(Path(settings.folder))
    channels = 1 if settings.grey else 3
    pictures = vae_pictures.read(files, settings.side, channels, report)
    once: dict[bytes, int] = {}
    for number, pixels in enumerate(pictures.pixels):
        once.setdefault(hashlib.sha256(pixels.numpy().tobytes()).digest(), number)
    if len(once) < LEAST:
        broken = f" ({len(pictures.skipped)} could not be read)" if pictures.skipped else ""
        raise EngineError(
            f"{settings.folder} holds {len(once)} different pictures{broken}; an autoencoder "
            f"needs {LEAST} to learn anything, better some hundreds. Add pictures."
        )
    chance = torch.Generator().manual_seed(settings.seed)
    order = torch.tensor([*once.values()])[torch.randperm(len(once), generator=chance)]
    held_out = min(_MOST_HELD_OUT, math.ceil(len(once) * _HELD_OUT_SHARE))
    return Data(
        pictures,
        train=order[held_out:],
        held_out=order[:held_out],
        duplicates=len(pictures.paths) - len(once),
        sha256=hashlib.sha256(b"".join(once)).hexdigest(),
    )


def _train(
    worker: jobs.Worker,
    settings: VaeSettings,
    data: Data,
    model: Vae,
    optimiser: Optimiser,
    checkpoint: Path,
) -> list[dict[str, Any]]:
    """Train to the last step. Answers a row of figures for each look at the held-out part."""
    log = checkpoint.with_suffix(".jsonl")
    rows = [row for row in _rows(log) if row["step"] <= optimiser.taken]
    log.write_text(_lines(rows), encoding="utf-8")
    every = max(1, settings.steps // _JUDGED_TIMES)
    recent: deque[tuple[float, float]] = deque(maxlen=_RECENT)
    saved = time.monotonic()
    held_out = ""
    model.train()
    try:
        while optimiser.taken < settings.steps:
            recent.append(_step(settings, data, model, optimiser))
            error, kl = (sum(each) / len(recent) for each in zip(*recent, strict=True))
            if optimiser.taken % every == 0 or optimiser.taken == settings.steps:
                row = {"step": optimiser.taken, "error": error, "kl": kl}
                row |= {f"held_out_{key}": value for key, value in _looked(model, data).items()}
                rows.append({key: round(value, 6) for key, value in row.items()})
                with log.open("a", encoding="utf-8") as file:
                    file.write(_lines(rows[-1:]))
                held_out = f"; held out {row['held_out_error']:.4f}"
            if time.monotonic() - saved > SAVE_SECONDS:
                checkpoints.keep(checkpoint, model, optimiser.adam, optimiser.taken)
                saved = time.monotonic()
            said = f"squared error {error:.4f}, KL {kl:.1f} nats{held_out}"
            worker.step(optimiser.taken, settings.steps, said)
    finally:
        # Also when cancelled: the same request goes on from here.
        checkpoints.keep(checkpoint, model, optimiser.adam, optimiser.taken)
    return rows


def _step(
    settings: VaeSettings, data: Data, model: Vae, optimiser: Optimiser
) -> tuple[float, float]:
    """One step. Returns the squared error a number (pixels from 0 to 1) and the KL in nats."""
    pictures = data.pictures.numbers(_batch(settings, data, optimiser.taken))
    strength = settings.noise * torch.rand(len(pictures), 1, 1, 1)
    seen = pictures + strength * torch.randn_like(pictures)
    place = next(model.parameters()).device
    pictures, seen = pictures.to(place), seen.to(place)
    mean, log_variance = model.encode(seen)
    error = squared_error(model.decode(reparameterised(mean, log_variance)), pictures).mean()
    kl = kl_divergence(mean, log_variance).mean()
    loss = (error + settings.beta * kl) / model.shape.values
    if not torch.isfinite(loss):
        raise EngineError(
            f"The loss is no number any more at step {optimiser.taken + 1}. Pass a lower "
            f"learning_rate than {settings.learning_rate:g}."
        )
    optimiser.step(loss)
    return error.item() / model.shape.values, kl.item()


def _batch(settings: VaeSettings, data: Data, step: int) -> Tensor:
    """The pictures of a step: each epoch has its own order, by the seed."""
    size = min(settings.batch_size, len(data.train))
    epoch, number = divmod(step, len(data.train) // size)
    chance = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    order = torch.randperm(len(data.train), generator=chance)
    return data.train[order[number * size : (number + 1) * size]]


def _looked(model: Vae, data: Data) -> dict[str, float]:
    """How the held-out pictures do, without noise or chance: z is the mean."""
    pictures = data.pictures.numbers(data.held_out)
    model.eval()
    with torch.inference_mode():
        means, log_variances = vae_models.encoded(model, pictures)
        errors = squared_error(vae_models.decoded(model, means), pictures)
    model.train()
    return {
        "error": errors.mean().item() / model.shape.values,
        "kl": kl_divergence(means, log_variances).mean().item(),
    }


def _judged(
    model: Vae, data: Data, settings: VaeSettings
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """The figures on the held-out part, and what is usual: for the search for outliers."""
    held_out = data.pictures.numbers(data.held_out)
    with torch.inference_mode():
        means, log_variances = vae_models.encoded(model, held_out)
        errors = squared_error(vae_models.decoded(model, means), held_out) / model.shape.values
        learnt = torch.cat(
            [
                vae_models.encoded(model, data.pictures.numbers(part))[0]
                for part in torch.split(data.train, 2048)
            ]
        )
    kls = 0.5 * (means.square() + log_variances.exp() - log_variances - 1).mean(dim=0)
    mean_picture = _mean_picture(data)
    baseline = (held_out - mean_picture).square().mean().item()
    error = errors.mean().item()
    figures = {
        "held_out_error": round(error, 6),
        "error_of_mean_picture": round(baseline, 6),
        "explained": round(1 - error / max(baseline, 1e-9), 4),
        "held_out_kl": round(kls.sum().item(), 3),
        "active_dimensions": int((kls > _ACTIVE).sum()),
        "epochs": round(settings.steps * settings.batch_size / len(data.train), 1),
    }
    centre, deviation = learnt.mean(dim=0), learnt.std(dim=0).clamp(min=1e-3)
    seen = data.pictures.numbers(data.train[:_MOST_HELD_OUT])
    with torch.inference_mode():
        again = vae_models.decoded(model, learnt[:_MOST_HELD_OUT])
    known = {
        "errors": errors,
        "distances": _distances(means, centre, deviation),
        "training_errors": squared_error(again, seen) / model.shape.values,
        "training_distances": _distances(learnt[:_MOST_HELD_OUT], centre, deviation),
        "latent_mean": centre,
        "latent_deviation": deviation,
    }
    usual = {key: [round(value, 6) for value in each.tolist()] for key, each in known.items()}
    return figures, usual


def _distances(means: Tensor, centre: Tensor, deviation: Tensor) -> Tensor:
    """How far latents lie from the mean of training, in its deviations, (n,)."""
    return ((means - centre) / deviation).square().mean(dim=1).sqrt()


def _mean_picture(data: Data) -> Tensor:
    """The mean of the training pictures: what a model says that knows nothing of its input."""
    total = torch.zeros(data.pictures.pixels.shape[1:])
    for part in torch.split(data.train, 2048):
        total += data.pictures.numbers(part).sum(dim=0)
    return total / len(data.train)


def _preview(model: Vae, data: Data) -> bytes:
    """Held-out pictures, their reconstructions, and samples."""
    pictures = data.pictures.numbers(data.held_out[:_PREVIEWED])
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(_PREVIEWED, model.shape.latent_dim, generator=chance)
    with torch.inference_mode():
        again = vae_models.decoded(model, vae_models.encoded(model, pictures)[0])
        samples = vae_models.decoded(model, latents)
    rows = [vae_pictures.images(each) for each in (pictures, again, samples)]
    return vae_drawing.sheet(rows, ["held out", "again", "samples"])


def _notes(figures: dict[str, Any], settings: VaeSettings) -> list[str]:
    """What the figures mean where they are bad, and what to do."""
    notes = []
    if settings.beta and not figures["active_dimensions"]:
        notes.append(
            "The latents tell nothing about the pictures (posterior collapse). "
            f"Pass a smaller beta, such as {settings.beta / 10:g}, or more steps."
        )
    elif figures["explained"] < 0.3:
        notes.append(
            "The reconstructions are little better than the mean picture. Pass more steps, a "
            "smaller beta, or more pictures."
        )
    return notes


def _checkpoint_of(settings: VaeSettings, data: Data) -> Path:
    """Where a run keeps its state: the same request finds it again, another one does not."""
    asked = json.dumps({**asdict(settings), "data": data.sha256, "torch": version("torch")})
    digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return checkpoints.path_of("vaes", settings.name, digest)


def _rows(log: Path) -> list[dict[str, Any]]:
    """The rows of a log, but for one that a kill cut in the middle."""
    found = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    jobs.work(learn)
