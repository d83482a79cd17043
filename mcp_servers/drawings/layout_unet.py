"""A U-Net that first lays out what a caption says over the picture, then denoises."""

from __future__ import annotations

import functools
from typing import Any

from mcp_servers.torch_runtime import torch  # isort: skip - before diffusers
from diffusers import ModelMixin, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import get_2d_sincos_pos_embed

from mcp_servers.drawings.caption_facts import FACTS

__all__ = ["LayoutUNet", "ModelMixin"]  # diffusers looks here for the base whose reader to use

_LAYERS, _HEADS, _FEATURES = 2, 4, 64
_COARSER = 2  # a side of the latents is so many times a side of the layout


class LayoutUNet(UNet2DConditionModel):  # type: ignore[misc]
    """`UNet2DConditionModel` that also sees, at each place, what the caption says of it.

    Under strong noise, where it is decided what is drawn where, the original's attention asks by
    what it sees, which is noise: 370,000 drawings did not teach it "on the left". Places that ask
    the caption themselves learn it within 15,000.

    It reads the last positions of the text alone, where its encoder lays out the facts. Import
    this module before `StableDiffusionPipeline.from_pretrained`, which asks for that.
    """

    # diffusers reads the names of the settings off it
    @functools.wraps(UNet2DConditionModel.__init__)  # type: ignore[misc]
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        said = self.config
        self.layout = _Layout(
            said.cross_attention_dim, said.in_channels, said.sample_size // _COARSER
        )
        self.conv_in = torch.nn.Conv2d(
            2 * said.in_channels + _FEATURES, said.block_out_channels[0], 3, padding=1
        )

    def forward(
        self,
        sample: Any,
        timestep: Any,
        encoder_hidden_states: Any,
        *given: Any,
        layout: Any = None,
        **named: Any,
    ) -> Any:
        """As `UNet2DConditionModel.forward`; `layout` if it has been computed already."""
        facts = encoder_hidden_states[:, -FACTS:]
        if layout is None:
            layout = self.layout(facts)
        fitted = torch.nn.functional.interpolate(
            layout, sample.shape[2:], mode="bilinear", align_corners=False
        )
        return super().forward(torch.cat([sample, fitted], 1), timestep, facts, *given, **named)


class _Layout(torch.nn.Module):
    """The places of a square attend to the facts of a caption, whatever the noise."""

    def __init__(self, width: int, channels: int, side: int) -> None:
        super().__init__()
        self._side = side
        waves = get_2d_sincos_pos_embed(width, side, output_type="pt")
        self.places = torch.nn.Parameter(waves.float()[None])
        self.blocks = torch.nn.ModuleList(
            BasicTransformerBlock(
                width,
                _HEADS,
                width // _HEADS,
                cross_attention_dim=width,
                only_cross_attention=True,
                activation_fn="gelu",
                ff_inner_dim=2 * width,
            )
            for _ in range(_LAYERS)
        )
        self.norm = torch.nn.LayerNorm(width)
        self.out = torch.nn.Linear(width, channels + _FEATURES)

    def forward(self, facts: torch.Tensor) -> torch.Tensor:
        """Of facts, shape (n, facts, width): (n, channels + features, side, side).

        The first channels are the latents to be expected there, the mean over all drawings.
        """
        seen = self.places.expand(len(facts), -1, -1)
        for block in self.blocks:
            seen = block(seen, encoder_hidden_states=facts)
        out: torch.Tensor = self.out(self.norm(seen))
        return out.transpose(1, 2).reshape(len(facts), -1, self._side, self._side)
