"""A request to draw: the settings that it writes out, and the words for what shall be drawn.

"draw two red stars, seed 7, 30 steps" -> {"seed": 7, "steps": 30} and "two red stars". What is
written out needs no model to retype it, and a caption reaches the picture model in the words and
the language of its user.
"""

from __future__ import annotations

import re
from typing import Any

from graphs.language import language_of
from graphs.particles import without_object
from graphs.picture_places import GAP, closed, without_model

_IS = r"(?:\s*(?:값|수|개수))?(?:을|를|은|는|이|가)?\s*(?:[=:]|to\b|of\b|is\b)?\s*"
_WHOLE: tuple[tuple[str, str], ...] = (
    ("seed", rf"(?:\bseed|시드){_IS}(\d+)(?:번|으로|로)?|(\d+)번\s*시드(?:로)?"),
    (
        "steps",
        rf"(\d+)\s*[- ]?(?:steps?\b|스텝|단계)(?:으로|로|만)?"
        rf"|(?:\bsteps?|스텝|단계){_IS}(\d+)(?:으로|로)?",
    ),
    ("clip_skip", rf"clip[ _-]?skip{_IS}(\d+)"),
    ("width", rf"(?:\bwidth|너비|가로){_IS}(\d+)"),
    ("height", rf"(?:\bheight|높이|세로){_IS}(\d+)"),
)
_REAL: tuple[tuple[str, str], ...] = (
    ("guidance_scale", rf"(?:\bguidance(?:[ _]scale)?|\bcfg|가이던스){_IS}(\d+(?:\.\d+)?)"),
    ("strength", rf"(?:\bstrength|강도|세기){_IS}(0?\.\d+|1(?:\.0+)?|0)(?!\d)"),
    ("eta", rf"\beta{_IS}([01](?:\.\d+)?)"),
)
_SIZE = re.compile(
    r"(?<!\d)(\d{2,4})\s*(?:x|×|\*|by)\s*(\d{2,4})(?!\d)|(?<!\d)(\d{2,4}) ?(?:px|pixels?|픽셀)",
    re.IGNORECASE,
)
_SPOKEN = {"한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8}
_SPOKEN |= {"아홉": 9, "열": 10, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_SPOKEN |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NUMBER = rf"(\d+|{'|'.join(_SPOKEN)})"
_PICTURES_EN = r"(?:pictures?|images?|drawings?|paintings?|photos?|illustrations?)"
_PICTURES_KO = r"(?:그림|이미지|사진|장면|일러스트)"
_COUNT = re.compile(
    rf"\b{_NUMBER}\s+(?:different |new |more )?(?={_PICTURES_EN}\b)"
    rf"|(?<![\w가-힣]){_NUMBER} ?장(?:만|을|씩)?"
    rf"|{_NUMBER} ?개의\s*(?={_PICTURES_KO})"
    rf"|(?<=그림|사진)[을를]? ?{_NUMBER} ?개",
    re.IGNORECASE,
)
_SCHEDULER = re.compile(
    r"(?:\bwith |\busing )?(?:the )?(?<![a-z])(?P<name>ddim|ddpm|pndm|plms|euler[ _]ancestral"
    r"|euler[ _]a(?![a-z])|euler|heun|dpm\+\+[ _]karras|dpm\+\+|unipc)(?![a-z])"
    r"(?:\s*(?:scheduler|sampler|스케줄러|샘플러))?(?:으로|로)?",
    re.IGNORECASE,
)
_SCHEDULERS = {"euler a": "euler_ancestral"}
_NEGATIVE = re.compile(
    r"(?:\bnegative(?: prompt)?|(?:네거티브|부정) ?(?:프롬프트)?)(?:는|은|를|로)?\s*[:=]?\s*"
    r"(?:[\"“'‘](?P<quoted>[^\"”'’]+)[\"”'’]|(?P<bare>[^.;\n]+))",
    re.IGNORECASE,
)
_PREVIEWS = re.compile(
    r"\b(?:with )?(?:step )?previews?\b|\bintermediate steps\b"
    r"|미리 ?보기(?:도|와)?|중간 ?과정(?:도)?",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(
    r"\bin the background(?! of)\b|백그라운드(?:로|에서)?|뒤에서", re.IGNORECASE
)
_EVERY = 5  # steps between previews


def drawing_settings(request: str) -> tuple[str, dict[str, Any]]:
    """(the request without them, the arguments of `generate` that it writes out)."""
    found: dict[str, Any] = {}
    rest = request
    if negative := _NEGATIVE.search(rest):
        found["negative_prompt"] = (negative["quoted"] or negative["bare"]).strip()
        rest = _cut(rest, negative)
    rest, model = without_model(rest)
    if model:
        found["model"] = model
    for name, pattern in _WHOLE:
        if match := re.search(pattern, rest, re.IGNORECASE):
            found[name] = int(_group(match))
            rest = _cut(rest, match)
    for name, pattern in _REAL:
        if match := re.search(pattern, rest, re.IGNORECASE):
            found[name] = float(_group(match))
            rest = _cut(rest, match)
    if size := _SIZE.search(rest):
        found |= {"width": int(size[1] or size[3]), "height": int(size[2] or size[3])}
        rest = _cut(rest, size)
    if count := _COUNT.search(rest):
        number = _group(count).lower()
        found["count"] = _SPOKEN.get(number) or int(number)
        # "four images of" keeps its noun, by which the command is known
        rest = _cut(rest, count) if count[2] or count[4] else rest.replace(count[0], " ", 1)
    if scheduler := _SCHEDULER.search(rest):
        name = scheduler["name"].lower()
        found["scheduler"] = _SCHEDULERS.get(name, name.replace(" ", "_"))
        rest = _cut(rest, scheduler)
    if behind := _BACKGROUND.search(rest):
        found["background"] = True
        rest = _cut(rest, behind)
    if previews := _PREVIEWS.search(rest):
        found["preview_every"] = _EVERY
        rest = _cut(rest, previews)
    return closed(rest), found


def spoken_number(text: str) -> int | None:
    """A number in digits or as a word ("세", "three")."""
    return int(text) if text.isdigit() else _SPOKEN.get(text.lower())


def _group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _cut(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + GAP + text[match.end() :]


_VERB_EN = re.compile(
    r"\b(?:re)?(?:draw|paint|sketch|generate|create|make|render|produce|illustrate|show|give|want"
    r"|need|like)\b(?:\s+(?:me|us|to see|to have))?",
    re.IGNORECASE,
)
_NOUN_EN = re.compile(
    rf"^\s*(?:(?:a|an|the|another|some|one|new|nice)\s+)*{_PICTURES_EN}\b"
    r"\s*(?:of|with|showing|that shows|where|in which|:)?\s*",
    re.IGNORECASE,
)
_END_EN = re.compile(r"(?:,?\s*(?:please|for me|for us|thanks|thank you|now))*[\s.!?]*$", re.I)
_VERB_KO = re.compile(r"(?:다시 ?)?(?:그려|그리|만들|생성|뽑아|보여|보고 ?싶)")
_START_KO = re.compile(
    r"^(?:(?:이번에는|이번에|이번엔|이번|그럼|자|음|혹시|나한테|우리|이제|그러면|안녕|저기)[,\s]+)+"
)
_MORE_KO = re.compile(r"\s*(?:좀|하나|한번|한 번|다시|새로|또|더|예쁘게|멋지게|빨리)$")
_NOUN_KO = re.compile(rf"\s*{_PICTURES_KO}(?:을|를|으로|로|도)?$")
_PLACED = re.compile(r"(?P<thing>.+[을를]) (?P<place>.*(?:쪽|위|아래|밑|운데|앙|단|배경)에)")
_NOTHING = re.compile(
    r"^(?:something|anything|it|that|this|one|again|another|another one|one more|more|the same"
    r"|the same again|뭔가|아무거나|뭐든|다시"
    r"|그거|그것|이거|이것|또|하나 더|한 장 더|같은 거|같은 것|똑같이|다른 거|다른 것)?$",
    re.IGNORECASE,
)


def caption_in(request: str) -> str | None:
    """What shall be drawn, in the user's words; None where the request only says "again".

    Settings must have been taken out (`drawing_settings`).
    """
    if quoted := re.search(r"[\"“](?P<text>[^\"”]+)[\"”]|(?<!\w)['‘](?P<one>[^'’]+)['’]", request):
        return (quoted["text"] or quoted["one"]).strip() or None
    said = _korean(request) if language_of(request) == "ko" else _english(request)
    said = said.strip(" ,;:.!?~")
    return None if _NOTHING.match(said) else said


def _english(request: str) -> str:
    verb = _VERB_EN.search(request)
    said = request[verb.end() :] if verb else request
    said = _END_EN.sub("", _NOUN_EN.sub("", said.strip(), count=1))
    return re.sub(r"^(?:again|another)\b[\s,:]*", "", said, flags=re.IGNORECASE)


def _korean(request: str) -> str:
    verbs = list(_VERB_KO.finditer(request))
    if not verbs:
        return caption_of_korean(request.rstrip(" .!?~"))
    _, _, after = request[verbs[-1].start() :].partition(":")
    if after.strip():
        return after
    return caption_of_korean(_START_KO.sub("", request[: verbs[-1].start()].strip()))


def caption_of_korean(said: str) -> str:
    """The words of a Korean request before its verb, as a caption: no particle, no "picture"."""
    said = without_object(_all_cut(_MORE_KO, said.strip()))
    if placed := _PLACED.fullmatch(said):
        thing = without_object(placed["thing"])
        there = placed["place"] if placed["place"].endswith("배경에") else f"{placed['place']} 있는"
        return f"{there} {thing}"
    said = _all_cut(_MORE_KO, said)
    shown = _NOUN_KO.search(said)
    if shown is None:
        return without_object(said)
    said = said[: shown.start()]
    if re.search(r"[에쪽]\s+있는$", said):
        return re.sub(r"있는$", "있다", said)
    said = re.sub(r"(?:[이가]\s*)?(?:있는|나오는|보이는|담긴|그려진)$|의$|인$", "", said.strip())
    return without_object(said.strip())


def _all_cut(pattern: re.Pattern[str], text: str) -> str:
    while (shorter := pattern.sub("", text)) != text:
        text = shorter
    return text.strip()
