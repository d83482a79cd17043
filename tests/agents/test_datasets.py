"""Training sets made from a real index over MCP; the writing by rule, or by the small model."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.datasets import Dataset, Order, Progress, make
from agents.errors import DureError, ModelRefused
from agents.mcp_config import own_servers
from agents.pool import ServerPool
from graphs.training_checks import REASONS, stands_in
from graphs.training_rows import KINDS
from tests.conftest import Dure, eventually
from tests.graphs.composing import NAMES, Composing, orchard

pytestmark = pytest.mark.slow

ORDER = Order(
    name="orchards",
    index="default",
    source=None,
    kinds=KINDS,
    seed=1,
    distractors=3,
    gold_share=0.5,
    limit=None,
)
MADE = ("alpaca", "sharegpt", "beir", "rejected.jsonl")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dure folder whose index holds one passage for each orchard."""
    folder = tmp_path_factory.mktemp("orchards")
    docs = folder / "docs"
    docs.mkdir()
    for n, name in enumerate(NAMES):
        (docs / f"{name}.md").write_text(orchard(n), encoding="utf-8")
    done = Dure(folder / "home", folder)("call", "retrieval.add", f"paths={docs}")
    assert done.returncode == 0, done.stderr
    return folder / "home"


@pytest.fixture
def home(indexed: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that folder for one test, without data sets."""
    copied = tmp_path / "home"
    shutil.copytree(indexed, copied)
    yield copied
    shutil.rmtree(copied, ignore_errors=True)


def made(home: Path, order: Order = ORDER, model: Composing | None = None) -> list[Progress]:
    """Make a set in `home`; what it reported."""
    reported: list[Progress] = []

    async def run() -> None:
        async with ServerPool(own_servers(home), logs=home / "logs") as pool:
            writer = model or Composing()
            await make(
                order, home, writer, "composing", pool, lambda at: reported.append(replace(at))
            )

    asyncio.run(run())
    return reported


def lines(path: Path) -> list[dict[str, Any]]:
    """As `datasets` and everybody else reads JSONL."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the shapes and of the rejected rows."""
    files = [path for name in MADE for path in [folder / name, *(folder / name).rglob("*")]]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def raft_documents(row: dict[str, Any]) -> list[str]:
    return [part.partition("] ")[2] for part in row["input"].split("\n\n[")]


def test_a_made_set_reads_in_all_three_shapes_and_every_row_holds(home: Path) -> None:
    reported = made(home)
    folder = home / "datasets" / "orchards"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["rows"] == reported[-1].rows > 2 * len(NAMES)
    assert report["passages"] == {"used": len(NAMES), "usable": len(NAMES)}
    assert set(report["by_kind"]) == set(KINDS)
    assert 0 < report["raft_with_gold"] < report["by_kind"]["raft"]
    assert "| setting | value |" in (folder / "report.md").read_text(encoding="utf-8")

    corpus = {doc["_id"]: doc for doc in lines(folder / "beir" / "corpus.jsonl")}
    assert len(corpus) == len(NAMES)
    queries = {query["_id"]: query["text"] for query in lines(folder / "beir" / "queries.jsonl")}
    assert len(queries) == report["rows"]

    seen: dict[str, set[str]] = {}
    judged = 0
    for split in ("train", "test"):
        rows = lines(folder / "alpaca" / f"{split}.jsonl")
        chats = lines(folder / "sharegpt" / f"{split}.jsonl")
        assert len(rows) == len(chats) == report["by_split"][split] > 0
        assert len({tuple(sorted(row)) for row in rows}) == 1  # `datasets` wants equal columns
        seen[split] = set()
        for row, chat in zip(rows, chats, strict=True):
            passage = corpus[row["passage"]]
            assert row["positive"] == passage["text"]
            assert Path(row["source"]).name == row["title"] == passage["title"]
            assert stands_in(row["quote"], passage["text"])
            human, gpt = chat["conversations"]
            assert (human["from"], gpt["from"]) == ("human", "gpt")
            assert row["instruction"] in human["value"] and gpt["value"] == row["output"]
            seen[split].add(passage["text"])
            if row["kind"] in ("qa", "reverse"):
                assert stands_in(row["output"], row["quote"])
                assert row["input"] == passage["text"]
            elif row["kind"] == "raft":
                documents = raft_documents(row)
                seen[split].update(documents)
                gold = [text for text in documents if text == passage["text"]]
                assert len(documents) - len(gold) == 3
                reason, _, answer = row["output"].partition("##Answer: ")
                assert f"##begin_quote## {row['quote']} ##end_quote##" in reason
                assert stands_in(answer, row["quote"])
                others = [text for text in documents if text != passage["text"]]
                assert not any(stands_in(answer, text) for text in others)
        table = (folder / "beir" / "qrels" / f"{split}.tsv").read_text(encoding="utf-8")
        header, *judgements = table.splitlines()
        assert header == "query-id\tcorpus-id\tscore"
        for judgement in judgements:
            query, document, score = judgement.split("\t")
            assert query in queries and document in corpus and score == "1"
        judged += len(judgements)
    assert judged == len(queries)
    assert not seen["train"] & seen["test"]  # as gold, as distractor, in no way


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_gold_share_decides_how_many_rows_hold_the_gold(home: Path, share: float) -> None:
    made(home, replace(ORDER, kinds=("raft",), gold_share=share, limit=8))
    folder = home / "datasets" / "orchards"
    rows = [r for split in ("train", "test") for r in lines(folder / "alpaca" / f"{split}.jsonl")]
    assert len(rows) == 8
    places = set()
    for row in rows:
        documents = raft_documents(row)
        assert len(documents) == 3 + (share == 1.0)
        assert (row["positive"] in documents) == (share == 1.0)
        if share == 1.0:
            places.add(documents.index(row["positive"]))
    assert len(places) != 1  # the gold one is not always at the same position


@pytest.mark.parametrize("fails_at", [1, 30, 55])
def test_an_interrupted_set_goes_on_and_is_the_same(home: Path, fails_at: int) -> None:
    undisturbed = replace(ORDER, name="undisturbed", limit=20)
    made(home, undisturbed)
    order = replace(ORDER, limit=20)
    with pytest.raises(DureError, match=r"the model went away.*run the same command again"):
        made(home, order, Composing(fails_at=fails_at))
    log = home / "datasets" / "orchards" / "log.jsonl"
    whole = log.read_bytes() if log.exists() else b""
    with log.open("ab") as torn:  # what a kill in the middle of a write leaves
        torn.write('{"passage": "3", "rows": [{"question": "토'.encode()[:-1])
    model = Composing()
    made(home, order, model)
    assert log.read_bytes().startswith(whole)
    assert contents(log.parent) == contents(home / "datasets" / "undisturbed")
    if whole:
        first = json.loads(whole.splitlines()[0])["rows"][0]["passage"]["text"]
        assert not any(first in asked for asked in model.asked)  # what is done is not done again


def test_a_greater_limit_adds_rows_and_a_smaller_one_writes_fewer(home: Path) -> None:
    folder = home / "datasets" / "orchards"

    def rows(limit: int | None) -> list[dict[str, Any]]:
        made(home, replace(ORDER, limit=limit))
        return lines(folder / "beir" / "queries.jsonl")

    ten = rows(10)
    twenty = rows(20)
    assert len(ten) == 10 and len(twenty) == 20 and twenty[:10] == ten
    assert rows(10) == ten
    everything = rows(None)
    assert len(everything) > 20 and everything[:20] == twenty


def test_other_settings_or_another_index_are_refused_with_what_to_do(
    home: Path, tmp_path: Path
) -> None:
    made(home, replace(ORDER, limit=4))
    before = contents(home / "datasets" / "orchards")
    with pytest.raises(DureError, match=r"seed 1, now 2.*--name.*delete"):
        made(home, replace(ORDER, limit=4, seed=2))
    with pytest.raises(DureError, match=r"gold_share 0.5, now 0.8"):
        made(home, replace(ORDER, limit=4, gold_share=0.8))
    more = tmp_path / "more.md"
    more.write_text("The harvest festival of the valley is held in October.", encoding="utf-8")
    assert Dure(home, tmp_path)("call", "retrieval.add", f"paths={more}").returncode == 0
    with pytest.raises(DureError, match=r"an index that has changed since.*--name"):
        made(home, replace(ORDER, limit=4))
    assert contents(home / "datasets" / "orchards") == before


def test_one_document_only(home: Path) -> None:
    made(home, replace(ORDER, source="Kolm.md", kinds=("qa", "reverse")))
    folder = home / "datasets" / "orchards"
    rows = [r for split in ("train", "test") for r in lines(folder / "alpaca" / f"{split}.jsonl")]
    assert {row["title"] for row in rows} == {"Kolm.md"} and len(rows) == 2
    with pytest.raises(DureError, match=r"No document 'none.md'.*It holds"):
        made(home, replace(ORDER, name="other", source="none.md"))


WRONG = {
    "question": [
        ("How many hectares does this orchard have?", "not_standalone"),
        ("과수원은 몇 헥타르인가요?", "other_language"),
        ("Orchards of the valley", "not_a_question"),
    ],
    "query": [("another orchard", "not_retrieved")],
    "answer": [
        ("seventeen thousand", "answer_not_in_passage"),
        ("Orchard", "answer_in_question"),
        ("", "no_text"),
    ],
    "sentence": [("bakeries in a town of another name", "not_answered")],
    "hypothetical": [("Orchards Zemst, Wolin, Varda, Ural and Torre.", "hypothetical_misses")],
    "reasoning": [("It has 99 of them.", "reasoning_unfounded")],
}


def test_bad_rows_are_rejected_for_their_reasons_and_kept(home: Path) -> None:
    turns: Counter[str] = Counter()
    bad: set[str] = set()

    def spoil(text: str, what: str) -> str:
        """Every other text is a bad one, each kind of badness in turn."""
        turns[what] += 1
        turn, good = divmod(turns[what], 2)
        if good or what not in WRONG:
            return text
        wrong = WRONG[what][turn % len(WRONG[what])][0]
        if what == "query":
            name = next(name for name in NAMES if name in text)
            wrong = text.replace(name, NAMES[(NAMES.index(name) + 12) % len(NAMES)])
            wrong = wrong.replace("?", " now?")  # what is wrong here is right elsewhere
        bad.add(wrong)
        return wrong

    made(home, ORDER, Composing(spoil=spoil))
    folder = home / "datasets" / "orchards"
    rejected = lines(folder / "rejected.jsonl")
    reasons = Counter(draft["reason"] for draft in rejected)
    assert {reason for wrongs in WRONG.values() for _, reason in wrongs} <= set(reasons)
    assert set(reasons) <= set(REASONS)
    for draft in rejected:
        assert Path(draft["source"]).name == draft["title"] and draft["passage"] and draft["quote"]
    kept = [r for split in ("train", "test") for r in lines(folder / "alpaca" / f"{split}.jsonl")]
    assert len(kept) > 20
    texts = {text for row in kept for text in (row["instruction"], row["output"])}
    assert texts & bad == set()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["rejected"] == reasons
    assert report["drafts"] == len(kept) + len(rejected)


def test_a_text_that_the_model_refuses_costs_one_row_and_not_the_set(home: Path) -> None:
    refusing = Composing(fails_at=2, failure=ModelRefused("no"))
    made(home, replace(ORDER, limit=6), refusing)
    rejected = lines(home / "datasets" / "orchards" / "rejected.jsonl")
    assert [draft["reason"] for draft in rejected].count("no_text") == 1


def test_a_question_is_asked_once(home: Path) -> None:
    def spoil(text: str, what: str) -> str:
        return "How many hectares does Orchard Kolm have?" if what == "question" else text

    made(home, replace(ORDER, kinds=("qa", "raft")), Composing(spoil=spoil))
    folder = home / "datasets" / "orchards"
    queries = [query["text"] for query in lines(folder / "beir" / "queries.jsonl")]
    assert queries.count("How many hectares does Orchard Kolm have?") == 1
    assert len(set(queries)) == len(queries)
    reasons = Counter(draft["reason"] for draft in lines(folder / "rejected.jsonl"))
    assert reasons["duplicate"] > 0


def test_a_set_has_one_maker(home: Path) -> None:
    dataset = Dataset(home, "orchards")
    with dataset.alone():
        assert dataset.is_being_made()
        with pytest.raises(DureError, match="being made by another process"):
            made(home, replace(ORDER, limit=1))
    assert not dataset.is_being_made()


def test_the_command_says_what_is_wrong(dure: Dure) -> None:
    bad = dure("dataset", "make", "--kinds", "qa,poems")
    assert bad.returncode == 2 and "qa, reverse, hyde, raft" in bad.stderr
    bad = dure("dataset", "make", "--name", "../x", "--model", "embedded:small")
    assert bad.returncode == 2 and "letters, digits" in bad.stderr
    empty = dure("dataset", "make", "--model", "embedded:small")
    assert empty.returncode == 1 and "retrieval.add" in empty.stderr
    none = dure("dataset", "make", "--index", "none", "--model", "embedded:small")
    assert none.returncode == 1 and "no index 'none'" in none.stderr
    assert dure("dataset", "show", "none").returncode == 2
    assert "no data sets yet" in dure("dataset", "show").stderr


def test_interrupted_and_killed_it_goes_on_with_the_very_same_rows(small: Dure) -> None:
    for n in range(3):
        (small.cwd / f"{NAMES[n]}.md").write_text(orchard(n), encoding="utf-8")
    assert small("call", "retrieval.add", f"paths={small.cwd}").returncode == 0
    words = ["dataset", "make", "--kinds", "reverse", "--name"]
    undisturbed = small(*words, "undisturbed", timeout=200)
    assert undisturbed.returncode == 0, undisturbed.stderr

    def stopped(at: str, by: signal.Signals) -> tuple[int, str]:
        process = small.start(*words, "stopped")
        assert process.stderr is not None
        said = ""
        while at not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(by)
        _, rest = process.communicate(timeout=60)
        return process.returncode, rest

    status, said = stopped("passage 1 of 3", signal.SIGINT)
    assert status == 130 and "goes on from there" in said and "Traceback" not in said
    status, _ = stopped("passage 2 of 3", signal.SIGKILL)
    assert status == -signal.SIGKILL
    again = small(*words, "stopped", timeout=200)
    assert again.returncode == 0, again.stderr
    assert "passage 2 of 3" in again.stderr and "passage 1 of 3" not in again.stderr
    sets = small.home / "datasets"
    made_up = lines(sets / "undisturbed" / "rejected.jsonl")
    assert made_up or lines(sets / "undisturbed" / "alpaca" / "train.jsonl")
    assert contents(sets / "stopped") == contents(sets / "undisturbed")


def test_the_chat_starts_a_set_that_goes_on_without_it(small: Dure, indexed: Path) -> None:
    shutil.copytree(indexed / "indexes", small.home / "indexes")
    request = "내 문서로 질문-답변 학습 데이터 1개 만들어줘"
    done = small("ask", "--json", "--agent", "rag", request, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (folder,) = (small.home / "datasets").iterdir()
    assert folder.name in answer["answer"] and "dure dataset show" in answer["answer"]
    assert [step["tool"] for step in answer["steps"]] == ["list_documents"]
    eventually((folder / "report.json").exists, 240, "the set is made after the chat ended")
    shown = small("dataset", "show", folder.name)
    assert shown.stdout.startswith(f"# Training set {folder.name}")
    asked = small("ask", "--agent", "rag", "학습 데이터 어디까지 됐어?")
    assert folder.name in asked.stdout
