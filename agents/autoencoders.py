"""What the tools of variational autoencoders give, as the user sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.rendering import noted
from graphs.language import Language
from graphs.specialist import Render
from prompts import say

_ROWS = 10  # of a list; all are counted


def trained(result: Any, language: Language) -> str:
    """A finished training: its figures, its plot of losses and a sheet of reconstructions."""
    head = f"**{result['vae']}** (`{result['folder']}`)"
    figures = [
        f"- {key}: {value:.4g}" if isinstance(value, float) else f"- {key}: {value}"
        for key, value in result.items()
        if isinstance(value, int | float)
    ]
    curve = "손실 곡선" if language == "ko" else "Losses"
    return _noted([head, "", *figures, "", f"{curve}: `{result['curve']}`"], result, language)


def _started(result: Any, language: Language) -> str:
    return say("vae_started", language, name=result["name"], job=result["job"])


def _reconstructed(result: Any, language: Language) -> str:
    head = "그림 | 오차 | KL" if language == "ko" else "Picture | Error | KL"
    rows = [f"`{r['path']}` | {r['error']:.4f} | {r['kl']:.1f}" for r in result["pictures"]]
    usual = "평소" if language == "ko" else "usual"
    mean = f"**{result['mean_error']:.4f}** ({usual} {result['usual_error']:.4f})"
    lines = [mean, "", head, "--- | ---: | ---:", *rows[:_ROWS]]
    return _noted(lines, result, language)


def _sampled(result: Any, language: Language) -> str:
    seed = "시드" if language == "ko" else "seed"
    pairs = zip(result["pictures"], result["seeds"], strict=True)
    lines = [f"**{result['vae']}**", "", *(f"- `{path}` ({seed} {n})" for path, n in pairs)]
    return _noted(lines, result, language)


def _interpolated(result: Any, language: Language) -> str:
    lines = [f"**{result['vae']}**", "", *(f"- `{path}`" for path in result["pictures"])]
    return _noted(lines, result, language)


def _denoised(result: Any, language: Language) -> str:
    lines = [f"`{result['denoised']}`"]
    if result["noisy_error"] is not None:
        word = "오차" if language == "ko" else "error"
        lines.append(f"\n{word}: {result['noisy_error']:.4f} → {result['denoised_error']:.4f}")
    return _noted(lines, result, language)


def _flagged(result: Any, language: Language) -> str:
    found, looked = result["found"], result["looked_at"]
    head = f"{looked}장 중 {found}장" if language == "ko" else f"{found} of {looked}"
    table = "그림 | 점수 | 까닭" if language == "ko" else "Picture | Score | Why"
    rows = [
        f"`{r['path']}` | {r['score']:.1f} | {r['why']}" for r in result["pictures"] if r["outlier"]
    ]
    shown = [table, "--- | ---: | ---", *rows[:_ROWS]] if rows else []
    return _noted([f"**{head}** (> {result['threshold']:g})", "", *shown], result, language)


def _plotted(result: Any, language: Language) -> str:
    groups = ", ".join(f"{name} {count}" for name, count in result["groups"].items())
    lines = [f"{result['method']}: {groups}"]
    if result["explained"] is not None:
        word = "설명하는 분산" if language == "ko" else "explained variance"
        lines.append(f"\n{word}: {result['explained']:.0%}")
    return _noted(lines, result, language)


def _listed(result: Any, language: Language) -> str:
    rows = [f"- **{each['name']}** (`{each['folder']}`)" for each in result["result"]]
    return "\n".join(rows) or say("no_vaes", language)


def _removed(result: Any, language: Language) -> str:
    name = result["removed"]
    return f"VAE `{name}` 을(를) 지웠습니다." if language == "ko" else f"Deleted the VAE `{name}`."


def _noted(lines: list[str], result: Mapping[str, Any], language: Language) -> str:
    """The lines, the picture that shows it, files that could not be read, and notes."""
    if picture := result.get("picture"):
        lines = [*lines, "", f"{'그림' if language == 'ko' else 'Picture'}: `{picture}`"]
    unread = [f"{each['path']}: {each['reason']}" for each in result.get("skipped", [])[:_ROWS]]
    return noted(lines, [*unread, *result.get("notes", [])])


RENDERERS: dict[str, Render] = {
    "train_vae": _started,
    "vae_reconstruct": _reconstructed,
    "vae_sample": _sampled,
    "vae_interpolate": _interpolated,
    "vae_denoise": _denoised,
    "vae_outliers": _flagged,
    "vae_plot": _plotted,
    "vaes": _listed,
    "delete_vae": _removed,
}
