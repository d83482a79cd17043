"""The embedded CLIP: a small vision and a small text transformer, trained by contrast."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.drawings import painting, tokens
from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.scenes import Scene, random_scene
from mcp_servers.torch_runtime import seed as set_seed
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

Report = Callable[[int, int, str], None]  # done, total, what it says
WIDTH = 128  # of both transformers, and of the space they share
_LAYERS, _HEADS, _PATCH = 4, 4, 8
_LEARNING_RATE, _WARM_UP, _WEIGHT_DECAY = 1e-3, 100, 0.05
_MEAN = _STD = 0.5


def new_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """An untrained CLIP of about 1.8 M parameters for 64 x 64 pictures."""
    from transformers import CLIPConfig, CLIPModel

    text = text_settings(tokenizer, WIDTH, _LAYERS)
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "image_size": painting.SIDE,
        "patch_size": _PATCH,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def text_settings(tokenizer: CLIPTokenizer, width: int, layers: int) -> dict[str, Any]:
    """Settings of a CLIP text transformer for the world's captions."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": layers,
        "num_attention_heads": _HEADS,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokens.LONGEST,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def train(folder: Path, steps: int, batch: int, seed: int, report: Report) -> None:
    """Train on drawings made as they are needed; write the model's folder, ready to load."""
    from transformers import CLIPImageProcessorPil, CLIPTokenizer

    set_seed(seed)
    tokens.write_tokenizer(folder, seed=seed)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    model = new_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: rate_at(at, steps))
    rng = random.Random(seed)
    model.train()
    for step in range(1, steps + 1):
        scenes = [random_scene(rng) for _ in range(batch)]
        texts = [caption(scene, rng.choice(("ko", "en")), rng) for scene in scenes]
        with torch.autocast("cpu", torch.bfloat16):
            out = model(pixel_values=pixels(scenes), **encoded(tokenizer, texts), return_loss=True)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=4.6052)  # 100, as CLIP's own
        right = out.logits_per_image.argmax(1).eq(torch.arange(batch)).float().mean().item()
        report(step, steps, f"loss {out.loss.item():.3f}, right in the batch {right:.0%}")
    model.train(False).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": painting.SIDE},
        crop_size={"height": painting.SIDE, "width": painting.SIDE},
        image_mean=[_MEAN] * 3,
        image_std=[_STD] * 3,
    ).save_pretrained(folder)


def pixels(scenes: list[Scene]) -> torch.Tensor:
    """The drawings, shape (n, 3, 64, 64), from -1 to 1."""
    import numpy as np

    drawn = np.stack([np.asarray(painting.paint(scene)) for scene in scenes])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def encoded(tokenizer: CLIPTokenizer, texts: list[str]) -> dict[str, Any]:
    """Ids and mask of the texts, shapes (n, longest)."""
    return dict(tokenizer(texts, padding=True, truncation=True, return_tensors="pt"))


def rate_at(step: int, steps: int) -> float:
    """The share of the learning rate at a step: a linear rise, then half a cosine down to 2%."""
    import math

    if step < _WARM_UP:
        return (step + 1) / _WARM_UP
    done = (step - _WARM_UP) / max(1, steps - _WARM_UP)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
