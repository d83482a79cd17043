"""What is refused before a job is started, and what a job says of rows that it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import data, runs, starting
from tests.mcp_servers.training_parts import make_base, run_here, write_jsonl, write_rows

PREFERENCE = {"prompt": "q", "chosen": "good", "rejected": "bad"}


def test_rows_that_cannot_be_learnt_from_start_no_job(dure_home: Path, tmp_path: Path) -> None:
    preferences = write_jsonl(tmp_path / "dpo.jsonl", [PREFERENCE])
    broken = tmp_path / "broken.json"
    broken.write_text('[\n {"question": "q", "answer": "a"},\n {"question" "q"}\n]')
    for file, method, reason in (
        (preferences, "lora", "need method=dpo"),
        (write_rows(tmp_path), "dpo", "is of shape preference"),
        (broken, "lora", r"broken.json, line 3: wrong JSON.*only 1 rows.*Mend the file there"),
        (tmp_path / "gone.csv", "lora", "There is no file"),
    ):
        with pytest.raises(EngineError, match=reason):
            starting.train([str(file)], "embedded:tiny", method, None, None, {})
    assert runs.folders() == []


def test_a_big_file_is_left_to_the_job(
    dure_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(write_rows(tmp_path))
    assert data.is_quick([file])
    assert not data.is_quick([file, "owner/name"])
    monkeypatch.setattr(data, "_QUICK", 10)
    assert not data.is_quick([file])


@pytest.mark.slow
def test_rows_that_are_left_out_are_told_in_the_log_and_at_the_end(
    dure_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(5)]
    file = write_jsonl(tmp_path / "rows.jsonl", [{"question": "q", "answer": ""}, *rows])
    _, result = run_here(file, make_base(tmp_path / "base"), max_steps=1)
    told = "1 rows or files cannot be used and are left out (the first: rows.jsonl, line 1"
    assert any(note.startswith(told) for note in result["notes"])
    assert told in capsys.readouterr().out
