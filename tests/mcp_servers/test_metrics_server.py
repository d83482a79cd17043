"""The metrics server as MCP clients meet it: schemas, results, errors, pictures, start-up."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ImageContent, TextContent

from mcp_servers import pictures
from mcp_servers.errors import EngineError
from mcp_servers.metrics import picture
from mcp_servers.metrics.server import ENGINE
from tests.mcp_servers.calling import Client

ROOT = Path(__file__).parents[2]


connected = Client(ENGINE).connected


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    return tmp_path


async def test_every_tool_is_listed_with_its_schemas() -> None:
    async with connected() as session:
        tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == [
        "classification",
        "from_counts",
        "confusion_matrix",
        "bleu",
        "corpus_bleu",
        "chrf",
        "rouge",
        "answer_match",
        "ngrams",
    ]
    for tool in tools:
        assert tool.outputSchema is not None and tool.outputSchema["type"] == "object"
        assert tool.description and len(tool.description) < 120
        assert tool.annotations is not None
        assert tool.annotations.readOnlyHint is (tool.name != "confusion_matrix")
        assert all("description" in value for value in tool.inputSchema["properties"].values())


@pytest.mark.parametrize(
    ("tool", "arguments", "key", "wanted"),
    [
        ("classification", {"y_true": [1, 0, 1], "y_pred": ["1", "0", "0"]}, "accuracy", 2 / 3),
        ("from_counts", {"tp": 40, "fp": 5, "fn": 5, "tn": 50}, "accuracy", 0.9),
        ("bleu", {"candidate": "a b c d", "references": ["a b c d"]}, "score", 1.0),
        ("corpus_bleu", {"candidates": ["a b c d"], "references": [["a b c d"]]}, "score", 1.0),
        ("chrf", {"candidate": "나는", "references": ["나는"]}, "score", 1.0),
        ("answer_match", {"prediction": "서울", "references": ["서울"]}, "f1", 1.0),
        ("ngrams", {"text": "나는 밥을 먹었다", "n": 2}, "total", 2),
    ],
)
async def test_each_tool_answers(
    tool: str, arguments: dict[str, Any], key: str, wanted: float
) -> None:
    async with connected() as session:
        result = await session.call_tool(tool, arguments)
    assert not result.isError, result.content
    assert result.structuredContent is not None
    assert result.structuredContent[key] == pytest.approx(wanted)


async def test_rouge_answers() -> None:
    arguments = {"candidate": "the cat sat mat", "reference": "the cat sat on the mat"}
    async with connected() as session:
        result = await session.call_tool("rouge", arguments)
    assert result.structuredContent is not None
    assert result.structuredContent["rouge1"]["recall"] == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("classification", {"y_true": ["a"], "y_pred": []}, "Pass one prediction for each"),
        ("bleu", {"candidate": "", "references": ["a"]}, "Pass the text to score"),
        ("ngrams", {"text": "a", "n": 0}, "Pass n=1 or more"),
        ("bleu", {"candidate": "a", "references": ["a"], "tokenize": "no"}, "characters"),
    ],
)
async def test_errors_say_what_to_do(tool: str, arguments: dict[str, Any], words: str) -> None:
    async with connected() as session:
        result = await session.call_tool(tool, arguments)
    assert result.isError
    assert isinstance(result.content[0], TextContent) and words in result.content[0].text


async def test_the_confusion_matrix_comes_with_a_picture(own_home: Path) -> None:
    arguments = {
        "y_true": ["긍정", "부정", "긍정"],
        "y_pred": ["긍정", "긍정", "긍정"],
        "language": "ko",
    }
    async with connected() as session:
        result = await session.call_tool("confusion_matrix", arguments)
    found = result.structuredContent
    assert found is not None, result.content
    assert found["labels"] == ["긍정", "부정"]
    assert found["matrix"] == [[2, 0], [1, 0]]
    assert found["table"].startswith("| 정답 \\ 예측 | 긍정 | 부정 |\n")
    text, image = result.content
    assert isinstance(text, TextContent) and json.loads(text.text) == found
    assert isinstance(image, ImageContent) and image.mimeType == "image/png"
    path = Path(found["picture"])
    assert path.parent == own_home / "pictures"
    assert path.read_bytes() == base64.b64decode(image.data)
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_hangul_is_drawn_and_not_boxes(recwarn: pytest.WarningsRecorder) -> None:
    from matplotlib.image import imread

    pictures = [
        imread(io.BytesIO(picture.draw(labels, [[1, 0], [0, 1]], "ko")))
        for labels in (["긍정", "부정"], ["각걱", "불굴"], ["$\\nope", "_"])
    ]
    assert not [warning for warning in recwarn if "missing" in str(warning.message)]
    # Boxes for missing glyphs would make the first two alike.
    assert pictures[0].shape != pictures[1].shape or (pictures[0] != pictures[1]).any()


def test_the_packaged_font_has_hangul() -> None:
    from matplotlib.ft2font import FT2Font

    assert FT2Font(str(pictures.packaged_font())).get_char_index(ord("힣")) > 0


def test_a_missing_font_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FONT_PACKAGE", "no-such-font")
    with pytest.raises(EngineError, match="pip install no-such-font"):
        pictures.packaged_font()


def test_pictures_are_drawn_from_several_threads() -> None:
    def one(number: int) -> bytes:
        return picture.draw(["가", "나"], [[number, 0], [0, number]], "en")

    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(one, [1, 2, 1, 2, 1, 2]))
    assert drawn[0] == drawn[2] == drawn[4] == one(1)
    assert drawn[1] == drawn[3] == drawn[5] == one(2)


async def test_over_stdio(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_servers.metrics.server"],
        env={**os.environ, "DURE_HOME": str(tmp_path)},
        cwd=ROOT,
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        result = await session.call_tool(
            "bleu",
            {"candidate": "the cat is on mat", "references": ["the cat is on the mat"]},
        )
    assert result.structuredContent is not None
    assert round(result.structuredContent["score"], 3) == 0.579


def test_the_server_module_imports_light() -> None:
    heavy = ["numpy", "sklearn", "matplotlib", "sacrebleu", "rouge_score", "nltk"]
    code = (
        "import sys, mcp_servers.metrics.server; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
