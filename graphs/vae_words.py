"""What a request about variational autoencoders writes out (chapter 6): names, settings, counts."""

from __future__ import annotations

import re
from typing import Any

from graphs.drawing_words import drawing_settings

_IS = r"(?:\s*(?:값|수))?(?:을|를|은|는|이|가)?\s*(?:[=:]|to\b|of\b|is\b)?\s*"
_REALS = (
    ("beta", rf"(?:\bbeta|베타){_IS}(\d+(?:\.\d+)?)"),
    ("noise", rf"(?:\bnoise|노이즈|잡음){_IS}(\d?\.\d+)"),
    ("temperature", rf"(?:\btemperature|온도){_IS}(\d+(?:\.\d+)?)"),
    ("threshold", rf"(?:\bthreshold|문턱(?:값)?|기준(?:값)?){_IS}(\d+(?:\.\d+)?)"),
    ("learning_rate", rf"(?:\blearning[ _]rate|학습률){_IS}(\d+(?:\.\d+)?(?:e-?\d+)?|\.\d+)"),
)
_WHOLES = (
    (
        "latent_dim",
        rf"(?:\blatent(?:[ _-]?dim\w*)?|잠재(?: 차원)?){_IS}(\d+)|(\d+) ?차원|(\d+) dimensions",
    ),
    ("batch_size", rf"(?:\bbatch(?:[ _]size)?|배치(?: 크기)?){_IS}(\d+)"),
    (
        "clusters",
        rf"(\d+) (?:clusters|groups)|(\d+) ?개 ?(?:묶음|군집|그룹)|(?:군집|clusters){_IS}(\d+)",
    ),
)
_KIND = r"(?:vae|오토인코더|autoencoder)"
_NO_NAME = (
    "a|an|again|and|at|by|called|delete|for|from|in|is|it|list|my|named|new|of|on|our|remove|that|the"
    "|this|to|train|use|using|variational|which|with"
)
_NAME = re.compile(
    rf"{_KIND}\s+(?:called\s+|named\s+|이름은?\s+)?[\"'`]?(?!(?:{_NO_NAME})\b)"
    r"(?P<after>[A-Za-z][A-Za-z0-9_-]*)"
    rf"|(?<![A-Za-z])(?!(?:{_NO_NAME})\b)(?P<before>[A-Za-z][A-Za-z0-9_-]*)[\"'`]?\s+{_KIND}"
    r"|(?:\bcall it|이름은?)\s+[\"'`]?(?P<called>[\w가-힣-]+?)(?:으로|로|이라고|라고)?"
    r"(?=[\"'`\s,.]|$)",
    re.IGNORECASE,
)
_GREY = re.compile(r"\bgr[ea]y(?:scale)?\b|흑백|회색조", re.IGNORECASE)
_AGAIN = re.compile(r"\bagain\b|\breplace\b|다시|새로|덮어", re.IGNORECASE)
_TSNE = re.compile(r"t-?sne", re.IGNORECASE)


def vae_name(asked: str) -> str | None:
    """The name of the autoencoder that a request means."""
    found = _NAME.search(asked)
    return next(filter(None, found.groups())) if found else None


def vae_settings(asked: str) -> dict[str, Any]:
    """The settings that a request about an autoencoder writes out, under the tools' names."""
    _, drawing = drawing_settings(asked)
    found: dict[str, Any] = {
        name: drawing[name] for name in ("seed", "steps", "count") if name in drawing
    }
    if "width" in drawing:
        found["side"] = drawing["width"]
    kinds: tuple[tuple[tuple[tuple[str, str], ...], type], ...] = ((_REALS, float), (_WHOLES, int))
    for names, kind in kinds:
        for name, pattern in names:
            if match := re.search(pattern, asked, re.IGNORECASE):
                found[name] = kind(next(filter(None, match.groups())))
    if _GREY.search(asked):
        found["grey"] = True
    if _AGAIN.search(asked):
        found["replace"] = True
    if _TSNE.search(asked):
        found["method"] = "tsne"
    return found
