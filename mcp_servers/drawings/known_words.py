"""Which words the models of the drawn world have met."""

from __future__ import annotations

import random
import re
from functools import cache

from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.scenes import random_scene

_WORD = re.compile(r"[^\W_]+")
_SAMPLED = 4000  # captions: enough to hold every word of the drawn world


def unknown_words(text: str) -> list[str]:
    """The words that no caption of the drawn world holds, each once."""
    known = _known_words()
    found = (word for word in _WORD.findall(text.lower()) if word not in known)
    return list(dict.fromkeys(found))


@cache
def _known_words() -> frozenset[str]:
    rng = random.Random(0)
    words: set[str] = set()
    for at in range(_SAMPLED):
        scene = random_scene(rng, held_out=None)
        words.update(_WORD.findall(caption(scene, "ko" if at % 2 else "en", rng).lower()))
    return frozenset(words)
