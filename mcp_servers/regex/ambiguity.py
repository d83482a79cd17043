"""Attack strings, proposed from the ambiguity of a pattern's automaton.

A backtracking matcher tries all the ways to read a string when the end of it does not fit.
Weber & Seidl (1991), "On the degree of ambiguity of finite automata": the number of ways grows

- exponentially just when some state q can be left and reached again by two ways over one word;
- as a polynomial just when, for two states p and q, one word leads from p to p, p to q and q to q.

That word is the pump: prefix + pump * n + suffix. A search tries every start in the text, which
is a loop at state 0 over all characters. The strings are proposals: `growth` measures them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mcp_servers.regex.automaton import Automaton

_MOST_STEPS = 150_000  # of each of the two analyses, about 0.3 s
_MOST_PUMPS = 12
_MOST_PER_LOOP = 3


@dataclass(frozen=True)
class Attack:
    """`prefix + pump * n + suffix` for growing n."""

    prefix: str
    pump: str
    suffix: str = ""

    def text(self, repeats: int) -> str:
        """The attack string with that many pumps."""
        return self.prefix + self.pump * repeats + self.suffix

    def code(self, repeats: int) -> str:
        """The same as a Python expression."""
        parts = [repr(self.prefix)] if self.prefix else []
        parts.append(f"{self.pump!r} * {repeats}")
        if self.suffix:
            parts.append(repr(self.suffix))
        return " + ".join(parts)


@dataclass(frozen=True)
class Proposals:
    """Attacks without suffixes. `complete` tells that the analysis was not cut short."""

    exponential: list[Attack]
    polynomial: list[Attack]
    complete: bool


class _Steps:
    """How much searching is still allowed."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def propose(automaton: Automaton) -> Proposals:
    """The pumps of both kinds, each at most a dozen."""
    components = _components(automaton)
    steps = _Steps(_MOST_STEPS)
    exponential = _distinct(_double_loops(automaton, components, steps))
    more = _Steps(_MOST_STEPS)
    polynomial = _distinct(_loop_pairs(automaton, components, more))
    return Proposals(exponential, polynomial, steps.left >= 0 and more.left >= 0)


def suffixes(automaton: Automaton, attack: Attack) -> Iterator[str]:
    """Endings that may make the match fail, likeliest first."""
    entered = automaton.labels[1:]
    wanted = frozenset[str]().union(*entered) if entered else frozenset()
    refused = [one for one in automaton.alphabet if one not in wanted]
    last = refused[0] if refused else "!"
    outside = [one for one in automaton.alphabet if one not in attack.pump]
    tried = ["", last, "\n" + last, *outside[:6], *(one + last for one in outside[:3])]
    yield from dict.fromkeys(tried)


def _distinct(attacks: Iterable[Attack]) -> list[Attack]:
    found: dict[Attack, None] = {}
    for attack in attacks:
        found.setdefault(attack)
        if len(found) == _MOST_PUMPS:
            break
    return list(found)


def _double_loops(
    automaton: Automaton, components: list[set[int]], steps: _Steps
) -> Iterator[Attack]:
    for component in components:
        given = 0
        for state in sorted(component):
            pump = _two_ways_back(automaton, component, state, steps)
            if pump is not None:
                yield Attack(automaton.word_to(state), pump)
                given += 1
                if given == _MOST_PER_LOOP:
                    break


def _two_ways_back(
    automaton: Automaton, component: set[int], state: int, steps: _Steps
) -> str | None:
    """A shortest word over which a state comes back to itself in two ways."""
    start, goal = (state, state, False), (state, state, True)
    words: dict[tuple[int, int, bool], str] = {start: ""}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        left, right, parted = here
        for to_left, ways in automaton.moves[left].items():
            if to_left not in component:
                continue
            for to_right in automaton.moves[right]:
                if to_right not in component or (not parted and to_right < to_left):
                    continue
                if not steps.take():
                    return None
                both = automaton.labels[to_left] & automaton.labels[to_right]
                if not both:
                    continue
                now_parted = parted or to_left != to_right or ways > 1
                there = (to_left, to_right, now_parted)
                if there not in words:
                    words[there] = words[here] + automaton.best(both)
                    waiting.append(there)
                    if there == goal:
                        return words[there]
    return None


def _loop_pairs(
    automaton: Automaton, components: list[set[int]], steps: _Steps
) -> Iterator[Attack]:
    loops = [(min(component), component) for component in components]
    if not automaton.anchored:
        # The start of a search: it may move on over any character, or begin the match.
        yield from _pumps_between(automaton, 0, {0}, loops, steps)
    for state, component in loops:
        behind = automaton.reachable(state)
        later = [(q, other) for q, other in loops if other is not component and q in behind]
        for p in sorted(component)[:_MOST_PER_LOOP]:
            yield from _pumps_between(automaton, p, component, later, steps)


def _pumps_between(
    automaton: Automaton,
    p: int,
    component: set[int],
    loops: list[tuple[int, set[int]]],
    steps: _Steps,
) -> Iterator[Attack]:
    for _, other in loops:
        for q in sorted(other)[:_MOST_PER_LOOP]:
            pump = _word_between(automaton, p, component, q, other, steps)
            if pump is not None:
                yield Attack(automaton.word_to(p), pump)
                break


def _word_between(
    automaton: Automaton, p: int, around_p: set[int], q: int, around_q: set[int], steps: _Steps
) -> str | None:
    """A shortest word that leads p to p, p to q and q to q, all at once."""
    moves, labels = automaton.moves, automaton.labels
    start, goal = (p, p, q), (p, q, q)
    words = {start: ""}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        stay, go, loop = here
        stays = [0] if p == 0 else [state for state in moves[stay] if state in around_p]
        goes = [*moves[go], *([0] if go == 0 and p == 0 else [])]
        ends = [state for state in moves[loop] if state in around_q]
        for to_stay in stays:
            for to_end in ends:
                both = labels[to_stay] & labels[to_end]
                for to_go in goes if both else []:
                    if not steps.take():
                        return None
                    common = both & labels[to_go]
                    there = (to_stay, to_go, to_end)
                    if common and there not in words:
                        words[there] = words[here] + automaton.best(common)
                        waiting.append(there)
                        if there == goal:
                            return words[there]
    return None


def _components(automaton: Automaton) -> list[set[int]]:
    """The sets of states that can all reach each other (Tarjan's, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[set[int]] = []
    work: list[tuple[int, Iterator[int]]] = []

    def enter(state: int) -> None:
        order[state] = low[state] = len(order)
        stack.append(state)
        work.append((state, iter(automaton.moves[state])))

    enter(0)
    finished: set[int] = set()
    while work:
        state, following = work[-1]
        for other in following:
            if other not in order:
                enter(other)
                break
            if other not in finished:
                low[state] = min(low[state], low[other])
        else:
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[state])
            if low[state] == order[state]:
                component = set(stack[stack.index(state) :])
                del stack[stack.index(state) :]
                finished |= component
                if len(component) > 1 or state in automaton.moves[state]:
                    found.append(component)
    return sorted(found, key=min)
