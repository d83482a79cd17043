"""Search as a user asks for it: modes, variants, filters, thresholds, diversity, windows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding, searching, snapshot
from mcp_servers.retrieval.analysis import Terms
from mcp_servers.retrieval.chunks import Slice, text_hash
from mcp_servers.retrieval.files import Document, Page
from mcp_servers.retrieval.filtering import Where
from mcp_servers.retrieval.results import Found
from mcp_servers.retrieval.searching import Mode, Request
from mcp_servers.retrieval.store import Store

PDF = {
    1: [
        "서울은 대한민국의 수도이다.",
        "한강이 서울을 가로질러 흐른다.",
        "서울의 인구는 구백만이다.",
    ],
    2: ["부산은 항구 도시이다.", "해운대는 부산의 해변이다."],
}
NOTES = ["A cat sleeps on the mat.", "A dog barks at night.", "The capital of France is Paris."]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DURE_HOME", str(tmp_path_factory.mktemp("home")))
        store = Store("default")
        store.create(embedding.identity(), embedding.DEFAULT)
        pages = [Page(number, "\n".join(texts)) for number, texts in PDF.items()]
        chunks = [Slice(number, text) for number, texts in PDF.items() for text in texts]
        put(store, Document("/docs/korea/cities.pdf", "cities.pdf", "1" * 64, pages), chunks)
        page = Page(None, "\n".join(NOTES))
        notes = [Slice(None, text) for text in NOTES]
        put(store, Document("/docs/notes.md", "notes.md", "2" * 64, [page]), notes)
        yield store


def put(store: Store, document: Document, chunks: list[Slice]) -> None:
    texts = [chunk.searched for chunk in chunks]
    vectors = embedding.passage_vectors(texts)
    store.keep_vectors((text_hash(t), v.tobytes()) for t, v in zip(texts, vectors, strict=True))
    store.put(document, chunks)


def texts(found: Found) -> list[str]:
    return [passage["text"] for passage in found["passages"]]


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense", "prefilter"])
def test_every_mode_finds_the_passage_and_says_why(store: Store, mode: Mode) -> None:
    found = searching.search("default", Request("한강은 어디로 흐르나요?", mode=mode))
    best = found["passages"][0]
    assert best["text"] == PDF[1][1] and best["page"] == 1
    scores = best["scores"]
    told = {name for name, score in scores.items() if score is not None}
    assert (
        told
        == {
            "hybrid": {"lexical", "dense", "sentence", "feedback", "fused", "coverage"},
            "lexical": {"lexical", "coverage"},
            "dense": {"dense", "coverage"},
            "prefilter": {"lexical", "dense", "coverage"},
        }[mode]
    )
    last = {"hybrid": "fused", "lexical": "lexical"}.get(mode, "dense")
    assert best["score"] == scores[last]  # type: ignore[literal-required]
    ordered = [passage["score"] for passage in found["passages"]]
    assert ordered == sorted(ordered, reverse=True)


def test_words_alone_find_only_what_holds_them(store: Store) -> None:
    for mode in ("lexical", "prefilter"):
        found = searching.search("default", Request("해운대", mode=mode))
        assert texts(found) == [PDF[2][1]]
    assert texts(searching.search("default", Request("zebra", mode="lexical"))) == []
    assert len(searching.search("default", Request("zebra", mode="dense"))["passages"]) == 5


def test_the_single_best_document(store: Store) -> None:
    assert texts(searching.search("default", Request("French capital", k=1))) == [NOTES[2]]


def test_variants_are_searched_too(store: Store) -> None:
    alone = searching.search("default", Request("바닷가", k=8, mode="lexical"))
    assert texts(alone) == []
    more = Request("바닷가", k=8, mode="lexical", variants=["해운대 해변", " ?! "])
    assert texts(searching.search("default", more))[0] == PDF[2][1]
    hyde = Request("Where do people swim in Busan?", k=1, variants=["해운대는 부산의 해변이다."])
    assert texts(searching.search("default", hyde)) == [PDF[2][1]]


def test_other_names_are_searched_with_the_question(store: Store) -> None:
    named = Request("바닷가", k=8, mode="lexical", names=["해변", " "])
    found = searching.search("default", named)
    assert (texts(found)[0], found["query"]) == (PDF[2][1], "바닷가 해변")
    long = Request("바닷가 " * 400, k=8, mode="lexical", names=["해변" * 500])
    assert searching.search("default", long)["query"] == ("바닷가 " * 400).strip()


@pytest.mark.parametrize(
    ("where", "source", "chunks"),
    [
        ({"title": "CITIES*"}, None, 5),
        ({"type": ".md"}, None, 3),
        ({"folder": "/docs/korea"}, None, 5),
        ({"folder": "/docs", "type": "md"}, None, 3),
        ({"first_page": 2}, None, 2),
        ({"last_page": 1}, "cities.pdf", 3),
        ({"added_since": "2020-01-01"}, None, 8),
        ({}, "notes.md", 3),
    ],
)
def test_filters(store: Store, where: Where, source: str | None, chunks: int) -> None:
    found = searching.search("default", Request("서울", k=50, where=where, source=source))
    assert found["searched"]["chunks"] == chunks
    if source or where.get("type") or where.get("title"):
        assert len({passage["source"] for passage in found["passages"]}) == 1
    assert len(found["passages"]) == chunks  # a filter leaves few enough to compare them all


def test_filters_that_leave_nothing_say_so(store: Store) -> None:
    with pytest.raises(EngineError, match=r"type 'docx'.*list_documents"):
        searching.search("default", Request("서울", where={"type": "docx"}))
    with pytest.raises(EngineError, match=r"It holds: cities\.pdf, notes\.md"):
        searching.search("default", Request("서울", source="none.pdf"))


def test_a_threshold_on_similarity(store: Store) -> None:
    every = searching.search("default", Request("서울의 인구", k=8))
    similar = sorted(p["scores"]["dense"] or 0 for p in every["passages"])
    limit = similar[-3] - 0.0001  # scores are told to four places
    kept = searching.search("default", Request("서울의 인구", k=8, min_similarity=limit))
    assert len(kept["passages"]) == 3
    assert all((p["scores"]["dense"] or 0) >= limit for p in kept["passages"])
    assert texts(searching.search("default", Request("서울", min_similarity=1.0))) == []


def test_diversity_keeps_the_best_and_spreads_the_rest(store: Store) -> None:
    plain = searching.search("default", Request("서울", k=3, mode="dense"))
    assert {p["page"] for p in plain["passages"]} == {1}
    same = searching.search("default", Request("서울", k=3, mode="dense", diversity=1.0))
    assert texts(same) == texts(plain)
    spread = searching.search("default", Request("서울", k=3, mode="dense", diversity=0.2))
    assert texts(spread)[0] == texts(plain)[0]
    assert {p["source"] for p in spread["passages"]} == {"/docs/korea/cities.pdf", "/docs/notes.md"}


def test_a_window_is_one_verbatim_piece_of_the_page(store: Store) -> None:
    found = searching.search("default", Request("한강이 가로질러 흐른다", k=1, window=1))
    passage = found["passages"][0]
    assert passage["context"] == "\n".join(PDF[1])
    found = searching.search("default", Request("부산은 항구 도시이다", k=1, window=2))
    context = found["passages"][0]["context"] or ""
    assert context == "\n".join(PDF[1][1:]) + "\n\n" + "\n".join(PDF[2])
    assert searching.search("default", Request("서울", k=1))["passages"][0]["context"] is None


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request(" ?! "), "no word"),
        (Request("x" * 3000), "2000 characters"),
        (Request("x", k=51), "from 1 to 50"),
        (Request("x", diversity=1.5), "diversity is 1.5; choose from 0 to 1"),
        (Request("x", min_similarity=-1), "min_similarity is -1"),
        (Request("x", window=99), "from 0 to 10"),
        (Request("x", variants=["y"] * 9), "more than 8 variants"),
        (Request("x", mode="lexical", diversity=0.5), "needs vectors"),
    ],
)
def test_bad_requests_say_what_would_do(store: Store, request_: Request, told: str) -> None:
    with pytest.raises(EngineError, match=told):
        searching.search("default", request_)


def test_a_kept_snapshot_is_used_and_a_stale_or_damaged_one_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = snapshot.snapshot_of(store)
    with store.writer_lock():
        snapshot.refresh(store)
    folders = list((store.folder / "lexical").iterdir())
    assert len(folders) == 1
    monkeypatch.setattr(snapshot, "terms", lambda text: pytest.fail("it was analysed again"))
    kept = snapshot.snapshot_of(store)
    assert kept.stamp == built.stamp and kept.ids.tolist() == built.ids.tolist()
    assert kept.lexical.scores("서울")[0].tolist() == built.lexical.scores("서울")[0].tolist()
    (folders[0] / "passages.npy").write_bytes(b"damaged")
    assert snapshot.snapshot_of(store).ids.tolist() == built.ids.tolist()  # from the kept terms


def test_a_search_keeps_the_terms_of_a_file_that_is_being_added(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "새 파일의 아직 저장되지 않은 글이다."
    snapshot.analyse(store, [text])
    shutil.rmtree(store.folder / "lexical", ignore_errors=True)
    snapshot.snapshot_of(store)
    analysed: list[str] = []

    def counted(text: str) -> Terms:
        analysed.append(text)
        return Terms([], [])

    monkeypatch.setattr(snapshot, "terms", counted)
    snapshot.analyse(store, [text])
    assert analysed == []
    with store.writer_lock():
        snapshot.refresh(store)  # the file never came: now its terms go
    snapshot.analyse(store, [text])
    assert analysed == [text]


def test_an_index_of_one_language_refuses_a_question_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    english = embedding.of("e5-small-en-pt")
    store = Store("english")
    store.create(english.identity(), english.name)
    vector = english.passage_vectors(["A cat sleeps."])[0]
    store.keep_vectors([(text_hash("A cat sleeps."), vector.tobytes())])
    store.put(
        Document("/a.txt", "a.txt", "0" * 64, [Page(None, "A cat sleeps.")]),
        [Slice(None, "A cat sleeps.")],
    )
    assert texts(searching.search("english", Request("What does the cat do?"))) == ["A cat sleeps."]
    with pytest.raises(EngineError, match="Korean"):
        searching.search("english", Request("고양이는 무엇을 하나요?"))
    named = Request("What does the cat do?", names=["고양이", "kitten"])
    assert searching.search("english", named)["query"] == "What does the cat do? kitten"
