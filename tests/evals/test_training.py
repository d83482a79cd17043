"""What the evaluation of training counts as learnt."""

from __future__ import annotations

import pytest

from evals.training import doubles


@pytest.mark.parametrize(
    ("before", "after", "enough"),
    [
        (0.2, 0.4, True),
        (0.2, 0.39, False),
        (0.01, 0.02, True),
        (0.0, 0.1, True),
        (0.0, 0.02, False),
        (0.0, 0.0, False),
    ],
)
def test_a_score_doubles_or_rises_well_above_nothing(
    before: float, after: float, enough: bool
) -> None:
    assert doubles(before, after) == enough
