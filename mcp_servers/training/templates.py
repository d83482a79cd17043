"""Rows as token ids: prompt templates, and which tokens the loss counts (chapters 9.5, 10.7).

Every template is a chat template in Jinja, so that what was trained with one can be published
with it (`tokenizer.chat_template`), and prompts at answering time are the prompts of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.training.rows import Message, Row

Template = Literal["auto", "chat", "gemma", "llama3", "chatml", "plain"]
LossOn = Literal["answer", "all"]
IGNORED = -100
MIN_LENGTH = 8

# The textbook's 9.5, its empty lines included; a system text stands before the instruction.
_GEMMA = """{% set ns = namespace(system='', first=true) %}\
{% for message in messages %}{% if message['role'] == 'system' %}\
{% set ns.system = message['content'] + '\\n\\n' %}{% elif message['role'] == 'user' %}\
<start_of_turn>user\n\n{% if ns.first %}{{ ns.system }}Below is an instruction that describes a \
task. Write a response that appropriately completes the request.\n\n{% set ns.first = false %}\
{% endif %}{{ message['content'] }}\n\n<end_of_turn>\n\n{% else %}<start_of_turn>model\n\n\
{{ message['content'] }}\n\n<end_of_turn>{{ eos_token or '' }}\n\n{% endif %}{% endfor %}\
{% if add_generation_prompt %}<start_of_turn>model\n\n{% endif %}"""
_LLAMA3 = """{% for message in messages %}<|start_header_id|>\
{{ message['role'] }}<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>\
{% if message['role'] == 'assistant' and eos_token and eos_token != '<|eot_id|>' %}\
{{ eos_token }}{% endif %}{% endfor %}\
{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"""
# What trl's setup_chat_format gave a base without a template (10.7).
_CHATML = """{% for message in messages %}<|im_start|>{{ message['role'] }}\n\
{{ message['content'] }}<|im_end|>\
{% if message['role'] == 'assistant' and eos_token and eos_token != '<|im_end|>' %}\
{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"""
_PLAIN = """{% for message in messages %}\
{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token or '' }}{% endif %}\
{{ '\\n' }}\
{% endfor %}"""
_SOURCES = {"gemma": _GEMMA, "llama3": _LLAMA3, "chatml": _CHATML, "plain": _PLAIN}
_MARKS = {"gemma": "<start_of_turn>", "llama3": "<|start_header_id|>", "chatml": "<|im_start|>"}


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
    lengths: list[int] = field(default_factory=list)  # tokens of each row before any cut


def named(tokenizer: Any, template: Template = "auto") -> Template:
    """The template that `auto` stands for: the base's own, or the one whose marks it knows."""
    if template not in get_args(Template):
        known = ", ".join(get_args(Template))
        raise EngineError(f"There is no template {template!r}. Choose from: {known}.")
    if template == "chat" and not tokenizer.chat_template:
        raise EngineError(
            "This base has no chat template of its own. Choose template=gemma, llama3, chatml or "
            "plain."
        )
    if template != "auto":
        return template
    if tokenizer.chat_template:
        return "chat"
    vocabulary = tokenizer.get_vocab()
    for name, mark in _MARKS.items():
        if mark in vocabulary:
            return name  # type: ignore[return-value]
    return "plain"


def chat_template(tokenizer: Any, template: Template = "auto") -> str:
    """The Jinja source of a template; set it as `tokenizer.chat_template` to publish it."""
    name = named(tokenizer, template)
    if name == "chat":
        own: str = tokenizer.chat_template
        return own
    begins = tokenizer.bos_token_id is not None and (
        tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    )
    return "{{ bos_token }}" * begins + _SOURCES[name]


def prompt_ids(
    messages: Sequence[Message], tokenizer: Any, template: Template = "auto"
) -> list[int]:
    """The ids after which the model is to answer, exactly as training saw them."""
    source = chat_template(tokenizer, template)
    text = _rendered(messages, tokenizer, source, True)
    starts = []
    for at, turn in enumerate(messages):
        if turn["role"] == "assistant":
            start, end = _span(messages, at, tokenizer, source)
            until = _rendered(messages[: at + 1], tokenizer, source, False)[:end]
            if text.startswith(until):
                starts.append(start)
    return _ids_from(text, starts, tokenizer)[0]


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
    if max_length < MIN_LENGTH:
        raise EngineError(f"max_length is at least {MIN_LENGTH}, not {max_length}.")
    if loss_on not in get_args(LossOn):
        raise EngineError(f"loss_on is answer or all, not {loss_on!r}.")
    source = chat_template(tokenizer, template)
    done = Encoded()
    for row in rows:
        if row.shape == "text":
            ids = text_ids(row.text, tokenizer)
            done.lengths.append(len(ids))
            for start in range(0, len(ids), max_length):
                block = ids[start : start + max_length]
                done.examples.append({"input_ids": block, "labels": list(block)})
            continue
        pieces = [
            _labelled(text, spans, tokenizer) for text, spans in marked(row, tokenizer, source)
        ]
        done.lengths.append(max(len(piece["input_ids"]) for piece in pieces))
        done.truncated += done.lengths[-1] > max_length
        kept = 0
        for piece in pieces:
            labels = piece["labels"] if loss_on == "answer" else list(piece["input_ids"])
            if any(label != IGNORED for label in piece["labels"][:max_length]):
                kept += 1
                done.examples.append(
                    {"input_ids": piece["input_ids"][:max_length], "labels": labels[:max_length]}
                )
        done.dropped += not kept
    return done


def text_ids(text: str, tokenizer: Any) -> list[int]:
    """A text's ids with the tokens that the base puts around one, its end always marked."""
    ids: list[int] = tokenizer(text)["input_ids"]
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def marked(row: Row, tokenizer: Any, source: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """A conversation as text, with the spans of characters that the assistant is to learn.

    One piece, unless the template changes earlier turns when later ones come (some leave out what
    was thought); then a piece for each assistant turn.
    """
    whole = _rendered(row.messages, tokenizer, source, False)
    answers = [at for at, turn in enumerate(row.messages) if turn["role"] == "assistant"]
    spans: list[tuple[int, int]] = []
    for at in answers:
        span = _span(row.messages, at, tokenizer, source)
        until = _rendered(row.messages[: at + 1], tokenizer, source, False)
        if not whole.startswith(until[: span[1]]):
            break
        spans.append(span)
    if len(spans) == len(answers):
        return [(whole, spans)]
    pieces = []
    for at in answers:
        text = _rendered(row.messages[: at + 1], tokenizer, source, False)
        pieces.append((text, [_span(row.messages, at, tokenizer, source)]))
    return pieces


def _span(messages: Sequence[Message], at: int, tokenizer: Any, source: str) -> tuple[int, int]:
    """Where the answer `at` stands, its end-of-turn token included, in the text up to it."""
    prompt = _rendered(messages[:at], tokenizer, source, True)
    until = _rendered(messages[: at + 1], tokenizer, source, False)
    if not until.startswith(prompt):
        raise EngineError(
            "The base's chat template does not put the answer after the prompt, so that the loss "
            "cannot be kept to answers. Choose template=chatml, gemma, llama3 or plain."
        )
    return len(prompt), len(until.rstrip())


def _rendered(messages: Sequence[Message], tokenizer: Any, source: str, answering: bool) -> str:
    try:
        text: str = tokenizer.apply_chat_template(
            list(messages),
            chat_template=source,
            tokenize=False,
            add_generation_prompt=answering,
        )
    except Exception as error:  # templates raise what they like: no system turn, wrong order ...
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"The chat template refuses a conversation ({reason}). Choose another template: "
            "chatml, gemma, llama3 or plain."
        ) from None
    return text


def _labelled(text: str, spans: Sequence[tuple[int, int]], tokenizer: Any) -> Example:
    """Ids of a text, labelled where they stand in one of the spans."""
    ids, offsets = _ids_from(text, [start for start, _ in spans], tokenizer)
    labels = [IGNORED] * len(ids)
    at = 0
    for number, (start, _) in enumerate(offsets):
        while at < len(spans) and start >= spans[at][1]:
            at += 1
        if at < len(spans) and start >= spans[at][0]:
            labels[number] = ids[number]
    return {"input_ids": ids, "labels": labels}


def _ids_from(
    text: str, starts: Sequence[int], tokenizer: Any
) -> tuple[list[int], list[tuple[int, int]]]:
    """Ids and offsets of a text in which answers start at these places.

    The ids before an answer are those of the prompt alone, since that is what the model sees when
    it is to answer: where the tokenizer would join the two, they are tokenised apart.
    """
    ids, offsets = _ids(text, tokenizer)
    if all(
        _ids(text[:start], tokenizer)[0] == ids[: sum(begin < start for begin, _ in offsets)]
        for start in starts
    ):
        return ids, offsets
    ids, offsets = [], []
    for begin, end in pairwise([0, *starts, len(text)]):
        piece, places = _ids(text[begin:end], tokenizer)
        ids += piece
        offsets += [(begin + start, begin + stop) for start, stop in places]
    return ids, offsets


def _ids(text: str, tokenizer: Any) -> tuple[list[int], list[tuple[int, int]]]:
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return found["input_ids"], found["offset_mapping"]


def encode_labels(
    rows: Sequence[Row], tokenizer: Any, names: Sequence[str], max_length: int = 512
) -> tuple[list[dict[str, Any]], int]:
    """Rows of shape label as {"input_ids", "labels": index into names}, and how many were cut."""
    examples, cut = [], 0
    index = {name: number for number, name in enumerate(names)}
    for row in rows:
        if row.label not in index:
            raise EngineError(
                f"{row.file}, line {row.line}: the label {row.label!r} is none of "
                f"{', '.join(names)}. Mend the row, or name all labels."
            )
        ids = tokenizer(row.text)["input_ids"]
        cut += len(ids) > max_length
        examples.append({"input_ids": ids[:max_length], "labels": index[row.label]})
    return examples, cut


def preference_records(rows: Sequence[Row]) -> list[dict[str, list[Message]]]:
    """Rows of shape preference as trl's DPOTrainer takes them: prompt, chosen, rejected."""
    return [
        {
            "prompt": list(row.messages),
            "chosen": [{"role": "assistant", "content": row.chosen}],
            "rejected": [{"role": "assistant", "content": row.rejected}],
        }
        for row in rows
    ]
