"""A request for pictures from its start to its files, in this process or in a job.

`python -m mcp_servers.diffusion.generating FOLDER` is the job: pictures that are there already are
not drawn again.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp_servers import jobs, pictures
from mcp_servers.diffusion import loading, notes, previews, stamps
from mcp_servers.diffusion.drawing import Drawer
from mcp_servers.diffusion.patience import Report
from mcp_servers.diffusion.results import Drawing, Picture, StepPreview
from mcp_servers.diffusion.settings import Settings
from mcp_servers.torch_runtime import torch

_PREVIEW_SECONDS = 1.0  # between two previews of a picture on the way
_DIGITS = 3  # of a step in a preview's name


def drawn(asked: Settings, stem: str, report: Report) -> Drawing:
    """Draw what is asked for; pictures are `DURE_HOME/pictures/STEM-001.png` and so on.

    Those that exist are kept as they are. Raises `EngineError`, and what `report` raises.
    """
    loaded = loading.load(asked.model, asked.dtype, lambda said: report(0, 0, said))
    drawer = Drawer(loaded, asked)
    settings = _settings(asked, drawer)
    width, height = drawer.width, drawer.height
    began = time.monotonic()
    made: list[Picture] = []
    kept: list[StepPreview] = []
    told = [
        *notes.of_the_prompt(
            asked.prompt, loaded.embedded, getattr(loaded.pipeline, "tokenizer", None)
        ),
        *notes.of_the_controls(asked, drawer.guidance_scale, (width, height), loaded.sizes.native),
    ]
    with drawer:
        for at in range(asked.count):
            seed, name = asked.first_seed + at, f"{stem}-{at + 1:03d}.png"
            path = pictures.folder() / name
            if not path.is_file():
                stamp = {**settings, "seed": seed}
                watcher = _Watcher(asked, loaded, at, path, stamp, report)
                try:
                    picture = drawer.draw(seed, watcher)
                finally:
                    watcher.live.unlink(missing_ok=True)
                if picture.blocked:
                    told.append(notes.blocked(asked.prompt, seed))
                pictures.keep(stamps.stamped(picture.image, stamp), name)
                width, height = picture.image.size
            made.append({"picture": str(path), "seed": seed})
            kept += _previews(path, seed)
    return {
        "pictures": made,
        "previews": kept,
        "model": asked.model,
        "scheduler": drawer.scheduler,
        "width": width,
        "height": height,
        "settings": settings,
        "seconds": round(time.monotonic() - began, 3),
        "job": None,
        "status": "done",
        "notes": told,
    }


def _settings(asked: Settings, drawer: Drawer) -> dict[str, Any]:
    """What makes a picture again, under the names of the tools' arguments; the seed apart."""
    given = asked.model_dump(
        exclude={"count", "seed", "preview_every", "background"}, exclude_none=True
    )
    for name in ("model", "picture", "mask"):
        if name in given:
            given[name] = _without_folder(given[name])
    if "lora" in given:
        given["lora"] = [_without_folder(name) for name in given["lora"]]
    if asked.task == "text":  # of a picture that is redrawn, null means its own proportions
        given |= {"width": drawer.width, "height": drawer.height}
    return {
        **given,
        "guidance_scale": drawer.guidance_scale,
        "scheduler_class": drawer.scheduler,
        "software": f"Dure {version('dure')}",
    }


def _without_folder(name: str) -> str:
    """A picture that is passed on need not tell where its maker's files lie."""
    return Path(name).name if Path(name).is_absolute() else name


def _previews(path: Path, seed: int) -> list[StepPreview]:
    """The previews that were kept of a picture, also by a job's earlier process."""
    found = sorted(path.parent.glob(f"{path.stem}-step*.png"))
    return [
        {"preview": str(each), "seed": seed, "step": int(each.stem[-_DIGITS:])} for each in found
    ]


class _Watcher:
    """Reports a picture's steps, and shows what it looks like on the way."""

    def __init__(
        self,
        asked: Settings,
        loaded: loading.Loaded,
        at: int,
        path: Path,
        stamp: dict[str, Any],
        report: Report,
    ) -> None:
        self._asked, self._loaded, self._at = asked, loaded, at
        self._path, self._stamp, self._report = path, stamp, report
        self.live = path.with_name(f"{path.stem}-preview.png")
        self._last = time.monotonic()

    def __call__(self, step: int, steps: int, latents: torch.Tensor) -> None:
        shown = self._kept(step, latents) or self._live(step, latents)
        said = f"step {step} of {steps}"
        if self._asked.count > 1:
            said = f"picture {self._at + 1} of {self._asked.count}, {said}"
        if shown:
            said = f"{said}; preview: {shown}"
        self._report(self._at * steps + step, self._asked.count * steps, said)

    def _kept(self, step: int, latents: torch.Tensor) -> Path | None:
        """A preview that stays, at the steps that the user wants to see."""
        every = self._asked.preview_every
        if not every or step % every:
            return None
        return self._drawn(step, latents, f"{self._path.stem}-step{step:0{_DIGITS}d}.png")

    def _live(self, step: int, latents: torch.Tensor) -> Path | None:
        """A preview that goes when the picture is there; a quick picture has none."""
        if time.monotonic() - self._last >= _PREVIEW_SECONDS:
            self._drawn(step, latents, self.live.name)
            self._last = time.monotonic()
        return self.live if self.live.is_file() else None

    def _drawn(self, step: int, latents: torch.Tensor, name: str) -> Path | None:
        if self._loaded.colours is None:
            return None
        factor = self._loaded.pipeline.vae_scale_factor
        image = previews.preview(latents, self._loaded.colours, factor)
        if image is None:
            return None
        return pictures.keep(stamps.stamped(image, {**self._stamp, "step": step}), name)


def _work(worker: jobs.Worker) -> dict[str, Any]:
    asked = Settings(**worker.spec)
    return {**drawn(asked, worker.folder.name, worker.step), "job": worker.folder.name}


if __name__ == "__main__":
    jobs.work(_work)
