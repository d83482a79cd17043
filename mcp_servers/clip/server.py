"""The CLIP server: pictures compared with words, classified, searched, and models fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import Field

from mcp_servers.clip import model_names
from mcp_servers.clip.results import Classification, Similarity
from mcp_servers.roots import allowed_path
from mcp_servers.serving import Engine, report, run, tool

if TYPE_CHECKING:
    from mcp_servers.clip.models import Clip

Server = Context[Any, Any, Any]
Pictures = Annotated[list[str], Field(description="Paths of pictures")]
Model = Annotated[
    str,
    Field(
        description="embedded (coloured shapes, Korean and English), a fine-tuned one's name, a "
        "folder, a hub name, or open_clip's ARCHITECTURE/TAG"
    ),
]


@tool("Similarity of pictures and texts")
def similarity(
    context: Server,
    pictures: Pictures,
    texts: Annotated[list[str], Field(description="Captions, Korean or English")],
    model: Model = model_names.EMBEDDED,
) -> Similarity:
    """How well each text fits each picture: cosines, logits, and probabilities over the texts."""
    paths = _allowed(pictures, context)
    clip = _loaded(model, context)

    from mcp_servers.clip import comparing

    return comparing.similarity(clip, paths, texts)


@tool("Classify pictures")
def classify(
    context: Server,
    pictures: Pictures,
    labels: Annotated[list[str], Field(description="What a picture may show, two or more")],
    template: Annotated[
        str | list[str] | None,
        Field(description="Sentences with {} for the label; null: usual ones for model, language"),
    ] = None,
    model: Model = model_names.EMBEDDED,
) -> Classification:
    """Say which of the labels each picture shows, without training (zero-shot)."""
    paths = _allowed(pictures, context)
    clip = _loaded(model, context)

    from mcp_servers.clip import comparing

    return comparing.classify(clip, paths, labels, template)


def _allowed(pictures: list[str], context: Server) -> list[Path]:
    return [allowed_path(path, context) for path in pictures]


def _loaded(model: str, context: Server) -> Clip:
    """The model; a wrong name is refused before torch takes its seconds."""
    name = model_names.allowed(model, context)
    model_names.source_of(name)

    from mcp_servers.clip import models

    return models.load(name, lambda said: report(context, 0, 0, said))


ENGINE = Engine(
    name="clip",
    summary="compares pictures with words, classifies pictures without training, finds pictures "
    "by words or by a picture, and fine-tunes CLIP models",
    tools=(similarity, classify),
)

if __name__ == "__main__":
    run(ENGINE)
