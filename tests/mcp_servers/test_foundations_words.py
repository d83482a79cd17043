"""Word vectors: what is read, what is near, what is unknown, the same again by a seed, a plot."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.foundations import word_learning, word_plot, word_vectors
from mcp_servers.foundations.corpus import words_of
from mcp_servers.foundations.server import train_word_vectors
from mcp_servers.foundations.settings import WordSettings
from mcp_servers.home import dure_home as home_of
from tests.conftest import eventually

pytestmark = pytest.mark.usefixtures("dure_home")

DATA = Path(os.environ.get("DURE_DATA") or Path(__file__).parents[3] / "shared" / "data")
ANIMALS, DRINKS = ("고양이", "강아지", "토끼"), ("커피", "우유", "주스")
TEXT = "\n".join(
    f"{one} 옆에서 {other} 먹이를 먹고 잠을 잡니다.\n{first} 잔에 부어 {second} 같이 마십니다."
    for one in ANIMALS
    for other in ANIMALS
    for first in DRINKS
    for second in DRINKS
)


def learned(files: list[Path], **changed: Any) -> dict[str, Any]:
    """What the job does, in this process."""
    settings: dict[str, Any] = {
        "name": "words",
        "kind": "skipgram",
        "vector_size": 24,
        "window": 3,
        "min_count": 1,
        "epochs": 30,
        "seed": 1,
    }
    spec = WordSettings(**{**settings, **changed, "files": [str(path) for path in files]})
    return word_learning.learn(jobs.Worker(jobs.create("words", spec.checked())))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_words_are_those_of_a_dictionary() -> None:
    assert words_of("나는 어제 서울에서 BERT를 공부했고 밥을 먹었다") == [
        "나", "어제", "서울", "bert", "공부", "밥", "먹다",
    ]  # fmt: skip
    assert words_of("The Wing's lift, 12 degrees") == ["the", "wing's", "lift", "degrees"]


def neighbours(asked: str, n: int = 2) -> set[str]:
    found = word_vectors.nearest(word_vectors.load("words"), asked, n)
    return {each["word"] for each in found["neighbours"]}


@pytest.mark.parametrize("kind", ["skipgram", "cbow", "fasttext", "fasttext-cbow"])
def test_words_of_like_use_are_near(kind: str, text: Path) -> None:
    text.write_text("\n".join([TEXT] * 10), encoding="utf-8")
    result = learned([text], kind=kind)
    assert (result["files"], result["skipped"]) == (1, [])
    assert set(ANIMALS) - neighbours("고양이", 4) == {"고양이"}
    assert set(DRINKS) - neighbours("커피", 4) == {"커피"}
    assert not neighbours("커피", 4) & set(ANIMALS)
    model = word_vectors.load("words")
    found = word_vectors.analogy(model, "고양이", "강아지", "커피", 4)
    assert found["question"] == "고양이 : 강아지 = 커피 : ?"
    assert {each["word"] for each in found["answers"]} & {"우유", "주스"}
    assert "tens of millions" in found["notes"][0]


def test_the_same_seed_gives_the_same_vectors(text: Path) -> None:
    def vectors(seed: int, kind: str) -> bytes:
        learned([text], seed=seed, kind=kind, epochs=3)
        return (home_of() / "models" / "words" / "words" / "vectors.safetensors").read_bytes()

    for kind in ("skipgram", "fasttext"):
        assert vectors(1, kind) == vectors(1, kind)
        assert vectors(1, kind) != vectors(2, kind)


def test_an_unknown_word_is_refused_with_near_spellings_or_composed(text: Path) -> None:
    learned([text])
    model = word_vectors.load("words")
    with pytest.raises(EngineError, match=r"Near spellings: 고양이.*kind=fasttext"):
        word_vectors.nearest(model, "고양희", 3)
    with pytest.raises(EngineError, match="Ask for another word"):
        word_vectors.nearest(model, "zzzz", 3)
    learned([text], kind="fasttext", name="parts")
    model = word_vectors.load("parts")
    found = word_vectors.nearest(model, "고양희", 3)
    assert found["composed"] is True
    assert re.search("not in the vocabulary: its vector is composed of", found["notes"][0])
    assert "고양이" in {each["word"] for each in found["neighbours"]}
    with pytest.raises(EngineError, match="none of its n-grams was seen"):
        word_vectors.nearest(model, "qwxyz", 3)


def test_a_composed_vector_is_gensims(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []
    real = word_vectors.save
    monkeypatch.setattr(
        word_vectors, "save", lambda *given: (trained.append(given[1]), real(*given))[1]
    )
    learned([text], kind="fasttext")
    model = word_vectors.load("words")
    for word in ("고양희", "커피숍", "우유"):
        own = word_vectors.look_up(model, word).vector
        assert own == pytest.approx(trained[0].get_vector(word), abs=1e-6)


def test_another_form_of_a_word_is_read_as_the_dictionarys(text: Path) -> None:
    learned([text])
    found = word_vectors.nearest(word_vectors.load("words"), "먹었어요", 1)
    assert (found["word"], found["notes"][0]) == ("먹다", "Read as 먹다.")
    assert "neighbours are chancy" in found["notes"][1]


@pytest.mark.parametrize(
    ("content", "min_count", "words"),
    [
        ("사과\n", 1, "No sentence of two words"),
        ("하나 하나 하나", 1, "Name files with more text"),
        ("하늘 바다 구름 하늘", 5, "pass min_count=2"),
        ("", 1, "The file is empty"),
        ("123 456", 1, "No sentence of two words"),
    ],
)
def test_texts_that_teach_nothing_are_refused(
    content: str, min_count: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "t.txt").write_text(content, encoding="utf-8")
    with pytest.raises(EngineError, match=words):
        learned([tmp_path / "t.txt"], min_count=min_count)
    assert not (home_of() / "models" / "words" / "words").exists()


def test_a_cancelled_run_leaves_no_model(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    real = jobs.Worker.step

    def step(worker: jobs.Worker, done: int, total: int, message: str) -> None:
        steps.append(done)
        if message.startswith("epoch 3"):
            (worker.folder / "cancel").touch()
        real(worker, done, total, message)

    monkeypatch.setattr(jobs.Worker, "step", step)
    with pytest.raises(jobs.Cancelled):
        learned([text])
    assert not list((home_of() / "models").glob("words/*"))


def test_bad_requests_say_what_to_do(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURE_ALLOW", str(text.parent))
    for data, words in (
        ([], "Name at least one file"),
        ([str(text.parent / "absent.txt")], "no such file"),
        (["/etc/passwd"], "outside the folders"),
    ):
        with pytest.raises(EngineError, match=words):
            train_word_vectors(None, data)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=r"vector_size is 1\. Pass 2 to 1000"):
        train_word_vectors(None, [str(text)], vector_size=1)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="train_word_vectors"):
        word_vectors.load("words")
    assert jobs.listing() == []
    learned([text])
    model = word_vectors.load("words")
    for word, words in (("", "is empty"), ("가" * 101, "at most 100"), ("고양이", "n is 0")):
        with pytest.raises(EngineError, match=words):
            word_vectors.nearest(model, word, 0)
    with pytest.raises(EngineError, match="is trained already"):
        train_word_vectors(None, [str(text)])  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_words_are_drawn_with_their_nearest_ones(
    method: word_plot.Method, text: Path, recwarn: pytest.WarningsRecorder
) -> None:
    learned([text])
    model = word_vectors.load("words")
    points, _ = word_plot.points_of(model, ["고양이", "커피"], 2, method)
    groups = {point["word"]: point["group"] for point in points}
    assert groups["강아지"] == "고양이" and groups["우유"] == "커피"
    assert points == word_plot.points_of(model, ["고양이", "커피"], 2, method)[0]
    png = word_plot.draw(points, "단어", "ko")
    assert imread(io.BytesIO(png)).shape[2] == 4
    assert not [warning for warning in recwarn if "missing" in str(warning.message)]
    frequent, _ = word_plot.points_of(model, [], 0, method)
    assert {"고양이", "커피"} <= {point["word"] for point in frequent}
    for words, count, message in (
        (["고양이"], 0, "needs 3"),
        (["고양이"], 31, "Pass 0 to 30"),
        (["없는말"], 1, "is not among"),
    ):
        with pytest.raises(EngineError, match=message):
            word_plot.points_of(model, words, count, method)


def started(data: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> dict[str, Any]:
    """Train in a real job and give its result."""
    monkeypatch.setenv("DURE_ALLOW", str(data.parent))
    job = train_word_vectors(None, [str(data)], **settings)["job"]  # type: ignore[arg-type]

    def ended() -> jobs.JobState | None:
        state = jobs.state(job)
        return state if state["status"] != "running" else None

    state: Any = eventually(ended, 120, "the end")
    assert state["error"] is None
    return dict(state["result"])


@pytest.mark.slow
def test_korean_paragraphs_give_sensible_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = json.loads((DATA / "KorQuAD_v1.0_dev.json").read_text(encoding="utf-8"))
    paragraphs = [p["context"] for each in collection["data"] for p in each["paragraphs"]]
    (tmp_path / "korquad.txt").write_text("\n".join(paragraphs), encoding="utf-8")
    result = started(tmp_path / "korquad.txt", monkeypatch)
    assert result["vocabulary"] > 3_000
    assert {"대학교", "졸업", "입학", "고등학교"} & neighbours("대학", 10)
    assert {"노래", "장르", "대중", "밴드"} & neighbours("음악", 10)
    assert {"침략", "전투", "태평양", "육군"} & neighbours("전쟁", 10)


@pytest.mark.slow
def test_english_abstracts_give_sensible_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (DATA / "cranfield" / "cran.all.1400").read_text(encoding="utf-8", errors="replace")
    (tmp_path / "cranfield.txt").write_text(re.sub(r"(?m)^\.\w.*$", "\n", source))
    started(tmp_path / "cranfield.txt", monkeypatch, kind="fasttext", epochs=5)
    assert {"wings", "delta", "tail"} & neighbours("wing", 10)
    assert {"supersonic", "hypersonic", "transonic"} & neighbours("subsonic", 5)
    found = word_vectors.nearest(word_vectors.load("words"), "aerothermodynamical", 5)
    assert found["composed"]
    assert any("thermodynamic" in each["word"] for each in found["neighbours"])
