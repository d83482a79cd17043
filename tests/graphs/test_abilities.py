"""What Dure can do is told by a fixed text, in the language of the question."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agents import meta
from agents.models import ChosenModel
from graphs.abilities import ASKED, with_abilities
from graphs.state import Turn
from prompts import prompt
from tests.graphs.scripted import Scripted


async def _otherwise(state: Turn) -> Turn:
    return {"messages": [AIMessage("otherwise")]}


async def _answer(request: str) -> str:
    turn: Any = await with_abilities(_otherwise)({"messages": [HumanMessage(request)]})
    return str(turn["messages"][-1].text)


@pytest.mark.parametrize(
    "request_text",
    [
        "뭐 할 수 있어?",
        "뭘 할 수 있나요?",
        "안녕! 뭐 할 수 있어?",
        "너는 무엇을 할 수 있니",
        "넌 뭐 할 줄 알아?",
        "두레는 어떤 일을 할 수 있어요?",
        "어떤 도움을 줄 수 있어?",
        "뭘 도와줄 수 있어?",
        "할 수 있는 게 뭐야?",
        "할 수 있는 일을 알려줘",
        "도움말",
        "사용법 알려줘",
        "기능 좀 설명해 주세요",
        "기능이 뭐야?",
        "어떤 기능이 있어?",
        "너의 기능을 알려줘",
        "두레야, 뭐 할 수 있어?",
        "할 수 있는 것들이 뭐예요?",
        "뭐가 가능해?",
    ],
)
async def test_asked_in_korean(request_text: str) -> None:
    assert await _answer(request_text) == prompt("abilities_ko")


@pytest.mark.parametrize(
    "request_text",
    [
        "what can you do?",
        "Hi, what can you do for me?",
        "hello there! What can you help me with?",
        "What are you able to do",
        "How can you help?",
        "what else can you do?",
        "What are your capabilities?",
        "help",
    ],
)
async def test_asked_in_english(request_text: str) -> None:
    assert await _answer(request_text) == prompt("abilities_en")


@pytest.mark.parametrize(
    "request_text",
    [
        "정규식으로 뭘 할 수 있어?",
        "이 문서로 뭐 할 수 있어?",
        "안녕",
        "도움말 문서를 요약해줘",
        "파이썬 사용법 알려줘",
        "할 수 있는 일이 없어서 심심해",
        "what can you do with a regex?",
        "what can I do in Busan?",
        "help me plan a trip",
        "그 모델은 무엇을 할 수 있나요?",
        "기능을 알려줘, 그리고 빨간 원을 그려줘",
        "할 수 있는 일이 뭐가 있는지 문서에서 찾아줘",
        "사용법 보여주는 페이지 찾아줘",
        "기능 설명해 주는 함수를 파이썬으로 짜줘",
        "사용법 알려줘 라고 영어로 번역해줘",
        "사용법 알려줘 pandas merge",
        "뭐 할 수 있어?\n빨간 원을 그려줘",
    ],
)
async def test_other_questions_go_on(request_text: str) -> None:
    assert not re.search(ASKED, request_text, re.IGNORECASE)
    assert await _answer(request_text) == "otherwise"


@pytest.mark.parametrize("request_text", ["도움말", "how can you help me?"])
async def test_they_reach_the_chat_agent_without_the_model(request_text: str) -> None:
    model = Scripted(replies=[])
    route = await meta.build_decider(ChosenModel("scripted", model, "", small=True)).decide(
        request_text, "image"
    )
    assert (route["agent"], route["stage"]) == ("chat", "rule")
    assert not model.asked
