"""Requests that want to see a page, a slide or a figure, and the answers that show it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import BaseTool, ToolException, tool

from graphs.showing import Wanted, wanted_page
from tests.graphs.documents import Library
from tests.graphs.test_rag import PAGES, ask


@pytest.mark.parametrize(
    ("request_", "topic", "number", "figure"),
    [
        ("물의 순환에 대한 슬라이드를 찾아줘", "물의 순환", None, False),
        ("LoRA에 관한 쪽 보여줘", "LoRA", None, False),
        ("내 문서에서 파란 원이 있는 그림을 찾아줘", "파란 원", None, True),
        ("보고서에서 수확량을 설명하는 페이지 좀 찾아 줘", "수확량", None, False),
        ("빨간 별 그림 보여줘", "빨간 별", None, True),
        ("deck.pptx 3쪽을 보여줘", "", 3, False),
        ("그림 2를 보여줘", "그림 2", None, True),
        ("어떤 슬라이드가 물의 순환을 다뤄?", "가 물의 순환을 다뤄", None, False),
        ("find the slide about the water cycle", "water cycle", None, False),
        ("find the slide with the blue diagram", "blue diagram", None, False),
        ("Show me the page that explains attention", "attention", None, False),
        ("show me a picture of a red star in my documents", "red star", None, True),
        ("find the blue star picture", "blue star", None, True),
        ("show page 4 of report.pdf", "", 4, False),
        ("which figure shows the encoder?", "encoder", None, True),
    ],
)
def test_what_is_to_be_shown(request_: str, topic: str, number: int | None, figure: bool) -> None:
    assert wanted_page(request_) == Wanted(topic, number, figure)


@pytest.mark.parametrize(
    "request_",
    [
        "논문 몇 쪽에 실험 결과가 있어?",
        "which page of the report describes the experiment?",
        "제안서 5쪽에 뭐라고 적혀 있어?",
        "색인된 문서 목록 보여줘",
        "왼쪽을 보여주는 문장은?",
        "find the refund policy in the uploaded PDF",
        "what does the book say about pictures?",
        "그림에 대해 책은 뭐라고 해?",
        "find me the section on safety in the user guide",
    ],
)
def test_what_asks_for_words_is_answered_in_words(request_: str) -> None:
    assert wanted_page(request_) is None


LEAVE, RANK = list(PAGES)


class Gallery(Library):
    """The library, with a picture on the page about rank, and pages that can be shown."""

    def __init__(self, found: list[str], how: str = "rendered", gone: bool = False) -> None:
        super().__init__(dict(PAGES))
        self.found, self.how, self.gone = found, how, gone
        self.asked: list[dict[str, Any]] = []

    def tools(self) -> dict[str, BaseTool]:
        gallery = self
        offered = super().tools()
        text = offered["search"]

        @tool
        async def search(
            query: str, k: int = 5, modality: str = "both", source: str | None = None
        ) -> Any:
            """Search."""
            gallery.asked.append({"query": query, "modality": modality, "source": source})
            found = await text.ainvoke({"query": query, "k": k})
            scores = {"words_rank": 1, "looks_rank": 2, "looks": 0.3123}
            picture = {
                **{"id": "p", "picture": "/home/p.png", "caption": "그림 1. 순위 행렬"},
                **{"source": "/docs/guide.pdf", "title": "guide.pdf", "page": 3, "also": []},
                **{"score": 0.0325, "scores": scores},
            }
            passages = [] if modality == "pictures" else found["passages"]
            passages = [p for p in passages if p["title"] in gallery.found]
            for passage in passages:
                passage["scores"]["dense"] = 0.8
            pictures = [picture] if "p" in gallery.found else []
            ranking = [
                {"modality": "text", "id": passage["id"], "score": 0.0164 - at / 1000}
                for at, passage in enumerate(passages)
            ]
            ranking += [
                {"modality": "picture", "id": p["id"], "score": p["score"]} for p in pictures
            ]
            return {**found, "passages": passages, "pictures": pictures, "ranking": ranking}

        @tool
        async def page_picture(source: str, page: int | None = None) -> Any:
            """Show."""
            if gallery.gone:
                raise ToolException("The file is gone.")
            note = "x" if gallery.how != "rendered" else None
            return {"picture": f"/home/page-{page}.png", "how": gallery.how, "note": note}

        return {**offered, "search": search, "page_picture": page_picture}


async def test_the_page_that_text_and_picture_point_to_comes_first() -> None:
    library = Gallery(["규정.md", "guide.pdf", "p"])
    done = await ask("순위 행렬에 대한 쪽을 찾아줘", replies=[], library=library)
    assert done.tools == ["search", "page_picture"]
    assert library.asked == [{"query": "순위 행렬", "modality": "both", "source": None}]
    assert done.text.startswith("**guide.pdf, 3쪽**: 그림 1. 순위 행렬\n\n`/home/page-3.png`")
    assert "본문 2위, 그림 둘레의 글 1위, 그림의 모습 2위 (CLIP 0.31)" in done.text
    assert "다른 후보:\n- 규정.md" in done.text
    assert done.turn["artifacts"] == ["/home/page-3.png"]
    (citation,) = done.turn["citations"]
    assert citation["page"] == 3 and citation["quote"] in PAGES[RANK]


async def test_a_figure_is_shown_itself_and_a_missing_one_is_looked_for_as_text() -> None:
    library = Gallery(["p"])
    done = await ask("show me the figure about ranks", replies=[], library=library)
    assert done.tools == ["search"]
    assert done.turn["artifacts"] == ["/home/p.png"]
    assert "words around the picture, rank 1" in done.text
    library = Gallery(["guide.pdf"])
    done = await ask("show me the figure about ranks", replies=[], library=library)
    assert [asked["modality"] for asked in library.asked] == ["pictures", "both"]
    assert done.turn["artifacts"] == ["/home/page-3.png"]


async def test_a_numbered_page_of_a_named_file_is_shown_without_a_search() -> None:
    library = Gallery([], how="drawn")
    done = await ask("guide.pdf 3쪽을 보여줘", replies=[], library=library)
    assert done.tools == ["list_documents", "page_picture"]
    assert "LibreOffice가 없어" in done.text
    done = await ask("show page 3", replies=[], library=library)
    assert "Say which document's page you mean. Indexed: 규정.md, guide.pdf" in done.text


async def test_nothing_found_and_files_that_are_gone_are_said() -> None:
    done = await ask("find the slide about whales", replies=[], library=Gallery([]))
    assert "no page or picture for “whales” in 2 indexed documents" in done.text
    library = Gallery(["규정.md"])
    library.coverage = 0.1
    done = await ask("find the slide about whales", replies=[], library=library)
    assert "no page or picture" in done.text
    assert "Other candidates:\n- 규정.md" in done.text
    assert done.tools == ["search"]
    done = await ask(
        "find the page about rank", replies=[], library=Gallery(["guide.pdf"], gone=True)
    )
    assert "The file is gone." in done.text
    assert done.turn["artifacts"] == []
