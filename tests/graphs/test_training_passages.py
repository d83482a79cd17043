"""What can be asked about a passage; order, splits and distractors by seed."""

from __future__ import annotations

from collections import Counter

import pytest

from graphs.training_checks import stands_in
from graphs.training_passages import (
    Library,
    data_hash,
    in_order,
    splits,
    statements,
)
from graphs.training_rows import SourcePassage


def passage(number: int, text: str = "", source: str = "/docs/a.md") -> SourcePassage:
    title = source.rpartition("/")[2]
    text = text or f"Passage {number} speaks of subject {number}."
    return {"id": str(number), "text": text, "source": source, "title": title, "page": None}


def test_statements_are_whole_sentences_without_headings_code_or_lists() -> None:
    text = """3.7 BLEU 지표
BLEU는 기계 번역 결과를 평가하는 지표이며, 번역 결과와 기준 번역 사이에 겹치는 n-gram의 비율을
기하 평균으로 나타낸다.
BLEU 점수는 다음과 같이 계산된다.
bleu = compute(reference, candidate).
o ROUGE는 요약 결과를 평가하는 데에 주로 쓰인다.
짧은 문장이다.
이는 번역이 짧을 때 점수를 낮추기 위한 것이다.
BERT 임베딩은 일반적으로 768 차원의 고차원 공간에 놓인다.
"""
    found = statements(text)
    assert found == [
        "BLEU는 기계 번역 결과를 평가하는 지표이며, 번역 결과와 기준 번역 사이에 겹치는 n-gram의 "
        "비율을 기하 평균으로 나타낸다.",
        "ROUGE는 요약 결과를 평가하는 데에 주로 쓰인다.",
        "BERT 임베딩은 일반적으로 768 차원의 고차원 공간에 놓인다.",
    ]
    assert all(stands_in(statement, text) for statement in found)


def test_english_statements_stand_by_themselves() -> None:
    text = (
        "LoRA freezes the pretrained weights of a model. It trains two matrices instead. "
        "However, the rank must be chosen by hand. The rank r is 3.5 times the old one. "
        "For example, r is often 16 in practice. Is the rank really that important here?"
    )
    assert statements(text) == [
        "LoRA freezes the pretrained weights of a model.",
        "The rank r is 3.5 times the old one.",
    ]


@pytest.mark.parametrize("count", [2, 10, 200])
def test_every_tenth_passage_tests_and_none_is_in_both(count: int) -> None:
    passages = [passage(n) for n in range(count)]
    split = splits(passages, seed=3)
    assert set(split) == {p["id"] for p in passages}
    counts = Counter(split.values())
    assert counts["test"] == max(1, round(count / 10))
    assert split == splits(passages, seed=3)
    assert count < 10 or split != splits(passages, seed=4)


def test_the_order_is_the_seeds_and_samples_the_whole() -> None:
    passages = [passage(n) for n in range(100)]
    order = in_order(passages, 1)
    assert order == in_order(passages, 1) != in_order(passages, 2)
    assert sorted(order, key=lambda p: int(p["id"])) == passages
    assert max(int(p["id"]) for p in order[:10]) > 50


def test_the_data_hash_follows_every_passage_and_its_place() -> None:
    passages = [passage(n) for n in range(3)]
    known = data_hash(passages)
    assert known == data_hash([passage(n) for n in range(3)])
    assert known != data_hash(passages[:2])
    assert known != data_hash([*passages[:2], {**passages[2], "text": "other"}])
    assert known != data_hash([*passages[:2], {**passages[2], "id": "9"}])


def test_distractors_are_near_of_the_same_split_and_without_the_answer() -> None:
    passages = [passage(n) for n in range(60)]
    passages[30]["text"] = "LoRA has rank 16."
    passages[33]["text"] = "Adapters have rank 16 too."
    library = Library(passages, seed=0)
    gold = passages[30]
    side = library.splits["30"]
    near = [str(n) for n in range(25, 40)]
    chosen = library.distractors(gold, near, 4, "rank 16")
    ids = [p["id"] for p in chosen]
    fit = [n for n in near if library.splits[n] == side and n not in ("29", "30", "31", "33")]
    assert ids == fit[:4]


def test_where_nearness_does_not_suffice_others_of_the_split_are_drawn() -> None:
    passages = [passage(n) for n in range(60)]
    library = Library(passages, seed=0)
    gold = next(p for p in passages if library.splits[p["id"]] == "test")
    chosen = library.distractors(gold, [], 4, "subject of none")
    assert len(chosen) == 4
    assert {library.splits[p["id"]] for p in chosen} == {"test"}
    assert chosen == library.distractors(gold, [], 4, "subject of none")
    everything = library.distractors(gold, [], 60, "subject of none")
    assert len(everything) <= 5  # the split has six passages, one of them the gold one


def test_equal_texts_and_neighbours_of_one_document_are_no_distractors() -> None:
    texts = ["gold text", "neighbour", "same", "same", "gold text", "far"]
    passages = [passage(n, text) for n, text in enumerate(texts)]
    passages.append(passage(6, "of another file", "/docs/b.md"))
    library = Library(passages, seed=0)
    library.splits = dict.fromkeys(library.splits, "train")
    ids = [p["id"] for p in library.distractors(passages[0], list("1234560"), 9, "rank")]
    assert ids == ["2", "5", "6"]
    beside = [p["id"] for p in library.distractors(passages[6], ["5"], 1, "rank")]
    assert beside == ["5"]
