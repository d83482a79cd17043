"""Pages of indexed documents as pictures, with and without LibreOffice."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import office_pages, page_pictures
from mcp_servers.retrieval.files import read, sha256_of
from mcp_servers.retrieval.page_pictures import page_picture
from mcp_servers.retrieval.store import Store
from tests.mcp_servers.pictured import letter, report, slides


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report, slides, a letter and a note, indexed; no LibreOffice."""
    monkeypatch.setenv("DURE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(office_pages, "renderer", lambda: None)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "note.md").write_text("# Note\n\nOnly words.")
    store = Store("default")
    store.create("none")
    for path in (
        *(report(folder / "report.pdf"), slides(folder / "deck.pptx")),
        *(letter(folder / "letter.docx"), folder / "note.md"),
    ):
        store.put(read(path, sha256_of(path), lambda done, total: None), [])
    return folder


def colours(png: bytes) -> set[str]:
    """Which of the drawings' colours a picture shows much of."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        counted = image.convert("RGB").getcolors(image.width * image.height) or []
    pairs = [(int(str(count)), colour) for count, colour in counted]
    shown = set()
    for count, colour in pairs:
        red, green, blue = colour if isinstance(colour, tuple) else (0, 0, 0)
        if count > 500 and max(red, green, blue) - min(red, green, blue) > 90:
            shown.add("red" if red > max(green, blue) else "green" if green > blue else "blue")
    return shown


def test_a_pdf_page_is_rendered_and_kept_as_one_file(docs: Path) -> None:
    result, png = page_picture("report.pdf", 1, "default")
    assert (result["title"], result["page"], result["how"]) == ("report.pdf", 1, "rendered")
    assert max(result["width"], result["height"]) == page_pictures.LONGEST
    assert "그림 1. 마을의 표식인 별" in result["text"]
    assert result["note"] is None
    assert colours(png) == {"red"}
    assert Path(result["picture"]).read_bytes() == png
    again, _ = page_picture(str(docs / "report.pdf"), 1, "default")
    assert again["picture"] == result["picture"]
    assert colours(page_picture("report.pdf", 2, "default")[1]) == {"blue"}


def test_a_slide_is_drawn_from_its_parts_where_nothing_lays_it_out(docs: Path) -> None:
    result, png = page_picture("deck.pptx", 1, "default")
    assert result["how"] == "drawn"
    assert "LibreOffice" in (result["note"] or "")
    assert "건강한 마을" in result["text"]
    assert colours(png) == {"green"}
    assert colours(page_picture("deck.pptx", 2, "default")[1]) == {"blue"}


def test_a_word_file_gives_its_pictures_and_text(docs: Path) -> None:
    result, png = page_picture("letter.docx", 4, "default")
    assert (result["how"], result["page"]) == ("pictures", None)
    assert "no pages" in (result["note"] or "")
    assert "다리 건너" in result["text"]
    assert colours(png) == {"blue"}  # purple, more blue than red


def test_libreoffice_lays_slides_and_word_pages_out(
    docs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    office = tmp_path / "soffice"
    office.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --outdir ]; do shift; done\n'
        f'cp "{docs / "report.pdf"}" "$2/document.pdf"; echo run >> "{tmp_path / "runs"}"\n'
    )
    office.chmod(0o755)
    monkeypatch.setattr(office_pages, "renderer", lambda: str(office))
    for _ in range(2):
        result, png = page_picture("deck.pptx", 2, "default")
        assert (result["how"], result["note"]) == ("rendered", None)
        assert colours(png) == {"blue"}
    assert (tmp_path / "runs").read_text() == "run\n"
    result, _ = page_picture("letter.docx", None, "default")
    assert (result["how"], result["page"]) == ("rendered", 1)
    office.write_text("#!/bin/sh\necho no display >&2; exit 1\n")
    other = slides(docs / "other.pptx")
    Store("default").put(read(other, sha256_of(other), lambda done, total: None), [])
    other.write_bytes(other.read_bytes())
    with pytest.raises(EngineError, match=r"LibreOffice could not .*no display"):
        for kept in (tmp_path / "home" / "cache" / "pages").iterdir():
            kept.unlink()
        page_picture("other.pptx", 1, "default")


def test_a_picture_too_big_for_an_answer_is_made_smaller(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page_picture("report.pdf", 1, "default")[1]
    monkeypatch.setattr(page_pictures, "_MAX_BYTES", len(whole) // 2)
    result, png = page_picture("report.pdf", 1, "default")
    assert len(png) <= len(whole) // 2
    assert result["height"] < page_pictures.LONGEST


def test_what_cannot_be_shown_says_why(docs: Path) -> None:
    def error(source: str, page: int | None) -> str:
        with pytest.raises(EngineError) as raised:
            page_picture(source, page, "default")
        return str(raised.value)

    assert "pages 1 to 3" in error("report.pdf", 4)
    assert "pages 1 to 3" in error("report.pdf", None)
    assert "page_text" in error("note.md", None)
    assert "No document" in error("none.pdf", 1)
    (docs / "report.pdf").write_bytes(b"%PDF-1.4 other")
    assert "has changed" in error("report.pdf", 1)
    (docs / "deck.pptx").unlink()
    assert "is gone" in error("deck.pptx", 1)
