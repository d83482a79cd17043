"""The retrieval server: documents into indexes, passages and their evidence out of them."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import Field
from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.retrieval import indexing, listing, searching
from mcp_servers.retrieval.files import found_files
from mcp_servers.retrieval.store import DocumentRow, Store
from mcp_servers.roots import allowed_path
from mcp_servers.serving import Engine, EngineError, run, tool

Index = Annotated[str, Field(description="Index name")]
JobId = Annotated[str, Field(description="Id from add")]
Source = Annotated[str, Field(description="File name or path")]


class Started(TypedDict):
    """A job that indexes `files` files; `status` as in `job`."""

    job: str
    files: int
    status: jobs.Status


class Removed(TypedDict):
    """A document that is no longer in the index; its file is untouched."""

    index: str
    removed: str
    documents: int


@tool("Index documents", read_only=False)
def add(
    context: Context[Any, Any, Any],
    paths: Annotated[list[str], Field(description="Files or folders: PDF, Markdown, text")],
    index: Index = "default",
) -> Started:
    """Index files or folders so that search can find them. Returns a job id; ask job about it."""
    store = Store(index)
    if not paths:
        raise EngineError("No path is given. Name at least one file or folder.")
    files: dict[str, None] = {}
    skipped: list[indexing.Skipped] = []
    for path in paths:
        found, reason = found_files(allowed_path(path, context))
        files.update((str(file), None) for file in found)
        if reason:
            skipped.append({"path": path, "reason": reason})
    if not files:
        raise EngineError(indexing.none_usable(skipped))
    spec = {"index": store.name, "files": list(files), "skipped": skipped}
    started = jobs.start("index", "mcp_servers.retrieval.indexing", spec)
    return {"job": started["job"], "files": len(files), "status": started["status"]}


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
    """Which documents are indexed, oldest first, with their pages and sizes."""
    store = Store(index)
    return [] if store.is_unused() else store.documents()


@tool("Remove a document", read_only=False, destructive=True)
def remove(source: Source, index: Index = "default") -> Removed:
    """Take a document out of the index. The file itself stays."""
    store = Store(index)
    store.must_exist()
    document = searching.the_one(store, source)
    with store.writer_lock() as mine:
        if not mine:
            raise EngineError(
                f"A job is writing index {index!r}. Wait until it is done, or cancel it first."
            )
        store.remove(document["source"])
        searching.searcher(store).graph.refresh()
    return {
        "index": index,
        "removed": document["source"],
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
) -> searching.Found:
    """Find the passages of the indexed documents that answer a question, with file and page."""
    return searching.search(query, k, index, source)


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
) -> searching.Reading:
    """Read a found passage together with its neighbours, when it breaks off too early."""
    return searching.read_passage(id, index, before, after)


@tool("Read a page")
def page_text(
    source: Source,
    page: Annotated[int | None, Field(description="Page number; null for a text file")] = None,
    index: Index = "default",
) -> searching.PageText:
    """The whole text of one page (or of a text file), to check a quote word for word."""
    return searching.page_text(source, page, index)


ENGINE = Engine(
    name="retrieval",
    summary="indexes PDF, Markdown and text files and finds passages in them, Korean or English",
    tools=(add, job, cancel, list_documents, remove, search, passages, read_passage, page_text),
)

if __name__ == "__main__":
    run(ENGINE)
