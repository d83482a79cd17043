"""Templates and the loss mask, with a real tokenizer of bytes."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import templates
from mcp_servers.training.rows import Row
from mcp_servers.training.templates import IGNORED, Example
from tests.mcp_servers.training_bytes import byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


def conversation(*contents: str, system: str = "") -> Row:
    roles = ("user", "assistant")
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": roles[at % 2], "content": said} for at, said in enumerate(contents)]
    return Row("conversation", "f", 1, messages=tuple(messages))  # type: ignore[arg-type]


def trained(tokenizer: Any, example: Example) -> list[str]:
    """The trained runs of tokens, as text."""
    runs: list[list[int]] = [[]]
    for token, label in zip(example["input_ids"], example["labels"], strict=True):
        assert label in (token, IGNORED)
        if label == IGNORED:
            runs.append([])
        else:
            runs[-1].append(token)
    return [tokenizer.decode(run) for run in runs if run]


def only(tokenizer: Any, row: Row, **settings: Any) -> Example:
    (example,) = templates.encode([row], tokenizer, **settings).examples
    return example


def test_every_assistant_turn_is_trained_with_its_end_and_nothing_else(tokenizer: Any) -> None:
    row = conversation("안녕", "네", "둘은?", "two", system="비서")
    example = only(tokenizer, row)
    assert tokenizer.decode(example["input_ids"]) == (
        "<|im_start|>system\n비서<|im_end|>\n<|im_start|>user\n안녕<|im_end|>\n"
        "<|im_start|>assistant\n네<|im_end|>\n<|im_start|>user\n둘은?<|im_end|>\n"
        "<|im_start|>assistant\ntwo<|im_end|>\n"
    )
    assert trained(tokenizer, example) == ["네<|im_end|>", "two<|im_end|>"]
    everything = only(tokenizer, row, loss_on="all")
    assert everything["labels"] == everything["input_ids"] == example["input_ids"]


@pytest.mark.parametrize(
    ("template", "text", "answer"),
    [
        (
            "gemma",
            "<start_of_turn>user\n\nBelow is an instruction that describes a task. Write a "
            "response that appropriately completes the request.\n\n서울은?\n\n<end_of_turn>\n\n"
            "<start_of_turn>model\n\n수도\n\n<end_of_turn><|im_end|>\n\n",
            "수도\n\n<end_of_turn><|im_end|>",
        ),
        (
            "llama3",
            "<|start_header_id|>user<|end_header_id|>\n\n서울은?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n수도<|eot_id|><|im_end|>",
            "수도<|eot_id|><|im_end|>",
        ),
        (
            "chatml",
            "<|im_start|>user\n서울은?<|im_end|>\n<|im_start|>assistant\n수도<|im_end|>\n",
            "수도<|im_end|>",
        ),
        ("plain", "서울은?\n수도<|im_end|>\n", "수도<|im_end|>"),
    ],
)
def test_each_template_is_written_as_documented(
    tokenizer: Any, template: templates.Template, text: str, answer: str
) -> None:
    example = only(tokenizer, conversation("서울은?", "수도"), template=template)
    assert tokenizer.decode(example["input_ids"]) == text
    assert trained(tokenizer, example) == [answer]


@pytest.mark.parametrize("template", ["chat", "gemma", "llama3", "chatml", "plain"])
def test_the_prompt_of_answering_is_the_prompt_of_training(
    tokenizer: Any, template: templates.Template
) -> None:
    row = conversation("안녕", " 네", "둘은?", " two")
    example = only(tokenizer, row, template=template)
    prompt = templates.prompt_ids(row.messages[:-1], tokenizer, template)
    assert example["input_ids"][: len(prompt)] == prompt
    assert example["labels"][len(prompt)] != IGNORED
    assert example["labels"][len(prompt) - 1] == IGNORED


def test_a_published_template_writes_what_training_wrote(tokenizer: Any) -> None:
    other = byte_tokenizer(chat_template=templates.chat_template(tokenizer, "gemma"))
    row = conversation("q", "a")
    assert only(other, row, template="chat") == only(tokenizer, row, template="gemma")


def test_auto_takes_the_bases_own_template_else_the_one_whose_marks_it_knows(
    tokenizer: Any,
) -> None:
    assert templates.named(tokenizer) == "chat"
    bare = byte_tokenizer(chat_template=None)
    assert templates.named(bare) == "chatml"
    with pytest.raises(EngineError, match=r"no chat template.*gemma"):
        templates.named(bare, "chat")
    with pytest.raises(EngineError, match="Choose from: auto, chat"):
        templates.named(bare, "mistral")  # type: ignore[arg-type]


def test_what_is_cut_and_what_is_lost_is_counted(tokenizer: Any) -> None:
    rows = [conversation("q", "a"), conversation("q", "b" * 300), conversation("c" * 300, "d")]
    encoded = templates.encode(rows, tokenizer, max_length=64)
    assert (len(encoded.examples), encoded.truncated, encoded.dropped) == (2, 2, 1)
    assert [len(example["input_ids"]) for example in encoded.examples] == [encoded.lengths[0], 64]
    assert encoded.lengths[1] > 300
    assert all(max(example["labels"]) >= 0 for example in encoded.examples)
    for wrong in ({"max_length": 3}, {"loss_on": "nothing"}):
        with pytest.raises(EngineError):
            templates.encode(rows, tokenizer, **wrong)  # type: ignore[arg-type]


def test_a_long_text_becomes_several_examples_and_loses_nothing(tokenizer: Any) -> None:
    encoded = templates.encode([Row("text", "f", 1, text="가나다" * 40)], tokenizer, max_length=100)
    assert encoded.truncated == encoded.dropped == 0
    ids = [token for example in encoded.examples for token in example["input_ids"]]
    assert tokenizer.decode(ids) == "가나다" * 40 + "<|im_end|>"
    assert all(example["labels"] == example["input_ids"] for example in encoded.examples)
    assert [len(example["input_ids"]) for example in encoded.examples] == [100, 100, 100, 61]


def test_a_template_that_forgets_earlier_thoughts_gives_an_example_a_turn() -> None:
    """As Qwen3's does: only the last answer keeps what was thought."""
    forgetting = byte_tokenizer(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{{ m['content'] if loop.last else m['content'].split('</think>')[-1] }}<|im_end|>"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    row = conversation("q", "<think>x</think>a", "r", "<think>y</think>b")
    examples = templates.encode([row], forgetting).examples
    assert [trained(forgetting, example) for example in examples] == [
        ["<think>x</think>a<|im_end|>"],
        ["<think>y</think>b<|im_end|>"],
    ]


def test_a_template_that_refuses_a_conversation_is_one_clear_line() -> None:
    strict = byte_tokenizer("{{ raise_exception('System role not supported') }}")
    with pytest.raises(EngineError, match=r"System role not supported\). Choose another template"):
        templates.encode([conversation("q", "a")], strict)


def test_labels_are_numbered_and_unknown_ones_refused(tokenizer: Any) -> None:
    rows = [Row("label", "f", n, text="글" * n, label=name) for n, name in enumerate("ab", 1)]
    examples, cut = templates.encode_labels(rows, tokenizer, ["a", "b"], max_length=4)
    assert [example["labels"] for example in examples] == [0, 1]
    assert [len(example["input_ids"]) for example in examples] == [3, 4]
    assert cut == 1
    with pytest.raises(EngineError, match="f, line 2: the label 'b'"):
        templates.encode_labels(rows, tokenizer, ["a"])


def test_preferences_are_written_as_trl_takes_them() -> None:
    row = Row(
        "preference",
        "f",
        1,
        messages=({"role": "user", "content": "q"},),
        chosen="good",
        rejected="bad",
    )
    assert templates.preference_records([row]) == [
        {
            "prompt": [{"role": "user", "content": "q"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
    ]
