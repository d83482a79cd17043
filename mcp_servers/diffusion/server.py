"""The diffusion server: pictures from words by any diffusers pipeline."""

from __future__ import annotations

import random
from typing import Annotated, Any

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.diffusion import model_names
from mcp_servers.diffusion.results import Drawing
from mcp_servers.diffusion.settings import EMBEDDED, MAX_COUNT, MAX_SEED, Dtype, Scheduler, Settings
from mcp_servers.serving import Engine, report, run, tool, with_picture

Prompt = Annotated[str, Field(description="What the picture shows, Korean or English")]
Negative = Annotated[str, Field(description="What it must not show")]
Steps = Annotated[int, Field(description="Denoising steps; more take longer")]
Guidance = Annotated[
    float | None, Field(description="How closely to follow the prompt; null: the model's usual")
]
Width = Annotated[int | None, Field(description="Pixels; null: the model's own")]
Height = Annotated[int | None, Field(description="Pixels; null: the model's own")]
Seed = Annotated[int | None, Field(description="The same seed gives the same picture; null: any")]
Count = Annotated[int, Field(description="Pictures; each next one has the next seed")]
SchedulerName = Annotated[Scheduler, Field(description="Sampler; auto: the model's own")]
Eta = Annotated[float, Field(description="Noise that ddim adds at each step, 0 to 1")]
ClipSkip = Annotated[int, Field(description="Last layers of the text encoder to leave out")]
Precision = Annotated[Dtype, Field(description="Numbers to compute with")]
PreviewEvery = Annotated[
    int, Field(description="Keep a preview every so many steps, to show how noise becomes it")
]
Model = Annotated[
    str, Field(description="embedded (shapes in colours), a diffusers folder, or a hub name")
]


@tool("Generate pictures", read_only=False)
def generate(
    context: Context[Any, Any, Any],
    prompt: Prompt,
    negative_prompt: Negative = "",
    steps: Steps = 25,
    guidance_scale: Guidance = None,
    width: Width = None,
    height: Height = None,
    seed: Seed = None,
    count: Count = 1,
    scheduler: SchedulerName = "auto",
    eta: Eta = 0.0,
    clip_skip: ClipSkip = 0,
    dtype: Precision = "auto",
    model: Model = EMBEDDED,
    preview_every: PreviewEvery = 0,
) -> Annotated[CallToolResult, Drawing]:
    """Draw pictures from words. The settings are written into each PNG."""
    from mcp_servers import pictures

    asked = Settings(
        prompt=prompt,
        negative_prompt=negative_prompt,
        steps=steps,
        guidance_scale=guidance_scale,
        width=width,
        height=height,
        seed=random.randrange(MAX_SEED - MAX_COUNT) if seed is None else seed,
        count=count,
        scheduler=scheduler,
        eta=eta,
        clip_skip=clip_skip,
        dtype=dtype,
        model=model_names.allowed(model, context),
        preview_every=preview_every,
    ).checked()
    folder = model_names.folder_of(asked.model)
    if folder:
        model_names.sizes(folder).of(width, height)

    from mcp_servers.diffusion import generating, sheets

    made = generating.drawn(
        asked,
        pictures.new_stem("picture"),
        lambda done, total, message: report(context, done, total, message),
    )
    return with_picture(made, sheets.sheet_of(made["pictures"]))


ENGINE = Engine(
    name="diffusion",
    summary="draws pictures from words with Stable Diffusion and any diffusers pipeline",
    tools=(generate,),
)

if __name__ == "__main__":
    run(ENGINE)
