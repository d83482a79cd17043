"""Replies that go in circles are stopped; ruled lines, tables and lists are not circles."""

from __future__ import annotations

import pytest

from agents.circles import goes_in_circles

LOOP = "a set of rules that can be used to create "


def test_a_span_said_for_ever_is_a_circle() -> None:
    assert goes_in_circles("The purpose is " + LOOP * 12)
    assert goes_in_circles("답은 " + "그리고 " * 120)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The purpose is " + LOOP * 3,
        "-" * 120,
        "| --- " * 20 + "|",
        "".join(f"{n}. item {n}\n" for n in range(200)),
        LOOP * 12 + "and that is all.",
    ],
)
def test_what_ends_is_none(text: str) -> None:
    assert not goes_in_circles(text)
