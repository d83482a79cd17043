"""Pages of a PDF as a reader sees them, drawn by PDFium.

PDFium is no friend of threads: whoever uses it holds the one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.retrieval.decoding import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

_one_at_a_time = threading.RLock()
_FINEST = 4.0  # pixels a point: a small page is not blown up further


@contextmanager
def opened_pdf(path: Path) -> Iterator[Any]:
    """PDFium's document, alone with it. Raises `Unreadable`."""
    import pypdfium2

    with _one_at_a_time:
        try:
            document = pypdfium2.PdfDocument(path)
        except (pypdfium2.PdfiumError, OSError) as error:
            raise Unreadable(
                f"The PDF cannot be drawn ({str(error).rstrip('.')}). Open it in a viewer and "
                "save it again."
            ) from None
        try:
            yield document
        finally:
            document.close()


def drawn(page: Any, longest: int) -> tuple[Image, Any]:
    """A page with `longest` pixels on its longer side, and what turns its points into pixels.

    The second is pypdfium2's `PdfPosConv` (its `to_bitmap(x, y)`). Raises `Unreadable`.
    """
    import pypdfium2

    try:
        scale = min(_FINEST, longest / max(page.get_width(), page.get_height(), 1.0))
        bitmap = page.render(scale=scale, rev_byteorder=True)
        return bitmap.to_pil().convert("RGB"), bitmap.get_posconv(page)
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise Unreadable(f"The page cannot be drawn ({str(error).rstrip('.')}).") from None


def page_drawn(path: Path, number: int, longest: int) -> Image:
    """One page of a file; `number` counts from 1 and is one of the file's. Raises `Unreadable`."""
    with opened_pdf(path) as document:
        if not 1 <= number <= len(document):
            raise Unreadable(f"The PDF has {len(document)} pages when it is drawn, not {number}.")
        return drawn(document[number - 1], longest)[0]
