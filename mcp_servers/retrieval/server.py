"""The retrieval server: documents into indexes, passages and their evidence out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field
from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.picture_files import PICTURE_SUFFIXES
from mcp_servers.retrieval import (
    embedding,
    indexing,
    listing,
    page_pictures,
    picture_indexing,
    reading,
    searching,
)
from mcp_servers.retrieval.chunking import CHUNK_SIZE, OVERLAP, Chunking
from mcp_servers.retrieval.files import Patterns, found_files
from mcp_servers.retrieval.filtering import Where
from mcp_servers.retrieval.page_pictures import PagePicture
from mcp_servers.retrieval.picture_store import PictureStore
from mcp_servers.retrieval.results import Found, PageText, Reading
from mcp_servers.retrieval.searching import Modality, Mode, Request
from mcp_servers.retrieval.store import DocumentRow, Store
from mcp_servers.retrieval.vectors import checked
from mcp_servers.roots import allowed_path
from mcp_servers.serving import Engine, run, tool, with_picture

Index = Annotated[str, Field(description="Index name")]
JobId = Annotated[str, Field(description="Id from add")]
Source = Annotated[str, Field(description="File name or path")]


class Started(TypedDict):
    """A job that indexes `files` files; `status` as in `job`."""

    job: str
    files: int
    status: jobs.Status


class Removed(TypedDict):
    """A document that is no longer in the index; its files (`removed`, `other_paths`) stay."""

    index: str
    removed: str
    other_paths: list[str]
    documents: int


@tool("Index documents", read_only=False)
def add(
    context: Context[Any, Any, Any],
    paths: Annotated[
        list[str],
        Field(description="Files or folders: PDF, Office, HTML, Markdown, CSV, text, pictures"),
    ],
    index: Index = "default",
    include: Annotated[
        list[str] | None, Field(description="Only these files of a folder: *.pdf, notes/**")
    ] = None,
    exclude: Annotated[
        list[str] | None, Field(description="Not these files of a folder: drafts/, *.log")
    ] = None,
    chunk_size: Annotated[
        int | None, Field(description="Size of passages; default 500 characters")
    ] = None,
    chunk_overlap: Annotated[
        int | None, Field(description="How much of the passage before is repeated; default 100")
    ] = None,
    chunk_unit: Annotated[
        Literal["characters", "tokens"] | None, Field(description="Unit of size and overlap")
    ] = None,
    embedder: Annotated[
        str | None, Field(description="Embedder of a new index, by name or folder")
    ] = None,
    vectors: Annotated[
        str | None,
        Field(
            description="Where the index's vectors are searched: chroma, a Chroma server's URL, "
            "faiss-flat, faiss-ivf or faiss-hnsw"
        ),
    ] = None,
    pictures: Annotated[
        Literal["auto", "on", "off"] | None,
        Field(description="Whether pictures are indexed too; auto: where they can be searched"),
    ] = None,
    clip: Annotated[
        str | None,
        Field(description="CLIP model for the index's pictures: embedded, a folder or hub name"),
    ] = None,
) -> Started:
    """Index files or folders so that search can find them. Returns a job id; ask job about it.

    Only what changed since the last time is read again; files that vanished leave the index.
    """
    store = Store(index)
    if not paths:
        raise EngineError("No path is given. Name at least one file or folder.")
    patterns = Patterns(tuple(include or ()), tuple(exclude or ())).checked()
    spec: indexing.Spec = {"index": store.name, "through": {}, "folders": [], "gone": []}
    if chunk_size is not None or chunk_overlap is not None or chunk_unit is not None:
        spec["chunking"] = _chunking(chunk_size, chunk_overlap, chunk_unit).recorded()
    if embedder is not None:
        spec["embedder"] = _embedder(embedder, context)
        indexing.must_be_of(store, spec["embedder"])
    if vectors is not None:
        spec["vectors"] = checked(vectors)
    wanted = picture_indexing.setting(store, pictures)
    if pictures is not None:
        spec["pictures"] = pictures
    if clip is not None:
        spec["clip"] = _clip(clip, context)
    more = PICTURE_SUFFIXES if picture_indexing.enabled(wanted) else ()
    files: dict[str, None] = {}
    spec["skipped"] = []
    for given in paths:
        path = allowed_path(given, context)
        found, reason = found_files(path, patterns, more)
        files.update((str(file), None) for file in found)
        if path.is_dir():
            spec["folders"].append(str(path))
            spec["through"].update((str(file), str(path)) for file in found)
        if not path.exists() and store.exists() and store.known(str(path)):
            spec["gone"].append(str(path))
        elif reason and not (path.is_dir() and store.exists() and store.came_from(path)):
            spec["skipped"].append({"path": given, "reason": reason})
    spec["files"] = list(files)
    if len(spec["skipped"]) == len(paths):
        raise EngineError(indexing.none_usable(spec["skipped"]))
    started = jobs.start("index", "mcp_servers.retrieval.indexing", dict(spec))
    return {"job": started["job"], "files": len(files), "status": started["status"]}


def _chunking(size: int | None, overlap: int | None, unit: str | None) -> Chunking:
    """What was asked for; an overlap that was not is a fifth of the size, as 100 is of 500."""
    if size is None:
        size = CHUNK_SIZE
    if overlap is None:
        overlap = size * OVERLAP // CHUNK_SIZE
    return Chunking(size, overlap, "tokens" if unit == "tokens" else "characters")


def _embedder(name: str, context: Context[Any, Any, Any]) -> str:
    """A name that the job can use: a folder's is its whole path. Raises `EngineError`."""
    if name not in embedding.BUILT_IN and Path(name).expanduser().is_dir():
        name = str(allowed_path(name, context))
    return embedding.of(name).name


def _clip(name: str, context: Context[Any, Any, Any]) -> str:
    """The name of a CLIP model that there is, if it is a folder's. Raises `EngineError`."""
    from mcp_servers.clip import model_names

    found = model_names.allowed(name, context)
    model_names.source_of(found)
    return found


@tool("Job state")
def job(job: JobId) -> jobs.JobState:
    """How far an indexing job is: status, chunks done of total, and its result or error."""
    return jobs.state(job)


@tool("Cancel a job", read_only=False)
def cancel(job: JobId) -> jobs.JobState:
    """Stop an indexing job. Files already indexed stay."""
    return jobs.cancel(job)


@tool("List documents")
def list_documents(index: Index = "default") -> list[DocumentRow]:
    """Which documents are indexed, oldest first, with their pages, sizes and other paths."""
    store = Store(index)
    return [] if store.is_unused() else store.documents()


@tool("Remove a document", read_only=False, destructive=True)
def remove(source: Source, index: Index = "default") -> Removed:
    """Take a document out of the index, under all its paths. The files themselves stay."""
    store = Store(index)
    store.must_exist()
    document = reading.the_one(store, source)
    with store.writer_lock() as mine:
        if not mine:
            raise EngineError(
                f"A job is writing index {index!r}. Wait until it is done, or cancel it first."
            )
        store.remove(document["source"])
        searching.searcher(store).vectors.refresh()
        if (pictures := PictureStore(store)).exists():
            pictures.forget_gone(store.documents())
    return {
        "index": index,
        "removed": document["source"],
        "other_paths": document["other_paths"],
        "documents": len(store.documents()),
    }


@tool("Search documents")
def search(
    query: Annotated[str, Field(description="What to look for")],
    k: Annotated[int, Field(description="How many passages")] = 5,
    index: Index = "default",
    source: Annotated[
        str | None, Field(description="Only this document (file name or path)")
    ] = None,
    mode: Annotated[
        Mode,
        Field(
            description="hybrid: words and vectors weighed; lexical: BM25; dense: cosine; "
            "prefilter: BM25's best by cosine"
        ),
    ] = "hybrid",
    names: Annotated[
        list[str] | None,
        Field(description="Other names of what the query names: for 학습률, learning rate and lr"),
    ] = None,
    variants: Annotated[
        list[str] | None,
        Field(description="Other wordings of the question, or a hypothetical answer (HyDE)"),
    ] = None,
    where: Annotated[Where | None, Field(description="Conditions on the documents")] = None,
    min_similarity: Annotated[
        float | None, Field(description="Only passages of at least this cosine, 0 to 1")
    ] = None,
    diversity: Annotated[
        float | None, Field(description="MMR's lambda: 1 relevance alone, 0 diversity alone")
    ] = None,
    rerank: Annotated[
        str | None, Field(description="A cross-encoder that judges the best: hub name or folder")
    ] = None,
    window: Annotated[
        int, Field(description="Give each passage with so many neighbours on both sides")
    ] = 0,
    modality: Annotated[
        Modality, Field(description="Passages, pictures (by words around them, by looks), or both")
    ] = "both",
) -> Found:
    """Find passages and pictures of the indexed documents that answer a question, with page."""
    request = Request(
        query=query,
        k=k,
        mode=mode,
        source=source,
        where=where or {},
        names=names or (),
        variants=variants or (),
        min_similarity=min_similarity,
        diversity=diversity,
        rerank=rerank,
        window=window,
        modality=modality,
    )
    return searching.search(index, request)


@tool("List passages")
def passages(
    index: Index = "default",
    source: Annotated[
        str | None, Field(description="Only this document (file name or path)")
    ] = None,
    after_id: Annotated[
        str | None, Field(description="Passages after this id; null for the first")
    ] = None,
    limit: Annotated[int, Field(description="At most so many, up to 500")] = 100,
) -> listing.Listed:
    """Every indexed passage in reading order, a page at a time, with file and page."""
    return listing.passages(index, source, after_id, limit)


@tool("Read a passage")
def read_passage(
    id: Annotated[str, Field(description="Passage id from search")],
    index: Index = "default",
    before: Annotated[int, Field(description="Passages before it")] = 1,
    after: Annotated[int, Field(description="Passages after it")] = 1,
) -> Reading:
    """Read a found passage together with its neighbours, when it breaks off too early."""
    return reading.read_passage(id, index, before, after)


@tool("Read a page")
def page_text(
    source: Source,
    page: Annotated[int | None, Field(description="Page number; null for a text file")] = None,
    index: Index = "default",
) -> PageText:
    """The whole text of one page (or of a text file), to check a quote word for word."""
    return reading.page_text(source, page, index)


@tool("Show a page")
def page_picture(
    source: Source,
    page: Annotated[
        int | None, Field(description="Page or slide number; null for a picture")
    ] = None,
    index: Index = "default",
) -> Annotated[CallToolResult, PagePicture]:
    """The picture of one page of a PDF, PowerPoint or Word file, with its text."""
    return with_picture(*page_pictures.page_picture(source, page, index))


ENGINE = Engine(
    name="retrieval",
    summary="indexes documents (PDF, Word, PowerPoint, HTML, Markdown, CSV, text) and finds "
    "passages in them, Korean or English",
    tools=(
        *(add, job, cancel, list_documents, remove, search),
        *(passages, read_passage, page_text, page_picture),
    ),
)

if __name__ == "__main__":
    run(ENGINE)
