"""Retrieval below the server: files into clean pages, pages into chunks, words that match."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.analysis import content_tokens, tokens
from mcp_servers.retrieval.chunking import CHUNK_SIZE, OVERLAP, chunk_spans
from mcp_servers.retrieval.cleaning import plain
from mcp_servers.retrieval.decoding import Unreadable
from mcp_servers.retrieval.files import MAX_TEXT_BYTES, Document, found_files, read, sha256_of
from mcp_servers.retrieval.pdf import mended
from mcp_servers.retrieval.pdf_pages import _elsewhere as elsewhere
from mcp_servers.retrieval.pdf_pages import page_texts


def pdf_bytes(pages: list[list[str]]) -> bytes:
    """A small PDF: a list of lines a page, Korean too, by a font that only has a ToUnicode map."""
    to_unicode = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Same def\n"
        "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        "1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end"
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids "
        f"[{' '.join(f'{6 + 2 * n} 0 R' for n in range(len(pages)))}] >>",
        "<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H "
        "/DescendantFonts [4 0 R] /ToUnicode 5 0 R >>",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Any /DW 1000 "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        f"<< /Length {len(to_unicode)} >>\nstream\n{to_unicode}\nendstream",
    ]
    for number, lines in enumerate(pages):
        shown = " ".join(f"<{line.encode('utf-16-be').hex()}> Tj 0 -14 Td" for line in lines)
        content = f"BT /F 10 Tf 50 780 Td {shown} ET" if lines else ""
        objects += [
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            f"/Resources << /Font << /F 3 0 R >> >> /Contents {7 + 2 * number} 0 R >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def read_file(path: Path) -> Document:
    return read(path, sha256_of(path), lambda done, total: None)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_pdf_pages_are_numbered_and_korean(tmp_path: Path) -> None:
    path = written(tmp_path, "두레.pdf", pdf_bytes([["두레는 마을 협동체이다."], [], ["Third."]]))
    pages = read_file(path).pages
    assert [(page.number, page.text) for page in pages] == [
        (1, "두레는 마을 협동체이다."),
        (2, ""),
        (3, "Third."),
    ]


def test_a_long_pdf_is_read_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    path = written(tmp_path, "long.pdf", pdf_bytes([[f"{n}쪽의 글이다."] for n in range(50)]))
    started: list[int] = []
    monkeypatch.setattr(
        "mcp_servers.retrieval.pdf_pages._elsewhere",
        lambda *page_range: started.append(1) or elsewhere(*page_range),
    )
    texts = page_texts(path, lambda page, pages: None)
    assert len(started) == 3
    assert [text.strip() for text in texts] == [f"{n}쪽의 글이다." for n in range(50)]


def test_a_reader_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("sys.executable", "/bin/false")
    path = written(tmp_path, "long.pdf", pdf_bytes([["글"]] * 40))
    with pytest.raises(Unreadable, match="its reader died"):
        read_file(path)


def test_reading_a_long_pdf_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    path = written(tmp_path, "long.pdf", pdf_bytes([["글"]] * 40))

    def stop(page: int, pages: int) -> None:
        if page == 3:
            raise KeyboardInterrupt

    before = psutil.Process().children()
    with pytest.raises(KeyboardInterrupt):
        read(path, sha256_of(path), stop)
    assert [one for one in psutil.Process().children() if one not in before] == []


def test_decomposed_hangul_is_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "한글 문서")
    path = written(tmp_path, decomposed + ".txt", decomposed.encode())
    document = read_file(path)
    assert document.title == "한글 문서.txt"
    assert document.pages[0].text == "한글 문서"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_text_encodings(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "글.txt", "안녕하세요.\r\n똠방각하와 펲시콜라".encode(encoding))
    assert read_file(path).pages[0].text == "안녕하세요.\n똠방각하와 펲시콜라"
    assert read_file(path).pages[0].number is None


def encrypted(password: str) -> bytes:
    import io

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_bytes([["secret"]]))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.pdf", b"", "empty"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n\t -- \n", "no words"),
        ("fake.pdf", b"just text", "not a PDF"),
        ("hidden.txt", pdf_bytes([["x"]]), "under another name"),
        ("broken.pdf", b"%PDF-1.4\nnothing else", "broken"),
        ("cut.pdf", pdf_bytes([["one"], ["two"]])[:700], "broken"),
        ("scan.pdf", pdf_bytes([[], []]), "ocrmypdf"),
        ("secret.pdf", encrypted("pw"), "encrypted"),
        ("program.txt", bytes(range(256)) * 20, "binary"),
        ("noise.txt", bytes(range(1, 128)) * 20, "binary"),
        ("latin.txt", "caf\xe9 \xe0 la carte".encode("latin-1"), "UTF-8"),
        ("large.txt", b"a" * (MAX_TEXT_BYTES + 1), "the limit is 20 MB"),
    ],
)
def test_each_bad_file_has_its_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_file(written(tmp_path, name, data))


def test_a_pdf_with_only_an_owner_password_is_read(tmp_path: Path) -> None:
    assert read_file(written(tmp_path, "a.pdf", encrypted(""))).pages[0].text == "secret"


def test_a_file_that_vanished_has_its_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        sha256_of(tmp_path / "gone.txt")


def test_a_folder_gives_its_documents_and_nothing_hidden_or_outside(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("b.md", "a.pdf", "deep/c.TXT", "photo.png", ".env.txt", ".git/d.txt"):
        (folder / name).write_text("x")
    outside = written(tmp_path, "outside.txt", b"x")
    (folder / "link.txt").symlink_to(outside)
    found, reason = found_files(folder)
    assert [str(path.relative_to(folder)) for path in found] == ["a.pdf", "b.md", "deep/c.TXT"]
    assert reason is None
    assert found_files(folder / "none")[1] == "There is no such file or folder. Check the spelling."
    (tmp_path / "bare").mkdir()
    assert "holds no file" in str(found_files(tmp_path / "bare")[1])


def test_too_large_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_servers.retrieval.files.MAX_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("x")
    with pytest.raises(EngineError, match="smaller folder"):
        found_files(tmp_path)


def test_lines_that_the_margin_broke_are_joined() -> None:
    page = (
        "1. 개요 \n"
        "강의는 매주 한 번 두 시간씩 열리고 실습은 조교와 함께 따로 진행하며, 모든 자료를 미리 \n"
        "본 교안은 회차 주제별 주요 학습 내용을 기술한 것으로, 실제 강의에는 교안 이외 저자 \n"
        "블로그, github, huggingface 등이 활용되며 평가는 과제와 시험으로 하고 발표도 포함한\n"
        "다고 한다. 끝. \n"
        "• 첫째 항목"
    )
    joined = mended([page])[0]
    assert "교안 이외 저자 블로그" in joined
    assert "포함한다고 한다" in joined  # no space before the line's end: the word was cut
    assert joined.startswith("1. 개요\n강의는")
    assert joined.endswith("\n• 첫째 항목")


def test_an_article_begins_a_line_after_a_full_one() -> None:
    full = "4. 그 밖에 이사회가 필요하다고 인정하여 의결을 거친 사항과 대표이사가 따로 정하는 사항"
    page = f"{full}\n제5조(회의) 회의는 매달 연다.\n{full}을\n제2조에 따라 정한다."
    joined = mended([page])[0]
    assert "사항\n제5조(회의)" in joined
    assert "사항을 제2조에 따라" in joined


def test_hyphenated_words_are_closed_and_indented_code_is_kept() -> None:
    text = (
        "The retrieval of passages by a dense encoder needs no words in com-\n"
        "mon, and a state-of-the-\nart system fuses both sides of the search it runs:\n"
        "for x in y:\n    print(x)"
    )
    joined = mended([text])[0]
    assert "no words in common, and a state-of-the" in joined
    assert "for x in y:\n    print(x)" in joined


def test_running_heads_are_dropped() -> None:
    pages = [f"Page {n} of 4\nText number {n} of the book.\n- {n} -" for n in range(1, 5)]
    assert mended(pages) == [f"Text number {n} of the book." for n in range(1, 5)]


def test_what_no_reader_sees_is_dropped() -> None:
    assert plain("a\u00adb\u200bc\x00\ufb01n\u00a0d\ud800\r\ne") == "abcfin d\ne"


@pytest.mark.parametrize(
    "text",
    [
        "한국어 문장은 이렇게 끝난다. 다음 문장도 있다! 그렇지 않은가? " * 60,
        "An English sentence ends here. Version 3.5 is one word. " * 40,
        "가나다라마바사" * 400,
        "one line\n" * 300,
        "# Title\n\nIntro text.\n\n## Part\n\n" + "Body of the part. " * 80,
        "㎢㏄ﷺ" * 600,
    ],
)
def test_chunks_cover_the_page_verbatim_within_both_limits(text: str) -> None:
    spans = chunk_spans(text, embedding.fits)
    covered = set()
    for start, end in spans:
        assert 0 < end - start <= CHUNK_SIZE
        assert embedding.fits(text[start:end])
        covered.update(range(start, end))
    assert all(at in covered for at, character in enumerate(text) if character.isalnum())
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(spans))


def test_chunks_overlap_by_whole_sentences() -> None:
    text = " ".join(f"문장 번호 {n}는 여기에서 조용히 끝난다." for n in range(60))
    spans = chunk_spans(text, embedding.fits)
    assert len(spans) > 2
    for (_, end), (start, _) in pairwise(spans):
        assert 0 < end - start <= OVERLAP
        assert text[start:].startswith("문장 번호")


def test_a_heading_starts_a_chunk() -> None:
    section = "이 절의 내용은 두 줄을 넘지 않지만 충분히 길다. " * 8
    text = f"# 하나\n\n{section}\n\n## 둘\n\n{section}\n\n11.3.1 셋\n{section}"
    heads = [text[start:end].split("\n")[0] for start, end in chunk_spans(text, embedding.fits)]
    assert heads == ["# 하나", "## 둘", "11.3.1 셋"]


def test_a_page_without_words_has_no_chunks() -> None:
    assert chunk_spans("", embedding.fits) == []
    assert chunk_spans(" ---- \n\n * * *", embedding.fits) == []


def test_tokens_by_script() -> None:
    assert tokens("BM25의 검색은 running dogs the 漢字語 Δx_1") == [
        *("bm25", "검색", "색은", "run", "dog", "漢字", "字語", "δx", "1"),
    ]
    assert tokens(unicodedata.normalize("NFD", "검색")) == ["검색"]


def test_content_leaves_out_what_merely_asks() -> None:
    assert content_tokens("BM25의 장점은 무엇인가요?") == {"bm25", "장점"}
    assert content_tokens("MMR에서 다양성을 설명해줘") == {"mmr", "다양", "양성"}
    assert content_tokens("What is the learning rate of LoRA?") == {"learn", "rate", "lora"}
    assert content_tokens("쌀을 언제 수확하나요?") == {"쌀을", "수확"}
    assert content_tokens("이것은 무엇인가요?") == {"이것"}


def test_korean_questions_find_english_and_korean_passages() -> None:
    vectors = embedding.passage_vectors(["Seoul is the capital of Korea.", "고양이는 잠을 잔다."])
    assert vectors.shape == (2, embedding.DIMENSION)
    scores = vectors @ embedding.query_vector("한국의 수도는 어디인가?")
    assert scores[0] > scores[1]


def test_hostile_text_does_not_reach_the_engine_unfolded() -> None:
    assert embedding.passage_vectors(["\ufdfa" * 200, "a\0b"]).shape == (2, embedding.DIMENSION)
