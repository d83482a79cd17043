"""Make a conversation fit a context: a too-long one never fails (chapter 13.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

ChatMessage = dict[str, str]  # {"role", "content"} as chat templates take them
Count = Callable[[Sequence[ChatMessage]], int]
_SHORT = 200  # characters: a message that is not cut while a longer one, or the system's, is there


def fit(messages: list[ChatMessage], count: Count, limit: int) -> list[ChatMessage]:
    """The messages that fit `limit` tokens: system first, then as many latest turns as fit.

    Whole turns (a user message and what follows it) are left out, oldest first. If the last
    turn alone is too long, the middle of its longest message is cut, with a mark in its place;
    the system prompt is cut last. A tool's result has the role "tool": it belongs to the turn.
    """
    if _certainly_fits(messages, limit) or count(messages) <= limit:
        return messages
    system = [message for message in messages if message["role"] == "system"]
    turns: list[list[ChatMessage]] = []
    for message in messages:
        if message["role"] == "system":
            continue
        if message["role"] == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    while len(turns) > 1 and count(system + _flat(turns)) > limit:
        turns.pop(0)
    kept = system + _flat(turns)
    while (excess := count(kept) - limit) > 0 and any(message["content"] for message in kept):
        kept = _cut_longest(kept, excess, count)
    return kept


def _certainly_fits(messages: list[ChatMessage], limit: int) -> bool:
    """A token is at least one byte, and a template adds less than 16 tokens a message."""
    return sum(len(message["content"].encode()) + 16 for message in messages) <= limit


def _flat(turns: list[list[ChatMessage]]) -> list[ChatMessage]:
    return [message for turn in turns for message in turn]


def _cut_longest(messages: list[ChatMessage], excess: int, count: Count) -> list[ChatMessage]:
    def worth_cutting(place: int) -> tuple[bool, int]:
        length = len(messages[place]["content"])
        return length > _SHORT and messages[place]["role"] != "system", length

    place = max(range(len(messages)), key=worth_cutting)
    text = messages[place]["content"]
    tokens = max(1, count([messages[place]]))
    keep = min(int(len(text) * (1 - excess / tokens)) - 80, len(text) // 2 + len(text) // 3)
    half = max(0, keep // 2)
    left_out = len(text) - 2 * half
    cut = f"{text[:half]}\n[... {left_out:,} characters left out ...]\n{text[len(text) - half :]}"
    changed = list(messages)
    changed[place] = {**messages[place], "content": cut if len(cut) < len(text) else text[:half]}
    return changed
