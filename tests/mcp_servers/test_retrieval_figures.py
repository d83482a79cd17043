"""Pictures found in documents, with their words; pictures that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.figures import Figure, Unusable, figures_of, name_in_words
from tests.mcp_servers.pictured import CIRCLE, Sheet, drawing, letter, pdf, png, report, slides


def found(path: Path) -> list[Figure | Unusable]:
    return list(figures_of(path, lambda done, total: None))


def figures(path: Path) -> list[Figure]:
    items = found(path)
    assert all(isinstance(item, Figure) for item in items), items
    return [item for item in items if isinstance(item, Figure)]


def colour(figure: Figure) -> tuple[int, ...]:
    """The commonest colour but white."""
    counted = figure.image.quantize(8).convert("RGB").getcolors() or []
    rest = [(count, colour) for count, colour in counted if min(colour) < 200]  # type: ignore[arg-type,type-var]
    return max(rest)[1]  # type: ignore[return-value]


def test_a_pdfs_bitmaps_and_drawings_have_their_captions(tmp_path: Path) -> None:
    star, disc = figures(report(tmp_path / "마을_report.pdf"))
    assert (star.page, star.caption) == (1, "그림 1. 마을의 표식인 별")
    assert "마을 report" in star.words
    red, green, blue = colour(star)
    assert red > 180 > 80 > max(green, blue)
    assert (disc.page, disc.caption) == (2, "Figure 2: the pond")
    assert colour(disc)[2] > 200


def test_rules_frames_and_grounds_are_no_figures(tmp_path: Path) -> None:
    table = "".join(f"60 {y} m 500 {y} l S 60 {y} m 60 {y + 20} l S " for y in range(400, 600, 20))
    frame = "0.9 g 50 640 500 140 re f 0 G 52 642 496 136 re S"
    code = [(60, 760 - 14 * at, "for line in text: print(line)" * 2) for at in range(9)]
    ground = "0.8 0.9 1 rg 0 0 595 842 re f"
    path = pdf(
        tmp_path / "a.pdf", [Sheet([(70, 500, "셀")], drawn=table), Sheet(code, drawn=frame)]
    )
    assert found(path) == []
    assert found(pdf(tmp_path / "b.pdf", [Sheet([(60, 700, "글")], drawn=ground)])) == []


def test_pieces_that_touch_are_one_figure_and_turned_pages_come_upright(tmp_path: Path) -> None:
    star = drawing("red", "star", 128)
    halves = [star.crop((0, 0, 128, 64)), star.crop((0, 64, 128, 128))]
    pieces = [(100, 500, 128, 64, halves[0]), (100, 436, 128, 64, halves[1])]
    sheet = Sheet([(60, 800, "조각")], pieces, more="/Rotate 90")
    (whole,) = figures(pdf(tmp_path / "a.pdf", [sheet]))
    assert whole.image.width == pytest.approx(whole.image.height, abs=2)


def test_a_scan_is_a_picture_and_the_ground_of_a_page_of_text_is_none(tmp_path: Path) -> None:
    whole = [(0, 0, 595, 842, drawing("yellow", "square", 64))]
    long = [(60, 780 - 14 * at, "이 쪽에는 읽을 글이 이미 많이 있다.") for at in range(9)]
    assert len(figures(pdf(tmp_path / "a.pdf", [Sheet([], whole)]))) == 1
    assert figures(pdf(tmp_path / "b.pdf", [Sheet(long, whole)])) == []


def test_slides_give_pictures_with_alt_text_and_what_is_drawn(tmp_path: Path) -> None:
    heart, diagram = figures(slides(tmp_path / "deck.pptx"))
    assert (heart.page, heart.caption) == (1, "초록 하트 그림")
    assert "건강한 마을" in heart.words
    assert (diagram.page, diagram.caption) == (2, "Water cycle")
    assert "rain" in diagram.words
    assert colour(diagram)[2] > 180 > 100 > colour(diagram)[0]


def test_a_word_files_picture_has_heading_and_caption(tmp_path: Path) -> None:
    (cross,) = figures(letter(tmp_path / "a.docx"))
    assert (cross.page, cross.caption) == (None, "그림 3: 보건소의 표지")
    assert "보건소 안내" in cross.words
    assert "다리 건너" in cross.words


def test_a_picture_alone_has_its_name_and_what_is_written_in_it(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_itxt("parameters", '{"prompt": "파란 별", "steps": 25}')
    path = tmp_path / "villageSign_02.png"
    drawing("blue", "star").save(path, pnginfo=about)
    (star,) = figures(path)
    assert (star.page, star.caption) == (None, "village Sign 02")
    assert "파란 별" in star.words
    assert name_in_words(Path("a/blue_circle-2.tar.png")) == "blue circle 2 tar"


def test_icons_and_blank_pictures_are_left_out(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.png"
    for image in (drawing("red", "star", 16), Image.new("RGB", (90, 90), "white")):
        image.save(path)
        assert found(path) == []


def test_what_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "a.png"
    broken.write_bytes(png(drawing("red", "star")).getvalue()[:200])
    with pytest.raises(Unreadable, match=r"broken|no picture"):
        found(broken)
    broken.write_bytes(b"hello")
    with pytest.raises(Unreadable, match="no picture"):
        found(broken)
    monkeypatch.setattr("mcp_servers.picture_files.MAX_PIXELS", 1000)
    drawing("red", "star").save(broken)
    with pytest.raises(Unreadable, match="96 x 96 pixels"):
        found(broken)
    unread, diagram = found(slides(tmp_path / "deck.pptx"))
    assert isinstance(unread, Unusable) and unread.page == 1
    assert isinstance(diagram, Figure)
    broken = tmp_path / "b.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    with pytest.raises(Unreadable, match="cannot be drawn"):
        found(broken)


def test_text_in_a_figure_is_among_its_words(tmp_path: Path) -> None:
    sheet = Sheet([(230, 640, "연못"), (60, 300, "먼 글")], drawn=CIRCLE)
    (disc,) = figures(pdf(tmp_path / "a.pdf", [sheet]))
    assert "연못" in disc.words
    assert "먼 글" not in disc.words
