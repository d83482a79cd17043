"""How a picture shall change, in the user's words, and the caption of what it then shows."""

from __future__ import annotations

import re
from typing import Any

from graphs.drawing_words import caption_of_korean
from graphs.language import language_of
from graphs.picture_places import without_places
from prompts import table

_INTO = re.compile(
    r"^.*?\b(?:into|to look like|to show|to be|as)\s+(?P<en>.+)$"
    r"|^(?P<ko>.+?)(?:으로|로)\s*(?:바꿔|바꾸|변경|고쳐|만들|다시)",
    re.IGNORECASE,
)
_MAKE_EN = re.compile(
    r"^.*?\b(?:make|turn|change|redraw|repaint|paint|edit|convert|transform|recolou?r)\b\s*"
    r"(?:(?:this|that|the|it|my|last|one|picture|image|drawing|photo)\b\s*)*(?:again\s*)?(?:as|with|to)?\s*",
    re.IGNORECASE,
)
_MAKE_KO = re.compile(r"\s*(?:바꿔|바꾸|변경|고쳐|만들|다시|그려|해 ?줘|해 ?주|칠해|하게)\S*.*$")
_THIS_KO = re.compile(
    r"^(?:(?:이|그|방금|아까|위|저)\s*(?:그린\s*)?(?:그림|사진|이미지|거|것)|이거|그거|이걸|그걸|그림|사진)"
    r"(?:을|를|은|는|의|에서|에)?\s*"
)
_BOX = re.compile(r"(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)")
_FILL_EN = re.compile(r"\bwith\s+(?P<what>.+)$|\b(?:draw|paint|put|add)\s+(?P<drawn>.+)$", re.I)
_FILL_KO = re.compile(
    r"^(?P<what>.*?)(?:으로|로)?\s*(?:채워|칠해|바꿔|바꾸|메워|그려|넣어|인페인팅)"
)


def change_in(request: str) -> str:
    """What a picture shall become, in the user's words: "more blue", "파랗게"."""
    asked = without_places(request).rstrip(" ?.!")
    if into := _INTO.match(asked):
        said = into["en"] or into["ko"]
    elif language_of(request) == "ko":
        said = _MAKE_KO.sub("", asked)
    else:
        said = _MAKE_EN.sub("", asked, count=1)
    said = re.sub(r"\s*,?\s*\bplease$", "", _THIS_KO.sub("", said.strip()), flags=re.IGNORECASE)
    return re.sub(r"^(?:더|좀|조금)\s+|^(?:a bit|a little|much)\s+", "", said).strip(" ,")


def changed_caption(caption: str, change: str) -> str:
    """The caption of a changed picture: its colour or its shape replaced where the change says so.

    A change that names both is a picture of its own; one that names neither is taken as it is.
    """
    colours, shapes = _named("colour", change), _named("shape", change)
    if not colours and not shapes:
        return change
    if colours and shapes and not _source(caption, change):
        return change
    language = language_of(caption)
    for kind, named in (("colour", colours), ("shape", shapes)):
        if named and (new := _target(kind, caption, named)):
            caption = _replaced(kind, caption, new, [each for each in named if each is not new])
    if language == "en":
        caption = re.sub(r"\ba (?=orange\b)", "an ", re.sub(r"\ban (?=[^aeio])", "a ", caption))
    return caption


def _source(caption: str, change: str) -> bool:
    """Whether a change names what the picture shows and what that shall become: red to blue."""
    colours = _named("colour", change)
    return len(colours) > 1 or bool(
        colours
        and not re.search(colours[0]["words"], caption, re.I)
        and any(re.search(shape["words"], caption, re.I) for shape in _named("shape", change))
    )


def _target(kind: str, caption: str, named: list[dict[str, str]]) -> dict[str, str] | None:
    """What the change leads to: the last word that is not in the picture yet."""
    fresh = [each for each in named if not re.search(each["words"], caption, re.IGNORECASE)]
    return fresh[-1] if fresh else None


def _replaced(kind: str, caption: str, new: dict[str, str], sources: list[dict[str, str]]) -> str:
    word = new[language_of(caption)]
    replaced = sources or _named(kind, caption)
    for each in replaced:
        caption = re.sub(each["words"], word, caption, flags=re.IGNORECASE)
    return caption


def _named(kind: str, text: str) -> list[dict[str, str]]:
    """The colours or shapes that a text names, in order."""
    places = [(re.search(each["words"], text, re.IGNORECASE), each) for each in words()[kind]]
    found = [(match.start(), each) for match, each in places if match]
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def filled_in(asked: str) -> tuple[str, str | None]:
    """(what a part of a picture shall show, the box of the part as "left,top,right,bottom")."""
    box = _BOX.search(asked)
    rest = re.sub(r"\b(?:box|area|region|mask)\b|영역|부분|상자|마스크", " ", _BOX.sub(" ", asked))
    if language_of(asked) == "ko":
        found = _FILL_KO.search(re.sub(r"^\s*(?:의|을|를|에|안에|안을|\s)+", "", rest))
        what = found["what"] if found else rest
    else:
        match = _FILL_EN.search(rest)
        what = (match["what"] or match["drawn"]) if match else rest
    what = caption_of_korean(what) if language_of(asked) == "ko" else what.strip(" ,.?!")
    return what, ",".join(box.groups()) if box else None


def words() -> dict[str, Any]:
    """`prompts/pictures.toml`."""
    return table("pictures")
