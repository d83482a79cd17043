"""Latents as small pictures, cheaply: one linear map from their channels to colours.

An autoencoder's latents are nearly a coarse picture. The map is the least-squares one on a
picture of many colours, which the encoder sees once; decoding would cost as much as some steps.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from PIL.Image import Image

_LEVELS = (0.0, 0.35, 0.7, 1.0)  # of red, green and blue: 64 colours
_CELLS = 2  # latents along a patch of colour


def colour_map(pipeline: Any) -> torch.Tensor | None:
    """The map, shape (channels + 1, 3), the last row constant; None where latents have no grid."""
    vae = getattr(pipeline, "vae", None)
    factor = getattr(pipeline, "vae_scale_factor", None)
    if vae is None or factor is None or "scaling_factor" not in vae.config:
        return None
    colours = torch.tensor(list(itertools.product(_LEVELS, repeat=3)))  # (64, 3)
    grid = colours.T.reshape(3, 8, 8).repeat_interleave(_CELLS, 1).repeat_interleave(_CELLS, 2)
    drawn = grid.repeat_interleave(factor, 1).repeat_interleave(factor, 2)[None] * 2 - 1
    try:
        with torch.inference_mode():
            seen = vae.encode(drawn.to(vae.device, vae.dtype)).latent_dist.mean.float().cpu()
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None  # an autoencoder of another kind
    if seen.ndim != 4 or seen.shape[2:] != grid.shape[1:]:
        return None
    scaled = (seen - (vae.config.get("shift_factor") or 0.0)) * vae.config.scaling_factor
    points = scaled[0].flatten(1).T  # (256, channels)
    points = torch.cat([points, torch.ones(len(points), 1)], 1)
    solved: torch.Tensor = torch.linalg.lstsq(points, grid.flatten(1).T).solution
    return solved if torch.isfinite(solved).all() else None


def preview(latents: torch.Tensor, colours: torch.Tensor, factor: int) -> Image | None:
    """The first latents, shape (n, channels, h, w), as a picture of h * factor pixels' height.

    None for latents of another kind.
    """
    from PIL import Image

    if latents.ndim != 4 or latents.shape[1] != len(colours) - 1:
        return None
    first = latents[0].detach().float().cpu()
    first = first / first.std().clamp(min=1.0)  # some schedulers start far outside
    pixels = first.permute(1, 2, 0) @ colours[:-1] + colours[-1]
    eight_bits = pixels.clamp(0, 1).mul(255).round().byte().numpy()
    side = latents.shape[3] * factor, latents.shape[2] * factor
    return Image.fromarray(eight_bits).resize(side, Image.Resampling.BICUBIC)
