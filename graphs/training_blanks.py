"""Which span of a statement a question shall ask for, chosen by code and blanked (chapter 12).

What is asked for is then known, and stands in the passage by construction: a term by its
definition and the definition by its term, dates, numbers with their unit, lists, names, quoted
words and objects. A span whose borders are not plain to see from the words alone is left out:
half a noun phrase makes a question that nobody would ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from graphs.language import language_of
from graphs.training_checks import content, gives_away
from graphs.training_korean import (
    ask,
    asked_for,
    is_border,
    is_modifier,
    topic_of,
    with_topic,
    with_topic_marker,
)

MARK = "____"
_LONGEST = 110  # characters of what is left: a question that can still be read
Sort = Literal["term", "date", "number", "list", "name", "quoted", "meaning", "object"]
_ORDER: tuple[Sort, ...] = Sort.__args__  # type: ignore[attr-defined]

_QUOTED = re.compile(r"(?<!\w)([\"“'‘])(?P<span>[^\"“”'‘’]{2,40})[\"”'’]")
_LATIN = r"[A-Za-z][\w+#/-]*(?:\.\w+)*"
_PAREN = r"(?: ?\([^()]{2,60}\))?"

# Korean
_DATE_KO = re.compile(
    r"(?<!\d)(?P<span>\d{4} ?년(?:대)?(?: \d{1,2} ?월)?(?: \d{1,2} ?일)?) ?(?=에(?!서)|부터|까지)"
)
_UNITS = (
    r"(?:차원|개월|개|자|명|배|비트|bit|퍼센트|토큰|tokens?|[GMK]B|시간|분|초|점|장|쪽|원|달러"
    r"|km|kg|cm|mm|가지|단계|종류|층|행|열|대|회|번|살|세|주|일|평|헥타르)"
)
_NUMBER_KO = re.compile(
    r"(?<![\w.,~-])(?P<span>(?:(?:약 )?\d[\d,]*(?:\.\d+)?(?: ?[~-] ?\d[\d,.]*\d)?"
    r"|(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열)(?= ))"
    rf" ?(?P<unit>{_UNITS}))(?=[ ,.(]|[은는이가을를의로과와도만으]|에서?[ ,])"
)
_DEFINED_KO = re.compile(
    r"(?P<meaning>.{4,160}?)(?P<copula>이다\.|이며,|(?:을|를) (?:의미|뜻|말)한다\.|임\.)"
)
_KIND = (
    r"모델|라이브러리|모듈|함수|클래스|알고리즘|프레임워크|패턴|아키텍처|인코더|디코더|데이터셋"
    r"|데이터베이스|언어|지표|레이어|포트|기법"
)
_NAME_KO = re.compile(
    rf"(?P<span>{_LATIN}(?: {_LATIN})*{_PAREN}(?: (?P<kind>{_KIND}))?)"
    r"(?P<particle>에서|으로|에 의해|을|를|이(?= )|가(?= )|로|와|과)(?=[ ,.])"
)
_LIST_KO = re.compile(
    r"(?P<span>(?:[A-Z][\w.-]* )?[^\s,()]+(?:, [^\s,()]+(?: [^\s,()]+)?)+"
    r"(?:,? (?:및|그리고) [^\s,()]+)?) ?(?P<particle>이|가|을|를)(?=[ ,.])"
)
_OBJECT_KO = re.compile(r"(?P<head>\S*[^\s\W지만도등기])(?P<particle>을|를)(?= )")
_VAGUE = re.compile(
    r"(?:것|역할|작업|기능|과정|방식|방법|도움|필요|영향|사용|결과|정보|내용|수|경우|이|그|때|점"
    r"|특징|문제|모델|기술|값|부분|단계|데이터|조건|이름|형태|대상|성능)"
)

# English
_NUMBERS = (
    r"(?:\d[\d,]*(?:\.\d+)?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)"
)
_DATE_EN = re.compile(
    r"\b(?:[Ii]n|[Ss]ince|[Uu]ntil|[Oo]n) (?P<span>(?:(?:Jan|Febr)uary|March|April|May|June|July"
    r"|August|(?:Sept|Nov|Dec)ember|October)?(?: ?\d{1,2},)? ?\b(?:1[5-9]|20)\d\d)\b(?!-)"
)
# What ends in -s after a number and is no unit: "GPT 3 has", "in 2017 was".
_VERBS = (
    r"(?:is|was|has|does|as|us|its|his|this|thus|plus|versus|always|perhaps|besides|uses|supports"
    r"|allows|provides|needs|requires|makes|takes|gives|gets|shows|includes|contains|consists|works"
    r"|comes|goes|becomes|remains|means|offers|adds|helps|lets|introduces|improves|performs"
    r"|achieves|outperforms|learns|trains|predicts|generates|returns|reads|writes|stores|keeps"
    r"|holds|serves|follows|refers|depends|differs|exists|applies|reduces|increases|combines"
    r"|creates|converts|describes|explains|defines|removes|replaces|sees|says|seems|brings|meets)"
)
_NUMBER_EN = re.compile(
    rf"(?<![\w.,-])(?P<span>{_NUMBERS} (?!{_VERBS}\b)"
    r"(?P<unit>[a-z]{2,}(?:s|es|ren|people)|percent)|\d[\d.]*%)(?![\w-])"
)
_NUMBERED = re.compile(
    r"(?<!\w)(?!(?:The|An?|In|At|On|For|With|About|Over|Only|Some|Its|Their|These|Those|All|Each"
    r"|Every|Of|By|From|Up|Under|To|After|Before|Within|Nearly|Almost|Around|Roughly|Exactly) )"
    r"[A-Z][\w-]* $"
)
"""A name whose number follows: "Llama 2 runs", "Chapter 3 lists"."""
_DEFINED_EN = re.compile(
    r"^(?P<topic>[A-Z][^,.:]{1,50}?) (?P<verb>is|are)"
    r" (?P<meaning>(?:an?|the|one of) [^,;]{12,160})\.$"
)
_LIST_EN = re.compile(
    r"(?P<span>[\w-]+, (?:[\w-]+(?: [\w-]+)?, )*(?:[\w-]+,? )?(?:and|or) [\w-]+(?: [\w-]+)?)(?=\.)"
)
_NAME_EN = re.compile(
    r"\b(?:by|in|of|on|to|at|near|from) "
    r"(?P<span>(?:the )?(?:[a-z]+ )?[A-Z][\w+-]*(?: [A-Z][\w+-]*)*)"
    r"(?=[.,]| (?:and|in|by|to|for|with|from|on|near)\b)"
)
_OBJECT_EN = re.compile(
    r"\b(?P<span>(?:the|an?|its|their|all|only) (?:[a-z-]+ ){0,2}[a-z-]+"
    r"(?: of (?:the |an? )?[a-z-]+(?: [a-z-]+)?)?)(?=[.,])"
)

_GENERAL = re.compile(
    r"^(?:모델|결과|성능|방법|방식|과정|사용자|시스템|알고리즘|기술|단계|문서|검색|질문|데이터|내용"
    r"|입력|출력|함수|값|항목|도구|전체|일반|특정|보통|주로|현재|최종적?|내부적|구체적|입력된)"
    r"[은는이가을를의에]?으?로? "
    r"|^(?:Below|Here|There|Next)\b"
    r"|^(?:The|An?) (?:models?|results?|systems?|methods?|users?|process|algorithms?) "
    r"|^(?!In |On |At |By |For |From |With |Of |Under )[A-Z][a-z]+ (?:the|an?|your|each|all) "
)


@dataclass(frozen=True)
class Blank:
    """One span of a statement, the statement with the span blanked, and what asks for it.

    `asks` is the asking word ("언제", "how many hectares"); `plain` is the question that comes of
    the blanked statement without rewriting, where grammar allows it.
    """

    statement: str
    span: str
    cloze: str
    asks: str
    sort: Sort
    plain: str | None

    @property
    def subject(self) -> str:
        """What the question must name: the topic, or in English the name that comes first."""
        if language_of(self.statement) == "ko":
            topic = topic_of(self.cloze)
            return topic.name if topic and MARK not in topic.name else ""
        name = re.match(r"(?:The |An? )?(?!The |An? )([A-Z][\w-]*(?: [A-Z][\w-]*)*)", self.cloze)
        return name[1] if name else ""

    @property
    def wide(self) -> bool:
        """Whether the question leaves enough unsaid to be answered by the whole statement."""
        return not gives_away(self.cloze, self.statement)


def blanks(statement: str) -> list[Blank]:
    """The spans that can be asked for, plainest first; none where the subject is not named."""
    text = with_topic(statement)
    if not stands_alone(text):
        return []
    find = _korean if language_of(statement) == "ko" else _english
    found: dict[str, Blank] = {}
    for blank in find(text):
        rest = blank.cloze.replace(MARK, " ")
        if (
            len(rest) <= _LONGEST
            and blank.span == blank.span.strip()
            and content(blank.span)
            and not gives_away(rest, blank.span)
            and (blank.sort == "term" or stands_alone(rest))
        ):
            found.setdefault(blank.span, replace(blank, statement=statement))
    return sorted(found.values(), key=lambda blank: _ORDER.index(blank.sort))


def stands_alone(statement: str) -> bool:
    """Whether a statement names what it is about, by a topic or a name."""
    if _GENERAL.search(statement) or len(re.findall('["“”]', statement)) % 2:
        return False
    if language_of(statement) == "en":
        return bool(re.match(r"[A-Z]", statement))
    if topic_of(statement) is not None:
        return True
    return bool(re.search(r"[A-Z][A-Za-z-]+", statement)) and not re.search("[,:]", statement)


def _korean(text: str) -> Iterator[Blank]:
    yield from _definitions_ko(text)
    topic = topic_of(text)
    after = topic.end if topic else 0
    for found in _DATE_KO.finditer(text):
        yield _blank_ko(text, found, "언제", "date")
    for found in _NUMBER_KO.finditer(text, after):
        yield _blank_ko(text, found, f"몇 {found['unit']}", "number")
    for found in _LIST_KO.finditer(text, after):
        if is_border(text[: found.start()]):
            yield _blank_ko(text, found, "무엇", "list")
    for found in _NAME_KO.finditer(text, after):
        if is_border(text[: found.start()]):
            yield _blank_ko(text, found, asked_for(found), "name")
    for found in _QUOTED.finditer(text, after):
        yield _blank_ko(text, found, "무엇", "quoted")
    for found in _OBJECT_KO.finditer(text, after):
        start = found.start("head")
        while is_modifier(before := text[after:start].split(" ")[-2:-1]):
            start -= len(before[0]) + 1
        span = text[start : found.end("head")]
        if is_border(text[:start]) and not _VAGUE.fullmatch(span) and len(span) > 1:
            yield _cut(text, start, found.end("head"), "무엇", "object")


def _definitions_ko(statement: str) -> Iterator[Blank]:
    """The definition by its term, and the term by its definition."""
    topic = topic_of(statement)
    if topic is None or topic.marked.endswith(("에는", "에서는")):
        return
    found = _DEFINED_KO.match(statement, topic.end)
    if found is None or len(found["meaning"].split()) < 2:
        return
    meaning = found["meaning"].strip()
    cloze = f"{topic.marked} {MARK}이다."
    yield Blank(statement, meaning, cloze, "무엇", "meaning", f"{topic.marked} 무엇인가요?")
    telling = len(meaning.split()) > 3 and not meaning.endswith("것")
    if telling and len(topic.name) <= 40 and "의 " not in topic.name:
        cloze = f"{MARK}은 {meaning}이다."
        plain = f"{with_topic_marker(meaning)} 무엇인가요?"
        yield Blank(statement, topic.name, cloze, "무엇", "term", plain)


def _blank_ko(statement: str, found: re.Match[str], asks: str, sort: Sort) -> Blank:
    start, end = found.span("span")
    if sort == "quoted":
        start, end = found.span()
        return _cut(statement, start, end, asks, sort, found["span"])
    return _cut(statement, start, end, asks, sort)


def _cut(
    statement: str, start: int, end: int, asks: str, sort: Sort, span: str | None = None
) -> Blank:
    span = span or statement[start:end]
    before, after = statement[:start], statement[end:]
    return Blank(statement, span, f"{before}{MARK}{after}", asks, sort, ask(before, asks, after))


def _english(statement: str) -> Iterator[Blank]:
    if found := _DEFINED_EN.match(statement):
        topic, verb, meaning = found["topic"], found["verb"], found["meaning"]
        bare = re.sub(r"^(?:The|An?) ", lambda article: article[0].lower(), topic)
        yield Blank(
            statement, meaning, f"{topic} {verb} {MARK}.", "what", "meaning", f"What {verb} {bare}?"
        )
        if len(meaning.split()) > 4:
            cloze = f"{MARK} {verb} {meaning}."
            yield Blank(statement, topic, cloze, "what", "term", f"What {verb} {meaning}?")
    patterns: tuple[tuple[re.Pattern[str], Sort, str], ...] = (
        (_DATE_EN, "date", "when"),
        (_NUMBER_EN, "number", "how many"),
        (_LIST_EN, "list", "what"),
        (_NAME_EN, "name", "what"),
        (_QUOTED, "quoted", "what"),
        (_OBJECT_EN, "object", "what"),
    )
    for pattern, sort, asks in patterns:
        for found in pattern.finditer(statement):
            start, end = found.span("span")
            if sort == "number" and _NUMBERED.search(statement[:start]):
                continue
            unit = found.groupdict().get("unit")
            asked = f"{asks} {unit}" if unit else asks
            if sort == "name" and statement[:start].endswith("by "):
                asked = "who"
            cloze = f"{statement[:start]}{MARK}{statement[end:]}"
            yield Blank(statement, found["span"], cloze, asked, sort, None)
