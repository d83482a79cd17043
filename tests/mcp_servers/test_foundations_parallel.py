"""The small parallel set and the user's own: particles, splits, files of every kind, bad rows."""

from __future__ import annotations

import json
import re
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.foundations import grammar, parallel
from mcp_servers.foundations.korean_forms import is_formal, to_come, with_particle
from mcp_servers.foundations.vocabulary import Vocabulary, words_in

PAIRS = [(f"I see number {n}.", f"저는 {n}번을 봅니다.") for n in range(40)]


@pytest.mark.parametrize(
    ("noun", "particle", "wanted"),
    [
        ("책", "은/는", "책은"),
        ("고양이", "은/는", "고양이는"),
        ("빵", "을/를", "빵을"),
        ("사과", "을/를", "사과를"),
        ("학생", "이/가", "학생이"),
        ("의사", "이/가", "의사가"),
        ("지연", "과/와", "지연과"),
        ("민수", "과/와", "민수와"),
        ("집", "으로/로", "집으로"),
        ("서울", "으로/로", "서울로"),
        ("저", "이/가", "제가"),
        ("누구", "이/가", "누가"),
    ],
)
def test_particles_follow_the_last_sound(noun: str, particle: str, wanted: str) -> None:
    assert with_particle(noun, particle) == wanted


def test_endings_follow_the_last_sound() -> None:
    stems = ("마시", "읽", "만들", "팔", "하", "아름답")
    formal = ["마십니다", "읽습니다", "만듭니다", "팝니다", "합니다", "아름답습니다"]
    assert [is_formal(stem) for stem in stems] == formal
    assert [to_come(stem) for stem in stems[:4]] == ["마실", "읽을", "만들", "팔"]
    with pytest.raises(ValueError, match="Hangul"):
        with_particle("book", "은/는")


def test_the_packaged_set_is_what_its_grammar_makes() -> None:
    data = files("mcp_servers.foundations").joinpath("pairs.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in data.splitlines()] == grammar.rows()


def test_held_out_pairs_are_new_combinations_of_known_words() -> None:
    data = parallel.packaged()
    assert len(data.train) > 3_000
    assert len(data.held_out) > 300
    assert not {pair.source for pair in data.train} & {pair.source for pair in data.held_out}
    for side in (0, 1):
        known = {word for pair in data.train for word in words_in(pair[side])}
        assert {word for pair in data.held_out for word in words_in(pair[side])} <= known
    assert len({pair.source for pair in data.train}) == len(data.train)
    assert all(re.search("[가-힣]", pair.target) for pair in data.train + data.held_out)


def test_what_nobody_says_is_not_in_the_packaged_set() -> None:
    data = parallel.packaged()
    pairs = data.train + data.held_out
    for en, ko in pairs:
        if "rice" in words_in(en):
            assert {"eat", "eats", "ate", "eating"} & {*words_in(en)}, en
            assert re.search("밥을 먹", ko)
        if re.search(r"\b(?:love|like)[sd]?\b", en):
            assert not re.search("radio|yesterday|tomorrow|last|will|now", en), en
    assert [en for en, _ in pairs if "rice" in en] and [en for en, _ in pairs if "radio" in en]


def written(path: Path, kind: str) -> Path:
    lines = {
        "tsv": [f"{en}\t{ko}" for en, ko in PAIRS],
        "txt": [f'{en} "\t{ko}' for en, ko in PAIRS],
        "csv": ["id,ko,en", *(f'1,"{ko}","{en}"' for en, ko in PAIRS)],
        "jsonl": [json.dumps({"source": en, "target": ko}) for en, ko in PAIRS],
        "json": [json.dumps([{"en": en, "ko": ko} for en, ko in PAIRS])],
    }[kind]
    file = path / f"pairs.{kind}"
    file.write_text("\n".join(lines) + "\n", encoding="cp949" if kind == "tsv" else "utf-8")
    return file


@pytest.mark.parametrize("kind", ["tsv", "txt", "csv", "jsonl", "json"])
def test_a_users_file_is_read_and_split(kind: str, tmp_path: Path) -> None:
    data = parallel.read(written(tmp_path, kind), seed=1)
    assert (len(data.train), len(data.held_out), data.skipped) == (36, 4, [])
    sources = {pair.source.rstrip(' "') for pair in data.train + data.held_out}
    assert sources == {en for en, _ in PAIRS}
    assert all(pair.target.startswith("저는") for pair in data.train)
    assert parallel.read(tmp_path / f"pairs.{kind}", seed=1).held_out == data.held_out
    assert parallel.read(tmp_path / f"pairs.{kind}", seed=2).held_out != data.held_out


def test_pairs_are_in_composed_form_with_single_spaces(tmp_path: Path) -> None:
    rows = [f"two  words {n}\t{unicodedata.normalize('NFD', '두  낱말')} {n}" for n in range(30)]
    (tmp_path / "p.tsv").write_text("\n".join(rows), encoding="utf-8")
    data = parallel.read(tmp_path / "p.tsv", seed=1)
    assert {*data.train, *data.held_out} == {(f"two words {n}", f"두 낱말 {n}") for n in range(30)}


def test_bad_rows_are_left_out_and_numbered(tmp_path: Path) -> None:
    lines = [json.dumps({"en": en, "ko": ko}) for en, ko in PAIRS]
    lines[2] = "{"
    lines[4] = json.dumps({"en": "no other side"})
    lines[6] = json.dumps({"en": "empty", "ko": " "})
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    skipped = parallel.read(tmp_path / "p.jsonl", seed=1).skipped
    assert [line.split(":")[0] for line in skipped] == ["line 3", "line 5", "line 7"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.tsv", b"one\tpair\n", "holds 1 different pairs"),
        ("p.tsv", b"no second column\n" * 30, "line 1: this row has no column 2"),
        ("p.csv", b"en,id,ko\n" + b"one,1\n" * 30, "line 2: this row has no column 3"),
        (
            "p.tsv",
            "\n".join(f"I\t나 {n}" for n in range(30)).encode(),
            "All pairs of p.tsv translate one sentence",
        ),
        ("p.tsv", b"", "holds 0"),
        ("p.csv", b"\x00\x01\x02", "binary"),
        ("p.json", b"[1, 2", "no JSON"),
    ],
)
def test_files_that_are_no_parallel_set_are_refused(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EngineError, match=re.escape(words)):
        parallel.read(tmp_path / name, seed=1)
    with pytest.raises(EngineError, match="Name a TSV, CSV or JSONL"):
        parallel.read(tmp_path / "absent.tsv", seed=1)


def test_a_vocabulary_gives_back_what_it_was_given(tmp_path: Path) -> None:
    sentences = [ko for _, ko in parallel.packaged().train]
    learned = Vocabulary.learned(sentences, 1200, lower_case=False)
    learned.save(tmp_path / "v.json")
    for vocabulary in (learned, Vocabulary.loaded(tmp_path / "v.json")):
        for sentence in sentences[:200]:
            ids = vocabulary.ids(sentence)
            assert vocabulary.text([1, *ids, 2, 0, 0]) == sentence
            assert vocabulary.unknown not in ids
    assert learned.shown([1, *learned.ids("저는 당신을 사랑합니다."), 2]) == [
        "<bos>", "저는", "당신을", "사랑합니다", ".", "<eos>",
    ]  # fmt: skip
