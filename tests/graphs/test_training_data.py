"""What a passage is asked, and in which company RAFT's gold document stands."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from graphs.training_blanks import blanks
from graphs.training_data import Recipe, planned, shuffled_documents, wrong_asking
from graphs.training_rows import KINDS, Kind, SourcePassage
from graphs.training_writer import mended, recipe_hash

RECIPE = Recipe(kinds=KINDS, seed=0, distractors=3, gold_share=0.8, index="default")
SENTENCES = [
    "Alma is a village of pear growers beside the railway.",
    "Bronn grows plums near the river Volda.",
    "Cetta sells cherries to four bakeries in the town of Dorval.",
]


def passage(number: int, sentences: int) -> SourcePassage:
    text = " ".join(SENTENCES[:sentences])
    return {"id": str(number), "text": text, "source": "/a.md", "title": "a.md", "page": None}


@pytest.mark.parametrize("sentences", [0, 1, 2, 3])
def test_kinds_begin_with_different_statements_and_never_ask_the_same_twice(sentences: int) -> None:
    plan = planned(passage(1, sentences), RECIPE)
    assert plan == planned(passage(1, sentences), RECIPE)
    assert {blank.statement for _, blank in plan} == set(SENTENCES[:sentences])
    spans = [(blank.statement, blank.span) for _, blank in plan]
    assert len(spans) == len(set(spans))
    assert max(Counter(kind for kind, _ in plan).values(), default=0) <= 2
    assert len({blank.statement for _, blank in plan[:sentences]}) == sentences
    assert all(blank.wide for kind, blank in plan if kind in ("reverse", "hyde"))


def test_every_kind_comes_first_in_some_passages() -> None:
    first = {planned(passage(n, 1), RECIPE)[0][0] for n in range(40)}
    assert first == set(KINDS)
    assert {kind for kind, _ in planned(passage(1, 3), replace(RECIPE, kinds=("raft",)))} == {
        "raft"
    }


def test_a_sentence_that_points_elsewhere_is_not_asked_about() -> None:
    text = "Stable Diffusion은 이를 위해 CLIP 모델을 사용하여 텍스트를 효과적으로 임베딩한다."
    assert planned({**passage(1, 0), "text": text}, RECIPE) == []
    assert planned({**passage(1, 0), "text": text.replace("이를 위해 ", "")}, RECIPE)


@pytest.mark.parametrize(
    ("question", "kind", "reason"),
    [
        ("Is Alma a village of pear growers at a railway?", "qa", "answer_in_question"),
        ("What is Alma?", "qa", None),
        ("What is Alma?", "reverse", None),
        ("What is the village of pear growers called Alma?", "reverse", "answer_in_question"),
        ("What lies beside a river?", "qa", "not_standalone"),
        ("What is Alma like?", "qa", "duplicate"),
        ("Alma, a village?", "qa", "not_a_question"),
        ("", "qa", "no_text"),
    ],
)
def test_a_question_must_ask_for_the_blank(question: str, kind: Kind, reason: str | None) -> None:
    whole = passage(1, 1)
    (blank,) = [blank for blank in blanks(SENTENCES[0]) if blank.sort == "meaning"]
    assert wrong_asking(question, kind, blank, whole, ["whatisalmalike"]) == reason


def test_the_gold_document_is_there_in_the_asked_share_of_rows_at_any_position() -> None:
    others = [passage(n, 1) for n in range(100, 103)]
    places: Counter[int] = Counter()
    for n in range(300):
        documents = shuffled_documents(passage(n, 2), others, RECIPE)
        assert documents == shuffled_documents(passage(n, 2), others, RECIPE)
        gold = [place for place, document in enumerate(documents) if document["gold"]]
        assert len(documents) == 3 + len(gold)
        places.update(gold)
    assert 220 <= places.total() <= 260  # 240 expected, within three standard deviations
    assert set(places) == {0, 1, 2, 3}


def test_an_ending_that_is_no_korean_is_mended() -> None:
    assert mended("LoRA는 무엇을 학습하는가요?") == "LoRA는 무엇을 학습하나요?"
    assert mended("LoRA는 무엇인가요?") == "LoRA는 무엇인가요?"


def test_the_recipe_is_known_by_a_hash() -> None:
    assert re.fullmatch("[0-9a-f]{16}", recipe_hash())
