"""The embedded autoencoder: 64 x 64 pictures as 8 x 8 latents of 8 channels."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.drawings import painting
from mcp_servers.drawings.clip_learning import Report, pixels, rate_at
from mcp_servers.drawings.scenes import random_scene
from mcp_servers.torch_runtime import seed as set_seed
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CHANNELS = 8  # of the latents
_BLOCKS = (16, 32, 64, 64)
_LEARNING_RATE, _KL_WEIGHT = 2e-3, 1e-4
_SCALED = 256  # pictures from which the latents' spread is measured


def new_model() -> AutoencoderKL:
    """An untrained autoencoder of about 0.6 M parameters; a side is divided by 8."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(_BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(_BLOCKS),
        block_out_channels=_BLOCKS,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=painting.SIDE,
    )


def train(folder: Path, steps: int, batch: int, seed: int, report: Report) -> None:
    """Train with L1 + squared error + 1e-4 KL; write the model with its latents' scale."""
    set_seed(seed)
    model = new_model().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), _LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: rate_at(at, steps))
    rng = random.Random(seed + 1)
    model.train()
    for step in range(1, steps + 1):
        drawn = pixels([random_scene(rng) for _ in range(batch)])
        drawn = drawn.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = model.encode(drawn).latent_dist
            again = model.decode(posterior.sample()).sample.float()
        error = torch.nn.functional.mse_loss(again, drawn)
        away = torch.nn.functional.l1_loss(again, drawn)
        kl = posterior.kl().float().mean() / posterior.mean[0].numel()
        (error + away + _KL_WEIGHT * kl).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        report(step, steps, f"squared error {error.item():.5f}, KL {kl.item():.2f} a number")
    model.eval()
    with torch.inference_mode():
        drawn = pixels([random_scene(rng) for _ in range(_SCALED)])
        latents = model.encode(drawn).latent_dist.sample()
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    model.save_pretrained(folder)
