"""The embedded diffusion pipeline: a U-Net that turns noise into latents, guided by captions."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import folders
from mcp_servers.drawings import painting
from mcp_servers.drawings.caption_facts import FACTS, Facts
from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.clip_learning import WIDTH
from mcp_servers.drawings.learning import Optimiser, Report, pixels
from mcp_servers.drawings.scene_maps import MapReader, maps
from mcp_servers.drawings.scenes import Scene, random_scene
from mcp_servers.drawings.vae_learning import CHANNELS, FACTOR
from mcp_servers.torch_runtime import seed as set_seed
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, UNet2DConditionModel

_BLOCKS, _HEADS = (32, 64, 128), 4
_LEARNING_RATE, _WEIGHT_DECAY, _EMA = 1.5e-3, 0.01, 0.999
_SHARES = 2, 3, 5  # of one thing, several and two: one is learnt soonest
_MAPS = 0.1  # weight of what is where
_TIMES = 0.6, 1.0  # mean and spread of the noise's time, as a logit
_TEXT_STEPS, _TEXT_BATCH, _TEXT_RATE = 2000, 64, 1e-3
_EMPTY = 0.1  # share of captions left out, for classifier-free guidance
_PUBLISHED = 10  # times that the pipeline so far is written


@dataclass(frozen=True)
class Parts:
    """Folders of what the pipeline is made of: a VAE, a CLIP, and what it goes on from, if any."""

    vae: Path
    clip: Path
    start: Path | None  # a pipeline


def new_unet() -> UNet2DConditionModel:
    """An untrained U-Net for 16 x 16 latents that attends to the caption at 8 x 8 and 4 x 4.

    The caption as a whole scales and shifts every layer besides.
    """
    from mcp_servers.drawings.layout_unet import LayoutUNet

    return LayoutUNet(
        sample_size=painting.SIDE // FACTOR,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=_BLOCKS,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=_HEADS,  # heads, in spite of its name
        addition_embed_type="text",
        addition_embed_type_num_heads=_HEADS,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=8,
    )


def new_scheduler() -> DDIMScheduler:
    """DDIM with velocity as target, over cosine noise (arXiv:2102.09672).

    Linear noise leaves nothing of latents this small for half of the steps.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def train(
    folder: Path,
    parts: Parts,
    steps: int,
    batch: int,
    scenes: int,
    seed: int,
    report: Report,
) -> None:
    """Train the text encoder of CLIP to lay out facts, and the U-Net to draw by them.

    A pipeline to go on from has such an encoder already.

    The facts of a caption come to stand at its last positions, which a caption of this world
    leaves empty. The U-Net learns from the same vectors, on latents of `scenes` drawings, and
    with it its layout from what is to be expected where; halfway up it is asked what lies where.

    `folder` gets the pipeline as diffusers writes it, ten times on the way. In float32, which
    takes two thirds of bfloat16's time for so small a network on a CPU.
    """
    from diffusers import AutoencoderKL
    from diffusers.training_utils import EMAModel
    from transformers import AutoTokenizer, CLIPTextModel

    from mcp_servers.drawings.layout_unet import LayoutUNet

    set_seed(seed)
    rng = random.Random(seed + 2)
    autoencoder = AutoencoderKL.from_pretrained(parts.vae).eval()
    drawn = [random_scene(rng, shares=_SHARES) for _ in range(scenes)]
    facts = Facts(WIDTH)
    tokenizer = AutoTokenizer.from_pretrained(parts.clip)
    if parts.start:
        text = CLIPTextModel.from_pretrained(parts.start / "text_encoder")
        unet = LayoutUNet.from_pretrained(parts.start / "unet")
    else:
        text, unet = CLIPTextModel.from_pretrained(parts.clip), new_unet()
        _train_text(text, tokenizer, facts, min(steps, _TEXT_STEPS), rng, report)
    latents = _latents(autoencoder, drawn, report)
    scheduler = new_scheduler()
    learnt = list(unet.parameters())
    reader, read = MapReader(_BLOCKS[-1]), dict[str, torch.Tensor]()
    unet.up_blocks[0].register_forward_hook(lambda *passed: read.update(features=passed[-1]))
    truth = maps(drawn, painting.SIDE // FACTOR)
    optimiser = Optimiser(
        [*learnt, *reader.parameters()], _LEARNING_RATE, steps, _WEIGHT_DECAY, _hidden(unet)
    )
    average = EMAModel(learnt, decay=_EMA)
    unet.train()
    recent = 0.0
    for step, chosen in zip(range(1, steps + 1), _batches(scenes, batch, rng), strict=False):
        said = facts.vectors([None if rng.random() < _EMPTY else drawn[at] for at in chosen])
        clean = latents[chosen]
        noise = torch.randn_like(clean)
        times = _times(batch, scheduler.config.num_train_timesteps)
        noisy = scheduler.add_noise(clean, noise, times)
        layout = unet.layout(said)
        guess = unet(noisy, times, said, layout=layout).sample
        # Unweighted: where noise is strong, it is decided what is drawn and where.
        loss = torch.nn.functional.mse_loss(guess, scheduler.get_velocity(clean, noise, times))
        expected = torch.nn.functional.adaptive_avg_pool2d(clean, layout.shape[-1])
        missed = torch.nn.functional.mse_loss(layout[:, :CHANNELS], expected)
        unread = reader.loss(read["features"], truth[chosen])
        optimiser.step(loss + missed + _MAPS * unread)
        average.step(learnt)
        recent = loss.item() if step == 1 else 0.98 * recent + 0.02 * loss.item()
        report(step, steps, f"loss {recent:.4f}")
        if step == steps or step % max(1, steps // _PUBLISHED) == 0:
            average.store(learnt)
            average.copy_to(learnt)
            _write(folder, autoencoder, text, tokenizer, unet, scheduler)
            average.restore(learnt)


def _hidden(unet: UNet2DConditionModel) -> list[torch.nn.Parameter]:
    """The matrices between what comes in and what goes out, which Muon is for."""
    outer = ("conv_in.", "conv_out.", "layout.places", "add_embedding.pool.positional")
    return [
        each
        for name, each in unet.named_parameters()
        if each.ndim > 1 and not name.startswith(outer)
    ]


def _train_text(
    text: Any, tokenizer: Any, facts: Facts, steps: int, rng: random.Random, report: Report
) -> None:
    """Teach the encoder to end in the vectors of what a caption says, however it is put."""
    text.train()
    optimiser = Optimiser(text.parameters(), _TEXT_RATE, steps)
    for step in range(1, steps + 1):
        scenes = [None if rng.random() < _EMPTY else random_scene(rng) for _ in range(_TEXT_BATCH)]
        captions = [caption(each, rng.choice(("ko", "en")), rng) if each else "" for each in scenes]
        ids = tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        ends = text(ids).last_hidden_state[:, -FACTS:]
        loss = torch.nn.functional.mse_loss(ends, facts.vectors(scenes))
        optimiser.step(loss)
        report(step, steps, f"text, loss {loss.item():.4f}")
    text.eval()


def _times(count: int, steps: int) -> torch.Tensor:
    """Times of the noise, most around 0.65, where shapes are decided (arXiv:2403.03206)."""
    mean, spread = _TIMES
    return (torch.sigmoid(mean + spread * torch.randn(count)) * steps).long().clamp(max=steps - 1)


def _write(folder: Path, vae: Any, text: Any, tokenizer: Any, unet: Any, scheduler: Any) -> None:
    """The parts as one `StableDiffusionPipeline` folder, in float16 to be small.

    But the text encoder: transformers loads what it finds, diffusers float32 unless it is told.
    """
    from diffusers import StableDiffusionPipeline

    for part in (vae, unet):  # where it was read from is nobody's business
        part.register_to_config(_name_or_path="")
    pipeline = StableDiffusionPipeline(
        vae=copy.deepcopy(vae).half(),
        text_encoder=text,
        tokenizer=tokenizer,
        unet=copy.deepcopy(unet).half(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with folders.replaced(folder) as aside:
        pipeline.save_pretrained(aside)


def _latents(vae: Any, scenes: list[Scene], report: Report) -> torch.Tensor:
    """The scenes' latents, shape (n, channels, 16, 16), scaled to a spread of 1."""
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(scenes), 64):
            drawn = pixels(scenes[start : start + 64])
            parts.append(vae.encode(drawn).latent_dist.mean.float() * vae.config.scaling_factor)
            report(min(start + 64, len(scenes)), len(scenes), "drawing and encoding")
    return torch.cat(parts).clone()


def _batches(scenes: int, batch: int, rng: random.Random) -> Iterator[list[int]]:
    """Batches without end: every scene once before any comes again."""
    while True:
        order = rng.sample(range(scenes), scenes)
        for start in range(0, scenes - batch + 1, batch):
            yield order[start : start + batch]
