"""The walk through attention: its numbers are those of the forward pass, and it can be read."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ImageContent, TextContent

from mcp_servers.errors import EngineError
from mcp_servers.foundations.explanation import Explained, Request, explain, untrained
from mcp_servers.foundations.search import beam, greedy
from mcp_servers.foundations.server import ENGINE
from mcp_servers.foundations.stages import Stage
from mcp_servers.foundations.transformer import Shape, Transformer
from mcp_servers.torch_runtime import torch
from tests.mcp_servers.calling import Client

pytestmark = pytest.mark.usefixtures("dure_home")

SOURCE, TARGET = "I love machine learning.", "저는 머신러닝을 사랑합니다."


def explained(**changed: Any) -> Explained:
    asked: dict[str, Any] = {
        "source": SOURCE,
        "target": TARGET,
        "attention": "cross",
        "layer": None,
        "head": None,
        "padding": 2,
        "language": "en",
    }
    request = Request(**{**asked, **changed})
    return explain(untrained(request.source, request.target), request)


def values(stage: Stage, number: int = 0) -> list[list[float | None]]:
    return stage["matrices"][number]["values"]


def test_the_nine_stages_follow_from_each_other() -> None:
    found = explained()
    assert [stage["step"] for stage in found.stages] == list(range(1, 10))
    columns = ["i", "love", "machine", "learning", ".", "<eos>", "<pad>", "<pad>"]
    assert found.stages[2]["matrices"][0]["columns"] == columns
    assert found.rows == ["<bos>", "저는", "머신러닝을", "사랑합니다", "."]
    queries, keys, kept = (values(found.stages[1], number) for number in range(3))
    scores, scaled = values(found.stages[2]), values(found.stages[3])
    masked, weights = values(found.stages[4], 1), values(found.stages[5])
    context = values(found.stages[6])
    for row in range(5):
        for column in range(8):
            dot = sum(a * b for a, b in zip(queries[row], keys[column], strict=True))  # type: ignore[operator]
            assert scores[row][column] == pytest.approx(dot, abs=0.02)
            assert scaled[row][column] == pytest.approx(
                scores[row][column] / math.sqrt(2), abs=0.002
            )  # type: ignore[operator]
        assert masked[row][:6] == scaled[row][:6]
        assert masked[row][6:] == [None, None]
        exponents = [math.exp(value) for value in masked[row][:6]]  # type: ignore[arg-type]
        wanted = [each / sum(exponents) for each in exponents] + [0, 0]
        assert weights[row] == pytest.approx(wanted, abs=0.003)
        mixed = [sum(w * v[d] for w, v in zip(weights[row], kept, strict=True)) for d in range(2)]  # type: ignore[operator, misc]
        assert context[row] == pytest.approx(mixed, abs=0.01)
    assert found.stages[1]["shapes"]["Q"] == [1, 2, 5, 2]
    assert found.stages[7]["shapes"]["output"] == [1, 5, 4]


def test_the_loss_is_the_mean_of_the_tokens_and_falls_by_a_step() -> None:
    found = explained()
    losses = [each["loss"] for each in found.predictions]
    assert [each["expected"] for each in found.predictions] == [*found.rows[1:], "<eos>"]
    stage = found.stages[8]
    loss = float(stage["formula"].rsplit(" ", 1)[1])
    assert loss == pytest.approx(sum(losses) / len(losses), abs=1e-3)
    after = float(stage["note"].rsplit(" ", 1)[1].rstrip("."))
    assert after < loss
    assert "|dLoss/dW_Q|" in stage["note"]


def test_padding_changes_no_prediction_and_a_seed_gives_the_same_numbers() -> None:
    assert explained(padding=0).predictions == explained(padding=8).predictions
    assert explained().stages == explained().stages


def test_self_attention_of_both_sides() -> None:
    decoder = explained(attention="decoder")
    mask = values(decoder.stages[4])
    assert mask == [[float(column <= row) for column in range(5)] for row in range(5)]
    encoder = explained(attention="encoder")
    words = ["i", "love", "machine", "learning", ".", "<eos>", "<pad>", "<pad>"]
    assert encoder.rows == encoder.columns == words
    assert encoder.nexts == []
    assert [each["name"] for each in encoder.stages[0]["matrices"]] == ["query input"]


@pytest.mark.parametrize(
    ("attention", "titles"),
    [
        ("cross", {"en": "Encoder output and decoder input", "ko": "인코더 출력과 디코더 입력"}),
        ("encoder", {"en": "Encoder layer's input", "ko": "인코더 층의 입력"}),
        ("decoder", {"en": "Decoder layer's input", "ko": "디코더 층의 입력"}),
    ],
)
def test_the_first_stage_is_named_by_what_goes_in(attention: str, titles: dict[str, str]) -> None:
    for language, title in titles.items():
        found = explained(attention=attention, language=language)
        assert found.stages[0]["title"] == title


@pytest.mark.parametrize(("longest", "shown"), [(6, 0), (7, 1), (60, 2)])
def test_padding_takes_only_the_room_that_the_sentence_leaves(longest: int, shown: int) -> None:
    made = untrained(SOURCE, TARGET)
    made.model.load_state_dict(
        (
            shorter := Transformer(dataclasses.replace(made.model.shape, longest=longest))
        ).state_dict()
    )
    found = explain(
        dataclasses.replace(made, model=shorter.eval()),
        Request(SOURCE, TARGET, "cross", None, None, 2, "en"),
    )
    assert found.columns.count("<pad>") == shown


def test_a_pair_of_the_packaged_set_needs_no_target() -> None:
    assert explained(source="i love you", target=None).target == "저는 당신을 사랑합니다."


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"source": "  "}, "source is empty"),
        ({"target": ""}, "target is empty"),
        ({"source": "Colourless green ideas.", "target": None}, "Pass target="),
        ({"source": "a b " * 30}, "Translate a shorter part|Pass a shorter"),
        ({"source": "long " * 300}, "limit is 1,000"),
        ({"target": "아 " * 80}, "Pass a shorter"),
        ({"padding": 9}, "Pass 0 to 8"),
        ({"head": 3}, "Pass 1 to 2"),
        ({"layer": 2}, "Pass 1 to 1"),
    ],
)
def test_what_cannot_be_explained_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        explained(**changed)


connected = Client(ENGINE).connected


@pytest.mark.parametrize(("language", "title"), [("ko", "소프트맥스"), ("en", "Softmax")])
async def test_the_tool_gives_numbers_text_and_a_picture(
    language: str, title: str, dure_home: Path
) -> None:
    async with connected() as session:
        result = await session.call_tool(
            "explain_attention", {"source": SOURCE, "language": language}
        )
    found = result.structuredContent
    assert found is not None, result.content
    assert found["target"] == TARGET
    assert found["trained"] is False
    assert "train_translator" in found["notes"][0]
    assert title in found["markdown"]
    assert found["markdown"].count("\n## ") == 9
    assert "&lt;pad>" in found["markdown"] and "-∞" in found["markdown"]
    text, image = result.content
    assert isinstance(text, TextContent) and json.loads(text.text) == found
    assert len(text.text) < 40_000
    assert isinstance(image, ImageContent)
    assert Path(found["picture"]).parent == dure_home / "pictures"
    assert Path(found["picture"]).read_bytes() == base64.b64decode(image.data)


async def test_the_longest_pair_stays_readable(dure_home: Path) -> None:
    arguments = {"source": "a b c d e f g h i j " * 3, "target": "가 나 다 라 마 바 사 아 " * 4}
    async with connected() as session:
        result = await session.call_tool("explain_attention", arguments)
    found = result.structuredContent
    assert found is not None, result.content
    assert len(json.dumps(found)) < 60_000
    assert found["stages"][5]["matrices"][0]["cut"] is True


def tiny(seed: int = 3) -> tuple[Transformer, Any]:
    torch.manual_seed(seed)
    shape = Shape(source_words=9, target_words=7, pad=0, d_model=16, heads=2, hidden=16, layers=1)
    return Transformer(shape).eval(), torch.tensor([[4, 5, 6, 2]])


@torch.no_grad()
def test_a_beam_of_one_is_the_greedy_search() -> None:
    model, source = tiny()
    (one,) = beam(model, source, 1, 0.0, 12)
    assert one.ids == greedy(model, source, 12)[0]


@torch.no_grad()
@pytest.mark.parametrize(
    ("seed", "width", "penalty", "longest"),
    [
        *((3, 60, penalty, 4) for penalty in (0.0, 1.0, 3.0)),
        # The best is longer than what is found first: a search that stops there misses it.
        *((33, width, 3.0, 6) for width in (3, 4, 5)),
    ],
)
def test_the_beam_finds_the_best_of_all_sentences(
    seed: int, width: int, penalty: float, longest: int
) -> None:
    """Three tokens may be written (4 to 6), and the end; all sentences are tried."""
    model, source = tiny(seed)
    memory = model.encode(source)

    def scored(ids: list[int], total: float) -> list[tuple[float, list[int]]]:
        logits = model.decode(torch.tensor([[1, *ids]]), memory, source)[0, -1]
        logits[[0, 1, 3]] = -torch.inf
        logs = logits.log_softmax(-1)
        ended = total + float(logs[2])
        found = [(ended / ((5 + len(ids) + 1) / 6) ** penalty, ids)]
        for token in (4, 5, 6):
            longer = [*ids, token]
            if len(longer) < longest - 1:
                found += scored(longer, total + float(logs[token]))
            else:
                found.append(
                    ((total + float(logs[token])) / ((5 + len(longer)) / 6) ** penalty, longer)
                )
        return found

    best = max(scored([], 0.0))
    found = beam(model, source, width, penalty, longest)[0]
    assert found.ids == best[1]
    assert found.score == pytest.approx(best[0], abs=1e-4)


@torch.no_grad()
def test_greedy_search_of_a_batch_is_that_of_each_sentence() -> None:
    model, source = tiny()
    both = torch.tensor([[4, 5, 6, 2], [7, 2, 0, 0]])
    alone = [greedy(model, source, 12)[0], greedy(model, torch.tensor([[7, 2]]), 12)[0]]
    assert greedy(model, both, 12) == alone
