"""The sentences that a label stands in when a picture is classified without training (5.6).

CLIP learnt captions, not labels: "a photo of a dog" is nearer to what it read than "dog". Vectors
of several sentences around one label are averaged (Radford et al. 2021, 3.1.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mcp_servers.clip.model_names import Source
from mcp_servers.errors import EngineError
from mcp_servers.morphemes import HANGUL

GENERAL_EN = ("a photo of a {}",)
GENERAL_KO = ("{} 사진",)
_SAID = re.compile(r"^(?:an?|the|two|three|four|some|[2-9]) |\b(?:photo|picture|drawing)\b", re.I)
_ARTICLE = re.compile(r"^(?:an?|the) ")
_VOWEL = re.compile(r"[aeiou]", re.IGNORECASE)
# What the embedded model's drawn world may say around "red circle" or "빨간 원".
_DRAWN_EN = (
    "a {}",
    "a small {}",
    "a big {}",
    "a {} on a black background",
    "a {} on a gray background",
    "a {} on a beige background",
)
_DRAWN_KO = ("{}", "작은 {}", "큰 {}", "검은 배경에 {}", "회색 배경에 {}", "베이지색 배경에 {}")
_GROUNDS = (
    (("", ""), ("", " on a black background"), ("", " on a gray background")),
    (("", ""), ("검은 배경에 ", ""), ("회색 배경에 ", "")),
)


def checked(template: str | Sequence[str]) -> tuple[str, ...]:
    """The user's own templates. Raises `EngineError` for one without its place for the label."""
    given = (template,) if isinstance(template, str) else tuple(template)
    for each in given:
        if each.count("{}") != 1:
            raise EngineError(
                f"The template {each!r} needs {{}} once, where the label goes, as in "
                "'a photo of a {}'."
            )
    if not given:
        raise EngineError("No template is given. Leave it out, or pass 'a photo of a {}'.")
    return given


def usual(label: str, source: Source) -> tuple[str, ...]:
    """The templates for a label, by its language and the model; "{}" for what is a caption."""
    if source.embedded:
        return _drawn(label)
    if HANGUL.search(label):
        return ("{}",) if "사진" in label or "그림" in label else GENERAL_KO
    return ("{}",) if _SAID.search(label) else GENERAL_EN


def filled(template: str, label: str) -> str:
    """The sentence; "a {}" becomes "an {}" where the label needs it."""
    if _VOWEL.match(label):
        template = re.sub(r"\b([Aa]) \{\}", r"\1n {}", template)
    return template.replace("{}", label)


def _drawn(label: str) -> tuple[str, ...]:
    """For the drawn world. A shape alone stands in every colour, a colour alone with every shape:

    captions there always say both.
    """
    from mcp_servers.drawings.captions import words
    from mcp_servers.drawings.scenes import COLOURS, SHAPES

    korean = bool(HANGUL.search(label))
    colours, shapes = words("ko" if korean else "en")
    plain_colours, plain_shapes = colours[: len(COLOURS)], shapes[: len(SHAPES)]
    bare = _ARTICLE.sub("", label.lower())
    if bare in shapes:
        named = [f"{colour} {{}}" for colour in plain_colours]
    elif bare in colours:
        named = [f"{{}} {shape}" for shape in plain_shapes]
    elif korean:
        return _DRAWN_KO
    else:
        return ("{}",) if _SAID.search(label) else _DRAWN_EN
    if not korean:
        named = [f"a {each}" for each in named]
    return tuple(f"{before}{each}{after}" for each in named for before, after in _GROUNDS[korean])
