"""Whether a pattern backtracks catastrophically: proposed by analysis, decided by measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from mcp_servers.regex.ambiguity import Attack, Proposals, propose, suffixes
from mcp_servers.regex.automaton import Automaton, TooLarge, build
from mcp_servers.regex.growth import Call, Growth, Meter
from mcp_servers.regex.results import Verdict
from mcp_servers.regex.sandbox import TimedOut

_CALLS: tuple[Call, ...] = ("search", "fullmatch")
BUDGET_SECONDS = 6.0
_SCREEN_CHARACTERS = 2000
_SCREEN_SECONDS = 2e-4  # for 2000 characters; linear patterns take less, mostly far less
_SCREENING_SECONDS = 0.5  # of CPU time: what is slow by then will do
_CLOSER_LOOKS = 2


@dataclass(frozen=True)
class Finding:
    """A verdict and the growth that it rests on, the worst that was measured."""

    verdict: Verdict
    growth: Growth | None


def examine(pattern: str, flags: int, seconds: float = BUDGET_SECONDS) -> Finding:
    """Try to make a valid pattern slow, with `search` and `fullmatch`.

    It measures for `seconds` at most, and finishes in a tenth of that for most patterns.
    "safe" means that the analysis was complete, and that nothing which it proposed, nor a set
    of plain long strings, took more than linear time.
    """
    try:
        automaton = build(pattern, flags)
        proposals = propose(automaton)
    except (TooLarge, RecursionError):
        automaton = Automaton("a0 가", [], [{}], frozenset(), anchored=False)
        proposals = Proposals([], [], complete=False)
    return _Examination(Meter(pattern, flags), automaton, proposals, seconds).finding()


class _Examination:
    def __init__(
        self, meter: Meter, automaton: Automaton, proposals: Proposals, seconds: float
    ) -> None:
        self.meter = meter
        self.automaton = automaton
        self.proposals = proposals
        self.complete = proposals.complete
        self.deadline = monotonic() + seconds

    def finding(self) -> Finding:
        growth = self._exponential()
        if growth is not None:
            return Finding("exponential", growth)
        growth = self._polynomial()
        if growth is not None and growth.shape == "polynomial":
            return Finding("polynomial", growth)
        return Finding("safe" if self.complete else "unknown", growth)

    def _exponential(self) -> Growth | None:
        for call, attack in self._with_suffixes([*self.proposals.exponential, *self._plain()]):
            try:
                growth = self.meter.explodes(call, attack)
            except TimedOut:
                self.complete = False  # too steep to measure, or slow in another way
                continue
            if growth is not None:
                return growth
        return None

    def _polynomial(self) -> Growth | None:
        """The steepest growth, or the slowest of the linear ones."""
        screened: list[tuple[float, Call, Attack]] = []
        attacks = [*self.proposals.polynomial, *self.proposals.exponential, *self._plain()]
        spent = 0.0
        for call, attack in self._with_suffixes(attacks):
            if spent > _SCREENING_SECONDS:
                break
            repeats = [max(1, _SCREEN_CHARACTERS // 8 // len(attack.pump))]
            repeats.append(max(2, _SCREEN_CHARACTERS // len(attack.pump)))
            try:
                seconds = self.meter.seconds(call, attack, repeats, enough=0.1)
            except TimedOut:
                screened.append((float("inf"), call, attack))
                break
            spent += sum(time for time in seconds if time > _SCREEN_SECONDS)
            score = float("inf") if len(seconds) == 1 else seconds[1]
            screened.append((score, call, attack))
        screened.sort(key=lambda entry: -entry[0])
        looked: list[Growth] = []
        for score, call, attack in screened[:_CLOSER_LOOKS]:
            if looked and score < _SCREEN_SECONDS:
                break
            try:
                looked.append(self.meter.scales(call, attack))
            except TimedOut:
                self.complete = False
        bad = [growth for growth in looked if growth.shape == "polynomial"]
        if bad:
            return max(bad, key=lambda growth: round(growth.rate))
        return looked[0] if looked else None

    def _with_suffixes(self, attacks: list[Attack]) -> Iterator[tuple[Call, Attack]]:
        for attack in attacks:
            for suffix in suffixes(self.automaton, attack):
                for call in _CALLS:
                    if monotonic() > self.deadline:
                        self.complete = False
                        return
                    yield call, Attack(attack.prefix, attack.pump, suffix)
            if not attack.prefix:
                # Another alternative of the pattern may match at the start: spoil that one.
                other = next(
                    (one for one in self.automaton.alphabet if one not in attack.pump), "!"
                )
                yield "search", Attack(other, attack.pump, other)

    def _plain(self) -> list[Attack]:
        """Strings that need no analysis: every sort of character, many times over."""
        return [Attack("", one) for one in self.automaton.alphabet[:16]]
