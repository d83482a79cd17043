"""A pattern as an automaton that keeps count of ambiguity.

Glushkov's construction: one state for each character position of the pattern, no empty moves.
Moves are counted (once, or twice and more), because a backtracking matcher tries every way: in
`(a*)*` the step from a to a exists twice, through the inner loop and through the outer one.
Weideman, van der Merwe, Berglund & Watson (2016), "Analyzing matching time behavior of
backtracking regular expression matchers by using ambiguity of NFA", CIAA.

The automaton accepts a little more than the pattern: conditions on the surroundings (anchors,
look-around) are left out, and large counts become loops. It only proposes strings to measure.
"""

from __future__ import annotations

import re
import re._compiler as compiler  # type: ignore[import-not-found]
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_STATES = 2000
_MOST_MOVES = 100_000
_EXACT_COPIES = 200  # states that a counted repetition may unroll into before it becomes a loop
_MANY = 2

# One of each sort of character, the ones that read best in an attack string first.
_COMMON = "a0A!가 -_.,@ㄱ한é中\n\t\x00;:/<>\"'=()٣ⅷ😀"


class TooLarge(Exception):
    """The pattern has more positions, or ways between them, than are analysed."""


@dataclass(frozen=True)
class Automaton:
    """State 0 is the start; `labels[s]` holds the characters (out of `alphabet`) that enter s.

    `alphabet` has one character for every set of characters that the pattern cannot tell apart.
    `moves[s][t]` is 1, or 2 where there are several ways from s to t.
    """

    alphabet: str
    labels: list[frozenset[str]]
    moves: list[dict[int, int]]
    accepting: frozenset[int]
    anchored: bool

    def reachable(self, start: int) -> set[int]:
        """The states that can be reached from one in one move or more."""
        seen: set[int] = set()
        waiting = list(self.moves[start])
        while waiting:
            state = waiting.pop()
            if state not in seen:
                seen.add(state)
                waiting.extend(self.moves[state])
        return seen

    def word_to(self, target: int) -> str:
        """A shortest string that leads from the start to a state."""
        words = {0: ""}
        waiting = deque([0])
        while waiting and target not in words:
            state = waiting.popleft()
            for following in self.moves[state]:
                if following not in words:
                    words[following] = words[state] + self.best(self.labels[following])
                    waiting.append(following)
        return words[target]

    def best(self, label: frozenset[str]) -> str:
        """The character of a label that comes first in the alphabet."""
        return next(character for character in self.alphabet if character in label)


@dataclass
class _Fragment:
    """Part of the pattern: how it can be entered and left, and ways to pass through it empty."""

    first: Counter[int]
    last: Counter[int]
    empty: int


def build(pattern: str, flags: int) -> Automaton:
    """The automaton of a valid pattern. Raises `TooLarge`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = parser.parse(pattern, flags)
    builder = _Builder(tree)
    whole = builder.sequence(list(tree), tree.state.flags)
    moves = builder.moves
    moves[0] = {state: min(ways, _MANY) for state, ways in whole.first.items()}
    accepting = set(whole.last) | ({0} if whole.empty else set())
    first = tree[0] if len(tree) else (None, None)
    anchored = first in ((codes.AT, codes.AT_BEGINNING), (codes.AT, codes.AT_BEGINNING_STRING))
    multiline = bool(tree.state.flags & re.M) and first[1] is codes.AT_BEGINNING
    alphabet, labels = builder.alphabet()
    return Automaton(alphabet, labels, moves, frozenset(accepting), anchored and not multiline)


class _Builder:
    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.groups: dict[int, tuple[list[Any], int]] = {}
        self.atoms: list[tuple[Any, int] | None] = [None]  # by state; the start has none
        self.moves: list[dict[int, int]] = [{}]
        self.connected = 0

    def sequence(self, items: list[Any], flags: int) -> _Fragment:
        """Nodes of `re._parser`'s tree, one after the other."""
        whole = _Fragment(Counter(), Counter(), 1)
        for operator, argument in items:
            whole = self._then(whole, self._node(operator, argument, flags))
        return whole

    def _node(self, operator: Any, argument: Any, flags: int) -> _Fragment:
        if operator in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            return self._atom((operator, argument), flags)
        if operator is codes.SUBPATTERN:
            number, on, off, body = argument
            flags = (flags | on) & ~off
            if number is not None:
                self.groups[number] = (list(body), flags)
            return self.sequence(list(body), flags)
        if operator is codes.ATOMIC_GROUP:
            return self.sequence(list(argument), flags)
        if operator is codes.BRANCH:
            return self._either([self.sequence(list(body), flags) for body in argument[1]])
        if operator in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            low, high, body = argument
            return self._repeat(low, None if high is codes.MAXREPEAT else high, list(body), flags)
        if operator is codes.GROUPREF:
            body, inner = self.groups.get(argument, ([], flags))
            return self.sequence(body, inner)
        if operator is codes.GROUPREF_EXISTS:
            _, yes, no = argument
            return self._either([self.sequence(list(body or []), flags) for body in (yes, no)])
        if operator in (codes.ASSERT, codes.ASSERT_NOT) and argument[0] > 0:
            # A look-ahead may backtrack by itself: a way in that leads nowhere.
            body = self.sequence(list(argument[1]), flags)
            return _Fragment(body.first, Counter(), 1)
        return _Fragment(Counter(), Counter(), 1)  # anchors and look-behinds, which have no loops

    def _atom(self, atom: Any, flags: int) -> _Fragment:
        if len(self.moves) >= MOST_STATES:
            raise TooLarge
        self.moves.append({})
        self.atoms.append((atom, flags))
        state = len(self.moves) - 1
        return _Fragment(Counter({state: 1}), Counter({state: 1}), 0)

    def _connect(self, last: Counter[int], first: Counter[int]) -> None:
        self.connected += len(last) * len(first)
        if self.connected > _MOST_MOVES:
            raise TooLarge
        for source, ways_out in last.items():
            moves = self.moves[source]
            for target, ways_in in first.items():
                moves[target] = min(moves.get(target, 0) + ways_out * ways_in, _MANY)

    def _then(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self._connect(left.last, right.first)
        return _Fragment(
            _sum(left.first, right.first, left.empty),
            _sum(right.last, left.last, right.empty),
            min(left.empty * right.empty, _MANY),
        )

    def _either(self, branches: list[_Fragment]) -> _Fragment:
        whole = _Fragment(Counter(), Counter(), 0)
        for branch in branches:
            whole = _Fragment(
                _sum(whole.first, branch.first, 1),
                _sum(whole.last, branch.last, 1),
                min(whole.empty + branch.empty, _MANY),
            )
        return whole

    def _repeat(self, low: int, high: int | None, body: list[Any], flags: int) -> _Fragment:
        before = len(self.moves)
        one = self.sequence(body, flags)
        size = max(len(self.moves) - before, 1)
        if high is not None and high * size > _EXACT_COPIES:
            high = None
        low = min(low, max(_EXACT_COPIES // size, 1))
        if high is None:
            whole = self._loop(one, optional=low == 0)
            for _ in range(low - 1):
                whole = self._then(self.sequence(body, flags), whole)
            return whole
        if high == 0:
            return _Fragment(Counter(), Counter(), 1)
        copies = [one] + [self.sequence(body, flags) for _ in range(high - 1)]
        nothing = _Fragment(Counter(), Counter(), 1)
        whole = nothing
        for index in reversed(range(high)):
            whole = self._then(copies[index], whole)
            if index >= low:
                whole = self._either([whole, nothing])
        return whole

    def _loop(self, body: _Fragment, *, optional: bool) -> _Fragment:
        self._connect(body.last, body.first)
        empty = min(body.empty + optional, _MANY)
        return _Fragment(body.first, body.last, empty)

    def alphabet(self) -> tuple[str, list[frozenset[str]]]:
        """One character for each set that the atoms cannot tell apart, and each state's label."""
        tests: dict[str, re.Pattern[str]] = {}
        keys: list[str] = []
        for entry in self.atoms[1:]:
            assert entry is not None
            atom, flags = entry
            key = f"{atom!r} {flags}"
            keys.append(key)
            if key not in tests:
                node = parser.SubPattern(parser.State(), [atom])
                tests[key] = compiler.compile(node, flags & ~re.DEBUG)
        members: dict[tuple[bool, ...], str] = {}
        for one in dict.fromkeys(_COMMON + "".join(self._mentioned())):
            told = tuple(test.match(one) is not None for test in tests.values())
            members.setdefault(told, one)
        letters = "".join(members.values())
        of_key = {
            key: frozenset(one for told, one in members.items() if told[index])
            for index, key in enumerate(tests)
        }
        return letters, [frozenset(letters), *(of_key[key] for key in keys)]

    def _mentioned(self) -> Iterator[str]:
        """The characters that the atoms name, and their neighbours and other cases."""
        for entry in self.atoms[1:]:
            assert entry is not None
            for number in _numbers(entry[0]):
                for near in (number, number - 1, number + 1):
                    if 0 <= near < 0x110000 and not 0xD800 <= near < 0xE000:
                        yield from (chr(near), chr(near).swapcase()[:1])


def _numbers(atom: Any) -> Iterator[int]:
    operator, argument = atom
    if operator in (codes.LITERAL, codes.NOT_LITERAL):
        yield argument
    elif operator is codes.RANGE:
        yield from (argument[0], (argument[0] + argument[1]) // 2, argument[1])
    elif operator is codes.IN:
        for item in argument:
            yield from _numbers(item)


def _sum(left: Counter[int], right: Counter[int], factor: int) -> Counter[int]:
    total = Counter(left)
    if factor:
        for state, ways in right.items():
            total[state] = min(total[state] + ways * factor, _MANY)
    return total
