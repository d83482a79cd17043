"""What the server's tools return."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from mcp_servers import jobs


class Picture(TypedDict):
    """A PNG's path, and the seed that makes it again."""

    picture: str
    seed: int


class StepPreview(TypedDict):
    """What a picture looked like after a step, still noisy."""

    preview: str
    seed: int
    step: int


class Drawing(TypedDict):
    """Pictures, or the job that makes them; `settings` are what each PNG carries, seed apart.

    `model` is the name that was used, `seconds` the drawing's without loading the model.
    """

    pictures: list[Picture]
    previews: list[StepPreview]
    model: str
    scheduler: str | None
    width: int | None
    height: int | None
    settings: dict[str, Any]
    seconds: float
    job: str | None
    status: jobs.Status
    notes: list[str]
