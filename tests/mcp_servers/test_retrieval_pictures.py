"""Pictures in an index: how they come, stay, leave, and are found by the words around them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.retrieval import figures, picture_indexing, searching, server
from mcp_servers.retrieval.picture_store import PictureStore
from mcp_servers.retrieval.searching import Request
from mcp_servers.retrieval.store import Store
from tests.mcp_servers.pictured import Sheet, drawing, letter, pdf, png, report, slides
from tests.mcp_servers.test_retrieval_indexing import add, docs

__all__ = ["docs"]


@pytest.fixture
def library(docs: Path) -> Path:
    """A report, slides, a letter and two drawings; nothing of it indexed yet."""
    report(docs / "report.pdf")
    slides(docs / "deck.pptx")
    letter(docs / "letter.docx")
    drawing("blue", "star").save(docs / "푸른_표식.png")
    drawing("orange", "circle").save(docs / "sunset-sign.webp", lossless=True)
    return docs


def find(query: str, **options: Any) -> Any:
    return searching.search("default", Request(query=query, **options))


def places() -> set[tuple[str, int | None]]:
    """Titles and pages that show pictures, as a search sees them."""
    held = searching.searcher(Store("default")).pictures._followed()
    return {(held.owners[place.document]["title"], place.page) for place in held.places}


ALL = {
    *(("report.pdf", 1), ("report.pdf", 2), ("deck.pptx", 1), ("deck.pptx", 2)),
    *(("letter.docx", None), ("푸른_표식.png", None), ("sunset-sign.webp", None)),
}


def test_pictures_come_with_their_documents_and_are_found_by_their_words(library: Path) -> None:
    outcome = add(library)
    assert outcome["pictures"]["added"] == outcome["pictures"]["total"] == len(ALL)
    assert places() == ALL
    found = find("마을의 표식인 별")
    best = found["pictures"][0]
    assert (best["title"], best["page"]) == ("report.pdf", 1)
    assert best["caption"] == "그림 1. 마을의 표식인 별"
    assert best["scores"]["words_rank"] == 1
    assert best["scores"]["coverage"] == 1.0
    assert Path(best["picture"]).read_bytes().startswith(b"\x89PNG")
    assert {item["modality"] for item in found["ranking"]} == {"text", "picture"}
    scores = [item["score"] for item in found["ranking"]]
    assert scores == sorted(scores, reverse=True)
    (cross, *_) = find("보건소의 표지", modality="pictures")["pictures"]
    assert (cross["title"], cross["page"]) == ("letter.docx", None)
    assert find("sunset sign", modality="pictures")["pictures"][0]["title"] == "sunset-sign.webp"


def test_modalities_and_conditions_choose_what_is_searched(library: Path) -> None:
    add(library)
    alone = find("마을의 표식인 별", modality="text")
    assert alone["passages"] and not alone["pictures"]
    assert {item["modality"] for item in alone["ranking"]} == {"text"}
    pictures = find("마을의 표식인 별", modality="pictures")
    assert pictures["pictures"] and not pictures["passages"]
    assert len(find("마을 그림", modality="pictures", k=1)["pictures"]) == 1
    (disc,) = find("pond", source="report.pdf", where={"first_page": 2})["pictures"]
    assert disc["page"] == 2
    assert find("pond", modality="pictures", where={"type": "docx"})["pictures"] == []
    with pytest.raises(EngineError, match=r"No document 'x\.pdf'"):
        find("pond", modality="pictures", source="x.pdf")


def test_only_what_is_new_is_looked_at_and_what_is_gone_leaves(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(library)
    kept = PictureStore(Store("default"))
    looked: list[str] = []
    whole = picture_indexing.figures_of

    def counted(path: Path, each_page: Any) -> Any:
        looked.append(path.name)
        return whole(path, each_page)

    monkeypatch.setattr(picture_indexing, "figures_of", counted)
    (library / "sunset-sign.webp").unlink()
    (library / "report.pdf").rename(library / "moved.pdf")
    drawing("pink", "heart").save(library / "new.png")
    outcome = add(library)
    assert looked == ["new.png"]
    assert outcome["pictures"]["added"] == 1
    assert ("moved.pdf", 1) in places() and ("report.pdf", 1) not in places()
    assert ("sunset-sign.webp", None) not in places()
    held = {place.picture for place in kept.places()}
    assert {path.stem for path in kept.folder.glob("*.png")} == held
    server.remove("moved.pdf")
    assert not {place for place in places() if place[0] == "moved.pdf"}
    assert len(list(kept.folder.glob("*.png"))) == len(ALL) - 2


def test_equal_pictures_are_one_result_with_all_its_places(docs: Path) -> None:
    star = drawing("red", "star", 160)
    star.save(docs / "red star.png")
    shutil.copy(docs / "red star.png", docs / "copy.png")
    star.save(docs / "red star again.webp", lossless=True)
    outcome = add(docs)
    assert outcome["pictures"]["total"] == 1
    (found,) = find("red star", modality="pictures")["pictures"]
    titles = {found["title"], *(place["title"] for place in found["also"])}
    assert len(titles) == 2 and "red star again.webp" in titles


def test_without_the_extra_texts_are_indexed_as_before(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(picture_indexing, "installed", lambda: False)
        outcome = add(library)
        assert {Path(item["path"]).name for item in outcome["indexed"]} == {
            *("report.pdf", "deck.pptx", "letter.docx"),
        }
        assert outcome["pictures"]["total"] == 0
        assert "dure[pictures]" in outcome["pictures"]["note"]
        assert not (Store("default").folder / "pictures").exists()
        assert find("마을의 표식인 별")["pictures"] == []
        with pytest.raises(EngineError, match=r"pip install 'dure\[pictures\]'"):
            add(library, pictures="on")
    assert add(library)["pictures"]["total"] == len(ALL)  # an index from before gains them


def test_pictures_can_be_left_out_and_the_index_remembers(library: Path) -> None:
    assert add(library, pictures="off")["pictures"] == {
        **{"added": 0, "places": 0, "total": 0, "skipped": [], "note": None},
    }
    assert add(library)["pictures"]["total"] == 0
    (skipped,) = add(library / "report.pdf", library / "푸른_표식.png")["skipped"]
    assert "pictures=on" in skipped["reason"]
    assert add(library, pictures="auto")["pictures"]["total"] == len(ALL)


def test_a_job_that_was_stopped_leaves_a_readable_index_and_goes_on(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = figures.figure
    made: list[int] = []

    def stopping(*given: Any) -> Any:
        made.append(1)
        if len(made) == 4:
            raise jobs.Cancelled
        return whole(*given)

    with monkeypatch.context() as patch:
        for module in ("pdf_figures", "slide_figures", "word_figures", "figures"):
            patch.setattr(f"mcp_servers.retrieval.{module}.figure", stopping)
        with pytest.raises(jobs.Cancelled):
            add(library)
    assert find("마을의 표식")["passages"]
    add(library)
    assert places() == ALL


def test_scans_and_slides_of_pictures_alone_are_found(docs: Path) -> None:
    scan = Sheet([], [(0, 0, 595, 842, drawing("yellow", "square", 64))])
    pdf(docs / "harvest-scan.pdf", [scan])
    pdf(docs / "empty.pdf", [Sheet()])
    outcome = add(docs)
    assert [Path(item["path"]).name for item in outcome["indexed"]] == ["harvest-scan.pdf"]
    assert [Path(item["path"]).name for item in outcome["skipped"]] == ["empty.pdf"]
    found = find("harvest scan")
    assert found["passages"] == []
    assert (found["pictures"][0]["title"], found["pictures"][0]["page"]) == ("harvest-scan.pdf", 1)
    assert server.page_picture("harvest-scan.pdf", 1).structuredContent["how"] == "rendered"


def test_broken_pictures_are_listed_with_their_reasons(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = png(drawing("red", "star")).getvalue()
    (library / "broken.png").write_bytes(data[:300])
    outcome = add(library)
    assert [Path(item["path"]).name for item in outcome["skipped"]] == ["broken.png"]
    monkeypatch.setattr("mcp_servers.picture_files.MAX_PIXELS", 90 * 90)
    drawing("cyan", "cross", 80).save(library / "small.png")
    slides(library / "other.pptx")
    deck = library / "other.pptx"
    deck.write_bytes(deck.read_bytes() + b"\0")  # other bytes, the same slides
    outcome = add(library)
    (unusable,) = outcome["pictures"]["skipped"]
    assert (Path(unusable["path"]).name, unusable["page"]) == ("other.pptx", 1)
    assert "pixels" in unusable["reason"]
