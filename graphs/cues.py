"""Word and shape cues of a request, as features beside its sentence vector.

A sentence vector says what a text is about; pasted data drowns what is asked. So word cues are
looked for in the instruction alone, and shape cues (a pattern, quoted text, listed values) say
what kind of data came with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from prompts import table

_SHAPES = {"pattern_shape", "quoted", "after_colon", "values", "labels_listed", "path"}
_LONG = 120  # characters; a longer request is an instruction with pasted text after it
_PASTED = re.compile(r"\"[^\"]{25,}\"|“[^”]{25,}”|```.*?```", re.DOTALL)


def cue_features(requests: Sequence[str]) -> Any:
    """Shape (n, cues + 1): each cue as 0 or 1, and the length as a share of 200 characters."""
    return np.array([[*_found(request), min(len(request), 200) / 200] for request in requests])


def instruction(request: str) -> str:
    """A request without the data pasted into it: long quotes, later lines, what a colon brings."""
    text = _PASTED.sub("…", request)
    if len(text) > _LONG:
        text = text.split("\n")[0]
    colon = re.search(r"[:：]\s", text)
    if colon and len(text) > colon.end() + 40:
        return text[: colon.end() + 30]
    return text


def _found(request: str) -> list[float]:
    asked = instruction(request)
    return [
        float(bool(pattern.search(request if name in _SHAPES else asked)))
        for name, pattern in _cues().items()
    ]


@cache
def _cues() -> dict[str, re.Pattern[str]]:
    return {name: re.compile(cue, re.IGNORECASE) for name, cue in table("router/cues").items()}
