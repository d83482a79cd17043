"""The embedded CLIP: a small vision and a small text transformer, trained by contrast."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import folders
from mcp_servers.drawings import painting, tokens
from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.learning import Optimiser, Report, pixels
from mcp_servers.drawings.scenes import COLOURS, SHAPES, Kinds, Scene, random_scene
from mcp_servers.drawings.truth import describes
from mcp_servers.torch_runtime import seed as set_seed
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

WIDTH = 128  # of both transformers, and of the space they share
_LAYERS, _HEADS, _PATCH = 4, 4, 8
_LEARNING_RATE, _WEIGHT_DECAY = 1e-3, 0.05
_MEAN = _STD = 0.5


def new_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """An untrained CLIP of about 1.5 M parameters for 64 x 64 pictures."""
    from transformers import CLIPConfig, CLIPModel

    text = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokens.LONGEST,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
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


def train(
    folder: Path, start: Path | None, steps: int, batch: int, seed: int, report: Report
) -> None:
    """Train on drawings made as they are needed; write the model's folder, ready to load.

    `start` is the folder of a model to go on from.
    """
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    set_seed(seed)
    if start:
        tokenizer, model = CLIPTokenizer.from_pretrained(start), CLIPModel.from_pretrained(start)
    else:
        tokenizer = tokens.new_tokenizer(seed)
        model = new_model(tokenizer)
    optimiser = Optimiser(model.parameters(), _LEARNING_RATE, steps, _WEIGHT_DECAY)
    rng = random.Random(seed)
    model.train()
    for step in range(1, steps + 1):
        scenes = _alike(batch, rng) if step % 2 else [random_scene(rng) for _ in range(batch)]
        texts = [caption(scene, rng.choice(("ko", "en")), rng) for scene in scenes]
        with torch.autocast("cpu", torch.bfloat16):
            out = model(pixel_values=pixels(scenes), **encoded(tokenizer, texts))
        logits = out.logits_per_text.float().masked_fill(_also_true(scenes), -torch.inf)
        own = torch.arange(batch)
        rows, columns = (torch.nn.functional.cross_entropy(way, own) for way in (logits, logits.T))
        loss = (rows + columns) / 2
        optimiser.step(loss)
        with torch.no_grad():
            model.logit_scale.clamp_(max=4.6052)  # 100, as CLIP's own
        if step % 2 == 0:
            right = logits.argmax(1).eq(own).float().mean().item()
            report(step, steps, f"loss {loss.item():.3f}, right in the batch {right:.0%}")
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": painting.SIDE},
        crop_size={"height": painting.SIDE, "width": painting.SIDE},
        image_mean=[_MEAN] * 3,
        image_std=[_STD] * 3,
    )
    with folders.replaced(folder) as aside:
        for part in (tokenizer, model.train(False), processor):
            part.save_pretrained(aside)


def _alike(count: int, rng: random.Random) -> list[Scene]:
    """Scenes of three shapes and three colours: what tells them apart is how they are arranged."""
    kinds = Kinds(tuple(rng.sample(SHAPES, 3)), tuple(rng.sample([*COLOURS], 3)))
    return [random_scene(rng, kinds=kinds) for _ in range(count)]


def _also_true(scenes: list[Scene]) -> torch.Tensor:
    """Where the caption of a row is true of another's drawing too, with as many things."""
    return torch.tensor(
        [
            [
                said is not drawn
                and len(said.things) == len(drawn.things)
                and describes(said, drawn)
                for drawn in scenes
            ]
            for said in scenes
        ]
    )


def encoded(tokenizer: CLIPTokenizer, texts: list[str]) -> dict[str, Any]:
    """Ids and mask of the texts, shapes (n, longest)."""
    return dict(tokenizer(texts, padding=True, truncation=True, return_tensors="pt"))
