"""What the request settles is not asked of the model; what is settled whole needs no model."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph

from graphs.settled import implied_tool, settled
from graphs.specialist import Expertise, build_specialist
from graphs.state import Turn
from graphs.worked import WorkedExamples
from tests.graphs.scripted import Scripted, calling


@tool
async def explain(pattern: str, flags: str = "") -> dict[str, str]:
    """Explain a pattern."""
    return {"pattern": pattern, "flags": flags}


async def ask(request: str, *replies: AIMessage) -> tuple[Turn, Scripted]:
    model = Scripted(replies=list(replies))
    tools: tuple[BaseTool, ...] = (explain,)
    examples = WorkedExamples(
        [{"request": "what is a+?", "tool": "explain", "arguments": {"pattern": "a+"}}],
        lambda texts: [[1.0] for _ in texts],
    )
    shown = {"explain": lambda result, language: str(result["pattern"])}
    expertise = Expertise("regex", "You explain.", tools, shown, frozenset(), examples)
    graph = StateGraph(Turn)
    graph.add_node("regex", build_specialist(expertise, model, small=True, step_limit=4))
    graph.add_edge(START, "regex")
    graph.add_edge("regex", END)
    start: Turn = {"messages": [HumanMessage(request)]}
    outcome: Any = await graph.compile().ainvoke(start)
    return outcome, model


async def test_a_call_that_the_request_settles_is_made_without_the_model() -> None:
    turn, model = await ask(r"`(\w+\s?)*$` 무슨 뜻이야?")
    assert model.asked == []
    (step,) = turn["steps"]
    assert step["arguments"] == {"pattern": r"(\w+\s?)*$"}
    assert turn["messages"][-1].text == r"(\w+\s?)*$"


async def test_a_call_that_is_not_settled_is_the_models_after_a_worked_example() -> None:
    turn, model = await ask("무슨 뜻이야? a*b", calling("explain", pattern="a*b"))
    assert [step["arguments"]["pattern"] for step in turn["steps"]] == ["a*b"]
    spoken = [(said.type, said.text) for said in model.asked[0] if said.type != "system"]
    assert spoken == [("human", "what is a+?"), ("ai", ""), ("human", "무슨 뜻이야? a*b")]


@pytest.mark.parametrize(
    ("request_text", "pattern"),
    [
        (r"walk me through ^(?=.*\d)[a-z]+$ please", r"^(?=.*\d)[a-z]+$"),
        (r"\d{2,3}-\d{4} 이건 무슨 뜻이야?", r"\d{2,3}-\d{4}"),
        (r"is \d+ safe?", r"\d+"),
        (r"explain ^foo \d+$", None),
        (r"\d+를 설명해줘", None),
        (r"what is \w+?", None),
        (r"replace (\w+), (\w+) with \2 \1", None),
        ("split 2024-01-05 on [-:T]", None),
    ],
)
def test_a_pattern_without_marks_counts_only_where_it_cannot_be_cut_wrong(
    request_text: str, pattern: str | None
) -> None:
    assert settled("explain", ["pattern"], request_text).get("pattern") == pattern


def test_two_patterns_or_none_settle_nothing() -> None:
    assert settled("explain", ["pattern"], r"`\d+` and `\w+`?") == {}
    assert settled("explain", ["pattern"], "'hello there' 무슨 뜻이야?") == {}
    assert settled("explain", ["text"], r"`\d+`?") == {}


def test_a_pattern_in_a_line_of_code_is_taken_out_of_it() -> None:
    asked = "What does this do?\n\nSLUG = re.compile(r'^[a-z]+(?:-[a-z]+)*$')\n\nWalk me through it"
    assert settled("explain", ["pattern"], asked)["pattern"] == "^[a-z]+(?:-[a-z]+)*$"


def test_data_below_the_instruction_is_the_text() -> None:
    names = ["pattern", "text"]
    asked = "번호 가운데를 가려줘. 나머지는 그대로\n김하늘 010-5521-8830 (저녁에만)"
    assert settled("replace", names, asked)["text"] == "김하늘 010-5521-8830 (저녁에만)"
    asked = "I have a log.\nFind the numbers:\n\na 1\nb 2"
    assert settled("findall", names, asked)["text"] == "a 1\nb 2"
    asked = "a1 b2\n\nWhich digits are in there?"
    assert "text" not in settled("findall", names, asked)


@pytest.mark.parametrize(
    ("asked", "text", "changed"),
    [
        ("Convert DD/MM/YYYY to YYYY-MM-DD", "on 01/09/2024.", "on 2024-09-01."),
        (
            "연.월.일로 적힌 날짜를 일/월/연 순서로",
            "입사 2019.03.04, 3.11.2",
            "입사 04/03/2019, 3.11.2",
        ),
        ("mm-dd-yy into dd.mm.yy", "12-31-24", "31.12.24"),
    ],
)
def test_dates_change_from_one_named_order_into_another(
    asked: str, text: str, changed: str
) -> None:
    found = settled("replace", ["pattern", "replacement", "text"], asked)
    assert re.sub(found["pattern"], found["replacement"], text) == changed


def test_dates_without_two_orders_settle_nothing() -> None:
    assert "pattern" not in settled("replace", ["replacement"], "hide dates like YYYY-MM-DD")
    assert "pattern" not in settled("replace", ["replacement"], "YYYY-MM-DD to YYYY-MM-MM")


def test_the_replacement_that_the_request_quotes_is_taken() -> None:
    names = ["pattern", "replacement", "text"]
    asked = "Find `(\\w+), (\\w+)` and replace with `\\2 \\1` below.\n\nOkafor, Ada"
    found = settled("replace", names, asked)
    assert (found["pattern"], found["replacement"]) == (r"(\w+), (\w+)", r"\2 \1")
    assert "replacement" not in settled("replace", names, r"mask `\d{4}` with ****")


@pytest.mark.parametrize(
    ("request_text", "pattern"),
    [
        ("what does it do?\n\n^(?:\\+?1[-. ]?)?(\\d{3})$", r"^(?:\+?1[-. ]?)?(\d{3})$"),
        ("확인 부탁: [1-6]-(?:[1-9]|1[0-2])\n맞음: 1-3", "[1-6]-(?:[1-9]|1[0-2])"),
        (r"does v\d+(\.\d+)? accept v1.0?", r"v\d+(\.\d+)?"),
        ("[spam] is a [tag] in this line\nand so on", None),
    ],
)
def test_a_bare_pattern_is_seen_for_what_it_is(request_text: str, pattern: str | None) -> None:
    assert settled("explain", ["pattern"], request_text).get("pattern") == pattern


def test_two_lists_of_labels_ask_for_their_scores() -> None:
    names = ["y_true", "y_pred"]
    asked = 'true = ["a", "b", "b"]\npred = ["a", "b", "a"]\n\nmacro F1?'
    assert implied_tool({"classification": settled("classification", names, asked)}) == (
        "classification"
    )
    sentences = "번역 1: 나는 간다\n번역 2: 비가 온다\n정답 1: 나는 가\n정답 2: 비가 와"
    known = {"classification": settled("classification", names, sentences)}
    assert known["classification"] and implied_tool(known) is None
    assert implied_tool({"classification": {}}) is None
