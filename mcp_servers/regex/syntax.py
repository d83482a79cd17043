"""The pieces of a pattern with their places, as a tree.

`re` has a parser of its own, but its tree forgets where each piece stood and drops what does not
match anything (comments, group syntax). This one reads patterns that `re` has already accepted,
so it checks nothing. It follows CPython's `re/_parser.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mcp_servers.errors import EngineError

Kind = Literal[
    "literal", "any", "class", "category", "anchor", "backreference", "bar", "ignored", "flags",
    "capture", "group", "atomic", "scoped", "condition",
    "lookahead", "not_lookahead", "lookbehind", "not_lookbehind",
]  # fmt: skip
Mode = Literal["greedy", "lazy", "possessive"]

DEEPEST = 80  # groups within groups; people do not read further, and recursion stays cheap
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?!\})(?P<low>\d*)(?:(?P<comma>,)(?P<high>\d*))?\})[?+]?")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}"
    r"|0[0-7]{0,2}|[1-3][0-7]{2}|[1-9][0-9]?|.)",
    re.S,
)
_OPENINGS: tuple[tuple[str, Kind], ...] = (
    (r"\(\?P<(?P<name>[^>]+)>", "capture"),
    (r"\(\?:", "group"),
    (r"\(\?>", "atomic"),
    (r"\(\?=", "lookahead"),
    (r"\(\?!", "not_lookahead"),
    (r"\(\?<=", "lookbehind"),
    (r"\(\?<!", "not_lookbehind"),
    (r"\(\?\((?P<name>[^)]+)\)", "condition"),
    (r"\(\?(?P<name>[a-zA-Z]*(?:-[a-zA-Z]+)?):", "scoped"),
    (r"\((?!\?)", "capture"),
)
_FLAGS = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "u": re.U, "x": re.X, "L": re.L}


@dataclass(frozen=True)
class Quantifier:
    """How often a piece repeats; `high` None is without end. `text` is as written."""

    low: int
    high: int | None
    mode: Mode
    text: str


@dataclass
class Piece:
    """One piece of a pattern: `pattern[start:end]`, of which `[start:body_end]` is quantified.

    `name` is a group's name, what a back-reference or condition refers to, or inline flags.
    `number` is a capturing group's. `inside` holds a group's content in order, bars included.
    `flags` are the `re` flags in force at this place.
    """

    kind: Kind
    start: int
    body_end: int
    end: int
    flags: int
    name: str = ""
    number: int = 0
    quantifier: Quantifier | None = None
    inside: list[Piece] = field(default_factory=list)

    def walk(self) -> Iterator[Piece]:
        """This piece and all below it, outermost first."""
        yield self
        for piece in self.inside:
            yield from piece.walk()


def parse(pattern: str, flags: int) -> list[Piece]:
    """The top-level pieces of a valid pattern; joined, their texts are the pattern.

    Raises `EngineError` when groups nest deeper than `DEEPEST`.
    """
    return _Reader(pattern).pieces(flags, depth=0)


def character(escape: str) -> str | None:
    """The character that an escape such as `\\n` or `\\u3131` stands for; None for a category.

    Outside a class `\\b` and `\\1` mean other things; the caller has ruled those out.
    """
    letter = escape[1]
    if letter in "dDsSwW":
        return None
    if letter == "N":
        import unicodedata

        return unicodedata.lookup(escape[3:-1])
    if letter in "xuU":
        return chr(int(escape[2:], 16))
    if letter.isdigit():
        return chr(int(escape[1:], 8))
    controls = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    return controls.get(letter, letter)


def class_items(text: str) -> tuple[bool, list[tuple[str, str | None]]]:
    """A character class taken apart: is it negated, and its items in order.

    An item is (first, last) of a range, (character, character) for a single one, or
    (category escape, None).
    """
    at = 1
    negated = text.startswith("^", at)
    at += negated
    items: list[tuple[str, str | None]] = []
    while at < len(text) - 1:
        escape = _ESCAPE.match(text, at)
        first = text[at] if escape is None else character(escape[0])
        at = at + 1 if escape is None else escape.end()
        if first is None:
            assert escape is not None
            items.append((escape[0], None))
        elif text.startswith("-", at) and at + 1 < len(text) - 1:
            escape = _ESCAPE.match(text, at + 1)
            last = text[at + 1] if escape is None else character(escape[0])
            at = at + 2 if escape is None else escape.end()
            items.append((first, last))
        else:
            items.append((first, first))
    return negated, items


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.groups = 0

    def pieces(self, flags: int, depth: int) -> list[Piece]:
        if depth > DEEPEST:
            raise EngineError(f"Groups nest deeper than {DEEPEST}. Simplify the pattern.")
        found: list[Piece] = []
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            quantifier = self._quantifier()
            if quantifier is not None:
                self._attach(quantifier, found)
                continue
            piece = self._piece(flags, depth)
            if piece.kind == "flags":
                flags |= _bits(piece.name)
            found.append(piece)
        return found

    def _attach(self, quantifier: Quantifier, found: list[Piece]) -> None:
        """Quantify the last piece that matches something; what stood between joins it."""
        while found[-1].kind == "ignored":
            found.pop()
        found[-1].quantifier = quantifier
        found[-1].end = self.at

    def _quantifier(self) -> Quantifier | None:
        match = _QUANTIFIER.match(self.pattern, self.at)
        if match is None:
            return None
        self.at = match.end()
        sign = match[0][0]
        if sign == "{":
            low = int(match["low"] or 0)
            high = low if match["comma"] is None else int(match["high"]) if match["high"] else None
        else:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        suffix = match[0][-1] if len(match[0]) > 1 else ""
        modes: dict[str, Mode] = {"?": "lazy", "+": "possessive"}
        return Quantifier(low, high, modes.get(suffix, "greedy"), match[0])

    def _piece(self, flags: int, depth: int) -> Piece:
        start, sign = self.at, self.pattern[self.at]
        if flags & re.X and sign in " \t\n\r\v\f#":
            match = re.compile(r"(?:[ \t\n\r\v\f]+|#[^\n]*(?:\n|$))+").match(self.pattern, start)
            assert match is not None
            return self._leaf("ignored", match.end(), flags)
        if sign == "\\":
            return self._escape(flags)
        if sign == "[":
            return self._leaf("class", self._class_end(), flags)
        if sign == "(":
            return self._group(flags, depth)
        kinds: dict[str, Kind] = {".": "any", "^": "anchor", "$": "anchor", "|": "bar"}
        return self._leaf(kinds.get(sign, "literal"), start + 1, flags)

    def _leaf(self, kind: Kind, end: int, flags: int, name: str = "") -> Piece:
        piece = Piece(kind, self.at, end, end, flags, name)
        self.at = end
        return piece

    def _escape(self, flags: int) -> Piece:
        match = _ESCAPE.match(self.pattern, self.at)
        assert match is not None
        letter = match[0][1]
        if letter in "AZzbB":
            return self._leaf("anchor", match.end(), flags)
        if letter in "dDsSwW":
            return self._leaf("category", match.end(), flags)
        octal = letter == "0" or len(match[0]) == 4
        if letter in "123456789" and not octal:
            return self._leaf("backreference", match.end(), flags, match[0][1:])
        return self._leaf("literal", match.end(), flags)

    def _class_end(self) -> int:
        at = self.at + 1
        at += self.pattern.startswith("^", at)
        first = at
        while self.pattern[at] != "]" or at == first:
            at += 2 if self.pattern[at] == "\\" else 1
        return at + 1

    def _group(self, flags: int, depth: int) -> Piece:
        start = self.at
        comment = re.compile(r"\(\?#[^)]*\)").match(self.pattern, start)
        if comment:
            return self._leaf("ignored", comment.end(), flags)
        reference = re.compile(r"\(\?P=([^)]+)\)").match(self.pattern, start)
        if reference:
            return self._leaf("backreference", reference.end(), flags, reference[1])
        inline = re.compile(r"\(\?([a-zA-Z]+)\)").match(self.pattern, start)
        if inline:
            return self._leaf("flags", inline.end(), flags, inline[1])
        matches = ((re.compile(text).match(self.pattern, start), kind) for text, kind in _OPENINGS)
        match, kind = next((match, kind) for match, kind in matches if match)
        assert match is not None
        name = match.groupdict().get("name") or ""
        number = 0
        if kind == "capture":
            self.groups += 1
            number = self.groups
        self.at = match.end()
        within = flags
        if kind == "scoped":
            on, _, off = name.partition("-")
            within = (flags | _bits(on)) & ~_bits(off)
        inside = self.pieces(within, depth + 1)
        self.at += 1  # the closing parenthesis
        return Piece(kind, start, self.at, self.at, within, name, number, None, inside)


def _bits(letters: str) -> int:
    bits = 0
    for letter in letters:
        bits |= _FLAGS[letter]
    return bits
