"""Requests about attention, translation and word vectors are read by code."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graphs.foundations import settle, with_foundations
from graphs.specialist import request_of
from graphs.state import Turn
from graphs.tool_rules import ruled_tool


@pytest.mark.parametrize(
    ("request_", "tool", "wanted"),
    [
        ('explain attention for "I love you"', "explain_attention", {"source": "I love you"}),
        (
            "어텐션 계산 과정을 보여줘",
            "explain_attention",
            {"source": "I love machine learning.", "target": "저는 머신러닝을 사랑합니다."},
        ),
        (
            "'we go'와 '우리는 간다'의 인코더 어텐션 2층 1번 헤드",
            "explain_attention",
            {
                **{"source": "we go", "target": "우리는 간다"},
                **{"attention": "encoder", "layer": 2, "head": 1},
            },
        ),
        ("'왕'과 비슷한 단어는?", "nearest_words", {"word": "왕"}),
        ("학교와 비슷한 단어 열 개", "nearest_words", {"word": "학교", "n": 10}),
        ("words nearest to river, top 5", "nearest_words", {"word": "river", "n": 5}),
        ("왕 - 남자 + 여자는?", "analogy", {"a": "남자", "b": "왕", "c": "여자"}),
        ("man is to king as woman is to what?", "analogy", {"a": "man", "b": "king", "c": "woman"}),
        (
            'translate "I love you" with beam search',
            "translate",
            {"source": "I love you", "method": "beam"},
        ),
        (
            "corpus.txt로 FastText를 5에폭 학습해줘",
            "train_word_vectors",
            {"data": ["corpus.txt"], "kind": "fasttext", "epochs": 5},
        ),
        ("영한 번역 트랜스포머 학습 시작해줘", "train_translator", {}),
        (
            "train the translator on pairs.tsv for 3 epochs",
            "train_translator",
            {"data": "pairs.tsv", "epochs": 3},
        ),
        ("번역기 학습 얼마나 됐어?", "job", {}),
        ("단어 벡터를 그림으로 그려줘", "plot_words", {}),
    ],
)
def test_tool_and_arguments_are_read(request_: str, tool: str, wanted: dict[str, Any]) -> None:
    assert ruled_tool("foundations", request_) == tool
    assert settle(tool, ("epochs", "seed", "data", "name"), request_) == wanted


async def asked(*messages: Any) -> str:
    """What the specialist is asked, or the answer where it is not asked."""

    async def specialist(state: Turn) -> Turn:
        return {"messages": [AIMessage(f"asked: {request_of(state)}")]}

    turn = await with_foundations(specialist)({"messages": list(messages)})
    return str(turn["messages"][-1].text)


async def test_the_job_last_spoken_of_is_the_one_that_is_meant() -> None:
    started = AIMessage("Training `en-ko` has started (`translator-20261125-010203-abc123`).")
    said = await asked(HumanMessage("train it"), started, HumanMessage("how far is it?"))
    assert said == "asked: how far is it? (translator-20261125-010203-abc123)"
    assert "No training was started" in await asked(HumanMessage("how far is it?"))


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ("비슷한 단어 찾아줘", "어느 단어"),
        ("translate with the scratch model please", "Which sentence?"),
        ("word2vec 학습시켜줘", "파일이나 폴더"),
    ],
)
async def test_what_is_missing_is_asked_for(request_: str, shown: str) -> None:
    assert shown in await asked(HumanMessage(request_))
