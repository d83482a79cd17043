"""`dure ask` with the real model: the JSON contract, pipes, conversations, languages."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.conftest import Dure

pytestmark = pytest.mark.slow


def exactly(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def listed(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT: dict[str, Any] = {"type": "string"}
SECONDS: dict[str, Any] = {"type": "number", "minimum": 0}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}

# "The contract of `dure ask --json`" in the design, word for word.
CONTRACT = exactly(
    answer={"type": "string", "minLength": 1},
    agent=TEXT,
    pattern=TEXT,
    model=TEXT,
    thread={"type": "string", "minLength": 1},
    seconds=SECONDS,
    route={
        **exactly(
            agent=TEXT,
            stage={"enum": ["rule", "examples", "model", "asked", "fixed"]},
            confidence=SHARE,
            reason={"type": "string", "minLength": 1},
        ),
        "required": ["stage", "confidence", "reason"],
    },
    steps=listed(
        exactly(
            agent=TEXT,
            server=TEXT,
            tool=TEXT,
            arguments={"type": "object"},
            ok={"type": "boolean"},
            result={},
            seconds=SECONDS,
        )
    ),
    citations=listed(
        exactly(
            n={"type": "integer", "minimum": 1},
            source=TEXT,
            page={"type": ["integer", "null"]},
            quote=TEXT,
        )
    ),
    artifacts=listed(TEXT),
    tokens=exactly(prompt=COUNT, completion=COUNT),
)


def ask(dure: Dure, *words: str, **more: Any) -> dict[str, Any]:
    """One JSON answer; standard output must hold it and nothing else."""
    done = dure("ask", "--json", *words, **more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    answer: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(answer, CONTRACT)
    return answer


def test_a_regex_request_answers_with_its_steps(large: Dure) -> None:
    done = large("ask", "--json", r"find every match of \d+ in 'a1 b22 c333'")
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, CONTRACT)
    assert (answer["agent"], answer["model"], answer["pattern"]) == ("regex", "embedded", "router")
    step = answer["steps"][-1]
    assert (step["server"], step["ok"]) == ("regex", True)
    assert [match["text"] for match in step["result"]["matches"]] == ["1", "22", "333"]
    assert "22" in answer["answer"]
    assert answer["tokens"]["prompt"] > 100
    assert answer["tokens"]["completion"] > 0
    assert "→ regex" in done.stderr
    assert "✓ regex.findall" in done.stderr
    assert "\x1b[" not in done.stderr


def test_a_metrics_request_in_korean_is_computed_and_answered_in_korean(small: Dure) -> None:
    answer = ask(small, "TP 40, FP 10, FN 10일 때 정밀도는?")
    assert answer["agent"] == "metrics"
    assert answer["steps"][-1]["result"]["precision"] == pytest.approx(0.8)
    assert "0.8" in answer["answer"]
    assert "정밀도" in answer["answer"]


def test_a_chat_request_needs_no_tool(small: Dure) -> None:
    answer = ask(small, "hello, who are you?")
    assert (answer["agent"], answer["steps"], answer["citations"]) == ("chat", [], [])
    assert answer["model"] == "embedded:small"


def test_a_korean_request_is_answered_in_korean(small: Dure) -> None:
    answer = ask(small, "--agent", "chat", "대한민국의 수도를 한 문장으로 알려줘")
    hangul = [char for char in answer["answer"] if "가" <= char <= "힣"]
    assert len(hangul) > 5


def test_a_fixed_agent_answers_alone(small: Dure) -> None:
    answer = ask(small, "--agent", "metrics", "tp 8 fp 2 fn 0, what is the recall?")
    assert (answer["agent"], answer["route"]["stage"]) == ("metrics", "fixed")
    assert answer["pattern"] == "single"
    assert {step["server"] for step in answer["steps"]} == {"metrics"}


def test_without_json_the_answer_alone_is_on_standard_output(small: Dure) -> None:
    done = small("ask", "--agent", "chat", "Say hello.")
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "→ chat" not in done.stdout
    assert "→ chat  (fixed, 1.00: chosen by you)" in done.stderr


@pytest.mark.parametrize("words", [(), ("-",)])
def test_the_request_may_come_from_standard_input(words: tuple[str, ...], small: Dure) -> None:
    answer = ask(small, "--agent", "chat", "--thread", "piped", *words, stdin="인사해 줘.\n")
    assert answer["thread"] == "piped"
    again = small("chat", "--thread", "piped", stdin="/export out.md\n")
    assert again.returncode == 0
    assert "## 인사해 줘." in (small.cwd / "out.md").read_text(encoding="utf-8")


def test_standard_input_is_appended_to_the_request(small: Dure) -> None:
    ask(small, "--agent", "chat", "--thread", "t", "Repeat:", "-", stdin=b"alpha \xff beta\n")
    small("chat", "--thread", "t", stdin="/export out.md\n")
    exported = (small.cwd / "out.md").read_text(encoding="utf-8")
    assert "## Repeat:\n\nalpha \ufffd beta" in exported


def test_a_conversation_goes_on_by_its_name(small: Dure) -> None:
    first = ask(small, "--agent", "chat", "--thread", "cats", "My cat is called Nabi. Say OK.")
    second = ask(small, "--agent", "chat", "--thread", "cats", "What is my cat called?")
    assert first["thread"] == second["thread"] == "cats"
    assert "nabi" in second["answer"].lower()
    other = ask(small, "--agent", "chat", "What is my cat called?")
    assert other["thread"] != "cats"
    assert "nabi" not in other["answer"].lower()


def test_a_draft_of_a_file_that_names_nobodys_home_is_answered(small: Dure) -> None:
    """Words that look like paths but are none must not end the request."""
    answer = ask(small, "--agent", "chat", "~nobody.txt " + "x" * 300 + ".y / . 안녕?")
    assert answer["agent"] == "chat"


def test_a_question_about_documents_before_there_are_any_says_how_to_add_them(small: Dure) -> None:
    answer = ask(small, "--agent", "rag", "교재에서 LoRA를 어떻게 설명해?")
    assert answer["answer"].startswith("아직 색인된 문서가 없습니다.")
    assert answer["steps"][0]["result"]["searched"]["documents"] == 0
