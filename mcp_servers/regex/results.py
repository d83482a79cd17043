"""What the tools return: the exact shapes behind each tool's output schema."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

Language = Literal["ko", "en"]
Verdict = Literal["safe", "polynomial", "exponential", "unknown"]


class Match(TypedDict):
    """One match. `start` and `end` count characters from 0; groups that took no part are null."""

    text: str
    start: int
    end: int
    groups: list[str | None]
    named: dict[str, str | None]


class Matches(TypedDict):
    """All matches. `count` counts every one, also those that `truncated` left out."""

    pattern: str
    count: int
    matches: list[Match]
    truncated: bool
    note: str | None


class OneMatch(TypedDict):
    """The first match or null."""

    pattern: str
    matched: bool
    match: Match | None
    note: str | None


class Replaced(TypedDict):
    """The new text, and how many replacements made it."""

    pattern: str
    text: str
    count: int


class Parts(TypedDict):
    """The pieces between the matches, with captured groups between them as `re.split` has it."""

    pattern: str
    parts: list[str | None]


class ExplainedPart(TypedDict):
    """A piece of the pattern. The pieces of one depth, joined, give the text one level up."""

    text: str
    meaning: str
    depth: int


class Explanation(TypedDict):
    """A pattern in words: one sentence, then piece by piece."""

    pattern: str
    summary: str
    parts: list[ExplainedPart]


class Timing(TypedDict):
    """CPU time of one call on an attack string of `length` characters."""

    length: int
    seconds: float


class Check(TypedDict):
    """How the time of a pattern grows on its worst input, as measured.

    `attack` is a string that was run, `attack_code` the same as a short Python expression.
    `rewrite` is a pattern that the same check finds safe and that did the same on generated texts.
    """

    pattern: str
    verdict: Verdict
    reason: str
    attack: str | None
    attack_code: str | None
    growth: list[Timing]
    rewrite: str | None
    rewrite_note: str


class Verified(TypedDict):
    """One text, whether it should match as a whole, and whether it does."""

    text: str
    expected: bool
    matched: bool


class Verification(TypedDict):
    """Passed means that every example matches and no counter-example does."""

    pattern: str
    passed: bool
    results: list[Verified]
