"""The files, folders and models that a request about pictures names."""

from __future__ import annotations

import re

GAP = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands where something was taken out, until what joined it to the rest goes too."""

_SUFFIX = r"\.(?:png|jpe?g|webp|gif|bmp|tiff?)"
_PICTURE = re.compile(
    rf"[\"“'‘`](?P<quoted>[^\"”'’`\n]+{_SUFFIX})[\"”'’`]"
    rf"|(?P<bare>[^\s\"'“”‘’`(),=\[\]]+{_SUFFIX})(?![A-Za-z0-9_]|\.[A-Za-z0-9_])",
    re.IGNORECASE,
)
_FOLDER = re.compile(
    r"[\"“'‘`](?P<quoted>(?:~|\.{1,2})?/[^\"”'’`\n]*)[\"”'’`]"
    r"|(?<![\w./~:\"'-])(?P<bare>(?:(?:~|\.{1,2})(?=/|\s|$)|/)?[\w.가-힣-]*(?:/[\w.가-힣-]*)+"
    r"|~(?=\s|$|에|의))"
    r"|\bfolder (?!of\b|in\b|for\b)(?P<called>[\w-]+)"
    r"|(?<![\w./~-])(?!(?:this|that|the|a|my|which|이|그|저|내|무슨|어느)[ 폴])"
    r"(?P<named>[\w가-힣-]+) ?(?:폴더|folder\b)",
    re.IGNORECASE,
)
_PARTICLE = re.compile(r"(?<=[^/])(?:안에서|속에서|에서|에|의|을|를|은|는|으로|로|랑|이랑|과|와)$")
_HUB = r"(?:[~./][\w./가-힣-]*|[A-Za-z0-9][\w.-]*[/:][\w./:-]*[\w])"
_MODEL = re.compile(
    rf"(?:\b(?:with|using|by)\s+(?:the\s+)?(?:model\s+)?|\bmodel\s*[=:]?\s*|모델[은을]?\s*[=:]?\s*)"
    rf"(?P<a>{_HUB})(?:\s+model\b)?|(?P<b>{_HUB})\s*모델\S*"
    r"|\b(?:use|using|with)\s+(?:the\s+)?model\s+(?P<c>[A-Za-z][\w-]*)"
    r"|(?P<d>(?<![A-Za-z])[A-Za-z][A-Za-z0-9_-]*)\s*모델(?:로|을 써서)",
    re.IGNORECASE,
)
_PLACE_BEFORE = re.compile(r"\b(?:in|from|under|inside|index|folder|through)\s+$", re.IGNORECASE)
_PLACE_AFTER = re.compile(r"(?:안|속)?에서?$|/$")
_JOINT = re.compile(
    rf"(?:\s|[,;]|\b(?:with|and|using|at|in|for|by|from|on|to|a|the|folder|size|use|of|size of)\b"
    rf"|크기|사이즈)*{GAP}(?:[이가](?=\s))?"
    rf"(?:(?:\s|,|{GAP})*(?:으로|로|안에서|에서|에|을|를|은|는|의|와|과|랑|크기|사이즈|폴더|and\b|pixels?\b|픽셀)?)*"
    rf"(?:\s|,)*",
    re.IGNORECASE,
)


def pictures_in(request: str) -> list[str]:
    """The picture files that a request names, in order."""
    found = (match["quoted"] or match["bare"] for match in _PICTURE.finditer(request))
    return list(dict.fromkeys(found))


def folders_in(request: str) -> list[str]:
    """The folders that a request names, in order; pictures and models are none."""
    rest = _MODEL.sub(" ", _PICTURE.sub(" ", request))
    found = []
    for match in _FOLDER.finditer(rest):
        if named := match["named"] or match["called"]:
            found.append(named)
            continue
        written = match["quoted"] or match["bare"].rstrip(".,")
        place = match["quoted"] or re.match(r"[~./]", written) or _PLACE_AFTER.search(written)
        if place or _PLACE_BEFORE.search(rest[: match.start()]):
            path = written if match["quoted"] else _PARTICLE.sub("", written)
            if re.search(r"[\w가-힣~]", path):
                found.append(path)
    return list(dict.fromkeys(found))


def model_in(request: str) -> str | None:
    """The model (a folder, or a name of the hub) that a request names."""
    return without_model(request)[1]


def without_model(request: str) -> tuple[str, str | None]:
    """(the request with a gap for its model, the model)."""
    hidden = _PICTURE.sub(lambda match: GAP * len(match[0]), request)
    found = _MODEL.search(hidden)
    if not found:
        return request, None
    rest = request[: found.start()] + GAP + request[found.end() :]
    named = next(filter(None, found.groups()))
    return rest, _PARTICLE.sub("", named).rstrip(".,")


def without_places(request: str) -> str:
    """A request without its pictures, folders and models, and what joined them to the rest."""
    rest = _PICTURE.sub(GAP, without_model(request)[0])
    for folder in folders_in(request):
        rest = re.sub(rf"[\"“'‘`]?{re.escape(folder)}[\"”'’`]?", GAP, rest)
    return closed(rest)


def closed(text: str) -> str:
    """A text whose gaps are closed."""
    return re.sub(r"\s+", " ", _JOINT.sub(" ", text)).strip(" ,;")
