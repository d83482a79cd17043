"""The schema that a small model must follow, and its reply read back as it streams in."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import jsonschema
import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from agents.constrained import GIVEN, ReplyReader, describe_tools, reply_schema


class Mode(StrEnum):
    FAST = "fast"
    EXACT = "exact"


class Span(BaseModel):
    start: int
    end: int


class Note(BaseModel):
    """Write a note."""

    title: str = Field(description="its title")
    default: str = ""
    mode: Mode = Mode.FAST
    spans: list[Span] = []
    within: Span | None = None


NOTE = convert_to_openai_tool(Note)["function"]
SEARCH: dict[str, Any] = {
    "name": "search",
    "description": "Find  text\nin documents.",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "top": {"type": "integer"},
            "kinds": {"type": "array", "items": {"enum": ["pdf", "한글"]}},
        },
        "required": ["query"],
    },
}
PING: dict[str, Any] = {"name": "ping", "description": "Say pong."}
TOOLS = [SEARCH, NOTE, PING]
CALL = {"tool": "search", "arguments": {"query": "두레"}}
ANSWER = {"answer": "done"}


def accepts(schema: dict[str, Any], reply: Any) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(reply))


@pytest.mark.parametrize("choice", [None, "auto"])
def test_a_reply_is_a_call_of_a_bound_tool_or_an_answer(choice: str | None) -> None:
    schema = reply_schema(TOOLS, choice)
    assert accepts(schema, CALL)
    assert accepts(schema, ANSWER)
    assert not accepts(schema, {"tool": "unknown", "arguments": {}})
    assert not accepts(schema, {"tool": "search", "arguments": {}})
    assert not accepts(schema, {"tool": "search", "arguments": {"query": "x", "other": 1}})
    assert not accepts(schema, {**CALL, **ANSWER})


@pytest.mark.parametrize("choice", ["any", "required"])
def test_a_required_tool_leaves_no_answer(choice: str) -> None:
    schema = reply_schema(TOOLS, choice)
    assert accepts(schema, CALL)
    assert accepts(schema, {"tool": "ping", "arguments": {}})
    assert not accepts(schema, ANSWER)


def test_a_named_tool_leaves_only_that_tool() -> None:
    schema = reply_schema(TOOLS, "ping")
    assert accepts(schema, {"tool": "ping", "arguments": {}})
    assert not accepts(schema, CALL)
    assert not accepts(schema, ANSWER)


def test_a_tool_without_parameters_takes_none() -> None:
    assert not accepts(reply_schema([PING], "ping"), {"tool": "ping", "arguments": {"x": 1}})


def test_settled_arguments_are_not_written() -> None:
    schema = reply_schema(TOOLS, "search", {"search": ["query", "top"]})
    assert accepts(schema, {"tool": "search", "arguments": {"query": GIVEN}})
    assert not accepts(schema, {"tool": "search", "arguments": {"query": GIVEN, "top": 3}})
    assert not accepts(schema, CALL)
    assert accepts(reply_schema(TOOLS, "any", {"ping": []}), CALL)


def test_references_are_written_out_where_they_stand() -> None:
    schema = reply_schema([NOTE], "any")
    assert "$ref" not in json.dumps(schema) and "$defs" not in json.dumps(schema)
    spans = [{"start": 1, "end": 2}]
    arguments = {"title": "a", "mode": "exact", "spans": spans, "within": spans[0]}
    assert accepts(schema, {"tool": "Note", "arguments": arguments})
    assert not accepts(schema, {"tool": "Note", "arguments": {**arguments, "mode": "slow"}})
    assert not accepts(schema, {"tool": "Note", "arguments": {**arguments, "spans": [{"end": 2}]}})


def test_arguments_that_are_called_title_or_default_are_arguments() -> None:
    schema = reply_schema([NOTE], "any")
    arguments = schema["anyOf"][0]["properties"]["arguments"]
    assert list(arguments["properties"]) == ["title", "default", "mode", "spans", "within"]
    assert arguments["properties"]["title"]["description"] == "its title"
    assert accepts(schema, {"tool": "Note", "arguments": {"title": "a", "default": "b"}})


def test_a_schema_that_contains_itself_still_ends() -> None:
    """A foreign server's tool may take a tree; its depths are then not checked."""
    tree = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        },
        "required": ["name"],
    }
    tool = {
        "name": "plant",
        "parameters": {
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/tree"}},
            "required": ["tree"],
            "$defs": {"tree": tree},
        },
    }
    schema = reply_schema([tool], "any")
    leaf = {"name": "leaf"}
    root = {"name": "root", "children": [{"name": "branch", "children": [leaf]}]}
    assert accepts(schema, {"tool": "plant", "arguments": {"tree": root}})
    assert not accepts(schema, {"tool": "plant", "arguments": {"tree": {"children": []}}})
    assert describe_tools([tool])


def test_definitions_of_older_drafts_are_found() -> None:
    tool = {
        "name": "measure",
        "parameters": {
            "type": "object",
            "properties": {"unit": {"$ref": "#/definitions/unit"}},
            "required": ["unit"],
            "definitions": {"unit": {"enum": ["m", "km"]}},
        },
    }
    schema = reply_schema([tool], "any")
    assert accepts(schema, {"tool": "measure", "arguments": {"unit": "km"}})
    assert not accepts(schema, {"tool": "measure", "arguments": {"unit": "mile"}})
    assert '- measure(unit: "m"|"km"): ' in describe_tools([tool])


def test_the_tools_own_schema_is_not_changed() -> None:
    before = json.dumps(NOTE)
    reply_schema([NOTE], "any")
    assert json.dumps(NOTE) == before


def test_tools_are_described_in_one_line_each_with_their_types() -> None:
    lines = describe_tools(TOOLS).splitlines()
    assert lines[1] == (
        '- search(query: string, top?: integer, kinds?: ["pdf"|"한글"]): Find text in documents.'
    )
    assert lines[2].startswith("- Note(title: string, default?: string, mode?: ")
    assert lines[3] == "- ping(): Say pong."


def test_referenced_types_are_described_too() -> None:
    described = describe_tools([NOTE])
    assert '"fast"|"exact"' in described
    assert "any" not in described.splitlines()[1]


def read(reply: str, size: int = 1) -> tuple[str, Any, list[str]]:
    reader = ReplyReader()
    shown = [reader.feed(reply[i : i + size]) for i in range(0, len(reply), size)]
    return "".join(shown), reader.tool_call(), shown


TEXTS = [
    "plain",
    "두레는 품앗이입니다. 여러 사람이 함께 일해요 🌾.",
    'quotes "so", a slash / and a line\nand a tab\t.',
    r"back\slashes: \d+ and \\ and C:\users\u0041",
    "emoji 😀👨‍👩‍👧 and 𝒳",
    "",
    "\\",
    'ends in a quote"',
    "\x01control\x7f",
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_streams_decoded_whatever_the_pieces(
    text: str, ascii_only: bool, size: int
) -> None:
    """With `ascii_only` every Korean letter is a \\uXXXX escape and every emoji a pair of them."""
    shown, call, _ = read(json.dumps({"answer": text}, ensure_ascii=ascii_only), size)
    assert shown == text
    assert call is None


def test_each_letter_is_shown_as_soon_as_it_is_whole() -> None:
    pieces = ['{"answer": "', "두", "레", r"\u", "d83d", r"\ude", "00", r"\\", "d", '"}']
    reader = ReplyReader()
    assert [reader.feed(piece) for piece in pieces] == [
        *["", "두", "레", "", "", "", "😀", "\\", "d", ""]
    ]


def test_half_a_surrogate_pair_never_reaches_the_terminal() -> None:
    for reply in (r'{"answer": "a\ud83d b"}', r'{"answer": "a\ude00 b"}', r'{"answer": "a\ud83d"}'):
        shown, _, _ = read(reply)
        assert shown.startswith("a")
        shown.encode("utf-8")


def test_spaces_and_lines_between_the_tokens_do_not_matter() -> None:
    assert read('\n { "answer" :\n "hello" }\n')[0] == "hello"


def test_raw_line_breaks_inside_an_answer_are_kept() -> None:
    assert read('{"answer": "one\ntwo"}')[0] == "one\ntwo"


@pytest.mark.parametrize("cut", range(len('{"answer": "두레 \\ud83d')))
def test_a_cut_off_answer_shows_what_came(cut: int) -> None:
    reply = '{"answer": "두레 \\ud83d\\ude00"}'[:cut]
    shown, call, _ = read(reply)
    assert "두레 ".startswith(shown)
    assert call is None


def test_a_tool_call_shows_nothing_and_is_read_at_the_end() -> None:
    arguments = {"query": '"두레"\n', "kinds": ["pdf"]}
    shown, call, _ = read(json.dumps({"tool": "search", "arguments": arguments}))
    assert shown == ""
    assert call["name"] == "search"
    assert json.loads(call["args"]) == arguments
    assert call["id"].startswith("call_")


def test_calls_have_ids_of_their_own() -> None:
    ids = {read(json.dumps(CALL))[1]["id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("cut", [0, 1, 10, 25, -1])
def test_a_cut_off_call_is_no_call(cut: int) -> None:
    assert read(json.dumps(CALL)[:cut])[1] is None


def test_a_tool_argument_with_half_a_surrogate_pair_can_be_sent() -> None:
    _, call, _ = read(r'{"tool": "search", "arguments": {"query": "a\ud83d"}}')
    json.dumps(json.loads(call["args"]), ensure_ascii=False).encode("utf-8")
