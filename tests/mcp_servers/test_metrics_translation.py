"""BLEU and chrF: the examples of textbook 3.7 and 3.8, and sacrebleu's answers."""

from __future__ import annotations

import importlib.util
import random
import unicodedata

import pytest
import sacrebleu

from mcp_servers.errors import EngineError
from mcp_servers.metrics.translation import bleu, chosen_tokenize, chrf, corpus_bleu

CANDIDATE, REFERENCE = "the cat is on mat", "the cat is on the mat"
PAIRS = [
    ("The cat sat on the mat.", ["The cat is on the mat.", "There is a cat on the mat!"]),
    ("나는 밥을 맛있게 먹었다.", ["나는 밥을 먹었다.", "나는 오늘 밥을 아주 맛있게 먹었다."]),
    ("no match here", ["entirely different words"]),
    ("hi", ["hi there"]),
    ("3,000 won &amp; a half-price e-mail", ["3,000 won & a half price e-mail"]),
]


def sentence(source: random.Random, words: list[str]) -> str:
    return " ".join(source.choice(words) for _ in range(source.randint(1, 12)))


def random_pairs(seed: int) -> list[tuple[str, list[str]]]:
    source = random.Random(seed)
    words = [
        "the",
        "a",
        "cat",
        "dog",
        "mat",
        "on",
        "is",
        "sat,",
        ".",
        "나는",
        "밥을",
        "먹었다",
        "고양이가",
        "매트",
    ]
    return [
        (sentence(source, words), [sentence(source, words) for _ in range(source.randint(1, 3))])
        for _ in range(60)
    ]


def test_the_example_of_textbook_3_8() -> None:
    result = bleu(CANDIDATE, [REFERENCE], "auto", True, "en")
    assert round(result["score"], 3) == round(result["unsmoothed"], 3) == 0.579
    assert [(row["matches"], row["total"]) for row in result["precisions"]] == [
        (5, 5),  # 3.7 has 4/5
        (3, 4),
        (2, 3),
        (1, 2),
    ]
    assert result["lengths"] == {"candidate": 5, "reference": 6}
    assert round(result["brevity_penalty"], 4) == 0.8187
    assert result["notes"] == []
    assert result["signature"].startswith("nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp")
    assert result["derivation"] == [
        "Candidate (5 tokens): the cat is on mat",
        "Reference (6 tokens): the cat is on the mat",
        '1-gram: 5/5 match: "the", "cat", "is", "on", "mat"',
        "p1 = 5/5 = 1.0000",
        '2-gram: 3/4 match: "the cat", "cat is", "is on"',
        "p2 = 3/4 = 0.7500",
        '3-gram: 2/3 match: "the cat is", "cat is on"',
        "p3 = 2/3 = 0.6667",
        '4-gram: 1/2 match: "the cat is on"',
        "p4 = 1/2 = 0.5000",
        "ln p1 = ln 1.0000 = 0.00000",
        "ln p2 = ln 0.7500 = -0.28768",
        "ln p3 = ln 0.6667 = -0.40547",
        "ln p4 = ln 0.5000 = -0.69315",
        "Mean of the logs = (0.00000 + (-0.28768) + (-0.40547) + (-0.69315)) / 4 = -0.34657",
        "Geometric mean = exp(-0.34657) = 0.7071",
        "Brevity penalty: c = 5 < r = 6, BP = exp(1 - 6/5) = 0.8187",
        "BLEU = BP x geometric mean = 0.8187 x 0.7071 = 0.5789",
    ]


def test_the_derivation_in_korean() -> None:
    lines = bleu(CANDIDATE, [REFERENCE], "auto", True, "ko")["derivation"]
    assert lines is not None
    assert lines[0] == "후보 문장(토큰 5개): the cat is on mat"
    assert lines[2] == '1-gram: 5/5 일치: "the", "cat", "is", "on", "mat"'
    assert lines[-1] == "BLEU = BP x 기하 평균 = 0.8187 x 0.7071 = 0.5789"


def test_counts_are_clipped_and_the_closest_length_is_taken() -> None:
    # Papineni et al. (2002), example 2: modified unigram precision 2/7.
    references = ["The cat is on the mat.", "There is a cat on the mat."]
    result = bleu(
        "the the the the the the the", [r.lower() for r in references], "auto", True, "en"
    )
    assert (result["precisions"][0]["matches"], result["precisions"][0]["total"]) == (2, 7)
    assert result["lengths"] == {"candidate": 7, "reference": 7}
    assert result["derivation"] is not None
    assert '1-gram: 2/7 match: "the" (clipped from 7 to 2)' in result["derivation"]


def test_smoothing_and_left_out_orders_are_said() -> None:
    result = bleu("the cat", ["the dog"], "auto", False, "en")
    assert result["unsmoothed"] == 0 < result["score"]
    assert [row["used"] for row in result["precisions"]] == [0.5, 0.5, None, None]
    assert result["precisions"][1]["precision"] == 0  # used 0.5 = 1 / (2 x 1), smoothed
    assert result["notes"] == [
        "No n-gram of order 2 matches, so that precision was smoothed (exp). "
        "Without smoothing BLEU is 0.",
        "The candidate is too short for order 3, 4: left out (effective order).",
    ]
    assert result["derivation"] is None
    nothing = bleu("완전히 다른 문장", ["하나도 안 맞는다"], "auto", True, "ko")
    assert nothing["score"] == 0
    assert nothing["notes"][0] == "일치하는 토큰이 없어 BLEU는 0입니다."
    assert nothing["derivation"] is not None
    assert nothing["derivation"][-1] == "일치하는 것이 없으므로 BLEU = 0"


@pytest.mark.parametrize(("name", "theirs"), [("words", "13a"), ("characters", "char")])
def test_sentence_bleu_equals_sacrebleu(name: str, theirs: str) -> None:
    for candidate, references in PAIRS + random_pairs(1):
        ours = bleu(candidate, references, name, True, "en")  # type: ignore[arg-type]
        wanted = sacrebleu.sentence_bleu(candidate, references, tokenize=theirs)
        assert ours["score_100"] == pytest.approx(wanted.score, abs=1e-9)
        assert ours["score"] == pytest.approx(wanted.score / 100, abs=1e-9)
        plain = sacrebleu.BLEU(tokenize=theirs, smooth_method="none", force=True)
        assert ours["unsmoothed"] == pytest.approx(
            plain.sentence_score(candidate, references).score / 100, abs=1e-9
        )
        assert ours["derivation"] is not None
        for row in ours["precisions"][: sum(wanted.totals[n] > 0 for n in range(4))]:
            counted = f"{row['n']}-gram: {row['matches']}/{row['total']} match"
            assert any(line.startswith(counted) for line in ours["derivation"])
        last = ours["derivation"][-1]
        assert last.endswith(f"= {ours['score']:.4f}") or last == "Nothing matches, so BLEU = 0"


def test_korean_worked_out_by_hand() -> None:
    words = bleu("나는 밥을 먹었다", ["나는 밥을 먹는다"], "auto", False, "ko")
    assert [(r["matches"], r["total"]) for r in words["precisions"]] == [
        (2, 3),
        (1, 2),
        (0, 1),
        (0, 0),
    ]
    assert words["tokenize"] == "words"
    assert any("조사" in note for note in words["notes"])
    # 나는밥을먹었다 against 나는밥을먹는다: 6 of 7 syllables, 4 of 6 bigrams, 3 of 5, 2 of 4
    syllables = bleu("나는 밥을 먹었다", ["나는 밥을 먹는다"], "characters", False, "ko")
    assert [(r["matches"], r["total"]) for r in syllables["precisions"]] == [
        (6, 7),
        (4, 6),
        (3, 5),
        (2, 4),
    ]
    assert syllables["score"] == pytest.approx((6 / 7 * 4 / 6 * 3 / 5 * 2 / 4) ** 0.25)


def test_decomposed_hangul_equals_composed() -> None:
    text = "나는 밥을 먹었다"
    decomposed = unicodedata.normalize("NFD", text)
    assert bleu(decomposed, [text], "characters", False, "en")["score"] == pytest.approx(1)
    assert chrf(decomposed, [text], 0)["score"] == pytest.approx(1)
    assert corpus_bleu([decomposed], [text], "characters")["score"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("the cat", "words"),
        ("나는 밥을 먹었다", "words"),
        ("大韓民國은 민주공화국이다", "words"),
        ("我今天吃饭了", "characters"),
        ("私はご飯を食べた", "characters"),
        ("123 !", "words"),
    ],
)
def test_what_auto_means(reference: str, wanted: str) -> None:
    assert chosen_tokenize("auto", [reference]) == wanted


@pytest.mark.skipif(
    importlib.util.find_spec("mecab_ko") is not None, reason="mecab-ko is installed here"
)
def test_korean_morphemes_need_their_packages() -> None:
    with pytest.raises(EngineError, match=r"pip install 'sacrebleu\[ko\]'"):
        bleu("나는", ["나는"], "ko-mecab", False, "ko")


def test_corpus_bleu_equals_sacrebleu() -> None:
    pairs = random_pairs(2)
    candidates = [candidate for candidate, _ in pairs]
    first = [references[0] for _, references in pairs]
    ours = corpus_bleu(candidates, first, "auto")
    wanted = sacrebleu.corpus_bleu(candidates, [first])
    assert ours["score_100"] == pytest.approx(wanted.score)
    assert ours["brevity_penalty"] == pytest.approx(wanted.bp)
    assert ours["lengths"] == {"candidate": wanted.sys_len, "reference": wanted.ref_len}

    references = [references for _, references in pairs]
    streams = [
        [own[column] if column < len(own) else None for own in references] for column in range(3)
    ]
    several = corpus_bleu(candidates, references, "auto")
    assert several["score_100"] == pytest.approx(sacrebleu.corpus_bleu(candidates, streams).score)
    assert several["signature"].startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp")


def test_a_corpus_may_hold_an_empty_candidate() -> None:
    candidates, references = ["the cat is on the mat", ""], ["the cat is on the mat", "hello"]
    wanted = sacrebleu.corpus_bleu(candidates, [references]).score
    assert corpus_bleu(candidates, references, "auto")["score_100"] == pytest.approx(wanted)


@pytest.mark.parametrize("word_order", [0, 1, 2])
def test_chrf_equals_sacrebleu(word_order: int) -> None:
    for candidate, references in PAIRS + random_pairs(3):
        ours = chrf(candidate, references, word_order)
        wanted = sacrebleu.sentence_chrf(candidate, references, word_order=word_order)
        assert ours["score_100"] == pytest.approx(wanted.score)
        assert ours["name"] == wanted.name


@pytest.mark.parametrize(
    ("candidate", "references", "words"),
    [
        ("", ["a"], "candidate is empty"),
        (" \n", ["a"], "candidate is empty"),
        ("a", [], "references is empty"),
        ("a", ["b", ""], r"references\[1\] is empty"),
        ("a" * 100_001, ["a"], "the limit is 100,000"),
    ],
)
def test_bad_texts(candidate: str, references: list[str], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        bleu(candidate, references, "auto", False, "en")
    with pytest.raises(EngineError, match=words):
        chrf(candidate, references, 0)


@pytest.mark.parametrize(
    ("candidates", "references", "words"),
    [
        (["a", "b"], ["a"], "2 candidates and 1 references"),
        ([], [], "candidates is empty"),
        (["a"], [[]], r"references\[0\] is empty"),
        (["a"] * 20_001, ["a"] * 20_001, "the limit is 20,000"),
    ],
)
def test_bad_corpora(candidates: list[str], references: list[str], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        corpus_bleu(candidates, references, "auto")


def test_chrf_knows_two_variants() -> None:
    with pytest.raises(EngineError, match="Pass 0 for chrF or 2"):
        chrf("a", ["a"], 3)


def test_a_text_that_the_tokenizer_deletes_scores_zero() -> None:
    result = bleu("<skipped>", ["the cat"], "auto", True, "en")
    assert result["score"] == 0
