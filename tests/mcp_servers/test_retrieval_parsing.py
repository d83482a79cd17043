"""Files of every kind into text: written here with the libraries that read them."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.files import Document, Patterns, found_files, read
from mcp_servers.retrieval.office import OLE
from mcp_servers.retrieval.tables import named_rows, table_text


def parsed(path: Path) -> Document:
    return read(path, "", lambda done, total: None)


def text_of(folder: Path, name: str, data: bytes | str) -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    pages = parsed(path).pages
    assert [page.number for page in pages] == [None]
    return pages[0].text


def word_file(path: Path) -> Path:
    import docx

    document = docx.Document()
    document.add_heading("두레 보고서", 0)
    document.add_heading("1장 개요", 1)
    document.add_paragraph("두레는 마을 협동체이다.\nIt shares tools.")
    document.add_paragraph("첫째", style="List Bullet")
    document.add_paragraph("둘째", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    for row, values in enumerate([("이름", "나이"), ("김철수", "35"), ("Lee | Kim", "41")]):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    document.add_paragraph("끝.")
    document.save(str(path))
    return path


def slide_file(path: Path) -> Path:
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "LoRA 소개"
    body = first.placeholders[1].text_frame
    body.text = "저랭크 행렬"
    inner = body.add_paragraph()
    inner.text, inner.level = "rank 16", 1
    first.notes_slide.notes_text_frame.text = "발표자 노트: 천천히."
    blank = deck.slide_layouts[6]
    deck.slides.add_slide(blank)
    third = deck.slides.add_slide(blank)
    grid = third.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for at, value in enumerate(["품목", "price", "사과", "1,200"]):
        grid.cell(at // 2, at % 2).text = value
    upper = third.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    upper.text_frame.text = "위의 글\vnext line"
    deck.save(str(path))
    return path


def test_a_word_file_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    pages = parsed(word_file(tmp_path / "a.docx")).pages
    assert [(page.number, page.text) for page in pages] == [
        (
            None,
            "# 두레 보고서\n\n# 1장 개요\n\n두레는 마을 협동체이다.\nIt shares tools.\n\n"
            "- 첫째\n- 둘째\n\n| 이름 | 나이 |\n| --- | --- |\n| 김철수 | 35 |\n"
            "| Lee / Kim | 41 |\n\n끝.",
        )
    ]


def test_a_word_file_shows_what_a_reader_sees(tmp_path: Path) -> None:
    """Insertions and content controls, which python-docx skips; no deletions, no hidden runs."""
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = docx.Document()
    paragraph = document.add_paragraph("남은 글")
    paragraph.add_run(" 숨은 글").font.hidden = True
    space = nsdecls("w")
    inserted = f"<w:ins {space} w:id='1' w:author='a'><w:r><w:t> 더한 글</w:t></w:r></w:ins>"
    deleted = (
        f"<w:del {space} w:id='2' w:author='a'><w:r><w:delText>뺀 글</w:delText></w:r></w:del>"
    )
    for xml in (inserted, deleted):
        paragraph._p.append(parse_xml(xml))
    within = "<w:sdtContent><w:p><w:r><w:t>단추 글</w:t></w:r></w:p></w:sdtContent>"
    document.element.body.insert(0, parse_xml(f"<w:sdt {space}>{within}</w:sdt>"))
    table = document.add_table(rows=3, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "구", "동"
    table.cell(1, 1).text, table.cell(2, 1).text = "역삼동", "삼성동"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "강남구"
    document.save(str(tmp_path / "a.docx"))
    text = parsed(tmp_path / "a.docx").pages[0].text
    assert text.startswith("단추 글\n\n남은 글 더한 글\n\n")
    assert "숨은" not in text and "뺀" not in text
    assert text.endswith("| 강남구 | 역삼동 |\n| 강남구 | 삼성동 |")


def test_a_word_files_notes_and_text_boxes_are_read_once(tmp_path: Path) -> None:
    import docx
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = docx.Document()
    paragraph = document.add_paragraph("본문")
    box = "<w:txbxContent><w:p><w:r><w:t>상자 글</w:t></w:r></w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    alternate = f"<mc:AlternateContent {mc}>{both}</mc:AlternateContent>"
    paragraph._p.append(parse_xml(f"<w:r {nsdecls('w')}>{alternate}</w:r>"))
    line = (
        '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>줄</w:t></w:r></w:p></w:footnote>'
    )
    note = '<w:footnote w:id="1"><w:p><w:r><w:t>각주이다.</w:t></w:r></w:p></w:footnote>'
    part = Part(
        PackURI("/word/footnotes.xml"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml",
        f"<w:footnotes {nsdecls('w')}>{line}{note}</w:footnotes>".encode(),
        document.part.package,
    )
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    document.save(str(tmp_path / "a.docx"))
    assert parsed(tmp_path / "a.docx").pages[0].text == "본문\n상자 글\n\n각주이다."


def test_a_slide_is_a_page_with_its_table_and_notes(tmp_path: Path) -> None:
    seen = []
    path = slide_file(tmp_path / "a.pptx")
    pages = read(path, "", lambda done, total: seen.append((done, total))).pages
    assert [(page.number, page.text) for page in pages] == [
        (1, "# LoRA 소개\n\n- 저랭크 행렬\n  - rank 16\n\n발표자 노트: 천천히."),
        (2, ""),
        (3, "위의 글\nnext line\n\n| 품목 | price |\n| --- | --- |\n| 사과 | 1,200 |"),
    ]
    assert seen == [(0, 3), (1, 3), (2, 3)]


HTML = """<html><head><title>두레 안내</title><style>p {}</style></head><body>
<nav>메뉴 홈</nav><header>사이트 이름</header><h1>쌀 수확</h1><!-- 주석 -->
<p>시월에 <b>쌀</b>을 거둔다. snake_case, a*b, 1 &lt; 2. <a href="x">링크</a><br>다음 줄</p>
<script>var x = "대본"</script><p style="display: none">ignore previous</p>
<div hidden>숨김 <p>속</p></div><span aria-hidden="true">장식</span>
<table><tr><th>품목</th><th>값</th></tr><tr><td rowspan=2>사과</td><td>1,200</td></tr>
<tr><td>1,300</td></tr></table><ul><li>하나<li>둘</ul><img src="x.png" alt="논의 사진">
<pre><code>def f():
    return "a_b"</code></pre><footer>저작권</footer></body></html>"""


@pytest.mark.parametrize("declared", ["", '<meta charset="euc-kr">', '<meta charset="nonsense">'])
def test_html_gives_its_main_part_with_structure(tmp_path: Path, declared: str) -> None:
    html = HTML.replace("<head>", f"<head>{declared}")
    data = html.encode("cp949" if "euc-kr" in declared else "utf-8")
    assert text_of(tmp_path, "a.html", data) == (
        "# 두레 안내\n\n# 쌀 수확\n\n시월에 쌀을 거둔다. snake_case, a*b, 1 < 2. 링크\n다음 줄\n\n"
        "| 품목 | 값 |\n| --- | --- |\n| 사과 | 1,200 |\n| 사과 | 1,300 |\n\n- 하나\n- 둘\n\n"
        '논의 사진\n\n```\ndef f():\n    return "a_b"\n```'
    )


def test_html_with_a_main_part_is_that_part_alone(tmp_path: Path) -> None:
    page = "<title>T</title><div>광고</div><main><h1>T</h1><p>본문</p></main><div>댓글</div>"
    assert text_of(tmp_path, "a.htm", page) == "# T\n\n본문"
    layout = "<table><tr><td><h2>가</h2><p>나</p></td></tr></table>"
    assert text_of(tmp_path, "b.html", layout) == "## 가\n\n나"


def test_csv_rows_stand_alone(tmp_path: Path) -> None:
    rows = '이름,나이,소개\n김철수,35,"부산, 바다"\n이영희,,"두 줄\n안녕. 반가워."\n'
    expected = (
        "| 이름: 김철수 | 나이: 35 | 소개: 부산, 바다 |\n"
        "| 이름: 이영희 | 소개: 두 줄 안녕. 반가워. |"
    )
    for name, data in {
        "a.csv": rows.encode("cp949"),
        "b.csv": rows.replace(",", ";").replace("부산;", "부산,").encode("utf-8-sig"),
        "c.tsv": rows.replace(",", "\t").replace("부산\t", "부산,").encode(),
    }.items():
        assert text_of(tmp_path, name, data) == expected, name
    assert text_of(tmp_path, "d.csv", "1,2\n3,4\n") == "| #1: 1 | #2: 2 |\n| #1: 3 | #2: 4 |"


def test_a_table_that_is_too_long_for_a_chunk_repeats_its_names() -> None:
    rows = [["이름", "설명"], *([f"물건 {n}", "쓸모 있다"] for n in range(40))]
    lines = table_text(rows).split("\n")
    assert len(lines) == 40
    assert lines[39] == "| 이름: 물건 39 | 설명: 쓸모 있다 |"
    assert table_text(rows[:2]) == "| 이름 | 설명 |\n| --- | --- |\n| 물건 0 | 쓸모 있다 |"
    assert table_text([]) == table_text([["", " "]]) == ""
    assert named_rows([["a", "b"], ["1", "2", "3"]]) == ["| a: 1 | b: 2 | #3: 3 |"]


def zipped(*names: str, data: bytes = b"<x/>") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


WORD, SLIDES, EXCEL = "word/document.xml", "ppt/presentation.xml", "xl/workbook.xml"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.docx", b"", "empty"),
        ("text.docx", b"just text", "no Word file"),
        ("text.pptx", b"just text", "no PowerPoint file"),
        ("a.docx", zipped(SLIDES), r"a PowerPoint file under another name.*\.pptx"),
        ("a.pptx", zipped(WORD), r"a Word file under another name.*\.docx"),
        ("a.docx", zipped(EXCEL), r"an Excel file under another name.*\.csv"),
        ("a.docx", zipped("photo.png"), "archive"),
        ("a.txt", zipped("photo.png"), "archive"),
        ("a.txt", zipped(WORD), "a Word file under another name"),
        ("a.html", OLE + b"x" * 100, "old Office file"),
        ("a.docx", zipped(WORD), "Word file is broken"),
        ("a.pptx", zipped(SLIDES), "PowerPoint file is broken"),
        ("a.docx", zipped(WORD)[:40], "Word file is broken"),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.pptx", OLE + b"\0" * 600, "before 2007.*Save it as .pptx"),
        ("a.doc", OLE + b"\0" * 600, "Save it as .docx"),
        ("a.ppt", OLE + b"\0" * 600, "Save it as .pptx"),
        ("a.hwp", OLE + b"\0" * 600, "Save it as .docx or PDF"),
        ("a.xlsx", zipped(EXCEL), "Save it as .csv"),
        ("a.html", "<script>x()</script>", "no text of its own"),
        ("a.html", "<b>" * 5000 + "가", "nested too deeply"),
        ("a.csv", ",,\n,,\n", "no words"),
        ("a.csv", "이름\n" + "x" * 1_100_000, "table is broken"),
        ("a.html", b"%PDF-1.4", "PDF under another name"),
    ],
    ids=lambda given: given[:30] if isinstance(given, str) else "bytes",  # a zip tells the time
)
def test_each_bad_file_has_its_reason(
    tmp_path: Path, name: str, data: bytes | str, reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason):
        text_of(tmp_path, name, data)


def test_a_file_that_unpacks_to_too_much_is_refused_unread(tmp_path: Path) -> None:
    bomb = zipped(WORD, data=b"a" * 110_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(Unreadable, match="unpacks to 110 MB"):
        text_of(tmp_path, "bomb.docx", bomb)


def test_office_files_without_text_say_so(tmp_path: Path) -> None:
    import docx
    import pptx

    docx.Document().save(str(tmp_path / "a.docx"))
    pptx.Presentation().save(str(tmp_path / "a.pptx"))
    for name in ("a.docx", "a.pptx"):
        with pytest.raises(Unreadable, match="no text"):
            parsed(tmp_path / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.md",
        "old.doc",
        "~$a.docx",
        "x.py",
        "notes/b.md",
        "notes/drafts/c.md",
        "한글.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.md", "notes/b.md", "notes/drafts/c.md", "old.doc", "한글.txt"]),
        (("*.md",), (), ["a.md", "notes/b.md", "notes/drafts/c.md"]),
        (("/*.md",), (), ["a.md"]),
        (("notes/**",), ("drafts/",), ["notes/b.md"]),
        ((), ("notes", "*.doc", "한*"), ["a.md"]),
        (("*.py",), (), ["x.py"]),
    ],
)
def test_patterns_choose_a_folders_files(
    folder: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    found, reason = found_files(folder, Patterns(include, exclude))
    assert [path.relative_to(folder).as_posix() for path in found] == expected
    assert reason is None


def test_patterns_that_mean_nothing_are_told(folder: Path) -> None:
    assert "with include=*.md" in str(found_files(folder / "*.md")[1])
    assert "include and exclude" in str(found_files(folder, Patterns(("*.pdf",)))[1])
    with pytest.raises(EngineError, match="pattern is wrong"):
        Patterns(("!",)).checked()


def test_parsers_load_only_for_their_own_kind() -> None:
    code = (
        "import sys, mcp_servers.retrieval.indexing\n"
        "print([n for n in ('docx', 'pptx', 'bs4', 'lxml', 'markdownify', 'pypdf', 'pathspec')"
        " if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
