"""Training data read: shapes, files of every kind, problems by line, weights and the split."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import data
from mcp_servers.training.rows import Row
from tests.mcp_servers.training_bytes import lines

SHARED = Path(os.environ.get("DURE_DATA") or Path(__file__).parents[3] / "shared" / "data")
TEXTBOOK = SHARED / "finetune"


def turns(row: Row) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in row.messages]


SAID = [{"role": "user", "content": "서울은?"}, {"role": "assistant", "content": "수도"}]
SHARED_GPT = [{"from": "human", "value": "서울은?"}, {"from": "gpt", "value": "수도"}]
QA = [("user", "서울은?"), ("assistant", "수도")]


@pytest.mark.parametrize(
    ("record", "form"),
    [
        ({"instruction": "서울은?", "input": "", "output": "수도"}, "alpaca"),
        ({"messages": SAID}, "messages"),
        ({"conversations": SHARED_GPT}, "sharegpt"),
        ({"question": "서울은?", "answer": ["수도"]}, "responses"),
        ({"prompt": "서울은?", "completion": "수도"}, "prompt/completion"),
        ({"Description": "x", "Patient": "서울은?", "Doctor": "수도"}, "question/answer"),
    ],
)
def test_each_shape_of_a_conversation_is_read(tmp_path: Path, record: Any, form: str) -> None:
    (row,) = data.load([str(lines(tmp_path / "a.jsonl", record))]).rows
    assert (row.shape, row.form, row.line) == ("conversation", form, 1)
    assert turns(row) == QA


def test_an_alpaca_input_stands_below_the_instruction_and_answers_are_joined(
    tmp_path: Path,
) -> None:
    file = lines(
        tmp_path / "a.jsonl",
        {"instruction": "요약해", "input": "긴 글", "output": "짧은 글", "system": "비서"},
        {"question": "q", "answer": ["one", "two"]},
    )
    first, second = data.load([str(file)]).rows
    assert turns(first) == [
        ("system", "비서"),
        ("user", "요약해\n\n긴 글"),
        ("assistant", "짧은 글"),
    ]
    assert turns(second)[-1] == ("assistant", "one\ntwo")


def test_text_labels_and_preferences_are_read(tmp_path: Path) -> None:
    def said(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]

    file = lines(
        tmp_path / "a.jsonl",
        {"text": "글"},
        {"text": "좋다", "label": 1},
        {"prompt": "q", "chosen": "good", "rejected": "bad"},
        {"chosen": said("good"), "rejected": said("bad")},
        {"prompt": [said("")[0]], "chosen": [said("good")[1]], "rejected": [said("bad")[1]]},
    )
    rows = data.load([str(file)])
    text, label, *preferences = rows.rows
    assert (text.shape, text.text) == ("text", "글")
    assert (label.shape, label.text, label.label) == ("label", "좋다", "1")
    for row in preferences:
        assert (row.shape, turns(row), row.chosen, row.rejected) == (
            ("preference", [("user", "q")], "good", "bad")
        )
    assert [row.line for row in data.of_shape(rows, "preference").rows] == [3, 4, 5]
    assert [problem["line"] for problem in data.of_shape(rows, "preference").problems] == [1, 2]
    with pytest.raises(EngineError, match=r"None of the 5 rows.*conversation") as refused:
        data.of_shape(rows, "conversation")
    for remedy in ("chosen and rejected need method=dpo", "label need task_type=SEQ_CLS"):
        assert remedy in str(refused.value)


def test_the_textbooks_folder_of_responses_is_read_with_the_lines_of_its_rows() -> None:
    if not TEXTBOOK.is_dir():
        pytest.fail(f"{TEXTBOOK} is missing")
    rows = data.load([str(TEXTBOOK)])
    assert len(rows.rows) == 407
    assert rows.problems == []
    for row in rows.rows[:5]:
        near = Path(row.file).read_text(encoding="utf-8").splitlines()[row.line - 1 : row.line + 3]
        assert json.dumps(row.messages[0]["content"], ensure_ascii=False) in "".join(near)


def test_what_is_wrong_is_told_by_file_and_line(tmp_path: Path) -> None:
    file = lines(
        tmp_path / "a.jsonl",
        {"question": "q", "answer": "a"},
        '{"question": "q", "answer": ',
        {"question": "q", "answer": "  "},
        "",
        {"title": "t"},
        {"messages": [{"role": "user", "content": "q"}]},
        {"messages": [{"role": "wizard", "content": "q"}]},
        [1],
        {"prompt": "q", "chosen": "same", "rejected": "same"},
    )
    rows = data.load([str(file)])
    assert len(rows.rows) == 1
    told = {problem["line"]: problem["reason"] for problem in rows.problems}
    assert set(told) == {2, 3, 5, 6, 7, 8, 9}
    assert "wrong JSON" in told[2]
    assert told[3] == "answer is empty"
    assert "title" in told[5] and "alpaca" in told[5]
    assert "assistant" in told[6] and "wizard" in told[7] and "a list" in told[8]


def test_a_broken_json_list_keeps_the_rows_before_the_fault(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[\n {"question": "q",\n  "answer": "a"},\n {"question" "q"}\n]')
    rows = data.load([str(file)])
    assert [row.line for row in rows.rows] == [2]
    (problem,) = rows.problems
    assert (problem["line"], problem.get("cut")) == (4, True)
    assert "nothing after it can be read, only 1 rows before it were" in problem["reason"]
    (tmp_path / "a.csv").write_text('question,answer\nq,a\n"q"x,a\nq,a\n')
    assert [p.get("cut") for p in data.load([str(tmp_path / "a.csv")]).problems] == [True]


def test_a_json_file_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    records = [{"question": f"q{n}", "answer": "가" * 300} for n in range(8000)]
    records[5000]["answer"] = "나" * 2_000_000
    (tmp_path / "a.json").write_text(
        json.dumps({"about": [1], "responses": records}, ensure_ascii=False, indent=1)
    )
    rows = data.load([str(tmp_path / "a.json")]).rows
    assert len(rows) == 8000
    assert len(rows[5000].messages[1]["content"]) == 2_000_000
    assert rows[-1].line == 3 + 1 + 1 + 7999 * 4 + 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_korean_files_of_every_encoding_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text("질문,답변\n서울은?,수도\n", encoding=encoding)
    (tmp_path / "b.json").write_text('[{"질문": "서울은?", "답변": "수도"}]', encoding=encoding)
    for name in ("a.csv", "b.json"):
        assert [turns(row) for row in data.load([str(tmp_path / name)]).rows] == [QA]


def test_tables_are_read_with_semicolons_line_breaks_and_wrong_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt;completion\n"두\n줄";a\n\nb;c;d\nq;r\n')
    rows = data.load([str(tmp_path / "a.csv")])
    assert [(row.line, turns(row)[0][1]) for row in rows.rows] == [(2, "두\n줄"), (6, "q")]
    assert rows.problems == [
        {"file": str(tmp_path / "a.csv"), "line": 5, "reason": "3 cells under 2 column names"}
    ]


def test_parquet_is_read_and_a_broken_one_is_told(tmp_path: Path) -> None:
    import pandas

    pandas.DataFrame({"question": ["서울은?", None], "answer": ["수도", "x"]}).to_parquet(
        tmp_path / "a.parquet"
    )
    rows = data.load([str(tmp_path / "a.parquet")])
    assert [turns(row) for row in rows.rows] == [QA]
    assert [problem["line"] for problem in rows.problems] == [2]
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(EngineError, match="Parquet file is broken"):
        data.load([str(tmp_path / "b.parquet")])


def test_paragraphs_of_a_text_are_rows(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n첫째 줄\n둘째 줄\n\n\n셋째\n")
    rows = data.load([str(tmp_path / "a.txt")]).rows
    assert [(row.line, row.text) for row in rows] == [(2, "첫째 줄\n둘째 줄"), (6, "셋째")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", r"a.jsonl: The file is empty"),
        ("a.jsonl", b"\n\n", r"holds no rows"),
        ("a.json", b"[]", r"holds no rows"),
        ("a.json", b"\xff\xfe\xff\xd8\x00", r"No row can be used"),
        ("a.json", b"\0\1\2\3", r"binary"),
        ("a.csv", b"title,body\na,b\n", r"line 2: no known shape \(fields: body, title\)"),
    ],
)
def test_a_file_without_a_usable_row_says_why(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EngineError, match=message):
        data.load([str(tmp_path / name)])


def test_a_folder_gives_its_tables_or_its_texts_and_an_empty_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"holds no training data.*\.jsonl"):
        data.load([str(tmp_path)])
    (tmp_path / "notes.txt").write_text("글")
    assert [row.form for row in data.load([str(tmp_path)]).rows] == ["text"]
    (tmp_path / "deep").mkdir()
    lines(tmp_path / "deep" / "a.jsonl", {"question": "q", "answer": "a"})
    lines(tmp_path / ".hidden.jsonl", {"question": "q", "answer": "a"})
    assert [row.form for row in data.load([str(tmp_path)]).rows] == ["responses"]
    with pytest.raises(EngineError, match=r"no file or folder .*nowhere"):
        data.load([str(tmp_path / "nowhere")])


def test_a_folder_that_dataset_make_wrote_gives_its_training_rows_once(tmp_path: Path) -> None:
    row = {"instruction": "q", "input": "[1] text", "output": "a", "kind": "raft", "positive": "t"}
    shared = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    for shape, record in (("alpaca", row), ("sharegpt", {"conversations": shared})):
        (tmp_path / shape).mkdir()
        for split in ("train", "test"):
            lines(tmp_path / shape / f"{split}.jsonl", record)
    lines(tmp_path / "log.jsonl", {"passage": 1})
    rows = data.load([str(tmp_path)])
    assert [turns(row)[0][1] for row in rows.rows] == ["q\n\n[1] text"]
    assert rows.problems == []


def qa(path: Path, count: int, name: str = "q") -> str:
    return str(lines(path, *({"question": f"{name}{n}", "answer": f"a{n}"} for n in range(count))))


def test_the_split_is_nine_to_one_repeatable_and_never_leaks(tmp_path: Path) -> None:
    rows = data.load([qa(tmp_path / "a.jsonl", 95), qa(tmp_path / "b.jsonl", 5)])
    train, held_out = data.split(rows)
    assert abs(len(held_out) - 10) <= 1
    assert len(train) + len(held_out) == 100
    assert data.split(rows) == (train, held_out)
    assert data.split(rows, seed=66) != (train, held_out)
    asked = {row.messages[0]["content"] for row in train}
    assert not asked & {row.messages[0]["content"] for row in held_out}
    assert data.split(rows, share=0)[1] == []


def test_two_rows_still_split_and_one_is_trained_on(tmp_path: Path) -> None:
    two = data.split(data.load([qa(tmp_path / "a.jsonl", 2)]))
    assert [len(part) for part in two] == [1, 1]
    one = data.split(data.load([qa(tmp_path / "b.jsonl", 1)]))
    assert [len(part) for part in one] == [1, 0]


def test_weights_multiply_what_is_trained_on_and_nothing_else(tmp_path: Path) -> None:
    sources = [qa(tmp_path / "a.jsonl", 100), qa(tmp_path / "b.jsonl", 100, "r")]
    train, held_out = data.split(data.load(sources, [2, 0.5]))
    asked = [row.messages[0]["content"] for row in train]
    heavy = [question for question in asked if question.startswith("q")]
    assert len(heavy) == 2 * len(set(heavy))
    assert 25 <= len(asked) - len(heavy) <= 65
    kept = {row.messages[0]["content"] for row in held_out}
    assert len(held_out) == len(kept) == 20
    assert not kept & set(asked)
    for wrong in ([1], [1, 0], [1, -2], [1, 1e9]):
        with pytest.raises(EngineError):
            data.load(sources, wrong)


def test_the_content_hash_knows_rows_order_and_weights_but_not_paths(tmp_path: Path) -> None:
    first, second = qa(tmp_path / "a.jsonl", 3), qa(tmp_path / "b.jsonl", 3)
    other = qa(tmp_path / "c.jsonl", 4)
    assert data.load([first]).sha256 == data.load([second]).sha256
    assert data.load([first]).sha256 != data.load([other]).sha256
    assert data.load([first, other]).sha256 != data.load([other, first]).sha256
    assert data.load([first], [2]).sha256 != data.load([first]).sha256


def test_rows_written_out_are_read_again(tmp_path: Path) -> None:
    file = lines(
        tmp_path / "a.jsonl",
        {"question": "q", "answer": "a"},
        {"text": "t"},
        {"text": "t", "label": "x"},
        {"prompt": "q", "chosen": "a", "rejected": "b"},
    )
    rows = data.load([str(file)])
    again = data.load([str(lines(tmp_path / "b.jsonl", *map(data.as_json, rows.rows)))])
    assert again.sha256 == rows.sha256


def test_paths_stay_inside_what_is_allowed_and_hub_names_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out.jsonl"
    inside.mkdir()
    monkeypatch.setenv("DURE_ALLOW", str(inside))
    assert data.allowed([str(inside), "owner/name"], None) == [str(inside), "owner/name"]
    with pytest.raises(EngineError, match="outside the folders"):
        data.allowed([str(outside)], None)


def test_a_folder_that_is_called_as_a_hub_set_is_is_read_by_its_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, secret = tmp_path / "in", tmp_path / "out" / "owner" / "name"
    inside.mkdir()
    secret.mkdir(parents=True)
    lines(secret / "train.jsonl", {"question": "q", "answer": "secret"})
    monkeypatch.setenv("DURE_ALLOW", str(inside))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    passed = data.allowed(["owner/name#train"], None)  # no such folder here: the hub's
    monkeypatch.chdir(tmp_path / "out")
    for name in ("owner/name", "owner/name#train", "owner/../owner/name"):
        with pytest.raises(EngineError, match="outside the folders"):
            data.allowed([name], None)
    for name in (*passed, "owner/name"):
        with pytest.raises(EngineError, match=r"owner/name is a file or folder here.*whole path"):
            data.load([name])
    assert len(data.load([str(secret)]).rows) == 1


def test_a_hub_that_cannot_be_reached_is_told_with_what_to_do(tmp_path: Path) -> None:
    script = """
from mcp_servers.training import data
try:
    data.load(["nobody/nothing"])
except data.EngineError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"HF_ENDPOINT": "http://127.0.0.1:9", "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        check=True,
    )
    assert "nobody/nothing" in done.stdout and "Check the network" in done.stdout, done.stderr
