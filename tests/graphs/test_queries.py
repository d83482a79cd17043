"""Follow-ups stand alone, and what the model writes for searching is used only where sound."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from graphs.queries import hypothetical, points_back, standalone, variants
from tests.graphs.scripted import Scripted

TALK: list[AnyMessage] = [
    HumanMessage("LoRA의 rank는 보통 얼마야?"),
    AIMessage("LoRA의 rank는 보통 8~64입니다. [1]\n\n**출처**\n\n[1] guide.pdf, 3쪽: “비밀”"),
]


@pytest.mark.parametrize(
    "request_",
    [
        "그건 몇 쪽에 있어?",
        "and what is its default?",
        "왜?",
        "더 자세히 설명해줘",
        "what about that?",
    ],
)
def test_what_points_back_needs_the_conversation(request_: str) -> None:
    assert points_back(request_, TALK)
    assert not points_back(request_, [])


@pytest.mark.parametrize(
    "request_",
    ["VAE의 손실 함수는 무엇인가요?", "How does BM25 rank a document for a query?"],
)
def test_what_stands_alone_costs_no_model(request_: str) -> None:
    assert not points_back(request_, TALK)


async def test_a_follow_up_is_rewritten_from_the_conversation_without_its_sources() -> None:
    model = Scripted(replies=[AIMessage('Question: "LoRA의 rank는 몇 쪽에 있어?"\n설명: …')])
    question, _ = await standalone(model, "그건 몇 쪽에 있어?", TALK)
    assert question == "LoRA의 rank는 몇 쪽에 있어?"
    asked = str(model.asked[0][-1].text)
    assert "8~64" in asked
    assert "비밀" not in asked


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   \n",
        "Which page?",
        "달나라 토끼가 방아를 찧는 까닭은 도대체 무엇입니까?",
        "가" * 2000,
    ],
)
async def test_an_unsound_rewriting_gives_way_to_the_question_before(written: str) -> None:
    model = Scripted(replies=[AIMessage(written)])
    question, _ = await standalone(model, "그건 몇 쪽에 있어?", TALK)
    assert question == "LoRA의 rank는 보통 얼마야? 그건 몇 쪽에 있어?"


async def test_variants_are_cleaned_distinct_and_few() -> None:
    lines = "1. rank 값은?\n- rank 값은?\n\n* “LoRA default rank”\n4) 랭크의 범위는?\n5) 더"
    found, _ = await variants(Scripted(replies=[AIMessage(lines)]), "LoRA의 rank는?")
    assert found == ["rank 값은?", "LoRA default rank", "랭크의 범위는?"]


async def test_a_hypothetical_answer_is_in_the_language_of_the_documents() -> None:
    model = Scripted(replies=[AIMessage("정규식은\n클리가 만들었다.")])
    text, _ = await hypothetical(model, "Who invented regular expressions?", "ko")
    assert text == "정규식은 클리가 만들었다."
    assert "in Korean" in str(model.asked[0][0].text)
