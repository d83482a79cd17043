"""How the time of a pattern grows with the length of an attack string, measured in the sandbox.

Times are CPU seconds inside the worker, so a busy machine does not look like a bad pattern.
Lines are fitted: log time over length is straight for exponential growth (its slope gives the
ratio), over log length for a polynomial one (its exponent).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

from mcp_servers.regex.ambiguity import Attack
from mcp_servers.regex.sandbox import SANDBOX, TimedOut

Call = Literal["search", "fullmatch"]
Shape = Literal["linear", "polynomial", "exponential"]

_MOST_REPEATS = 40
_LONGEST = 60_000
_SLOW_SECONDS = 0.05  # growth is believed from here on
_NOISE_SECONDS = 2e-5
_POLYNOMIAL_NOISE_SECONDS = 2e-4
_LEAST_EXPONENT = 1.5
_LARGEST_ERROR = 0.1  # mean square, in logarithms: what is not straight is noise
_LEAST_RATIO = 1.1
_REQUEST_SECONDS = 2.0


@dataclass(frozen=True)
class Growth:
    """Times of one call on one attack. `rate` is the ratio a pump, or the exponent."""

    call: Call
    attack: Attack
    repeats: Sequence[int]
    seconds: Sequence[float]
    shape: Shape
    rate: float

    @property
    def lengths(self) -> list[int]:
        """The lengths of the attack strings, in characters."""
        return [len(self.attack.text(count)) for count in self.repeats]


class Meter:
    """Times one pattern."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._request = {"do": "time", "pattern": pattern, "flags": flags}

    def seconds(
        self, call: Call, attack: Attack, repeats: Sequence[int], enough: float
    ) -> list[float]:
        """CPU seconds for growing numbers of pumps, up to the first that takes `enough`.

        Raises `TimedOut` when they jump from less than that to more than the sandbox allows.
        """
        parts = {"prefix": attack.prefix, "pump": attack.pump, "suffix": attack.suffix}
        request = {**self._request, **parts, "call": call, "repeats": list(repeats)}
        request["enough"] = enough
        found: list[float] = SANDBOX.ask(request, _REQUEST_SECONDS)["seconds"]
        return found

    def explodes(self, call: Call, attack: Attack) -> Growth | None:
        """The growth over one to forty pumps, if it is exponential."""
        repeats = range(1, _MOST_REPEATS + 1)
        try:
            seconds = self.seconds(call, attack, repeats, _SLOW_SECONDS)
        except TimedOut:
            seconds = self.seconds(call, attack, repeats, _SLOW_SECONDS / 50)
        if seconds[-1] < _SLOW_SECONDS / 50:
            return None
        points = [
            (count, time)
            for count, time in zip(repeats, seconds, strict=False)
            if time >= _NOISE_SECONDS
        ]
        if len(points) < 4:
            return None
        logs = [math.log(time) for _, time in points]
        slope, error = _line([float(count) for count, _ in points], logs)
        _, other_error = _line([math.log(count) for count, _ in points], logs)
        slow = seconds[-1] >= _SLOW_SECONDS or len(seconds) < _MOST_REPEATS
        if slow and slope > math.log(_LEAST_RATIO) and error < other_error:
            ratio = math.exp(slope)
            return Growth(call, attack, repeats[: len(seconds)], seconds, "exponential", ratio)
        return None

    def scales(self, call: Call, attack: Attack) -> Growth:
        """The growth over lengths up to 60,000 characters: polynomial or linear."""
        repeats = [max(1, 16 // len(attack.pump))]
        while repeats[-1] * len(attack.pump) < _LONGEST:
            repeats.append(max(repeats[-1] + 1, repeats[-1] * 3 // 2))
        try:
            seconds = self.seconds(call, attack, repeats, 2 * _SLOW_SECONDS)
        except TimedOut:
            seconds = self.seconds(call, attack, repeats, _SLOW_SECONDS / 10)
        counts = repeats[: len(seconds)]
        points = [
            (math.log(len(attack.text(count))), math.log(time))
            for count, time in zip(counts, seconds, strict=True)
            if time >= _POLYNOMIAL_NOISE_SECONDS
        ][-6:]
        exponent, error = 1.0, 0.0
        if len(points) >= 3:
            exponent = _median_slope(points)  # one disturbed time does not move it
            _, error = _line([x for x, _ in points], [y for _, y in points])
        slow = seconds[-1] >= _SLOW_SECONDS / 10 and error / len(points) < _LARGEST_ERROR
        shape: Shape = "polynomial" if slow and exponent >= _LEAST_EXPONENT else "linear"
        return Growth(call, attack, counts, seconds, shape, exponent)


def _median_slope(points: Sequence[tuple[float, float]]) -> float:
    """The Theil-Sen estimate: the median of the slopes of all pairs of points."""
    pairs = combinations(points, 2)
    return median((later_y - y) / (later_x - x) for (x, y), (later_x, later_y) in pairs)


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line, and the sum of its squared errors."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    errors = (y - mean_y - slope * (x - mean_x) for x, y in zip(xs, ys, strict=True))
    return slope, sum(error**2 for error in errors)
