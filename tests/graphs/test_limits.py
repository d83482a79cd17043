"""The specialist's loop ends in an answer whatever the model does, with a scripted model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from graphs.specialist import Expertise, build_specialist
from graphs.state import Fact, Turn
from graphs.tool_calls import SPEAKS
from tests.graphs.scripted import Scripted, calling


@tool
async def double(number: int) -> dict[str, int]:
    """Twice a number."""
    if number < 0:
        raise ToolException("Give a number that is not negative.")
    if number > 1000:
        raise OSError("the engine fell over")
    return {"doubled": 2 * number}


double.metadata = {"server": "numbers"}


def shown(result: Any, language: str) -> str:
    return f"[{language}] {result['doubled']}"


async def answer(
    request: str,
    *replies: AIMessage,
    step_limit: int = 4,
    small: bool = False,
    renderers: bool = False,
    tools: tuple[BaseTool, ...] = (double,),
    facts: list[Fact] | None = None,
) -> tuple[Turn, Scripted]:
    """One turn of a specialist inside a graph, as the router runs it."""
    model = Scripted(replies=list(replies))
    expertise = Expertise("numbers", "You double.", tools, {"double": shown} if renderers else {})
    graph = StateGraph(Turn)
    node = build_specialist(expertise, model, small=small, step_limit=step_limit)
    graph.add_node("numbers", node)
    graph.add_edge(START, "numbers")
    graph.add_edge("numbers", END)
    start: Turn = {"messages": [HumanMessage(request)], "facts": facts or []}
    outcome: Any = await graph.compile().ainvoke(start)
    return outcome, model


def text_of(turn: Turn) -> str:
    return str(turn["messages"][-1].text)


async def test_the_result_of_a_tool_leads_to_an_answer() -> None:
    turn, _ = await answer("double 4", calling("double", number=4), AIMessage("It is 8."))
    assert text_of(turn) == "It is 8."
    (step,) = turn["steps"]
    assert (step["agent"], step["server"], step["tool"]) == ("numbers", "numbers", "double")
    assert (step["arguments"], step["ok"], step["result"]) == ({"number": 4}, True, {"doubled": 8})


async def test_the_step_limit_ends_in_a_partial_answer() -> None:
    replies = [calling("double", number=n) for n in range(9)]
    turn, model = await answer("double for ever", *replies, step_limit=3)
    assert "limit of 3 steps" in text_of(turn)
    assert len(turn["steps"]) == len(model.asked) == 3


async def test_a_partial_answer_shows_the_results_so_far() -> None:
    replies = [calling("double", number=n) for n in range(1, 9)]
    turn, _ = await answer("계속 두 배로 해줘", *replies, step_limit=2, renderers=True)
    assert text_of(turn).startswith("[ko] 2\n\n[ko] 4\n\n")
    assert "단계 한도(2번)" in text_of(turn)


async def test_a_high_step_limit_is_reached_without_an_exception() -> None:
    replies = [calling("double", number=n) for n in range(60)]
    turn, _ = await answer("double for ever", *replies, step_limit=50)
    assert len(turn["steps"]) == 50


async def test_the_same_call_with_the_same_arguments_is_not_made_twice() -> None:
    turn, _ = await answer("double 4", calling("double", number=4))
    assert len(turn["steps"]) == 1
    assert "repeat the same tool call" in text_of(turn)


async def test_a_tool_error_goes_back_to_the_model_which_recovers() -> None:
    turn, model = await answer(
        "double it", calling("double", number=-1), calling("double", number=1), AIMessage("2.")
    )
    assert [step["ok"] for step in turn["steps"]] == [False, True]
    assert "not negative" in str(model.asked[1][-1].text) + str(model.asked[1][-2].text)
    assert text_of(turn) == "2."


@pytest.mark.parametrize("number", [-1, 5000])
async def test_a_tool_that_keeps_failing_is_told_to_the_user(number: int) -> None:
    turn, _ = await answer("double it", calling("double", number=number))
    assert text_of(turn).startswith("The tool `double` failed: ")
    assert "fell over" in text_of(turn) or "not negative" in text_of(turn)


async def test_a_small_model_ends_at_the_rendered_result() -> None:
    turn, model = await answer(
        "4의 두 배는?", calling("double", number=4), AIMessage("9"), small=True, renderers=True
    )
    assert text_of(turn) == "[ko] 8"
    assert model.choices == ["any"]


async def test_a_large_models_words_never_drop_the_result() -> None:
    turn, _ = await answer(
        "double 4", calling("double", number=4), AIMessage("There you are."), renderers=True
    )
    assert text_of(turn) == "[en] 8\n\nThere you are."


async def test_an_answer_in_the_wrong_language_is_asked_for_once_more() -> None:
    english = AIMessage("The capital of the Republic of Korea is the city of Seoul.")
    turn, model = await answer("대한민국의 수도는?", english, AIMessage("서울입니다."), tools=())
    assert text_of(turn) == "서울입니다."
    assert "반드시 한국어로만" in str(model.asked[1][-1].text)


async def test_an_empty_reply_is_told_as_cut_off() -> None:
    turn, _ = await answer("hi", AIMessage(""), tools=())
    assert "cut off" in text_of(turn)


@tool
async def explain(pattern: str, language: str = "en") -> dict[str, str]:
    """Explain in a language."""
    return {"language": language}


async def test_a_tool_speaks_the_requests_language_also_with_facts_in_front() -> None:
    speaking = explain.model_copy(update={"metadata": {"server": "numbers", SPEAKS: True}})
    facts: list[Fact] = [{"source": "clock", "text": "It is now 2026-01-02 Friday 10:00 (UTC)."}]
    turn, _ = await answer(
        "패턴 설명해줘",
        calling("explain", pattern="a"),
        AIMessage("네."),
        tools=(speaking,),
        facts=facts,
    )
    assert turn["steps"][0]["result"] == {"language": "ko"}


class TestApproval:
    """A tool that asks first, inside a graph that keeps its state."""

    async def turns(self, *decisions: dict[str, Any], small: bool = True) -> list[Any]:
        """The outcomes of a request to double 4 (as the model writes it) and each decision."""
        model = Scripted(replies=[calling("double", number=4), calling("double", number=4)])
        expertise = Expertise(
            "numbers", "You double.", [double], {"double": shown}, frozenset({"double"})
        )
        graph = StateGraph(Turn)
        node = build_specialist(expertise, model, small=small, step_limit=4)
        graph.add_node("numbers", node)
        graph.add_edge(START, "numbers")
        graph.add_edge("numbers", END)
        compiled = graph.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "one"}}
        given: list[Any] = [{"messages": [HumanMessage("double 4")]}]
        given += [Command(resume={"decisions": [decision]}) for decision in decisions]
        return [await compiled.ainvoke(each, config) for each in given]

    async def test_nothing_runs_before_the_yes(self) -> None:
        waiting, done = await self.turns({"type": "approve"})
        (request,) = waiting["__interrupt__"][0].value["action_requests"]
        assert (request["name"], request["args"]) == ("double", {"number": 4})
        assert "steps" not in waiting
        assert text_of(done) == "[en] 8"

    @pytest.mark.parametrize("small", [True, False])
    async def test_a_no_ends_the_turn_and_is_told(self, small: bool) -> None:
        rejection = {"type": "reject", "message": "You did not approve it."}
        _, done = await self.turns(rejection, small=small)
        assert "__interrupt__" not in done
        assert text_of(done) == "You did not approve `double`, so it was not run."
        assert done["steps"] == []

    async def test_an_edited_call_runs_as_edited(self) -> None:
        edit = {"type": "edit", "edited_action": {"name": "double", "args": {"number": 21}}}
        _, done = await self.turns(edit)
        assert text_of(done) == "[en] 42"
        assert done["steps"][0]["arguments"] == {"number": 21}

    async def test_a_call_that_would_repeat_is_not_asked_about_again(self) -> None:
        _, done = await self.turns({"type": "approve"}, small=False)
        assert "__interrupt__" not in done
        assert text_of(done).startswith("[en] 8\n\nI was about to repeat")


@tool
async def erase(text: str) -> dict[str, str]:
    """Erase a text."""
    return {"erased": text}


@pytest.mark.parametrize("asks", [True, False])
async def test_arguments_are_mended_from_the_request_but_not_after_an_approval(asks: bool) -> None:
    model = Scripted(replies=[calling("erase", text="the long note of may")])
    ask_first = frozenset({"erase"} if asks else ())
    graph = StateGraph(Turn)
    renderers = {"erase": lambda result, language: str(result["erased"])}
    expertise = Expertise("notes", "You erase.", [erase], renderers, ask_first)
    graph.add_node("notes", build_specialist(expertise, model, small=True, step_limit=4))
    graph.add_edge(START, "notes")
    graph.add_edge("notes", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "one"}}
    request = HumanMessage('erase "the long note of May"')
    done: Any = await compiled.ainvoke({"messages": [request]}, config)
    if asks:
        command: Any = Command(resume={"decisions": [{"type": "approve"}]})
        done = await compiled.ainvoke(command, config)
    assert text_of(done) == ("the long note of may" if asks else "the long note of May")


async def test_a_loop_that_stops_shows_the_result_that_nobody_renders() -> None:
    same = calling("double", number=4)
    turn, _ = await answer("double 4", same, same)
    assert '"doubled": 8' in text_of(turn)


async def test_facts_before_a_request_do_not_hide_the_words_that_settle_arguments() -> None:
    @tool
    async def findall(pattern: str, text: str) -> dict[str, str]:
        """Find."""
        return {"pattern": pattern}

    call = calling("findall", pattern="@", text="a@b.io")
    clock: Fact = {"text": "Today is 2026-11-24, a Tuesday, and it is a quiet day.", "source": "c"}
    request = "extract every email address from today's mail: a@b.io"
    turn, _ = await answer(request, call, AIMessage("Done."), tools=(findall,), facts=[clock])
    assert turn["steps"][0]["arguments"]["pattern"].startswith(r"[\w.+-]+@")
