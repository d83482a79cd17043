"""What a trained autoencoder does: reconstruct, sample, interpolate, denoise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mcp_servers import pictures as picture_store
from mcp_servers.diffusion import vae_drawing, vae_models, vae_pictures
from mcp_servers.diffusion.vae_models import Trained
from mcp_servers.diffusion.vae_network import kl_divergence, squared_error
from mcp_servers.diffusion.vae_pictures import Pictures
from mcp_servers.diffusion.vae_results import Denoised, Interpolation, Reconstructions, Samples
from mcp_servers.errors import EngineError
from mcp_servers.picture_files import png_of
from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor
Report = Callable[[int, int], None]

MAX_SHOWN = 64  # pictures that are reconstructed, sampled or between two
_COLUMNS = 8
_LABELS = {
    "en": {"original": "original", "again": "again", "noisy": "noisy", "denoised": "denoised"},
    "ko": {"original": "원본", "again": "재구성", "noisy": "잡음", "denoised": "잡음 제거"},
}


def read(trained: Trained, paths: Sequence[Path], most: int, report: Report) -> Pictures:
    """The pictures at paths and in folders, as the model takes them. Raises `EngineError`."""
    files = [file for path in paths for file in vae_pictures.found(path)]
    if not files:
        raise EngineError("No picture is named. Name pictures, or a folder of them.")
    if len(files) > most:
        raise EngineError(f"There are {len(files):,} pictures; the limit is {most:,}. Name fewer.")
    return vae_pictures.read(files, trained.shape.side, trained.shape.channels, report)


def reconstruct(
    trained: Trained, pictures: Pictures, language: str
) -> tuple[Reconstructions, bytes]:
    """Encode and decode; z is the mean."""
    original = pictures.numbers()
    with torch.inference_mode():
        means, log_variances = vae_models.encoded(trained.model, original)
        again = vae_models.decoded(trained.model, means)
    errors = (squared_error(again, original) / trained.shape.values).tolist()
    kls = kl_divergence(means, log_variances).tolist()
    png = pairs(original, again, language)
    return {
        "vae": trained.name,
        "pictures": [
            {"path": str(path), "error": round(error, 6), "kl": round(kl, 3)}
            for path, error, kl in zip(pictures.paths, errors, kls, strict=True)
        ],
        "mean_error": round(sum(errors) / len(errors), 6),
        "usual_error": trained.config["figures"]["held_out_error"],
        "picture": str(picture_store.save(png, "reconstructions")),
        "skipped": pictures.skipped,
    }, png


def pairs(original: Tensor, again: Tensor, language: str) -> bytes:
    """A sheet of originals, each above what the model makes of it."""
    labels = _LABELS[language]
    rows, names = [], []
    both = (vae_drawing.wrapped(vae_pictures.images(each), _COLUMNS) for each in (original, again))
    for above, below in zip(*both, strict=True):
        rows += [above, below]
        names += [labels["original"], labels["again"]]
    return vae_drawing.sheet(rows, names)


def sample(trained: Trained, count: int, seed: int, temperature: float) -> tuple[Samples, bytes]:
    """Decode z from N(0, temperature^2); picture i is what seed + i alone gives."""
    if not 1 <= count <= MAX_SHOWN:
        raise EngineError(f"count is {count}. Pass 1 to {MAX_SHOWN}.")
    if not 0 <= temperature <= 3:
        raise EngineError(f"temperature is {temperature:g}. Pass 0 to 3; 1 is the prior's own.")
    if not 0 <= seed < 2**31:
        raise EngineError(f"seed is {seed}. Pass 0 to {2**31 - 1}.")
    seeds = [seed + number for number in range(count)]
    latents = [
        torch.randn(trained.shape.latent_dim, generator=torch.Generator().manual_seed(each))
        for each in seeds
    ]
    with torch.inference_mode():
        # One by one: in a batch the last bits depend on how many there are.
        drawn = torch.cat(
            [vae_models.decoded(trained.model, z[None] * temperature) for z in latents]
        )
    images = vae_pictures.images(drawn)
    rows = vae_drawing.wrapped(images, _COLUMNS)
    firsts = [f"seed {each}" for each in seeds[::_COLUMNS]]
    png = vae_drawing.sheet(rows, firsts)
    return {
        "vae": trained.name,
        "pictures": [str(picture_store.save(png_of(image), "sample")) for image in images],
        "seeds": seeds,
        "picture": str(picture_store.save(png, "samples")),
    }, png


def interpolate(trained: Trained, ends: Pictures, steps: int) -> tuple[Interpolation, bytes]:
    """Pictures along the straight line between the latents of two, both included."""
    if not 3 <= steps <= MAX_SHOWN:
        raise EngineError(f"steps is {steps}. Pass 3 to {MAX_SHOWN}.")
    if len(ends.paths) != 2:
        reason = f" {ends.skipped[0]['reason']}" if ends.skipped else ""
        raise EngineError(f"Two pictures are needed.{reason} Name a first and a last picture.")
    with torch.inference_mode():
        first, last = vae_models.encoded(trained.model, ends.numbers())[0]
        shares = torch.linspace(0, 1, steps)[:, None]
        between = vae_models.decoded(trained.model, torch.lerp(first, last, shares))
    images = vae_pictures.images(between)
    originals = vae_pictures.images(ends.numbers())
    rows = vae_drawing.wrapped([originals[0], *images, originals[1]], _COLUMNS + 2)
    png = vae_drawing.sheet(rows, [ends.paths[0].stem[:12], *[""] * (len(rows) - 1)])
    return {
        "vae": trained.name,
        "pictures": [str(picture_store.save(png_of(image), "between")) for image in images],
        "picture": str(picture_store.save(png, "interpolation")),
    }, png


def denoise(
    trained: Trained, pictures: Pictures, noise: float, seed: int, language: str
) -> tuple[Denoised, bytes]:
    """What the model makes of a noisy picture: it can say only what pictures look like.

    With `noise` the picture is clean, and normal noise of that standard deviation (pixels from 0
    to 1) is added first, so that the errors before and after are known.
    """
    if not 0 <= noise <= 1:
        raise EngineError(f"noise is {noise:g}. Pass 0 (the picture is noisy itself) to 1.")
    if not pictures.paths:
        raise EngineError(pictures.skipped[0]["reason"])
    clean = pictures.numbers(slice(0, 1))
    chance = torch.Generator().manual_seed(seed)
    noisy = (clean + noise * torch.randn(clean.shape, generator=chance)).clamp(0, 1)
    with torch.inference_mode():
        again = vae_models.decoded(trained.model, vae_models.encoded(trained.model, noisy)[0])
    labels = _LABELS[language]
    shown = [("original", clean), ("noisy", noisy), ("denoised", again)]
    rows = [(labels[name], vae_pictures.images(each)) for name, each in shown[0 if noise else 1 :]]
    png = vae_drawing.sheet([row for _, row in rows], [label for label, _ in rows])
    learnt = trained.config["settings"]["noise"]
    notes = []
    if noise > max(learnt, 0.1) * 1.5:
        notes.append(
            f"{trained.name} learnt with noise up to {learnt:g}. Train with a higher noise to "
            "take away more."
        )
    return {
        "vae": trained.name,
        "denoised": str(picture_store.save(png_of(vae_pictures.images(again)[0]), "denoised")),
        "noisy_error": _error(noisy, clean) if noise else None,
        "denoised_error": _error(again, clean) if noise else None,
        "picture": str(picture_store.save(png, "denoising")),
        "notes": notes,
    }, png


def _error(one: Tensor, other: Tensor) -> float:
    return round((one - other).square().mean().item(), 6)
