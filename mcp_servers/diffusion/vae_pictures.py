"""Pictures as autoencoders take them: squares of one size, in colour or grey."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import picture_files
from mcp_servers.decoding import Unreadable
from mcp_servers.diffusion.vae_results import Unread
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

Tensor = torch.Tensor

MAX_FILES = 100_000
_MAX_ENTRIES = 1_000_000  # what a folder walk may look at, so that naming `/` ends
MAX_BYTES = 2_000_000_000  # of all pictures once they are read
_FINER = 4  # times longer than the side while a picture is opened, so that a long one can be cut


@dataclass(frozen=True)
class Pictures:
    """`pixels` is (n, channels, side, side) of bytes, `paths` their files, `skipped` the others."""

    pixels: Tensor
    paths: list[Path]
    skipped: list[Unread]

    def numbers(self, which: slice | Tensor = slice(None)) -> Tensor:
        """Some of them from 0 to 1."""
        return self.pixels[which].float() / 255


def found(path: Path) -> list[Path]:
    """A picture that is named, or all below a folder, sorted; hidden ones and links out are not.

    Raises `EngineError` where there is none, or more than `MAX_FILES`.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise EngineError(f"There is no file or folder {path}. Check the spelling.")
    files: list[Path] = []
    seen = 0
    for parent, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        seen += len(names)
        for name in names:
            file = Path(parent, name)
            if name.startswith(".") or file.suffix.lower() not in picture_files.PICTURE_SUFFIXES:
                continue
            if file.resolve().is_relative_to(path):
                files.append(file)
        if len(files) > MAX_FILES or seen > _MAX_ENTRIES:
            raise EngineError(
                f"{path} holds too many files (the limit is {MAX_FILES:,} pictures among "
                f"{_MAX_ENTRIES:,} files). Name a smaller folder."
            )
    if not files:
        kinds = ", ".join(sorted(picture_files.PICTURE_SUFFIXES))
        raise EngineError(f"{path} holds no picture ({kinds}). Name a folder of pictures.")
    return sorted(files)


def read(
    files: Sequence[Path], side: int, channels: int, report: Callable[[int, int], None]
) -> Pictures:
    """The middle square of each picture. Raises `EngineError` where no picture can be read.

    `report` hears how many are read of how many.
    """
    import numpy as np

    size = len(files) * channels * side * side
    if size > MAX_BYTES:
        most = MAX_BYTES // (channels * side * side)
        raise EngineError(
            f"{len(files):,} pictures of {side} x {side} are too many at once (the limit is "
            f"{most:,}). Pass a smaller side, or a folder with fewer pictures."
        )
    pixels: list[Any] = []
    paths: list[Path] = []
    skipped: list[Unread] = []
    for number, file in enumerate(files):
        report(number, len(files))
        try:
            square = _square(picture_files.opened(file, side * _FINER), side, channels)
        except Unreadable as reason:
            skipped.append({"path": str(file), "reason": str(reason)})
            continue
        pixels.append(np.asarray(square).reshape(side, side, channels))
        paths.append(file)
    if not pixels:
        first = skipped[0]
        raise EngineError(f"No picture can be read. {Path(first['path']).name}: {first['reason']}")
    read = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return Pictures(read, paths, skipped)


def _square(image: Image, side: int, channels: int) -> Image:
    from PIL import Image, ImageOps

    square = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
    return square.convert("L") if channels == 1 else square


def images(numbers: Tensor) -> list[Image]:
    """Pictures for numbers from 0 to 1 of (n, channels, side, side)."""
    from PIL import Image

    pixels = numbers.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(each.squeeze(-1) if each.shape[-1] == 1 else each) for each in pixels]
