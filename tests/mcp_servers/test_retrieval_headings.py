"""Headings: found in each kind of document, searched with the chunks under them, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_servers.retrieval import embedding, server
from mcp_servers.retrieval.chunking import Chunking, chunk_spans
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.headings import headings_of
from mcp_servers.retrieval.slicing import slices
from tests.mcp_servers.test_retrieval_indexing import add, docs

__all__ = ["docs"]


def trails(name: str, *pages: str) -> dict[str, str]:
    """The titles over each "@word" of some pages, by the word."""
    numbered = [Page(number, text) for number, text in enumerate(pages, 1)]
    headings = headings_of(Document(f"/{name}", name, "0" * 64, numbered))
    return {
        text[at:].split()[0]: " > ".join(headings.over(page, at, at + 1))
        for page, text in enumerate(pages)
        for at in range(len(text))
        if text[at] == "@"
    }


def test_numbered_headings_nest_and_run_on_over_pages() -> None:
    first = "1. 개요\n@a\n2. 트랜스포머\n2.1 서론\n@b\n2.2 구성 요소:\n2.2.1 어텐션\n@c"
    second = "@d\n2.2.2 위치\n@e\n2.3 요약\n@f\n3. Results\n@g\n4. Discussion\n4.1. Limits\n@h"
    assert trails("book.pdf", first, second) == {
        "@a": "개요",
        "@b": "트랜스포머 > 서론",
        "@c": "트랜스포머 > 구성 요소 > 어텐션",
        "@d": "트랜스포머 > 구성 요소 > 어텐션",
        "@e": "트랜스포머 > 구성 요소 > 위치",
        "@f": "트랜스포머 > 요약",
        "@g": "Results",
        "@h": "Discussion > Limits",
    }


def test_lists_sentences_and_stray_numbers_are_no_headings() -> None:
    text = (
        "1. Methods\n1.1 Steps\n1. Read the file.\n2. Write it\n3. Close it, then open it\n@a\n"
        "3.5 inches wide\n10.1 is a version\n1.2 is what came before.\n@b\n0.1 M NaCl\n"
        f"1.2 {'long ' * 30}\n@c\n2. Results\n2.1 Numbers\n@d"
    )
    assert trails("notes.txt", text) == {
        "@a": "Methods > Steps",
        "@b": "Methods > Steps",
        "@c": "Methods > Steps",
        "@d": "Results > Numbers",
    }
    assert trails("list.txt", "1. 우유\n2. 계란\n@a") == {"@a": ""}


def test_a_number_that_is_not_the_next_is_no_heading() -> None:
    text = "1 Intro\n1.1 Aims\n2 Results\n@a\n1.2 million people\n2.1 Groups\n2.2 0.35 0.91\n@b"
    assert trails("paper.pdf", text) == {"@a": "Results", "@b": "Results > Groups"}


def test_a_section_of_a_chapter_without_a_line_is_not_under_the_one_before() -> None:
    long = "3 What we did in order to find out more about it"
    text = f"1 Intro\n1.1 Aims\n2 Method\n2.1 Data\n{long}\n3.1 Setup\n@a"
    assert trails("paper.pdf", text) == {"@a": "Setup"}


def test_chapters_of_papers_have_no_dot() -> None:
    text = "1 Introduction\n@a\n2 Method\n2.1 Data\n@b\n3 Results\n@c\n4 in ten people\n@d"
    assert trails("paper.pdf", text) == {
        "@a": "Introduction",
        "@b": "Method > Data",
        "@c": "Results",
        "@d": "Results",
    }


@pytest.mark.parametrize("leader", ["", " ......... 3", " · · · · 3", "\t3"])
def test_a_table_of_contents_does_not_hide_the_headings_after_it(leader: str) -> None:
    contents = "".join(f"{title}{leader}\n" for title in ("1. Scope", "1.1 Who", "2. Rules"))
    text = f"{contents}1. Scope\n1.1 Who\n@b\n2. Rules\n@c\n2.1 When\n@d"
    assert trails("rules.txt", text) == {
        "@b": "Scope > Who",
        "@c": "Rules",
        "@d": "Rules > When",
    }


def test_markdown_headings_are_those_outside_of_code() -> None:
    text = "# Guide #\n@a\n## Install\n```sh\n# a comment\n@b\n```\n@c\n# Use\n1.1 @d"
    assert trails("guide.md", text) == {
        "@a": "Guide",
        "@b": "Guide > Install",
        "@c": "Guide > Install",
        "@d": "Use",
    }
    # Elsewhere "#" begins a comment: a PDF's code has no fences.
    assert trails("code.pdf", "# a comment\n@a") == {"@a": ""}


def test_titles_keep_what_belongs_to_them() -> None:
    text = "# Learning C# ##\n## :\n@a\n## " + "a" + " " * 50_000 + "b\n"
    assert trails("c.md", text) == {"@a": "Learning C#"}


def test_a_slide_without_a_title_is_under_none() -> None:
    assert trails("talk.pptx", "# One\n@a", "@b", "# Three\n@c") == {
        "@a": "One",
        "@b": "",
        "@c": "Three",
    }


def test_a_chunk_is_under_the_heading_of_most_of_it() -> None:
    text = "# Models\n## Llama\nA short tail.\n## Gemma\n" + "max_steps is one hundred. " * 4
    headings = headings_of(Document("/a.md", "a.md", "0" * 64, [Page(None, text)]))
    tail, gemma = text.index("A short"), text.index("## Gemma")
    assert headings.over(0, tail, len(text)) == ["Models"]  # "Gemma" stands in it
    assert headings.over(0, tail, gemma + 10) == ["Models", "Llama"]
    assert headings.over(0, gemma + 20, len(text)) == ["Models", "Gemma"]


def test_a_heading_is_not_over_itself() -> None:
    headings = headings_of(Document("/a.md", "a.md", "0" * 64, [Page(None, "# A\n## B\ntext")]))
    assert [headings.over(0, at, at + 3) for at in (0, 4, 9)] == [[], ["A"], ["A", "B"]]
    assert headings.over(0, 0, 13) == []  # all of them stand in it


def test_a_chunk_that_fills_the_embedder_goes_without_its_heading() -> None:
    embedder = embedding.of(embedding.DEFAULT)
    body = ""
    while embedder.tokens(body) < embedder.max_tokens - 8:
        body += "wow "
    pages = [Page(1, "# " + "긴 제목 " * 10), Page(2, body), Page(3, "short")]
    document = Document("/a.md", "a.md", "0" * 64, pages)
    _, full, short = slices(document, embedder, Chunking(512, 0, "tokens"))
    assert (full.text, full.heading) == (body.strip(), "")
    assert (short.text, short.heading) == ("short", ("긴 제목 " * 10).strip())


def test_what_only_the_heading_says_is_found_and_told(docs: Path) -> None:
    filler = "The job reads rows, makes batches of them and writes a checkpoint now and then. " * 8
    sections = [f"## {name}\n\n{filler}\n\nsteps: {n}00\n" for n, name in enumerate(NAMES, 1)]
    (docs / "runs.md").write_text("# 실험\n\n" + "\n".join(sections), encoding="utf-8")
    add(docs)
    for number, name in enumerate(NAMES, 1):
        best = server.search(f"steps of {name}", k=1)["passages"][0]
        assert f"steps: {number}00" in best["text"]
        assert best["heading"] in ("실험", f"실험 > {name}")
        assert best["text"] in server.page_text("runs.md")["text"]


def test_a_passage_without_headings_has_none(docs: Path) -> None:
    (docs / "a.txt").write_text("alpha beta", encoding="utf-8")
    add(docs)
    assert server.search("alpha")["passages"][0]["heading"] is None


NAMES = ("Gemma", "Llama", "Mistral", "Qwen")


@pytest.mark.parametrize("name", ["slides.pptx", "page.html", "report.docx"])
def test_kinds_that_are_read_into_markdown_have_marked_headings(name: str) -> None:
    assert trails(name, "# One\n@a", "# Two\n@b") == {"@a": "One", "@b": "Two"}


LAW = """제1장 총칙
제1조(목적) 이 규정은 근로 조건을 정한다. @a
제2조 (정의)
① 제1조에서 정한 뜻을 따른다. @b
제1조제2항에 따라 정한다.
제3조(근로자)에 관한 사항은 따로 정한다. @c
제3조의 규정은 그대로 둔다.
제3조(적용 범위) 모두에게 적용한다. @d
제3조의2【예외】 수습은 뺀다. @e
제 2 장 근무
제1절 시간
제4조 근무 시간
하루 여덟 시간으로 한다. @f
제5조 및 제7조에 따른 시간
제2절 휴가
제7조[연차] 열다섯 날을 준다. @g
부 칙 <2024. 1. 1.>
제1조(시행일) 공포한 날부터 시행한다. @h
"""


def test_articles_of_korean_laws_nest_and_run_on_over_chapters() -> None:
    expected = {
        "@a": "제1장 총칙 > 제1조(목적)",
        "@b": "제1장 총칙 > 제2조 (정의)",
        "@c": "제1장 총칙 > 제2조 (정의)",
        "@d": "제1장 총칙 > 제3조(적용 범위)",
        "@e": "제1장 총칙 > 제3조의2【예외】",
        "@f": "제 2 장 근무 > 제1절 시간 > 제4조 근무 시간",
        "@g": "제 2 장 근무 > 제2절 휴가 > 제7조[연차]",
        "@h": "부 칙 <2024. 1. 1.> > 제1조(시행일)",
    }
    assert trails("취업규칙.pdf", LAW) == expected
    halves = LAW.split("제 2 장", 1)
    assert trails("취업규칙.hwp.txt", halves[0], "제 2 장" + halves[1]) == expected
    in_book = trails("book.md", f"# 부록\n{LAW}\n## 끝\n@i")
    assert in_book["@a"] == "부록 > 제1장 총칙 > 제1조(목적)"
    assert in_book["@i"] == "부록 > 끝"


def test_one_article_that_is_quoted_is_no_heading() -> None:
    assert trails("report.txt", "민법은 이렇게 적는다.\n제3조(권리능력) 사람은 ... @a") == {
        "@a": ""
    }


def test_underlined_headings() -> None:
    text = (
        "Guide\n=====\n@a\n\nInstall\n-------\n@b\n\nnot one\nof two lines\n---\n@c\n\nUse\n===\n@d"
    )
    assert trails("guide.md", text) == {
        "@a": "Guide",
        "@b": "Guide > Install",
        "@c": "Guide > Install",
        "@d": "Use",
    }
    # In plain text it may be a signature or a table, and would hide the numbered ones.
    assert trails("plan.txt", "Kim\n---\n1. Scope\n1.1 Who\n@a") == {"@a": "Scope > Who"}
    mixed = trails("mixed.md", "# One\n@a\n\nTwo\n---\n@b\n\n### Three\n@c")
    assert mixed == {"@a": "One", "@b": "One > Two", "@c": "One > Two > Three"}


def test_versions_are_headings_and_rules_quotes_and_front_matter_are_none() -> None:
    text = "---\nlayout: post\n---\n@a\n\n2.32.3 (2024-05-29)\n---\n@b\n\n> a quote\n---\n@c\n"
    text += "\n# Marked\n---\n@d\n"
    assert trails("HISTORY.md", text) == {
        "@a": "",
        "@b": "2.32.3 (2024-05-29)",
        "@c": "2.32.3 (2024-05-29)",
        "@d": "Marked",
    }


def test_underlines_of_restructuredtext_nest_in_the_order_of_their_marks() -> None:
    text = "#####\nBook\n#####\n@a\n\n지도\n****\n@b\n\nNorth\n^^^^^\n@c\n\nSea\n***\n@d"
    assert trails("book.rst", text) == {
        "@a": "Book",
        "@b": "Book > 지도",
        "@c": "Book > 지도 > North",
        "@d": "Book > Sea",
    }


def test_a_title_between_two_lines_of_marks_is_of_its_own_level() -> None:
    text = "======\nDjango\n======\n@a\n\nInstall\n=======\n@b\n\n====\n Use\n====\n@c"
    assert trails("index.rst", text) == {"@a": "Django", "@b": "Django > Install", "@c": "Use"}


def test_articles_whose_title_is_a_sentence_have_their_number_alone() -> None:
    text = (
        "제1조 목적\n@a\n제2조 계약 기간은 1년으로 하며 서로 이의가 없으면 한 해씩 늘어난다.\n@b\n"
        "제3조 제3자에 대한 책임\n@c\n제4조 비밀 유지\n@d"
    )
    assert trails("계약서.txt", text) == {
        "@a": "제1조 목적",
        "@b": "제2조",
        "@c": "제3조 제3자에 대한 책임",
        "@d": "제4조 비밀 유지",
    }


def test_articles_that_are_only_spoken_of_do_not_derail_the_count() -> None:
    text = (
        "제1조(목적) @a\n제2조(책임) 회사는 민법\n제750조(불법행위의 내용) 및 상법을 따른다. @b\n"
        "민법\n제751조(재산 이외의 손해)\n에 따른다.\n제3조(기간(연장을 포함한다)의 계산) @c\n"
        "제2장 복무\n제4조 및 제5조에 따라 @d\n제4조（복장） @e"
    )
    found = trails("규정.txt", text)
    assert found["@b"] == "제2조(책임)"
    assert found["@c"] == "제3조(기간(연장을 포함한다)의 계산)"
    assert found["@d"] == "제2장 복무"
    assert found["@e"] == "제2장 복무 > 제4조（복장）"


def test_an_excerpt_is_under_its_own_chapter() -> None:
    text = "제1장 총칙\n제1조(목적) @a\n제3장 벌칙\n제30조(벌칙) @b\n제31조(과태료) @c"
    assert trails("법.txt", text) == {
        "@a": "제1장 총칙 > 제1조(목적)",
        "@b": "제3장 벌칙 > 제30조(벌칙)",
        "@c": "제3장 벌칙 > 제31조(과태료)",
    }


def test_a_second_rule_and_a_table_of_contents_are_not_under_what_came_before() -> None:
    contents = "목차\n제1장 총칙\n제2장 복무\n부칙\n"
    text = f"{contents}제1장 총칙\n제1조(목적) @a\n부칙\n제1조(시행일) @b\n제1장 여비\n제1조(뜻) @c"
    assert trails("사규집.txt", text) == {
        "@a": "제1장 총칙 > 제1조(목적)",
        "@b": "부칙 > 제1조(시행일)",
        "@c": "제1장 여비 > 제1조(뜻)",
    }
    plain = "제1장 총칙\n제1조(목적) @a\n제2조(뜻) @b\n여비 규정\n제1조(목적) @c"
    assert trails("두 규정.txt", plain)["@c"] == "제1조(목적)"


def test_clauses_that_are_numbered_by_their_article_stay_under_it() -> None:
    text = "제1조 (정의)\n1.1 용어의 뜻\n1.2 해석의 원칙\n@a\n제2조 (서비스)\n2.1 범위\n@b"
    assert trails("약관.txt", text) == {
        "@a": "제1조 (정의) > 해석의 원칙",
        "@b": "제2조 (서비스) > 범위",
    }


def test_chunks_start_afresh_at_articles_and_underlined_headings() -> None:
    body = "하루 여덟 시간으로 한다. " * 18
    law = "\n".join(f"제{number}조(제목 {number}) {body}" for number in range(1, 5))
    guide = "\n\n".join(f"Part {number}\n------\n{body}" for number in range(1, 5))
    for text, first in ((law, "제"), (guide, "Part")):
        chunks = [text[start:end] for start, end in chunk_spans(text, lambda _: True)]
        assert len(chunks) == 4
        assert all(chunk.startswith(first) for chunk in chunks)
