"""A page of an indexed document as a picture: PDF and Word pages, slides, pictures themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

from mcp_servers import pictures
from mcp_servers.errors import EngineError
from mcp_servers.picture_files import PICTURE_SUFFIXES, opened, png_of
from mcp_servers.retrieval import office_pages
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.files import sha256_of
from mcp_servers.retrieval.reading import the_one
from mcp_servers.retrieval.store import DocumentRow, Store

if TYPE_CHECKING:
    from PIL.Image import Image

How = Literal["rendered", "drawn", "pictures", "itself"]

LONGEST = 1400  # pixels: a page's small print can be read
_MAX_BYTES = 700_000  # of the PNG; hosts take about a megabyte in an answer
_NOTES: dict[How, str] = {
    "drawn": "LibreOffice is not installed: the slide is drawn from its own pictures, plain shapes "
    "and text; fonts, charts and effects are missing.",
    "pictures": "LibreOffice is not installed, without which a Word file has no pages: these are "
    "the pictures of the whole file, and its text.",
}
_SHEET = 12  # pictures of a Word file on one sheet
_SHEET_WIDTH = 800  # pixels


class PagePicture(TypedDict):
    """A page as a picture, kept as the PNG file `picture`; `text` is the page's.

    `how`: rendered as a viewer shows it, drawn here from the slide's parts, the pictures of a Word
    file alone (`note` says what is missing then), or the file is a picture itself. `page` is null
    where the file has none.
    """

    source: str
    title: str
    page: int | None
    picture: str
    width: int
    height: int
    how: How
    text: str
    note: str | None


def page_picture(source: str, page: int | None, index: str) -> tuple[PagePicture, bytes]:
    """The page's picture and its PNG.

    Raises `EngineError` for an unknown document or page, a file that is gone or has changed since
    it was indexed, and a kind of file that has no pages to show.
    """
    store = Store(index)
    document = the_one(store, source)
    path = _unchanged(document)
    number = _number(document, page)
    try:
        image, how = _drawn(path, number, document["sha256"])
    except Unreadable as reason:
        raise EngineError(f"{document['title']}: {reason}") from None
    image, png = _small_enough(image)
    result: PagePicture = {
        "source": document["source"],
        "title": document["title"],
        "page": number,
        "picture": str(_kept(png, document["sha256"], number, how)),
        "width": image.width,
        "height": image.height,
        "how": how,
        "text": store.page_text(document["source"], number if document["pages"] else None) or "",
        "note": _NOTES.get(how),
    }
    return result, png


def _unchanged(document: DocumentRow) -> Path:
    """The document's file, which must be what was indexed: its pages are numbered by that."""
    for path in map(Path, (document["source"], *document["other_paths"])):
        try:
            if sha256_of(path) == document["sha256"]:
                return path
        except Unreadable:
            continue
    raise EngineError(
        f"The file of {document['title']} is gone or has changed since it was indexed. Add it "
        "again, then ask for the page again."
    )


def _number(document: DocumentRow, page: int | None) -> int | None:
    suffix = Path(document["source"]).suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return None
    if suffix == ".docx":
        return (page or 1) if office_pages.renderer() else None
    if suffix not in (".pdf", ".pptx"):
        raise EngineError(
            f"{document['title']} has no pages to show. Read it with page_text instead."
        )
    pages = document["pages"] or 0
    number = 1 if page is None and pages == 1 else page
    if number is None or not 1 <= number <= pages:
        raise EngineError(
            f"There is no page {page} in {document['title']}; it has pages 1 to {pages}."
        )
    return number


def _drawn(path: Path, number: int | None, sha256: str) -> tuple[Image, How]:
    """Raises `Unreadable`."""
    from mcp_servers.retrieval.pdf_drawing import page_drawn
    from mcp_servers.retrieval.slide_drawing import slide_drawn

    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return opened(path, LONGEST), "itself"
    if number is None:
        return _sheet(path), "pictures"
    if suffix == ".pdf":
        return page_drawn(path, number, LONGEST), "rendered"
    if office_pages.renderer():
        return page_drawn(office_pages.laid_out(path, sha256), number, LONGEST), "rendered"
    return slide_drawn(path, number, LONGEST), "drawn"


def _sheet(path: Path) -> Image:
    """The pictures of a Word file, one below the other with their captions.

    Raises `Unreadable` where it has none.
    """
    from PIL import Image, ImageDraw

    from mcp_servers.retrieval.figures import Figure, figures_of, flat
    from mcp_servers.retrieval.slide_drawing import font_of

    found = [item for item in figures_of(path, lambda *_: None) if isinstance(item, Figure)]
    if not found:
        raise Unreadable(
            "A Word file has pages only once LibreOffice lays it out, and it is not installed; "
            "the file has no pictures to show either. Read it with page_text."
        )
    edge = 20
    shown = found[:_SHEET]
    for item in shown:
        item.image.thumbnail((_SHEET_WIDTH - 2 * edge, _SHEET_WIDTH))
    height = sum(item.image.height + 3 * edge for item in shown) + edge
    sheet = Image.new("RGB", (_SHEET_WIDTH, height), "white")
    pen, top = ImageDraw.Draw(sheet), edge
    for item in shown:
        sheet.paste(item.image, (edge, top))
        top += item.image.height + edge // 4
        pen.text((edge, top), flat(item.caption, 70), "black", font_of(18))
        top += 3 * edge - edge // 4
    sheet.thumbnail((LONGEST, LONGEST))
    return sheet


def _small_enough(image: Image) -> tuple[Image, bytes]:
    """The picture and its PNG, both made smaller until an answer can carry them."""
    png = png_of(image)
    while len(png) > _MAX_BYTES:
        share = max(0.5, min(0.9, (_MAX_BYTES / len(png)) ** 0.5))
        image = image.resize((round(image.width * share), round(image.height * share)))
        png = png_of(image)
    return image, png


def _kept(png: bytes, sha256: str, number: int | None, how: How) -> Path:
    """The PNG under `DURE_HOME/pictures`: one file a page, however often it is asked for."""
    return pictures.keep(png, f"page-{sha256[:16]}-{number or 0}-{how}.png")
