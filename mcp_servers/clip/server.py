"""The CLIP server: pictures compared with words, classified, searched, and models fine-tuned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import Field

from mcp_servers import jobs
from mcp_servers.clip import model_names
from mcp_servers.clip.results import (
    Classification,
    Duplicates,
    Index,
    Listing,
    PicturesFound,
    Removed,
    Similarity,
    Started,
    TextsFound,
)
from mcp_servers.clip.store import DEFAULT, Store, names
from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_folders, allowed_path
from mcp_servers.serving import Engine, report, run, tool

if TYPE_CHECKING:
    from mcp_servers.clip.models import Clip

KINDS = {  # of jobs -> the module that does them
    "pictures": "mcp_servers.clip.indexing",
    "clip": "mcp_servers.clip.finetuning",
}

Server = Context[Any, Any, Any]
Pictures = Annotated[list[str], Field(description="Paths of pictures")]
Model = Annotated[
    str,
    Field(
        description="embedded (coloured shapes, Korean and English), a fine-tuned one's name, a "
        "folder, a hub name, or open_clip's ARCHITECTURE/TAG"
    ),
]

IndexName = Annotated[str, Field(description="The index's name")]
JobId = Annotated[str, Field(description="Id of a job")]
K = Annotated[int, Field(description="How many")]


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


@tool("Index a folder's pictures", read_only=False)
def index_pictures(
    context: Server,
    folder: Annotated[str, Field(description="A folder of pictures, with those below it")],
    index: IndexName = DEFAULT,
    include: Annotated[
        list[str] | None, Field(description="Only these files: *.png, holiday/**")
    ] = None,
    exclude: Annotated[list[str] | None, Field(description="Not these files: drafts/")] = None,
    model: Annotated[
        str | None, Field(description="CLIP of a new index, as classify has it; null: embedded")
    ] = None,
    rebuild: Annotated[
        bool, Field(description="Embed the index's folders anew where the model is another")
    ] = False,
) -> Started:
    """Index a folder so that search finds its pictures. Returns a job id; ask job about it.

    Only what is new or changed is embedded; files that vanished leave the index.
    """
    store = Store(index)
    path = allowed_path(folder, context)
    named = _checked(model, context) if model is not None else None

    from mcp_servers.clip import indexing
    from mcp_servers.clip.store import Folder

    indexing.must_be_of(store, named, rebuild)
    chosen = Folder(str(path), tuple(include or ()), tuple(exclude or ()))
    indexing.must_hold_pictures(store, chosen)
    spec: indexing.Spec = {
        "index": store.name,
        "folder": chosen.path,
        "include": list(chosen.include),
        "exclude": list(chosen.exclude),
        "model": named,
        "rebuild": rebuild,
    }
    started = jobs.start("pictures", KINDS["pictures"], dict(spec))
    return {"job": started["job"], "name": store.name, "status": started["status"], "notes": []}


@tool("Search pictures")
def search(
    context: Server,
    query_text: Annotated[
        str | None, Field(description="What the picture shows, Korean or English")
    ] = None,
    picture: Annotated[
        str | None, Field(description="Instead: path of a picture that it is like")
    ] = None,
    index: IndexName = DEFAULT,
    k: K = 10,
) -> PicturesFound:
    """Find pictures of an index by words, or those that look like a picture, best first."""
    if (query_text is None) == (picture is None):
        raise EngineError("Pass query_text or picture: one of them.")
    path = allowed_path(picture, context) if picture is not None else None
    store = Store(index)
    store.must_exist()

    from mcp_servers.clip import searching

    say = _saying(context)
    return searching.search(store, query_text, path, _positive(k), say)


@tool("Search texts")
def search_texts(
    context: Server,
    picture: Annotated[str, Field(description="Path of a picture")],
    texts: Annotated[list[str] | None, Field(description="Texts to choose from")] = None,
    file: Annotated[
        str | None, Field(description="Instead: path of a text file, one text a line")
    ] = None,
    k: K = 5,
    model: Model = model_names.EMBEDDED,
) -> TextsFound:
    """Find the texts that fit a picture best, among given ones or a file's lines."""
    if (texts is None) == (file is None):
        raise EngineError("Pass texts or file: one of them.")
    path = allowed_path(picture, context)
    lines_of = allowed_path(file, context) if file is not None else None
    clip = _loaded(model, context)

    from mcp_servers.clip import comparing, opening

    given = opening.lines_in(lines_of) if lines_of else texts or []
    return comparing.best_texts(clip, path, given, _positive(k))


@tool("Duplicate pictures")
def duplicates(
    context: Server,
    index: IndexName = DEFAULT,
    threshold: Annotated[
        float, Field(description="Cosine from which pictures count as nearly the same")
    ] = 0.97,
    most: Annotated[int, Field(description="How many groups to tell, the largest first")] = 100,
) -> Duplicates:
    """Find files of an index that are the same picture: equal bytes, or nearly equal looks."""
    store = Store(index)
    store.must_exist()

    from mcp_servers.clip import searching

    return searching.duplicates(
        store,
        threshold,
        _positive(most),
        lambda done, total: report(context, done, total, "comparing all pictures"),
    )


@tool("List pictures")
def list_pictures(
    index: IndexName = DEFAULT,
    limit: Annotated[int, Field(description="How many files at most")] = 200,
    offset: Annotated[int, Field(description="How many files to pass over first")] = 0,
) -> Listing:
    """List an index's files, and those that could not be opened with the reason."""
    store = Store(index)
    store.must_exist()
    files = store.usable()
    return {
        "index": store.name,
        "model": store.meta("model"),
        "folders": [folder.path for folder in store.folders()],
        "pictures": files[max(0, offset) :][: _positive(limit)],
        "total": len(files),
        "unusable": [
            {"picture": path, "reason": reason}
            for path, reason in store.unusable()[: _positive(limit)]
        ],
    }


@tool("List picture indexes")
def indexes() -> list[Index]:
    """The indexes of pictures: what they hold, and by which model."""
    return [_described(Store(name)) for name in names()]


@tool("Delete a picture index", read_only=False, destructive=True)
def remove_index(index: IndexName) -> Removed:
    """Delete an index of pictures. The pictures themselves stay."""
    store = Store(index)
    store.must_exist()
    store.remove()
    return {"index": store.name}


@tool("Fine-tune CLIP", read_only=False)
def finetune(
    context: Server,
    data: Annotated[
        str,
        Field(
            description="CSV, TSV or JSONL with columns image and caption, or a folder with "
            "metadata.jsonl (file_name, text)"
        ),
    ],
    name: Annotated[str, Field(description="Name of the new model, to pass as model afterwards")],
    model: Model = model_names.EMBEDDED,
    epochs: Annotated[int, Field(description="Passes over the pairs")] = 10,
    batch_size: Annotated[
        int, Field(description="Pairs a step; each picture is told from so many captions")
    ] = 32,
    learning_rate: Annotated[
        float | None, Field(description="The highest; null: 1e-5, for the embedded model 1e-4")
    ] = None,
    weight_decay: Annotated[float, Field(description="AdamW's")] = 0.05,
    blend: Annotated[
        float, Field(description="Share of the new weights in the result; less forgets less")
    ] = 1.0,
    held_out: Annotated[float, Field(description="Share of the pictures to judge by")] = 0.1,
    general: Annotated[
        str | None,
        Field(description="Pairs of another kind that it must not forget; null: drawings"),
    ] = None,
    seed: Annotated[int, Field(description="The same seed gives the same model")] = 65,
    replace: Annotated[
        bool, Field(description="Train again in place of one of the same name")
    ] = False,
) -> Started:
    """Fine-tune a CLIP on pictures with captions, by its contrastive loss. Returns a job id.

    The result has accuracy before and after, on held-out pairs and on a general set.
    """
    from mcp_servers.clip import pairs
    from mcp_servers.clip.finetune_settings import FinetuneSettings

    base = _checked(model, context)
    usual = 1e-4 if base == model_names.EMBEDDED else 1e-5
    settings = FinetuneSettings(
        name=name,
        data=str(allowed_path(data, context)),
        general=str(allowed_path(general, context)) if general is not None else None,
        model=base,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=usual if learning_rate is None else learning_rate,
        weight_decay=weight_decay,
        blend=blend,
        held_out=held_out,
        seed=seed,
        allowed=[str(folder) for folder in allowed_folders(context)],
    )
    spec = settings.checked()
    folder = model_names.own_folder(name)
    if folder.is_dir() and not replace:
        raise EngineError(
            f"There is a model {name!r} already. Pass another name, or replace=true to train it "
            "again."
        )
    for table in filter(None, (settings.data, settings.general)):
        pairs.read(Path(table), settings.may_open)
    started = jobs.start("clip", KINDS["clip"], spec)
    return {"job": started["job"], "name": name, "status": started["status"], "notes": []}


@tool("Job state")
def job(job: JobId) -> jobs.JobState:
    """How far a job is, and its result or error."""
    return jobs.state(job)


@tool("Cancel a job", read_only=False)
def cancel(job: JobId) -> jobs.JobState:
    """Stop a job at its next step. What is done stays, and resume goes on."""
    return jobs.cancel(job)


@tool("Resume a job", read_only=False)
def resume(job: JobId) -> jobs.JobState:
    """Go on with a job that was cancelled, failed or killed."""
    kind = jobs.state(job)["kind"]
    if kind not in KINDS:
        raise EngineError(f"{job} is no job of this server. Name one that it started.")
    return jobs.resume(job, KINDS[kind])


def _described(store: Store) -> Index:
    files = store.usable()
    return {
        "index": store.name,
        "model": store.meta("model"),
        "files": len(files),
        "pictures": store.different(),
        "unusable": len(store.unusable()),
        "dimension": int(store.meta("dimension") or 0),
        "bytes": store.bytes(),
        "folders": [folder.path for folder in store.folders()],
    }


def _positive(number: int) -> int:
    if number < 1:
        raise EngineError(f"{number} is no number of results. Pass 1 or more.")
    return number


def _allowed(pictures: list[str], context: Server) -> list[Path]:
    return [allowed_path(path, context) for path in pictures]


def _checked(model: str, context: Server) -> str:
    """A model's name, its path made absolute if it is one. Raises `EngineError`."""
    name = model_names.allowed(model, context)
    model_names.source_of(name)
    return name


def _loaded(model: str, context: Server) -> Clip:
    """The model; a wrong name is refused before torch takes its seconds."""
    name = _checked(model, context)

    from mcp_servers.clip import models

    return models.load(name, _saying(context))


def _saying(context: Server) -> Callable[[str], None]:
    return lambda said: report(context, 0, 0, said)


ENGINE = Engine(
    name="clip",
    summary="compares pictures with words, classifies pictures without training, finds pictures "
    "by words or by a picture, and fine-tunes CLIP models",
    tools=(
        similarity,
        classify,
        index_pictures,
        search,
        search_texts,
        duplicates,
        list_pictures,
        indexes,
        remove_index,
        finetune,
        job,
        cancel,
        resume,
    ),
)

if __name__ == "__main__":
    run(ENGINE)
