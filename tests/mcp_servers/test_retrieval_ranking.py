"""What ranks passages: BM25 by script, evidence weighed, diversity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcp_servers.retrieval.analysis import Terms, question_terms, terms, tokens
from mcp_servers.retrieval.diversity import mmr
from mcp_servers.retrieval.lexical import LexicalIndex
from mcp_servers.retrieval.ranking import first_ranking, rank


def index_of(*texts: str) -> LexicalIndex:
    return LexicalIndex.build([terms(text) for text in texts])


def test_terms_are_pairs_morphemes_and_stems() -> None:
    found = terms("수도는 서울이다. Running in 2013.")
    assert found.hangul == ["수도", "도는", "서울", "울이", "이다", "m:수도", "m:서울"]
    assert found.words == ["run", "2013"]
    assert terms("dogs") == Terms([], ["dog"])


def test_a_question_is_its_content() -> None:
    assert question_terms("수도는 어디인가요?") == Terms(["수도", "m:수도"], [])
    assert question_terms("What is LoRA?") == Terms([], ["lora"])
    # A question that only asks keeps all it has.
    assert question_terms("무엇인가요?").hangul


@pytest.mark.parametrize(("field", "k1", "b"), [("hangul", 0.9, 0.4), ("words", 2.0, 0.75)])
def test_bm25_scores_are_those_of_the_reference(field: str, k1: float, b: float) -> None:
    """rank_bm25 weighs by another IDF, so the ranking is compared where only TF differs."""
    from rank_bm25 import BM25Okapi

    word = "검색" if field == "hangul" else "search"
    texts = [f"{word} {word} {word} z1", f"{word} z1 z1 z1", "z2 z3", "z4 z5 z6", "z7"]
    listed = [getattr(Terms(tokens(t), tokens(t)), field) for t in texts]
    empty: list[list[str]] = [[] for _ in texts]
    pair = (listed, empty) if field == "hangul" else (empty, listed)
    index = LexicalIndex.build([Terms(h, w) for h, w in zip(*pair, strict=True)])
    ours, attainable = index.scores(word)
    reference = BM25Okapi(listed, k1=k1, b=b).get_scores(tokens(word))
    assert attainable > 0 and ours[0] > ours[1] > 0
    assert ours[0] / ours[1] == pytest.approx(reference[0] / reference[1], rel=1e-4)
    assert not ours[2:].any()


def test_an_index_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    index = index_of("LoRA의 rank는 16이다.", "학습률은 2e-4이다.", "Nothing of the kind.")
    index.save(tmp_path / "kept", lambda aside: (aside / "more").write_text("x") and None)
    loaded = LexicalIndex.load(tmp_path / "kept")
    assert loaded is not None and (tmp_path / "kept" / "more").exists()
    for query in ("LoRA의 rank", "학습률", "없는 낱말", "kind"):
        assert loaded.scores(query)[0].tolist() == index.scores(query)[0].tolist()
        assert loaded.scores(query)[1] == index.scores(query)[1]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    (tmp_path / "kept" / "index.json").write_text("{")
    assert LexicalIndex.load(tmp_path / "kept") is None


def test_scores_of_some_rows_are_those_of_all() -> None:
    index = index_of("고양이는 잔다", "기차는 cat 달린다", "cat cat", "개는 짖는다")
    everything, _ = index.scores("cat")
    rows = np.array([1, 3])
    some = index.expanded_scores({("words", "cat"): 1.0, ("hangul", "없음"): 1.0}, rows)
    assert some.tolist() == pytest.approx(everything[rows].tolist())
    assert everything[1] < everything[2]


def test_coverage_is_the_share_of_the_content() -> None:
    index = index_of("LoRA의 rank는 16이다.", "학습률은 2e-4이다.", "배치 크기는 1이다.")
    assert index.coverage("LoRA의 rank는 얼마인가요?", "LoRA의 rank는 16이다.") == 1.0
    assert index.coverage("김치찌개를 끓이는 법", "LoRA의 rank는 16이다.") == 0.0
    half = index.coverage("LoRA의 김치찌개", "LoRA의 rank는 16이다.")
    assert 0 < half < 0.5  # what no document mentions weighs more
    assert index.coverage("무엇인가요?", "LoRA의 rank는 16이다.") == 0.0
    assert not index.scores("전혀 없는 낱말")[0].any()


def test_lexical_and_dense_evidence_go_from_0_to_1() -> None:
    lexical, dense = np.float32([10, 9, 0]), np.float32([0.7, 0.9, 0.8])
    matched, near = first_ranking(lexical, 12, dense)
    assert matched.tolist() == pytest.approx([1, 0.9, 0])
    assert near.tolist() == pytest.approx([0, 1, 0.5], abs=1e-6)
    assert (matched + near).argmax() == 1
    matched, near = first_ranking(np.float32([3]), 12, np.float32([0.8]))
    assert (matched.tolist(), near.tolist()) == ([1.0], [1.0])


def test_a_stray_match_does_not_drown_the_vectors() -> None:
    lexical, dense = np.float32([1, 0]), np.float32([0.8, 0.82])
    matched, near = first_ranking(lexical, 100, dense)
    assert (matched + near).argmax() == 1
    matched, _ = first_ranking(lexical, 1.5, dense)
    assert matched.tolist() == [1, 0]


def test_words_that_stand_together_beat_words_from_everywhere() -> None:
    together = "세종은 1443년에 한글을 만들었다. 그는 조선의 왕이다."
    apart = "세종은 조선의 왕이다. 한글은 널리 쓰인다. 1443년에는 비가 왔다. 집을 만들었다."
    index = index_of(together, apart, "다른 글이다.", "또 다른 글이다.")
    query = "세종이 한글을 만든 것은 1443년인가?"
    near = np.float32([0.5, 0.5, 0.5, 0.5])
    found = rank(query, index, np.arange(4), [together, apart, "", ""], near, near)
    assert found.sentence[0] > found.sentence[1] > found.sentence[2] == 0
    assert found.fused.argmax() == 0


def test_a_topic_finds_what_its_best_passages_speak_of() -> None:
    texts = [
        "wing flutter at high speed and aeroelastic divergence",
        "flutter of a wing with aeroelastic divergence",
        "aeroelastic divergence of panels at supersonic speed",
        "bread is baked in an oven",
        "wing flutter tests",
        "flutter",
    ]
    index = index_of(*texts)
    rows = np.arange(6)
    matched = np.float32([1, 1, 0.6, 0.6, 0.9, 0.9])
    found = rank("wing flutter", index, rows, texts, matched, matched)
    assert found.feedback[2] > found.feedback[3] == 0
    assert found.fused[2] > found.fused[3]
    alike = rank("날개 떨림", index, rows, texts, matched, matched)  # Korean: no feedback
    assert not alike.feedback.any()


def textbook_mmr(relevance: list[float], similar: np.ndarray, balance: float, k: int) -> list[int]:
    """The pseudo-code of chapter 11.3.1.3, word for word."""
    selected: list[int] = []
    candidates = list(range(len(relevance)))
    while len(selected) < k:
        best_score, best_doc = -np.inf, -1
        for doc in candidates:
            diversity = max([similar[doc, s] for s in selected], default=0)
            score = balance * relevance[doc] - (1 - balance) * diversity
            if score > best_score:
                best_score, best_doc = score, doc
        selected.append(best_doc)
        candidates.remove(best_doc)
    return selected


@pytest.mark.parametrize("balance", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_mmr_is_the_textbooks(balance: float) -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    relevance = vectors[:, 0]  # to the question (1, 0, 0, ...)
    chosen = mmr(relevance, vectors, balance, 10)
    assert chosen == textbook_mmr(relevance.tolist(), vectors @ vectors.T, balance, 10)
    if balance == 1:
        assert chosen == np.argsort(-relevance, kind="stable")[:10].tolist()


def test_mmr_of_few_candidates() -> None:
    vectors = np.eye(2, dtype=np.float32)
    assert mmr(np.float32([0.1, 0.2]), vectors, 0.5, 9) == [1, 0]
    assert mmr(np.float32([]), vectors[:0], 0.5, 9) == []
