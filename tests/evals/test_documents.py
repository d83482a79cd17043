"""The suite on answers from documents: which cases it asks, and what it counts as right."""

from __future__ import annotations

from typing import Any

import pytest

from evals.answerability import _SETS
from evals.documents import _count, _Counts, evenly
from evals.reports import cases


def made(answerable: int, others: int) -> list[dict[str, Any]]:
    yes = [{"question": f"y{n}", "answerable": True, "keywords": ["8"]} for n in range(answerable)]
    return [*yes, *({"question": f"n{n}", "answerable": False} for n in range(others))]


def test_a_limit_takes_so_many_of_each_kind_spread_over_all() -> None:
    chosen = [case["question"] for case in evenly(made(50, 50), 5)]
    assert chosen == [f"{kind}{n}" for kind in "yn" for n in (0, 10, 20, 30, 40)]


@pytest.mark.parametrize("limit", [None, 1000])
def test_without_a_limit_every_case_is_asked_once(limit: int | None) -> None:
    assert evenly(made(7, 3), limit) == made(7, 3)


@pytest.mark.parametrize(
    ("answer", "cited", "good"),
    [("It is 8. [1]", True, True), ("It is 9. [1]", True, False), ("Nothing on 8.", False, False)],
)
def test_an_answer_is_right_if_it_is_cited_and_holds_a_key_word(
    answer: str, cited: bool, good: bool
) -> None:
    counts = _Counts()
    citations = [{"n": 1}] if cited else []
    given = {"answer": answer + "\n\n**Sources**\n8", "citations": citations, "seconds": 1.0}
    assert _count(counts, made(1, 0)[0], given) is good
    assert (counts.right, counts.wrongly_refused) == (good, not cited)


def test_the_report_gives_every_share_with_its_standard_error() -> None:
    counts = _Counts(answerable=4, right=2, unanswerable=2, rightly_refused=2, quotes=3, verbatim=3)
    told = counts.report()
    assert "answerable, right: 2/4 = 50.0% (± 25.0)" in told
    assert "unanswerable, refused: 2/2 = 100.0%" in told
    assert "verbatim in their source: 3/3" in told


@pytest.mark.parametrize("name", _SETS)
def test_every_stored_case_can_be_judged(name: str) -> None:
    asked = cases(name)
    assert len({case["question"] for case in asked}) == len(asked) >= 40
    assert all(bool(case.get("keywords")) is case["answerable"] for case in asked)
