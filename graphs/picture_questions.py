"""What a request asks of pictures: labels to choose from, or what to look for."""

from __future__ import annotations

import re

from graphs.drawing_words import caption_of_korean, spoken_number
from graphs.language import Language, language_of
from graphs.particles import without_companion
from graphs.picture_changes import words
from graphs.picture_places import without_places

_THIS_EN = re.compile(
    r"^.*?\b(?:is|are|does|was)\b(?:\s+(?:this|that|it|these|they|there|the\s+\w+|he|she)\b)?"
    r"(?:\s+(?:a |the )?(?:picture|image|photo|drawing)s?\b)?"
    r"\s*(?:show(?:ing|s)?\b|of\b|an? (?:picture|image|photo|drawing) of\b)?\s*",
    re.IGNORECASE,
)
_LIST_AFTER = re.compile(
    r"(?:\b(?:as|into|between|among|labels?(?: are)?|classes|categories|one of|whether it is)\b"
    r"|[:：])\s*(?P<list>[^:：]+)$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:(?:an?|the|either|a picture|of|or|and)\s+)+", re.IGNORECASE)
_OPEN_EN = re.compile(
    r"^(?:what|which|who|where|how|something|anything|it|this|that|there|like|called|doing|in|on)\b",
    re.IGNORECASE,
)
_END_EN = re.compile(r"\s*(?:,?\s*please|or not|or something else|instead)?[\s?.!]*$", re.I)
_START_KO = re.compile(
    r"^(?:(?:이|그|저|위|아래)\s*(?:그림|사진|이미지)|이것|그것|저것|이게|그게|저게|이거|그거|이건|그건|저건|사진|그림|이미지"
    r"|여기|혹시|음)(?:이|가|은|는|에|속|도)?\s*(?:있는\s*(?:건|것은|게|것이)|나온\s*(?:건|것은|게))?[\s,]*"
)
_COPULA = re.compile(
    r"(?P<noun>\S)(?:이야|야|이니|니|이냐|냐|이에요|예요|인가요|인가|인지|일까요|일까|입니까|임|이죠|죠)"
    r"(?=[\s,?.!]|$)"
)
_TELL_KO = re.compile(
    r"\s*(?:좀 )?(?:알려|말해|맞혀|맞춰|판단해|구별해|골라|봐)\s?(?:줘|봐|줄래|주세요)\S*$"
)
_AMONG = re.compile(
    r"(?P<list>.+?)\s*(?:중에서?|중|가운데)\s*(?:에서\s*)?(?:뭐|무엇|어느|어떤|하나|어디|고)"
)
_INTO_KO = re.compile(r"(?P<list>\S.*?)(?:으로|로)\s*(?:분류|나눠|구분)")
_SPLIT_KO = re.compile(r"\s*(?:,|/|·|\b아니면\b|아니면|또는|혹은|이나(?=\s))\s*")
_OPEN_KO = re.compile(r"뭐|무엇|무슨|어떤|누구|어디|몇|맞|보여|알려|설명|있")
_QUOTES = re.compile(r"[\"“](?P<a>[^\"”]+)[\"”]|(?<!\w)['‘](?P<b>[^'’]+)['’](?![A-Za-z])")
_FIND_EN = re.compile(
    r"^.*?\b(?:find|search|look|show|get|locate|pick|list|which|any|are there|do i have)\b"
    r"(?:\s+(?:me|out|for|through|my|all|the|every|any|some|\d+))*",
    re.IGNORECASE,
)
_PICTURES_EN = re.compile(
    r"^\s*(?:(?:pictures?|images?|photos?|drawings?|ones?)\b\s*)?"
    r"(?:of|with|for|showing|that shows?|that ha(?:ve|s)|having|shows?|ha(?:ve|s)|containing"
    r"|where|in which)?\s+",
    re.IGNORECASE,
)
_HERE_EN = re.compile(
    r"\s*\b(?:in|from|among|on) (?:my|the|these|those|this|all|our)?\s*"
    r"(?:pictures?|images?|photos?|drawings?|folder|index|collection|album)\b.*$",
    re.IGNORECASE,
)
_AMONG_MINE = re.compile(
    r"^(?:내|제|우리|모든)?\s*(?:사진첩?|그림|이미지|앨범)(?:들)?\s*(?:중에서?|에서|가운데)\s*"
)
_FIND_KO = re.compile(r"찾|검색|골라|보여|있어|있나|있니|있을까|뽑")
_TOP = re.compile(
    r"\btop (\d+)|상위 (\d+)"
    r"|(?<![\w가-힣])(\d+|한|두|세|네|다섯|여섯|열) ?(?:장|개)(?:만|씩|(?=[ 을를,]|$))"
    r"|\b(\d+|one|two|three|four|five|ten) (?:most |best )?"
    r"(?:pictures|images|photos|results|matches)",
    re.IGNORECASE,
)
_LIKE = re.compile(
    r"\blike (?:this|that|it|these)\b|\blike\s*$|similar|resembl|look alike"
    r"|비슷|닮|유사|같은 (?:그림|사진|느낌)",
    re.IGNORECASE,
)


def labels_in(request: str) -> list[str]:
    """The labels that a question about a picture offers: "is this a cat or a dog?"."""
    if quoted := [match["a"] or match["b"] for match in _QUOTES.finditer(_hidden(request))]:
        return quoted
    asked = without_places(request)
    return _labels_ko(asked) if language_of(request) == "ko" else _labels_en(asked)


def _hidden(request: str) -> str:
    """A request without quoted paths, which are no labels."""
    return re.sub(r"[\"“'‘`][^\"”'’`\n]*[/\\.][^\"”'’`\n]*[\"”'’`]", " ", request)


def _labels_en(asked: str) -> list[str]:
    asked = _END_EN.sub("", re.sub(r"\?.*$", "", asked))
    after = _LIST_AFTER.search(asked)
    said = after["list"] if after else asked
    if not after:
        begun = _THIS_EN.match(asked)
        if not begun:
            return []
        said = asked[begun.end() :]
    found = [part.strip() for part in re.split(r",|/|\bor\b|\band\b(?=[^,]*$)", said)]
    labels = [_ARTICLE.sub("", part) for part in found if part]
    return [] if any(_OPEN_EN.match(label) or not label for label in labels) else labels


def _labels_ko(asked: str) -> list[str]:
    said = _TELL_KO.sub("", asked.strip(" ?.!"))
    if after := re.search(r"[:：]\s*(?P<list>[^:：]+)$", said):
        return [part for part in _SPLIT_KO.split(after["list"]) if part]
    said = _START_KO.sub("", said)
    if listed := _AMONG.search(said) or _INTO_KO.search(said):
        return _joined_ko(listed["list"])
    marked = _COPULA.sub(lambda match: f"{_noun_end(match)},", said)
    parts = [part.strip(" ,?") for part in _SPLIT_KO.split(marked)]
    labels = [part for part in parts if part]
    asks = marked != said or len(labels) > 1
    return [] if not asks or any(_OPEN_KO.search(label) for label in labels) else labels


def _noun_end(match: re.Match[str]) -> str:
    """The noun's last letter, with the 이 that is its own: 고양이야, but 원이야."""
    before = match.string[: match.start() + 1]
    own = re.search(r"(?:고양|호랑|원숭|어린|거북|달팽|부엉|종|놀)$", before)
    ending = match[0][1:]
    return match["noun"] + ("이" if own and ending.startswith("이") else "")


def _joined_ko(said: str) -> list[str]:
    """The nouns of "고양이, 개와 새"."""
    parts = [part for part in _SPLIT_KO.split(said) if part]
    found = []
    for part in parts:
        words = part.split()
        if len(words) > 1 and (bare := without_companion(words[0])) != words[0]:
            found += [bare, " ".join(words[1:])]
        elif len(words) > 2 and (bare := without_companion(words[1])) != words[1]:
            found += [f"{words[0]} {bare}", " ".join(words[2:])]
        else:
            found.append(part)
    return found


def texts_in(request: str) -> list[str]:
    """The captions that a request quotes, paths apart."""
    return [match["a"] or match["b"] for match in _QUOTES.finditer(_hidden(request))]


def query_in(request: str) -> str | None:
    """The words by which pictures are to be found: "find pictures of red triangles in ~/a"."""
    if quoted := texts_in(request):
        return quoted[0]
    asked = without_places(request)
    if language_of(request) == "ko":
        verb = _FIND_KO.search(asked)
        said = asked[: verb.start()] if verb else asked
        said = _AMONG_MINE.sub("", said)
        return caption_of_korean(_TOP.sub(" ", said)) or None
    said = _HERE_EN.sub("", asked.rstrip(" ?.!"))
    said = _FIND_EN.sub("", _TOP.sub(lambda found: "pictures" if found[4] else "", said), count=1)
    said = _PICTURES_EN.sub("", f" {said.strip()}").strip(" ,?.!")
    return re.sub(r"\s*,?\s*\bplease$", "", said) or None


def wanted_number(request: str) -> int | None:
    """How many results a request asks for."""
    found = _TOP.search(without_places(request))
    return spoken_number(next(g for g in found.groups() if g)) if found else None


def asks_for_like(request: str) -> bool:
    """Whether pictures like a given one are looked for."""
    return bool(_LIKE.search(without_places(request)))


def default_labels(language: Language, drawn: bool) -> list[str]:
    """What a picture is compared with where the user names nothing: a `drawn` world, or things."""
    if not drawn:
        return list(words()["things"][language])
    return [f"{c[language]} {s[language]}" for s in words()["shape"] for c in words()["colour"]]
