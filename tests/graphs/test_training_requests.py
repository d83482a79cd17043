"""Requests for training data: which they are, and what they ask for."""

from __future__ import annotations

import re

import pytest

from agents.meta import _rules
from graphs.training_requests import Wanted, is_about_training_data, wanted_in
from graphs.training_rows import KINDS


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("내 문서로 학습 데이터 50개 만들어줘", Wanted(50, KINDS, None, None)),
        ("make a RAFT set from my documents", Wanted(50, ("raft",), None, None)),
        ("내 문서에서 RAFT 데이터 30행 생성해줘, 방해 문서 3개", Wanted(30, ("raft",), None, 3)),
        ("lesson.pdf로 질문-답변 쌍 120개 만들어 줘", Wanted(120, ("qa",), "lesson.pdf", None)),
        ("교안으로 역질문 20개 뽑아줘", Wanted(20, ("reverse",), None, None)),
        (
            "Please create 40 HyDE pairs and QA pairs from guide.md",
            Wanted(40, ("qa", "hyde"), "guide.md", None),
        ),
        (
            "build 1,000 training rows with 6 distractors from my files",
            Wanted(1000, KINDS, None, 6),
        ),
        ("파인튜닝용 데이터셋을 만들어줘", Wanted(50, KINDS, None, None)),
        ("Can you generate question-answer pairs from my report?", Wanted(50, ("qa",), None, None)),
        ("교재에서 미세조정 데이터 생성", Wanted(50, KINDS, None, None)),
    ],
)
def test_requests_for_training_data_are_read(request_: str, wanted: Wanted) -> None:
    assert is_about_training_data(request_)
    assert wanted_in(request_) == wanted


@pytest.mark.parametrize(
    "request_", ["학습 데이터 어디까지 됐어?", "how far is the training data?", "데이터셋 다 됐어?"]
)
def test_asking_how_far_it_is_is_about_training_data_too(request_: str) -> None:
    assert is_about_training_data(request_)


@pytest.mark.parametrize(
    "request_",
    [
        "RAFT가 뭐야?",
        "RAFT는 RAG와 어떻게 달라?",
        "교안에서 학습 데이터를 만드는 방법은 뭐라고 했어?",
        "How do I make training data from documents?",
        "소규모 LoRA 파인튜닝에 알맞은 학습 데이터는 몇 개 정도라고 했나요?",
        "what does the report say about training data?",
        "내 문서를 색인에 추가해줘",
        "표지 그림을 만들어줘",
        "make a summary of my documents",
        "질문에 답해줘",
    ],
)
def test_other_requests_are_left_to_the_specialist(request_: str) -> None:
    assert not is_about_training_data(request_)


@pytest.mark.parametrize(
    "request_",
    [
        "내 문서로 학습 데이터 50개 만들어줘",
        "교안에서 RAFT 데이터 20행 생성해줘",
        "make a RAFT set from my documents",
        "Please create 40 QA pairs from guide.pdf",
        "학습 데이터 어디까지 됐어?",
        "how far is the training data?",
    ],
)
def test_the_routers_rules_send_them_to_the_document_agent(request_: str) -> None:
    decided = [agent for rule, agent, _ in _rules() if re.search(rule, request_, re.IGNORECASE)]
    assert decided[:1] == ["rag"]
