"""The evidence's weights, fitted on questions whose answerability is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals import answerability


def _row(number: int, answerable: bool, read: str = "r 값은 8~64이다.") -> dict[str, Any]:
    """A question that the model and the words judge rightly, but for every fifth."""
    speaks = answerable != (number % 5 == 0)
    return {
        "question": f"{number}번 r 값은?",
        "answerable": answerable,
        "passages": [{"text": read, "scores": {"coverage": 0.8 if speaks else 0.2}}],
        "read": [read],
        "yes": 0.9 if speaks else 0.2,
        "quoted": 0.8 if speaks else 0.3,
        "kept": number % 7 != 0,
    } | ({"keywords": ["8 ~ 64"]} if answerable else {})


def test_fitting_writes_weights_that_tell_answers_apart_and_judges_what_was_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answerability, "_WEIGHTS", tmp_path / "evidence.json")
    rows = [_row(number, number % 2 == 0) for number in range(1, 81)]
    rows.append(_row(1, True, "고양이는 잔다."))
    collected = tmp_path / "collected.jsonl"
    collected.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    answerability.fit(collected)
    told = capsys.readouterr().out
    assert "81 questions, 41 of them answerable" in told
    assert "1 whose answer was not among what was read: judged, not learned from" in told
    assert "read, 80 questions:" in told
    assert told.count("/41 = ") == 2  # of both stages
    fitted = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    assert fitted["read"]["weights"]["yes"] > 0
    assert fitted["answered"]["weights"]["quoted"] > 0
    assert all(0 < stage["threshold"] < 1 for stage in fitted.values())
