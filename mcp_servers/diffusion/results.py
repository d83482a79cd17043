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


class Made(TypedDict):
    """How a PNG was made: `settings` are arguments of the tools; `text` is what it says itself."""

    picture: str
    settings: dict[str, Any]
    text: str


class Pipeline(TypedDict):
    """A model that `model` accepts without fetching anything.

    `side` is the width and height that it learnt, in pixels; sizes are multiples of `multiple`.
    """

    name: str
    pipeline: str
    side: int | None
    multiple: int
    folder: str
