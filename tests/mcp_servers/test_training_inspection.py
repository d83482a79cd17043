"""What a look at training data tells before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training.inspection import inspect
from tests.mcp_servers.training_bytes import byte_base, lines


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(byte_base(tmp_path_factory.mktemp("base")))


def test_a_set_is_counted_measured_and_shown(base: str, dure_home: Path, tmp_path: Path) -> None:
    file = lines(
        tmp_path / "a.jsonl",
        {"question": "서울은 어디에 있나요?", "answer": "대한민국"},
        {"question": "Where is Seoul?", "answer": "In Korea"},
        {"question": "Where is Seoul?", "answer": "In Korea"},
        {"question": "where is seoul", "answer": "In Korea."},
        {"question": "q", "answer": "x" * 200},
        {"question": "y" * 300, "answer": "a"},
        {"question": "q", "answer": ""},
        "{broken",
        {"text": "a label", "label": "good"},
    )
    found = inspect([str(file)], base, max_length=128)
    assert found["rows"] == 7
    assert found["shapes"] == {"conversation": 6, "label": 1}
    assert found["forms"] == {"responses": 6, "text/label": 1}
    assert (found["duplicates"], found["near_duplicates"]) == (1, 1)
    assert (found["truncated"], found["dropped"]) == (2, 1)
    assert found["problem_count"] == 2
    assert [problem["line"] for problem in found["problems"]] == [7, 8]
    assert found["languages"] == {"other": 0.857, "ko": 0.143}
    assert found["labels"] == {"good": 1}
    assert found["template"] == "chat"
    lengths = found["lengths"]
    assert lengths is not None
    assert lengths["min"] <= lengths["median"] <= lengths["p95"] <= lengths["max"]
    assert lengths["max"] > 300
    assert sum(count for _, _, count in lengths["histogram"]) == lengths["measured"] == 7
    assert found["example"] == {
        "file": str(file),
        "line": 1,
        "text": "<|im_start|>user\n서울은 어디에 있나요?<|im_end|>\n"
        "<|im_start|>assistant\n⟦대한민국<|im_end|>⟧\n",
        "tokens": 63,
        "trained_tokens": 13,
    }
    advice = "\n".join(found["advice"])
    for part in ("several shapes", "a.jsonl, line 7", "fits 99%", "1 rows repeat", "few"):
        assert part in advice, advice


def test_the_advised_length_fits_what_it_says(base: str, dure_home: Path, tmp_path: Path) -> None:
    records = [{"question": "q", "answer": "a" * n} for n in range(1, 201)]
    file = str(lines(tmp_path / "a.jsonl", *records))
    found = inspect([file], base, max_length=64)
    (advised,) = (
        int(word.partition("=")[2].rstrip(":,."))
        for line in found["advice"]
        for word in line.split()
        if word.startswith("max_length=") and "64" not in word
    )
    again = inspect([file], base, max_length=advised)
    assert again["truncated"] <= 2 < found["truncated"]
    assert again["dropped"] == 0


def test_preferences_and_nothing_but_labels_are_measured_too(
    base: str, dure_home: Path, tmp_path: Path
) -> None:
    file = lines(tmp_path / "a.jsonl", {"prompt": "q", "chosen": "good", "rejected": "worse one"})
    found = inspect([str(file)], base)
    assert found["lengths"] is not None and found["lengths"]["measured"] == 1
    assert found["example"] is not None
    assert found["example"]["text"] == "user: q\nchosen: good\nrejected: worse one"
    file = lines(tmp_path / "b.jsonl", {"text": "a", "label": "x"}, {"text": "b", "label": "x"})
    found = inspect([str(file)], base)
    assert any("same label" in line for line in found["advice"])
    assert found["example"] is not None
    assert (found["example"]["text"], found["example"]["line"]) == ("text: a\nlabel: x", 1)


def test_pickled_weights_are_no_matter_where_no_weight_is_loaded(
    dure_home: Path, tmp_path: Path
) -> None:
    base = byte_base(tmp_path / "base")
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    file = lines(tmp_path / "a.jsonl", {"question": "q", "answer": "a"})
    assert inspect([str(file)], str(base))["rows"] == 1


def test_a_file_that_breaks_off_is_told_first(base: str, dure_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[\n {"question": "q", "answer": "a"},\n {"question" "q"}\n]')
    found = inspect([str(file)], base)
    assert found["advice"][0].startswith("a.json, line 3: wrong JSON")
    assert "Training refuses the file" in found["advice"][0]
    assert not any("left out" in line for line in found["advice"])


def test_nothing_usable_and_wrong_settings_are_clear_errors(
    base: str, dure_home: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"a\.jsonl, line 1: no known shape"):
        inspect([str(lines(tmp_path / "a.jsonl", {"x": 1}))], base)
    file = str(lines(tmp_path / "b.jsonl", {"question": "q", "answer": "a"}))
    with pytest.raises(EngineError, match="max_length is at least"):
        inspect([file], base, max_length=1)
    with pytest.raises(EngineError, match="There is no template"):
        inspect([file], base, template="mistral")  # type: ignore[arg-type]
