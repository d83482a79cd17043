"""Which pipeline a name means: the embedded one, a folder, or a repository of the hub.

Only folders that diffusers wrote, with weights as safetensors: a pickle, or code that comes with
a model, can do anything when it is loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import Context

from mcp_servers.diffusion import hub_pipelines
from mcp_servers.diffusion.hub_pipelines import INDEX
from mcp_servers.diffusion.results import Pipeline
from mcp_servers.diffusion.settings import EMBEDDED, MAX_SIDE
from mcp_servers.drawings import weights
from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_path

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_TIMES_NATIVE = 8
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class Sizes:
    """Sides are multiples of `multiple` pixels; the model learnt at `native`, if it says so."""

    multiple: int
    native: int | None

    def of(self, width: int | None, height: int | None) -> tuple[int | None, int | None]:
        """Width and height as asked for, or the model's own. Raises `EngineError`."""
        for name, side in (("width", width), ("height", height)):
            if side is not None and (side % self.multiple or not self.multiple <= side <= MAX_SIDE):
                low = min(max(side // self.multiple, 1) * self.multiple, self._most)
                near = sorted({low, min(low + self.multiple, self._most)})
                raise EngineError(
                    f"{name} is {side}. This model draws multiples of {self.multiple} pixels up "
                    f"to {self._most}: pass {' or '.join(map(str, near))}."
                )
        return width or self.native, height or self.native

    def near(
        self, source: tuple[int, int], width: int | None, height: int | None
    ) -> tuple[int, int]:
        """Width and height to redraw a picture of that size in; what is None keeps proportions.

        With neither, the longer side is the model's own. Raises `EngineError`.
        """
        self.of(width, height)
        longer = self.native or min(max(source), self._most)
        scale = longer / max(source)
        if width or height:
            scale = width / source[0] if width else (height or 0) / source[1]
        across, down = (
            min(max(round(side * scale / self.multiple), 1) * self.multiple, self._most)
            for side in source
        )
        return width or across, height or down

    @property
    def _most(self) -> int:
        """The longest side: far beyond what it learnt, a model only repeats itself, and slowly."""
        longest = min(MAX_SIDE, _TIMES_NATIVE * self.native) if self.native else MAX_SIDE
        return max(longest // self.multiple, 1) * self.multiple


def allowed(name: str, context: Context[Any, Any, Any] | None) -> str:
    """The name, its path made absolute if it is one. Raises `EngineError` outside the roots."""
    if not _is_path(name):
        return name
    return str(allowed_path(name, context))


def folder_of(name: str) -> Path | None:
    """The model's folder, checked; None for a repository of the hub, which may need fetching.

    Raises `EngineError` for a name that means nothing.
    """
    if name == EMBEDDED:
        return weights.folder("diffusion")
    if _is_path(name):
        return checked(Path(name))
    if not _HUB_NAME.fullmatch(name):
        raise EngineError(
            f"There is no model {name!r}. Choose {EMBEDDED}, a folder that diffusers wrote, or a "
            "name of the Hugging Face hub such as stable-diffusion-v1-5/stable-diffusion-v1-5."
        )
    return None


def checked(folder: Path) -> Path:
    """A folder that holds a pipeline without pickles or code. Raises `EngineError`."""
    if folder.is_file():
        raise EngineError(f"{folder} is a file. Name the folder that holds {INDEX}.")
    if not folder.is_dir():
        raise EngineError(f"There is no folder {folder}. Check the spelling.")
    index = _json(folder / INDEX)
    if index is None:
        raise EngineError(
            f"{folder} has no {INDEX} that can be read, so it holds no pipeline. Name a folder "
            "that diffusers' save_pretrained wrote."
        )
    parts = {name: part for name, part in index.items() if isinstance(part, list)}
    if "_class_name" in parts:
        raise EngineError(f"{folder} brings a pipeline's own code, which is not run. Name another.")
    for name, part in parts.items():
        if part and part[0] and (folder / name / f"{part[0]}.py").exists():
            raise EngineError(
                f"The part {name} of {folder} brings code of its own, which is not run. Name a "
                "pipeline whose parts are of diffusers and transformers."
            )
        _refuse_pickles(folder / name)
    return folder


def sizes(folder: Path) -> Sizes:
    """What the parts' configurations say of sizes, without loading them."""
    vae = _json(folder / "vae" / "config.json") or {}
    unet = _json(folder / "unet" / "config.json")
    body = unet or _json(folder / "transformer" / "config.json") or {}
    factor = 2 ** max(0, len(vae.get("block_out_channels", ())) - 1)
    deeper = 2 ** (len(unet.get("down_block_types", ())) - 1) if unet else body.get("patch_size", 2)
    learnt = body.get("sample_size")
    native = learnt * factor if isinstance(learnt, int) else None
    return Sizes(factor * deeper if isinstance(deeper, int) else factor, native)


def listing() -> list[Pipeline]:
    """The embedded pipeline and those in the hub's cache, whose safetensors are here."""
    found: dict[str, Path] = {}
    with contextlib.suppress(EngineError):
        found[EMBEDDED] = weights.folder("diffusion")
    for name, folder in hub_pipelines.cached().items():
        with contextlib.suppress(EngineError):
            found[name] = checked(folder)
    return [_described(name, folder) for name, folder in found.items()]


def _described(name: str, folder: Path) -> Pipeline:
    known = sizes(folder)
    return {
        "name": name,
        "pipeline": str((_json(folder / INDEX) or {}).get("_class_name", "")),
        "side": known.native,
        "multiple": known.multiple,
        "folder": str(folder),
    }


def _refuse_pickles(part: Path) -> None:
    if not part.is_dir() or any(part.glob("*.safetensors")):
        return
    pickles = sorted(file.name for file in part.iterdir() if file.suffix in _PICKLES)
    if pickles:
        raise EngineError(
            f"The weights in {part} are pickled ({pickles[0]}): loading them can run any code. "
            "Convert them to safetensors, or name a model that has them so."
        )


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or (name != EMBEDDED and Path(name).exists())


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
