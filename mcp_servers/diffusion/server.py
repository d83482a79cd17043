"""The diffusion server: pictures from words, from pictures and masks, by any diffusers pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers import hugging_face, pictures
from mcp_servers import jobs as job_files
from mcp_servers.diffusion import hub_pipelines, model_names, patience, settings, vae_server
from mcp_servers.diffusion.results import Drawing, Made, Pipeline
from mcp_servers.diffusion.settings import Settings, with_controls
from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_path
from mcp_servers.serving import Engine, report, run, tool, with_picture
from mcp_servers.two_languages import say

KINDS = {  # of jobs -> the module that does them
    "picture": "mcp_servers.diffusion.generating",
    vae_server.KIND: vae_server.MODULE,
}

JobId = Annotated[str, Field(description="Id of a job")]
Source = Annotated[str, Field(description="Path of the picture")]


@tool("Generate pictures", read_only=False)
@with_controls
def generate(
    context: Context[Any, Any, Any], **controls: Any
) -> Annotated[CallToolResult, Drawing]:
    """Draw pictures from words. The settings are written into each PNG."""
    return _drawn(context, controls)


@tool("Redraw a picture", read_only=False)
@with_controls
def image_to_image(
    context: Context[Any, Any, Any],
    picture: Source,
    strength: Annotated[
        float, Field(description="How much changes: near 0 little, 1 everything")
    ] = 0.6,
    **controls: Any,
) -> Annotated[CallToolResult, Drawing]:
    """Draw a picture anew from another picture and words, near to it or far from it."""
    path = str(allowed_path(picture, context))
    return _drawn(context, {**controls, "picture": path, "strength": strength})


@tool("Redraw a part of a picture", read_only=False)
@with_controls
def inpaint(
    context: Context[Any, Any, Any],
    picture: Source,
    mask: Annotated[
        str,
        Field(description="A picture, white where to redraw, or a box left,top,right,bottom"),
    ],
    strength: Annotated[
        float, Field(description="How much changes inside the mask; 1: nothing of it stays")
    ] = 1.0,
    **controls: Any,
) -> Annotated[CallToolResult, Drawing]:
    """Draw the masked part of a picture anew from words; all else stays as it is."""
    from mcp_servers.diffusion import source_pictures

    path = str(allowed_path(picture, context))
    marked = mask if source_pictures.is_box(mask) else str(allowed_path(mask, context))
    given = {"picture": path, "mask": marked, "strength": strength}
    return _drawn(context, {**controls, **given})


@tool("Settings of a picture")
def settings_of(context: Context[Any, Any, Any], picture: Source) -> Made:
    """Read back from a PNG how it was generated: prompt, seed, model and all else."""
    from mcp_servers.diffusion import stamps

    path = allowed_path(picture, context)
    found, text = stamps.settings_in(path)
    arguments = {name: value for name, value in found.items() if name in Settings.model_fields}
    return {"picture": str(path), "settings": arguments, "text": text}


@tool("List pipelines")
def pipelines() -> list[Pipeline]:
    """The models that draw here without fetching anything: the embedded one, the hub's cache."""
    return model_names.listing()


@tool("Job state")
def job(job: JobId) -> job_files.JobState:
    """How far a job is: pictures and steps done, a preview's path, and its result or error."""
    return job_files.state(job)


@tool("List jobs")
def jobs() -> list[job_files.JobState]:
    """The jobs of this server, newest first."""
    own = (name for name in job_files.listing() if name.partition("-")[0] in KINDS)
    return [job_files.state(name) for name in own]


@tool("Cancel a job", read_only=False)
def cancel(job: JobId) -> job_files.JobState:
    """Stop a job at its next step. What is finished stays, and resume goes on."""
    return job_files.cancel(job)


@tool("Resume a job", read_only=False)
def resume(job: JobId) -> job_files.JobState:
    """Go on with a job that was cancelled, failed or killed; what is finished is kept."""
    kind = job_files.state(job)["kind"]
    if kind not in KINDS:
        raise EngineError(f"{job} is no job of this server. Ask jobs which there are.")
    return job_files.resume(job, KINDS[kind])


def _drawn(context: Context[Any, Any, Any], controls: dict[str, Any]) -> CallToolResult:
    """Check, then draw now, or in a job what takes longer than anybody waits."""
    asked = settings.of(controls)
    named = {
        "model": model_names.allowed(asked.model, context),
        "lora": [model_names.allowed(name, context) for name in asked.lora or ()] or None,
    }
    asked = asked.model_copy(update=named)
    folder = model_names.folder_of(asked.model) or hub_pipelines.cached().get(asked.model)
    if folder:
        model_names.sizes(folder).of(asked.width, asked.height)
    else:
        hugging_face.files_of(asked.model)  # a name that the hub has
    if asked.is_long or not folder:
        return with_picture(_started(asked), None)

    from mcp_servers.diffusion import generating, loading, sheets

    stem = pictures.new_stem("picture")
    watched = patience.watched(
        lambda done, total, message: report(context, done, total, message), patience.SECONDS
    )
    try:
        made = generating.drawn(asked, stem, watched)
    except patience.TooLong:
        for preview in pictures.folder().glob(f"{stem}-*"):
            preview.unlink()
        loading.let_go()
        return with_picture(_started(asked), None)
    return with_picture(made, sheets.sheet_of([Path(each["picture"]) for each in made["pictures"]]))


def _started(asked: Settings) -> Drawing:
    started = job_files.start("picture", KINDS["picture"], asked.model_dump())
    note = say(
        asked.prompt,
        f"It is drawn in the background: ask job about {started['job']}.",
        f"백그라운드에서 그리고 있습니다. 진행은 job 도구로 알 수 있습니다: {started['job']}",
    )
    return {
        "pictures": [],
        "previews": [],
        "model": asked.model,
        "scheduler": None,
        "width": asked.width,
        "height": asked.height,
        "settings": {},
        "seconds": 0.0,
        "job": started["job"],
        "status": started["status"],
        "notes": [note],
    }


ENGINE = Engine(
    name="diffusion",
    summary="draws pictures from words, redraws pictures and parts of them, with Stable Diffusion "
    "and any diffusers pipeline; trains variational autoencoders on pictures and uses them",
    tools=(
        generate,
        image_to_image,
        inpaint,
        settings_of,
        pipelines,
        *vae_server.TOOLS,
        job,
        jobs,
        cancel,
        resume,
    ),
)

if __name__ == "__main__":
    run(ENGINE)
