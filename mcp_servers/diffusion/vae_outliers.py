"""Pictures unlike those that an autoencoder learnt from."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_servers import pictures as picture_store
from mcp_servers.diffusion import vae_models, vae_using
from mcp_servers.diffusion.vae_models import Trained
from mcp_servers.diffusion.vae_network import squared_error
from mcp_servers.diffusion.vae_pictures import Pictures
from mcp_servers.diffusion.vae_results import Outlier, Outliers
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

MAX_PICTURES = 10_000
_FEW = 30  # held-out pictures that say little of what is usual
_LISTED, _SHOWN = 50, 16
_NORMAL = 1.4826  # times the median absolute deviation: a normal distribution's own
_LEAST_SPREAD = 1e-3  # of cube roots: pictures that are all alike give no narrower one
_AT_ONCE = 512


def flag(
    trained: Trained, pictures: Pictures, threshold: float, language: str
) -> tuple[Outliers, bytes]:
    """Score each picture by robust z values (Iglewicz and Hoaglin, 1993) of two cube roots.

    One is of its reconstruction error, the other of its latents' distance from the mean of
    training. The cube root makes sums of squares nearly normal (Wilson and Hilferty, 1931). What
    is usual is what the pictures had that training held out.
    """
    if not 0.5 <= threshold <= 100:
        raise EngineError(f"threshold is {threshold:g}. Pass 0.5 to 100; 3.5 is usual.")
    usual = trained.config["usual"]
    errors, distances = _measured(trained, pictures)
    z_errors = _z(errors, usual["errors"], usual["training_errors"])
    z_latents = _z(distances, usual["distances"], usual["training_distances"])
    scored: list[Outlier] = [
        {
            "path": str(path),
            "score": round(max(z_error, z_latent), 2),
            "outlier": max(z_error, z_latent) > threshold,
            "z_error": round(z_error, 2),
            "z_latent": round(z_latent, 2),
            "error": round(error, 6),
            "why": _why(z_error, z_latent, threshold, language),
        }
        for path, error, z_error, z_latent in zip(
            pictures.paths, errors, z_errors, z_latents, strict=True
        )
    ]
    order = sorted(range(len(scored)), key=lambda at: -scored[at]["score"])
    first = torch.tensor(order[:_SHOWN])
    original = pictures.numbers(first)
    with torch.inference_mode():
        means = vae_models.encoded(trained.model, original)[0]
        png = vae_using.pairs(original, vae_models.decoded(trained.model, means), language)
    notes = []
    if len(usual["errors"]) < _FEW:
        notes.append(
            f"Only {len(usual['errors'])} held-out pictures say what is usual. Train with more "
            "pictures for surer scores."
        )
    return {
        "vae": trained.name,
        "looked_at": len(scored),
        "found": sum(each["outlier"] for each in scored),
        "threshold": threshold,
        "pictures": [scored[at] for at in order[:_LISTED]],
        "picture": str(picture_store.save(png, "outliers")),
        "skipped": pictures.skipped,
        "notes": notes,
    }, png


def _measured(trained: Trained, pictures: Pictures) -> tuple[list[float], list[float]]:
    """Squared error a number, and distance from the mean of training in deviations."""
    usual = trained.config["usual"]
    mean, deviation = (torch.tensor(usual[key]) for key in ("latent_mean", "latent_deviation"))
    errors: list[float] = []
    distances: list[float] = []
    with torch.inference_mode():
        for part in torch.split(torch.arange(len(pictures.paths)), _AT_ONCE):
            numbers = pictures.numbers(part)
            means = vae_models.encoded(trained.model, numbers)[0]
            again = vae_models.decoded(trained.model, means)
            errors += (squared_error(again, numbers) / trained.shape.values).tolist()
            distances += ((means - mean) / deviation).square().mean(dim=1).sqrt().tolist()
    return errors, distances


def _z(values: Sequence[float], held_out: Sequence[float], learnt: Sequence[float]) -> list[float]:
    """How many deviations each value's cube root lies from the median of held-out ones.

    The deviation is the larger of the held-out part's and the training part's, since a few
    held-out pictures may be alike by chance.
    """

    def roots(numbers: Sequence[float]) -> torch.Tensor:
        return torch.tensor(numbers) ** (1 / 3)

    def deviation(numbers: torch.Tensor) -> float:
        return _NORMAL * (numbers - numbers.median()).abs().median().item()

    usual = roots(held_out)
    spread = max(deviation(usual), deviation(roots(learnt)), _LEAST_SPREAD)
    z: list[float] = ((roots(values) - usual.median()) / spread).tolist()
    return z


def _why(z_error: float, z_latent: float, threshold: float, language: str) -> str:
    korean = language == "ko"
    reasons = []
    if z_error > threshold:
        reasons.append("재구성이 평소보다 나쁨" if korean else "reconstructed worse than usual")
    if z_latent > threshold:
        reasons.append("잠재 벡터가 멀리 있음" if korean else "its latents lie far off")
    return ", ".join(reasons)
