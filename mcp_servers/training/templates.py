"""Rows as token ids: prompt templates, and which tokens the loss counts (chapters 9.5, 10.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import TypedDict

from mcp_servers.training.rows import Message, Row

Template = Literal["auto", "chat", "gemma", "llama3", "chatml", "plain"]
LossOn = Literal["answer", "all"]
IGNORED = -100


class Example(TypedDict):
    """Token ids, and the same ids as labels, `IGNORED` where no loss is wanted."""

    input_ids: list[int]
    labels: list[int]


@dataclass
class Encoded:
    """Examples, and what became of rows that did not fit."""

    examples: list[Example] = field(default_factory=list)
    truncated: int = 0  # rows whose end was cut off
    dropped: int = 0  # rows of whose answer nothing was left within max_length


def chat_template(tokenizer: Any, template: Template = "auto") -> str:
    """The Jinja source of a template; set it as `tokenizer.chat_template` to publish it."""
    raise NotImplementedError


def prompt_ids(messages: Sequence[Message], tokenizer: Any, template: Template) -> list[int]:
    """The ids after which the model is to answer, exactly as training saw them."""
    raise NotImplementedError


def encode(
    rows: Sequence[Row],
    tokenizer: Any,
    template: Template = "auto",
    max_length: int = 512,
    loss_on: LossOn = "answer",
) -> Encoded:
    """Rows of shape conversation and text as examples for a causal model.

    The loss counts every assistant turn with its end-of-turn token, or everything. A text longer
    than `max_length` becomes several examples.
    """
    raise NotImplementedError


def encode_labels(
    rows: Sequence[Row], tokenizer: Any, names: Sequence[str], max_length: int = 512
) -> tuple[list[dict[str, Any]], int]:
    """Rows of shape label as {"input_ids", "labels": index into names}, and how many were cut."""
    raise NotImplementedError


def preference_records(rows: Sequence[Row]) -> list[dict[str, list[Message]]]:
    """Rows of shape preference as trl's DPOTrainer takes them: prompt, chosen, rejected."""
    raise NotImplementedError
