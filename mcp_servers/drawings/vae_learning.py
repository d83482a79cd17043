"""The embedded autoencoder: 64 x 64 pictures as 16 x 16 latents of 4 channels."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers import folders
from mcp_servers.drawings import painting
from mcp_servers.drawings.learning import Optimiser, Report, pixels
from mcp_servers.drawings.scenes import Scene, random_scene
from mcp_servers.torch_runtime import seed as set_seed
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CHANNELS = 4  # of the latents
FACTOR = 4  # by which a side shrinks
_BLOCKS = (16, 32, 32)
_LEARNING_RATE, _KL_WEIGHT = 3e-3, 5e-4
_CROP = painting.SIDE // 2
_ON_CROPS = 0.85  # of the steps
_ON_DECODER = 0.4  # of as many steps once more
_NOISE = 0.5  # of the encoder's, at most, where the decoder learns alone
_SCALED = 256  # pictures from which the latents' spread is measured


def new_model() -> AutoencoderKL:
    """An untrained autoencoder of about 0.23 M parameters. Without attention, so that what it
    learns on crops holds for whole pictures."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(_BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(_BLOCKS),
        block_out_channels=_BLOCKS,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=painting.SIDE,
        mid_block_add_attention=False,
    )


def train(
    folder: Path, start: Path | None, steps: int, batch: int, seed: int, report: Report
) -> None:
    """Train an autoencoder, then its decoder alone; of one to go on from, the decoder alone."""
    from diffusers import AutoencoderKL

    set_seed(seed)
    if start:
        model = AutoencoderKL.from_pretrained(start, torch_dtype=torch.float32)
        _sharpen(model, steps, batch, seed, report)
    else:
        model = _trained(steps, batch, seed, report)
        _sharpen(model, int(steps * _ON_DECODER), batch, seed, report)
    model.register_to_config(_name_or_path="")  # where it was read from is nobody's business
    with folders.replaced(folder) as aside:
        model.save_pretrained(aside)


def _trained(steps: int, batch: int, seed: int, report: Report) -> AutoencoderKL:
    """Train with L1 + squared error + 5e-4 KL, and measure the latents' scale.

    Most of a drawing is flat, so most steps see a quarter of it, around a thing; the last see
    whole pictures, to whose statistics the group norms adapt.
    """
    model = new_model().to(memory_format=torch.channels_last)
    optimiser = Optimiser(model.parameters(), _LEARNING_RATE, steps)
    rng = random.Random(seed + 1)
    model.train()
    for step in range(1, steps + 1):
        scenes = [random_scene(rng) for _ in range(batch)]
        drawn = pixels(scenes)
        if step <= steps * _ON_CROPS:
            drawn = _crops(drawn, scenes, rng)
        drawn = drawn.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = model.encode(drawn).latent_dist
            again = model.decode(posterior.sample()).sample.float()
        kl = posterior.kl().float().mean() / posterior.mean[0].numel()
        optimiser.step(_error(again, drawn) + _KL_WEIGHT * kl)
        report(step, steps, f"squared error {_squared(again, drawn):.5f}, KL {kl:.2f} a number")
    model.eval()
    with torch.inference_mode():
        drawn = pixels([random_scene(rng) for _ in range(_SCALED)])
        latents = model.encode(drawn).latent_dist.sample()
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    return model


def _sharpen(model: AutoencoderKL, steps: int, batch: int, seed: int, report: Report) -> None:
    """Train the decoder alone, on whole pictures: small stars keep their points.

    The latents stay what they are, so that a diffusion model that has learnt them still fits. As
    that one was taught their means, they come with but a part of the encoder's noise, which would
    have the decoder blur.
    """
    rng = random.Random(seed + 3)
    learnt = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    optimiser = Optimiser(learnt, _LEARNING_RATE, steps)
    model.train()
    for step in range(1, steps + 1):
        drawn = pixels([random_scene(rng) for _ in range(batch)])
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                posterior = model.encode(drawn).latent_dist
                part = _NOISE * torch.rand(batch, 1, 1, 1)
                latents = posterior.mean + part * posterior.std * torch.randn_like(posterior.mean)
            again = model.decode(latents).sample.float()
        optimiser.step(_error(again, drawn))
        report(step, steps, f"decoder alone, squared error {_squared(again, drawn):.5f}")
    model.eval()


def _error(again: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.mse_loss(again, drawn) + torch.nn.functional.l1_loss(again, drawn)


def _squared(again: torch.Tensor, drawn: torch.Tensor) -> float:
    return torch.nn.functional.mse_loss(again.detach(), drawn).item()


def _crops(drawn: torch.Tensor, scenes: list[Scene], rng: random.Random) -> torch.Tensor:
    """A quarter of each picture, shape (n, 3, 32, 32), somewhere around one of its things."""

    def start(middle: float) -> int:
        at = int(middle * painting.SIDE) - _CROP // 2 + rng.randint(-14, 14)
        return min(painting.SIDE - _CROP, max(0, at))

    parts = []
    for picture, scene in zip(drawn, scenes, strict=True):
        thing = rng.choice(scene.things)
        left, top = start(thing.x), start(thing.y)
        parts.append(picture[:, top : top + _CROP, left : left + _CROP])
    return torch.stack(parts)
