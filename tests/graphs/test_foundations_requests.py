"""Requests about attention, translation and word vectors are read by code."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graphs.foundations import settle, with_foundations
from graphs.specialist import request_of
from graphs.state import Turn
from graphs.tool_rules import ruled_tool
from mcp_servers.foundations import parallel


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


EXAMPLE = {"source": "I love machine learning.", "target": "저는 머신러닝을 사랑합니다."}


@pytest.mark.parametrize(
    ("request_", "tool", "wanted"),
    [
        # a sentence's own words end nothing and command nothing
        ("Translate I want to drink water", "translate", {"source": "I want to drink water"}),
        (
            "translate He goes to school with Minsu. into Korean with our transformer",
            "translate",
            {"source": "He goes to school with Minsu."},
        ),
        (
            "translate I go by the park by the beam search of our translator",
            "translate",
            {"source": "I go by the park", "method": "beam"},
        ),
        ('translate "The work is done."', "translate", {"source": "The work is done."}),
        ("translate I want to stop", "translate", {"source": "I want to stop"}),
        ("번역해줘: do not remove the chair", "translate", {"source": "do not remove the chair"}),
        ("다음 문장: I am done 번역해줘", "translate", {"source": "I am done"}),
        ("우리 번역기로 stop it를 번역해줘", "translate", {"source": "stop it"}),
        (
            'explain attention for "Please stop the car."',
            "explain_attention",
            {"source": "Please stop the car."},
        ),
        (
            '"I watch a movie."의 어텐션을 보여줘',
            "explain_attention",
            {"source": "I watch a movie."},
        ),
        ("show attention of I watch a movie.", "explain_attention", {"source": "I watch a movie."}),
        ("words nearest to stop", "nearest_words", {"word": "stop"}),
        ("delete the translator 'watch'", "delete_model", {}),
        ("번역기 학습 취소해줘", "cancel", {}),
        # a sentence without marks
        ("I love you의 어텐션 계산 과정을 보여줘", "explain_attention", {"source": "I love you"}),
        (
            "나는 너를 사랑해 문장의 어텐션을 계산해줘",
            "explain_attention",
            {"source": "나는 너를 사랑해"},
        ),
        (
            "show the attention weights of I love you as a heat map",
            "explain_attention",
            {"source": "I love you"},
        ),
        # layers and heads
        (
            "show attention for layer 1, head 2",
            "explain_attention",
            {"layer": 1, "head": 2} | EXAMPLE,
        ),
        (
            "attention weights of layer 2 on The dog is sleeping",
            "explain_attention",
            {"source": "The dog is sleeping", "layer": 2},
        ),
        (
            "첫 번째 층 두 번째 헤드 어텐션을 보여줘",
            "explain_attention",
            {"layer": 1, "head": 2} | EXAMPLE,
        ),
        (
            'decoder self-attention of "I go": layer 2, head 1',
            "explain_attention",
            {"source": "I go", "attention": "decoder", "layer": 2, "head": 1},
        ),
        (
            "show the look-ahead mask at work in attention",
            "explain_attention",
            {"attention": "decoder"} | EXAMPLE,
        ),
        ("explain attention I love you", "explain_attention", {}),
        # kinds of attention
        (
            "show the encoder-decoder attention of I love you",
            "explain_attention",
            {"source": "I love you", "attention": "cross"},
        ),
        ("인코더-디코더 어텐션을 보여줘", "explain_attention", {"attention": "cross"} | EXAMPLE),
        # particles
        ("왕 - 남자 + 아이", "analogy", {"a": "남자", "b": "왕", "c": "아이"}),
        ("왕 - 남자 + 고양이는?", "analogy", {"a": "남자", "b": "왕", "c": "고양이"}),
        ("왕 - 남자 + 여자가 뭐야?", "analogy", {"a": "남자", "b": "왕", "c": "여자"}),
        ("왕 - 남자 + 가을은?", "analogy", {"a": "남자", "b": "왕", "c": "가을"}),
        ("고양이랑 비슷한 단어", "nearest_words", {"word": "고양이"}),
        ("책상이랑 비슷한 단어", "nearest_words", {"word": "책상"}),
        ("사과랑 비슷한 단어", "nearest_words", {"word": "사과"}),
        ("사랑과 가까운 단어", "nearest_words", {"word": "사랑"}),
        ("king과 비슷한 단어", "nearest_words", {"word": "king"}),
    ],
)
def test_a_sentence_is_taken_whole_and_commands_nothing(
    request_: str, tool: str, wanted: dict[str, Any]
) -> None:
    assert ruled_tool("foundations", request_) == tool
    assert settle(tool, (), request_) == wanted


@pytest.mark.parametrize(
    "form",
    [
        "Translate {}",
        "translate {} into Korean with our transformer",
        "{}를 번역해줘",
        "학습한 번역기로 {} 문장을 한국어로 번역해 주세요",
        'translate "{}"',
    ],
)
def test_every_packaged_sentence_is_translated_whole(form: str) -> None:
    data = parallel.packaged()
    for sentence, _ in data.train + data.held_out:
        request = form.format(sentence)
        assert ruled_tool("foundations", request) == "translate", request
        assert settle("translate", (), request) == {"source": sentence}


@pytest.mark.parametrize(
    "request_", [" " * 30_000 + "번역", "\n " * 9_000 + "attention", "을 를 " * 300]
)
def test_a_long_request_is_read_at_once(request_: str) -> None:
    """Patterns of a sentence that backtrack would take minutes here."""
    began = time.process_time()
    for tool in ("translate", "explain_attention"):
        ruled_tool("foundations", request_)
        settle(tool, (), request_)
    assert time.process_time() - began < 5


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
        ("explain attention I love you", "Attention of which sentence?"),
    ],
)
async def test_what_is_missing_is_asked_for(request_: str, shown: str) -> None:
    assert shown in await asked(HumanMessage(request_))


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("어텐션 계산 과정을 보여줘", "문장이 없어 예문으로"),
        ("show attention for layer 1", "this is an example"),
        ('show attention of "I go"', None),
        ("I love you의 어텐션을 보여줘", None),
    ],
)
async def test_an_answer_about_the_example_says_so(request_: str, told: str | None) -> None:
    said = await asked(HumanMessage(request_))
    assert said.endswith(f"asked: {request_}")
    assert told in said if told else said.startswith("asked")
