"""What the finetune and foundations agents show of their tools' results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.finetune import AGENT, duration, preview, progress_line, size
from agents.foundations import AGENT as FOUNDATIONS
from agents.session import _paths_in
from tests.graphs.operating import ESTIMATED, INSPECTED, STATE

SHOW = AGENT.renderers
SCORES = {"rows": 20, "loss": 3.0, "perplexity": 20.09, "exact_match": 0.1, "token_f1": 0.2}
BETTER = {"rows": 20, "loss": 1.0, "perplexity": 2.718, "exact_match": 0.5, "token_f1": 0.61}


@pytest.mark.parametrize(
    ("seconds", "ko", "en"),
    [
        (0.2, "0초", "0 s"),
        (59.6, "1분", "1 min"),
        (130, "2분 10초", "2 min 10 s"),
        (3600, "1시간", "1 h"),
        (93784, "26시간 3분", "26 h 3 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, ko: str, en: str) -> None:
    assert (duration(seconds, "ko"), duration(seconds, "en")) == (ko, en)
    assert (size(1.25e9), size(3.5e8)) == ("1.2 GB", "350 MB")


def test_a_line_of_progress_leaves_out_what_is_not_known_yet() -> None:
    starting = {**STATE, "steps": 0, "loss": None, "eval_loss": None, "seconds_left": None}
    starting |= {"message": "loading the base", "tokens_per_second": None}
    assert progress_line(starting, "en") == "loading the base"
    done = {**STATE, "step": 10, "status": "done"}
    assert progress_line(done, "en") == (
        "████████████████████ 100% · step 10/10 · loss 1.25 · held-out loss 1.5"
    )


def test_the_preview_warns_of_what_does_not_fit_and_shows_the_advice() -> None:
    tight = {**ESTIMATED, "fits": False, "advice": ["Lower batch_size to 1."]}
    shown = preview(INSPECTED, tight, {"data": ["a.csv"], "learning_rate": 2e-4}, "ko")
    assert "메모리에 들어가지 않습니다" in shown
    assert "> Lower batch_size to 1." in shown
    assert "learning_rate = 0.0002" in shown
    assert "data =" not in shown


def test_a_row_of_which_no_token_is_learnt_is_shown_by_its_parts() -> None:
    found = {**INSPECTED, "example": {"text": "text: good\nlabel: yes"}}
    assert "The first row:\n\n```text\ntext: good" in SHOW["inspect_dataset"](found, "en")
    assert "A row as the model sees it" in SHOW["inspect_dataset"](INSPECTED, "en")


def test_advice_and_what_a_run_is_at_are_in_the_language_of_the_answer() -> None:
    advised = {
        **INSPECTED,
        "advice": ["All rows have the same label: there is nothing to tell apart. Add others."],
    }
    assert "> 모든 행의 라벨이 같아" in SHOW["inspect_dataset"](advised, "ko")
    large = {**ESTIMATED, "advice": ["quantize=nf4 takes 3.2 GB"]}
    assert "> quantize=nf4: 3.2 GB 가 필요합니다." in SHOW["estimate"](large, "ko")
    starting = {**STATE, "steps": 0, "loss": None, "eval_loss": None, "seconds_left": None}
    starting |= {"message": "loading the base ./mini", "tokens_per_second": None}
    assert progress_line(starting, "ko") == "바탕 모델을 불러오는 중: ./mini"


def test_a_finished_run_tells_what_it_made_and_how_to_use_it() -> None:
    result = {
        **{"adapter": "/h/adapters/faq", "gguf": "/h/adapters/faq/adapter.gguf", "notes": ["x"]},
        **{"eval_loss_before": 3.2, "eval_loss": 1.1, "perplexity": 3.004},
    }
    done = {**STATE, "status": "done", "step": 10, "result": result}
    english = SHOW["status"](done, "en")
    assert "held-out loss: 3.2 → **1.1** (perplexity 3.004)" in english
    assert "`/model embedded:tiny`, then `/adapter faq`" in english
    assert "> x" in english
    labels = {**done, "result": {**result, "perplexity": None}}
    assert "held-out loss: 3.2 → **1.1**\n" in SHOW["status"](labels, "en")
    without = {**done, "result": {**result, "gguf": None}}
    assert "병합해줘" in SHOW["watch"](without, "ko")
    assert "`/adapter" not in SHOW["watch"](without, "ko")


def test_only_a_base_that_answers_here_is_named_as_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.gguf").touch()
    result = {"gguf": "/h/adapters/faq/adapter.gguf", "notes": []}
    done = {**STATE, "status": "done", "result": result}
    assert "`/model gguf:mine`" in SHOW["status"]({**done, "base": "mine"}, "en")
    for base in ("google/gemma-2b", str(tmp_path / "mini"), "gone"):
        assert "/model" not in SHOW["status"]({**done, "base": base}, "en"), base


def test_what_a_run_took_leaves_its_pauses_out() -> None:
    paused = {**STATE, "status": "done", "seconds": 4000.0, "result": {"seconds": 61.0}}
    assert "It took 1 min 1 s." in SHOW["status"](paused, "en")


@pytest.mark.parametrize(
    ("method", "kind", "said"),
    [
        ("full", "model", "dure chat --model gguf:faq"),
        ("prefix", "adapter", "cannot be merged"),
        ("lora", "adapter", "merge faq"),
    ],
)
def test_what_cannot_be_merged_is_not_told_to_be(method: str, kind: str, said: str) -> None:
    done = {**STATE, "name": "faq", "method": method, "status": "done"}
    shown = SHOW["status"]({**done, "result": {kind: "/made/faq"}}, "en")
    assert said in shown and ("merge faq" in shown) == (method == "lora")


@pytest.mark.parametrize("status", ["failed", "cancelled", "paused"])
def test_a_run_that_stopped_says_how_to_go_on(status: str) -> None:
    stopped = {**STATE, "status": status, "error": "The disk is full."}
    shown = SHOW["status"](stopped, "en")
    assert "> The disk is full." in shown
    assert 'To go on: "resume faq"' in shown


def test_an_evaluation_puts_before_and_after_side_by_side() -> None:
    told = {side: {"before": SCORES, "after": BETTER} for side in ("held_out", "seen")}
    judged = {**STATE, "kind": "evaluate", "status": "done", "result": told}
    lines = SHOW["status"](judged, "ko").splitlines()
    assert "| | 남겨 둔 행 (20) | 배운 행 (20) |" in lines
    assert "| 토큰 F1 | 0.2 → **0.61** | 0.2 → **0.61** |" in lines
    only = {**judged, "result": {**told, "held_out": {"before": None, "after": None}}}
    assert "남겨 둔 행" not in SHOW["status"](only, "ko")


def test_answers_before_and_after_stand_below_their_question() -> None:
    sample: dict[str, Any] = {
        **{"question": "When?", "expected": "at nine", "before": "I do\nnot know", "after": ""},
        **{"seen": True, "token_f1_before": 0.0, "token_f1_after": 0.0},
    }
    assert SHOW["samples"]({"samples": [sample]}, "en").splitlines() == [
        "1. **When?** (seen)",
        "   - expected: at nine",
        "   - before (F1 0.00): I do not know",
        "   - after (F1 0.00): -",
    ]


def test_a_pause_that_is_still_to_come_is_not_told_as_a_pause() -> None:
    assert "checkpoint after this step" in SHOW["pause"](STATE, "en")
    assert "멈춰 둠" in SHOW["pause"]({**STATE, "status": "paused"}, "ko")
    assert "ends after this step" in SHOW["cancel"](STATE, "en")


def test_runs_are_a_table_and_none_is_told() -> None:
    assert "| training | running |" in SHOW["runs"]({"result": [STATE]}, "en").replace("faq", "")
    assert "train on ./faq.csv" in SHOW["runs"]({"result": []}, "en")


def test_word_neighbours_and_translations_are_shown_with_their_notes() -> None:
    near = {
        **{"word": "왕", "model": "words", "notes": ["few texts"]},
        "neighbours": [{"word": "여왕", "similarity": 0.81234, "count": 7}],
    }
    assert "여왕 | 0.812 | 7" in FOUNDATIONS.renderers["nearest_words"](near, "ko")
    said = {
        **{"translation": "나는 너를 사랑해", "method": "beam", "unknown": ["zebra"], "notes": []},
        "candidates": [{"text": "x", "score": 0}, {"text": "나는 사랑해", "score": -1.5}],
    }
    shown = FOUNDATIONS.renderers["translate"](said, "en")
    assert "나는 사랑해 (-1.500)" in shown and "zebra" in shown


@pytest.mark.parametrize("written", ["{}", "{}로", "{}으로 학습", "`{}`을", "data={}, x"])
def test_a_file_is_allowed_though_a_particle_follows_it(
    written: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "자료.csv").touch()
    assert [path.name for path in _paths_in(written.format("./자료.csv"))] == ["자료.csv"]
