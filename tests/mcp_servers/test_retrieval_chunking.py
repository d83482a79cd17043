"""Chunks of every size and unit: verbatim, whole, within the embedder, with nothing lost."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.chunking import Chunking, chunk_spans
from mcp_servers.retrieval.embedding import Embedder

BUILT_IN = [embedding.of(name) for name in embedding.BUILT_IN]
CHUNKINGS = [
    Chunking(),
    Chunking(50, 25),
    Chunking(8000, 0),
    Chunking(128, 32, "tokens"),
    Chunking(512, 100, "tokens"),
]
_WORDS = [
    *(
        "가",
        "한국어는",
        "조사를",
        "붙인다.",
        "똠방각하",
        "the",
        "quick",
        "fox.",
        "state-of-the-art",
    ),
    *("e\u0301", "👩🏽", "🇰🇷", "✈\ufe0f", "ﷺ", "㎢", "3.14", "https://example.org/a?b=c", "x" * 90),
    *(
        "def f(x):\n    return x",
        "Łódź",
        "漢字",
        "かな",
        "!?",
        "…",
        "—",
        "\\",
        "`code`",
        "|",
        "```",
    ),
    *(
        "\n\n",
        "\n# 제목\n",
        "\n- 항목",
        "\n| 이름 | 나이 |\n| 철수 | 35 |\n",
        "\n```\na = 1\n```\n",
    ),
]


def odd_text(seed: int) -> str:
    """Words of every script, glued at times; long unbroken runs; rows and code now and then."""
    chance = random.Random(seed)
    parts: list[str] = []
    for _ in range(chance.randint(1, 150)):
        word = chance.choice(_WORDS)
        parts.append(word * chance.choice([1, 1, 1, 1, 2, 30]) if "\n" not in word else word)
        parts.append(chance.choice([" ", " ", " ", "", "\n"]))
    if seed % 4 == 0:
        run = "".join(chance.choice("가나다라abc👍é") for _ in range(3000))
        parts.insert(len(parts) // 2, f"\n```\n{run}\n```\n| {run} |\n")
    return "".join(parts)


def spans_of(text: str, embedder: Embedder, chunking: Chunking) -> list[tuple[int, int]]:
    return chunk_spans(text, embedder.fits, chunking, embedder.tokens)


@pytest.mark.parametrize("chunking", CHUNKINGS, ids=Chunking.recorded)
@pytest.mark.parametrize("embedder", BUILT_IN, ids=lambda embedder: embedder.name)
@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 30), marks=pytest.mark.slow)])
def test_no_odd_text_is_cut_off_or_lost(
    embedder: Embedder, chunking: Chunking, seeds: range
) -> None:
    for seed in seeds:
        text = odd_text(seed)
        spans = spans_of(text, embedder, chunking)
        covered: set[int] = set()
        for start, end in spans:
            assert embedder.tokens(text[start:end]) <= embedder.max_tokens, seed
            covered.update(range(start, end))
        lost = [at for at, letter in enumerate(text) if letter.isalnum() and at not in covered]
        assert not lost, (seed, text[lost[0] : lost[0] + 40])
        assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(spans)), seed


@pytest.mark.parametrize("chunking", CHUNKINGS, ids=Chunking.recorded)
def test_prose_chunks_are_no_larger_than_asked(chunking: Chunking) -> None:
    embedder = embedding.of(embedding.DEFAULT)
    text = " ".join(
        f"문장 번호 {n}는 여기에서 조용히 끝난다. Sentence {n} ends." for n in range(90)
    )
    spans = spans_of(text, embedder, chunking)
    for start, end in spans:
        chunk = text[start:end]
        size = len(chunk) if chunking.unit == "characters" else embedder.tokens(chunk)
        assert size <= chunking.size
    overlaps = [end - start for (_, end), (start, _) in pairwise(spans)]
    if chunking.size == 512:
        assert len(overlaps) > 2 and min(overlaps) > 0
    if chunking.overlap == 0:
        assert max(overlaps) < 0


def test_rows_and_code_stay_whole_where_the_embedder_takes_them() -> None:
    code = "```python\n" + "".join(f"value_{n} = compute({n})  # 주석\n" for n in range(26)) + "```"
    row = "| " + " | ".join(f"열 {n}: 값이 여기 있다. 끝." for n in range(30)) + " |"
    short = "\n".join(f"| 이름 {n} | 값 {n}. 다음 |" for n in range(40))
    text = f"앞의 글이다.\n\n{code}\n뒤의 글이다.\n\n{row}\n{short}"
    assert len(code) > 500 and len(row) > 500 and embedding.fits(code) and embedding.fits(row)
    chunks = [text[start:end] for start, end in chunk_spans(text, embedding.fits)]
    assert code in chunks and row in chunks
    rows = [line for chunk in chunks if "| 이름" in chunk for line in chunk.split("\n")]
    assert rows == short.split("\n")  # none cut, none twice


def test_code_that_is_too_long_is_cut_at_line_ends() -> None:
    lines = [f"value_{n} = compute({n})  # 주석" for n in range(120)]
    text = "\n".join(["```", *lines, "```"])
    found = [line for s, e in chunk_spans(text, embedding.fits) for line in text[s:e].split("\n")]
    assert found == ["```", *lines, "```"]


def test_an_open_fence_is_prose() -> None:
    text = "``` 여기서 시작한다. " + "문장이 하나 있다. " * 60
    chunks = [text[start:end] for start, end in chunk_spans(text, embedding.fits)]
    assert len(chunks) > 1 and all(len(chunk) <= 500 for chunk in chunks)


def test_a_comment_in_code_is_no_heading() -> None:
    section = "이 절의 내용은 두 줄을 넘지 않지만 충분히 길다. " * 9
    text = f"{section}\n\n```\n# comment\nx = 1\n```"
    assert chunk_spans(text, embedding.fits) == [(0, len(text))]


@pytest.mark.parametrize("mark", ["\u0301", "\ufe0f", "🏽"])
def test_a_mark_stays_with_its_character(mark: str) -> None:
    text = f"a{mark}" * 600
    assert all(text[start] == "a" for start, _ in chunk_spans(text, embedding.fits))


@pytest.mark.parametrize(
    ("size", "overlap", "unit", "words"),
    [
        (10, 0, "characters", "from 50 to 8,000 characters"),
        (9000, 0, "characters", "not 9000"),
        (16, 0, "tokens", "from 32"),
        (500, 251, "characters", "half of chunk_size"),
        (500, -1, "characters", "from 0"),
        (500, 100, "words", "characters or tokens"),
    ],
)
def test_sizes_that_make_no_sense(size: int, overlap: int, unit: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        Chunking(size, overlap, unit)  # type: ignore[arg-type]


def test_what_is_recorded_is_read_back() -> None:
    for chunking in CHUNKINGS:
        assert Chunking.parsed(chunking.recorded()) == chunking
    assert Chunking.parsed("") == Chunking()
