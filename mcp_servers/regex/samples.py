"""Texts on which a rewritten pattern is compared with the original."""

from __future__ import annotations

import itertools
import random

from mcp_servers.regex.automaton import Automaton

_LETTERS = 5  # sorts of characters in the exhaustive part
_MOST_EXHAUSTIVE = 4000
_LONGEST_EXHAUSTIVE = 8
_WORDS = 120
_LONGEST_WORD = 40
_MORE_STEPS = 14  # of a walk before it heads for the nearest end


def sample_texts(automaton: Automaton) -> list[str]:
    """Some thousand short texts, of which some match and others just fail to.

    They are: every string up to four to eight characters over the sorts of characters that the
    pattern tells apart (the five commonest); random words of the automaton; those words with a
    character dropped, doubled, changed or a line break added; and pairs of them. Always the
    same for the same automaton.
    """
    chance = random.Random(0)
    letters = _letters(automaton)
    texts: list[str] = []
    for length in range(_LONGEST_EXHAUSTIVE + 1):
        if len(texts) + len(letters) ** length > _MOST_EXHAUSTIVE:
            break
        texts += map("".join, itertools.product(letters, repeat=length))
    distance = _distances(automaton)
    words = [_word(automaton, distance, chance) for _ in range(_WORDS)]
    for word in words:
        texts.append(word)
        texts.append(word + "\n")
        texts.append(chance.choice(words)[:_LONGEST_WORD] + chance.choice(letters) + word)
        if word:
            at = chance.randrange(len(word))
            one = chance.choice(automaton.alphabet)
            texts.append(word[:at] + word[at + 1 :])
            texts.append(word[:at] + word[at] + word[at:])
            texts.append(word[:at] + one + word[at + 1 :])
    return list(dict.fromkeys(texts))


def _letters(automaton: Automaton) -> str:
    """The characters that enter most states, and one that enters none."""
    count = {one: sum(one in label for label in automaton.labels[1:]) for one in automaton.alphabet}
    used = sorted((one for one in count if count[one]), key=lambda one: -count[one])
    unused = [one for one in count if not count[one]]
    return "".join((used[: _LETTERS - 1] + unused)[:_LETTERS]) or "a"


def _word(automaton: Automaton, distance: dict[int, int], chance: random.Random) -> str:
    """A random accepted word: some free steps, then the shortest way to an accepting state."""
    word = ""
    state = 0
    while len(word) < _LONGEST_WORD:
        choices = [following for following in automaton.moves[state] if following in distance]
        if state in automaton.accepting and (not choices or chance.random() < 0.2):
            break
        if not choices:
            break
        if len(word) < _MORE_STEPS:
            state = chance.choice(choices)
        else:
            state = min(choices, key=lambda following: distance[following])
        word += chance.choice(sorted(automaton.labels[state]))
        if len(word) >= _MORE_STEPS and state in automaton.accepting:
            break
    return word


def _distances(automaton: Automaton) -> dict[int, int]:
    """How many moves each state is away from the nearest accepting one; others are left out."""
    before: dict[int, list[int]] = {}
    for state, following in enumerate(automaton.moves):
        for other in following:
            before.setdefault(other, []).append(state)
    found = dict.fromkeys(automaton.accepting, 0)
    layer = list(found)
    while layer:
        behind = [state for other in layer for state in before.get(other, ())]
        far = found[layer[0]] + 1
        layer = [state for state in dict.fromkeys(behind) if state not in found]
        found.update(dict.fromkeys(layer, far))
    return found
