"""Small models, half-trained ones most of all, fall into saying the same for ever."""

from __future__ import annotations

_LONGEST = 300  # characters that are repeated
_TIMES = 4
_IN_ALL = 400  # characters; a ruled line or a row of zeros is shorter


def goes_in_circles(text: str) -> bool:
    """Whether a text ends in one span over and over, at least four times and 400 characters."""
    if len(text) < _IN_ALL:
        return False
    for period in range(1, _LONGEST + 1):
        times = max(_TIMES, -(-_IN_ALL // period))
        if text.endswith(text[-period:] * times):
            return True
    return False
