"""Requests to find or show a page, a slide or a figure: which one is meant, and its picture.

Text and pictures are searched by one question; a page that both point to comes before the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.tools import BaseTool
from typing_extensions import TypedDict

from graphs.documents import named_document
from graphs.language import Language
from graphs.passages import evidence_spans, heading_of, readable
from graphs.state import Citation, Step
from graphs.tool_calls import call_tool, result_of
from prompts import say

_FOUND = 8  # passages and pictures that are looked at
_OTHERS = 4  # further pages that an answer names
_LISTED = 10  # documents that a question back names
_COVERED = 0.4  # of a question's content that a passage must hold
_NEAR = 0.85  # or its cosine, where the words are another language's
_NOTES = {"drawn": "shown_drawn", "pictures": "shown_pictures"}
_SHORT = 100  # characters of a caption or quote

_PAGES_KO = r"슬라이드|(?<![가-힣])쪽|페이지|(?<=\d)장|장표"
_PICTURES_KO = r"그림|도표|도식|도형|사진|삽화|이미지|다이어그램|차트|그래프|스크린 ?샷"
_PAGES_EN = r"slides?|pages?"
_PICTURES_EN = (
    r"figures?|pictures?|images?|diagrams?|drawings?|charts?|graphs?|photos?|plots?|screenshots?"
)
_KO = re.compile(
    rf"(?P<noun>{_PAGES_KO}|{_PICTURES_KO})(?P<number>\s*\d+)?(?:들|번)?\s*[을를만]?\s*"
    r"(?:좀|다시|하나만?|한 ?번|모두|다)?\s*(?:찾|보여|보고|보자|띄워|꺼내|골라|열어)"
    rf"|(?:어느|어떤|몇 ?번째?)\s*(?P<which>슬라이드|{_PICTURES_KO})"
)
_EN = re.compile(
    r"\b(?:find|show|get|open|display|bring up|pull up|look for)\b"
    rf"(?P<kind>(?:\W+(?!about\b|in\b|on\b)\w+){{0,5}}?)\W+(?P<noun>{_PAGES_EN}|{_PICTURES_EN})\b"
    rf"|\bwhich (?P<which>slides?|{_PICTURES_EN})\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<ko>\d+)\s*(?:번째?\s*)?(?:쪽|페이지|장|슬라이드)|\b(?:slide|page|p\.)\s*(?P<en>\d+)",
    re.IGNORECASE,
)
_FILE = re.compile(r"[^\s\"'“”]+\.(?:pdf|pptx|docx|png|jpe?g|webp)(?![a-z])", re.IGNORECASE)
_WHERE_KO = re.compile(
    r"^\s*(?:(?:내|우리|이|그|올린|색인된|색인한)\s+)?"
    r"(?:\S+\.(?:pdf|pptx|docx)|문서|자료|보고서|발표 ?자료|교재|교안|강의 ?자료|논문|파일|매뉴얼"
    r"|책)들?"
    r"(?:에서|의|에|\s중에서?)\s+"
)
_ABOUT_KO = re.compile(
    r"\s*(?:에\s?(?:대한|대해|관한|관해|대하여)|관련(?:된)?"
    r"|(?:이|가|을|를|은|는|도)?\s*(?:있는|나오는|나온|들어간|들어 ?있는|그려진|그린|보이는"
    r"|담긴|실린|설명하는|설명한|설명된|다루는|다룬|말하는)(?:\s*(?:내|이|그))?)\s*$"
)
_ABOUT_EN = re.compile(
    r"^\W*(?:that|which)?\s*(?:about|on|of|with|where|for|showing|shows?|contain(?:s|ing)"
    r"|depict(?:s|ing)|explain(?:s|ing)|describ(?:es|ing)|cover(?:s|ing)|has|have|talks? about"
    r"|(?:is|are) about)\b\s*(?:there (?:is|are)\s*)?(?:the\s+|an?\s+)?",
    re.IGNORECASE,
)
_WHERE_EN = re.compile(
    r"\s*\b(?:in|from|of) (?:my|the|our|this|these|your)\s*"
    r"(?:documents?|files?|slides|deck|report|textbook|presentation|paper|pdf|book)\W*$",
    re.IGNORECASE,
)
_ARTICLES = re.compile(r"\b(?:me|us|the|an?|any|all|every|some|please)\b", re.IGNORECASE)


class Shown(TypedDict):
    """An answer that shows a page, with the files of its pictures."""

    text: str
    steps: list[Step]
    citations: list[Citation]
    artifacts: list[str]


@dataclass(frozen=True)
class Wanted:
    """What a request wants to see: `topic` is what to search for, `number` the page it names.

    The topic is empty where the number says it all. With `figure` it is a picture rather than a
    whole page.
    """

    topic: str
    number: int | None
    figure: bool


@dataclass
class _Page:
    """A page that was found: its first passage, its first picture, and what they score."""

    source: str
    title: str
    page: int | None
    score: float = 0.0
    passage: dict[str, Any] | None = None
    picture: dict[str, Any] | None = None
    why: list[str] = field(default_factory=list)


def wanted_page(request: str) -> Wanted | None:
    """What a request wants to see, or None if it does not ask for a page or a figure."""
    found = _KO.search(request)
    korean = found is not None
    found = found or _EN.search(request)
    if found is None:
        return None
    noun = (found["noun"] or found["which"]).lower()
    pages = re.compile(f"(?:{_PAGES_KO}|{_PAGES_EN})$", re.IGNORECASE)
    numbered = _NUMBER.search(request)
    number = int(numbered["ko"] or numbered["en"]) if numbered else None
    topic = _topic_ko(request, found) if korean else _topic_en(request, found)
    figure = not pages.match(noun) and noun not in ("쪽", "장")
    if number is not None and not figure:
        left = re.sub(rf"\b{number}\b|\bof\b|번째", " ", _FILE.sub(" ", topic))
        return Wanted(" ".join(left.split()), number, figure)
    return Wanted(topic or request, number, figure)


async def show_page(
    request: str, wanted: Wanted, language: Language, tools: Mapping[str, BaseTool]
) -> Shown:
    """The picture of the page or figure that is meant, why it is that one, and other candidates."""
    steps: list[Step] = []

    async def call(name: str, **arguments: Any) -> Any:
        message = await call_tool("rag", tools[name], arguments)
        steps.append(message.additional_kwargs["step"])
        return None if message.status == "error" else result_of(message)

    document, listed = None, None
    if wanted.number is not None or _FILE.search(request):
        listed = await call("list_documents")
        document = named_document(request, listed["result"]) if listed else None
    if document and wanted.number is not None and not wanted.figure:
        page = _Page(document["source"], document["title"], wanted.number)
        return await _answer([page], wanted, language, call, steps)
    if not wanted.topic:
        titles = ", ".join(row["title"] for row in listed["result"][:_LISTED]) if listed else ""
        key = "which_document" if titles else "no_documents"
        return _only(say(key, language, titles=titles), steps)
    modality = "pictures" if wanted.figure else "both"
    only = {"source": document["source"]} if document else {}
    found = await call("search", query=wanted.topic, k=_FOUND, modality=modality, **only)
    if found and wanted.figure and not found["pictures"]:
        found = await call("search", query=wanted.topic, k=_FOUND, modality="both", **only)
    if found is None:
        error = steps[-1]["result"]
        return _only(say("tool_failed", language, tool="search", error=error), steps)
    if not found["searched"]["documents"]:
        return _only(say("no_documents", language), steps)
    pages = _pages(found, language)
    if not pages:
        documents = found["searched"]["documents"]
        text = say("no_page", language, documents=documents, topic=wanted.topic)
        nearest = _pages(found, language, sure=False)[:_OTHERS]
        return _only("\n\n".join([text, *_listed(nearest, language)]), steps)
    return await _answer(pages, wanted, language, call, steps)


def _only(text: str, steps: list[Step]) -> Shown:
    return {"text": text, "steps": steps, "citations": [], "artifacts": []}


def _pages(found: dict[str, Any], language: Language, sure: bool = True) -> list[_Page]:
    """Pages by the sum of what their best passage and their best picture score.

    Only passages that hold enough of the question count, unless not `sure`.
    """
    pages: dict[tuple[str, int | None], _Page] = {}
    score = {(item["modality"], item["id"]): item["score"] for item in found["ranking"]}

    def page_of(item: dict[str, Any]) -> _Page:
        place = item["source"], item["page"]
        return pages.setdefault(place, _Page(item["source"], item["title"], item["page"]))

    for rank, passage in enumerate(found["passages"], 1):
        scores = passage["scores"]
        if sure and scores["coverage"] < _COVERED and (scores["dense"] or 0.0) < _NEAR:
            continue
        page = page_of(passage)
        if page.passage is None:
            page.passage = passage
            page.score += score["text", passage["id"]]
            page.why.append(say("by_text", language, rank=rank))
    for picture in found["pictures"]:
        page = page_of(picture)
        if page.picture is None:
            page.picture = picture
            page.score += score["picture", picture["id"]]
            page.why += _seen(picture["scores"], language)
    return sorted(pages.values(), key=lambda page: -page.score)


def _seen(scores: dict[str, Any], language: Language) -> list[str]:
    why = []
    if scores["words_rank"]:
        why.append(say("by_words", language, rank=scores["words_rank"]))
    if scores["looks_rank"]:
        cosine = f"{scores['looks']:.2f}"
        why.append(say("by_looks", language, rank=scores["looks_rank"], cosine=cosine))
    return why


async def _answer(
    pages: list[_Page], wanted: Wanted, language: Language, call: Any, steps: list[Step]
) -> Shown:
    best = pages[0]
    note, path = "", best.picture["picture"] if best.picture else None
    if not (wanted.figure and path):
        shown = await call("page_picture", source=best.source, page=best.page)
        if shown:
            path = shown["picture"]
            note = say(_NOTES[shown["how"]], language) if shown["how"] in _NOTES else ""
        elif path is None:
            error = steps[-1]["result"]
            note = say("tool_failed", language, tool="page_picture", error=error)
    lines = [f"**{_place(best, language)}**" + _said(best)]
    lines += [f"`{path}`"] if path else []
    if best.why:
        lines.append(say("found_by", language, why=", ".join(best.why)))
    citations = _cited(best)
    lines += [f"[{item['n']}] “{item['quote']}”" for item in citations]
    lines += [note] if note else []
    lines += _listed(pages[1 : 1 + _OTHERS], language)
    return {
        "text": "\n\n".join(lines),
        "steps": steps,
        "citations": citations,
        "artifacts": [path] if path else [],
    }


def _listed(pages: list[_Page], language: Language) -> list[str]:
    """Further candidates, a line each; nothing for none."""
    lines = [f"- {_place(page, language)}{_said(page)}" for page in pages]
    return ["\n".join([say("other_pages", language), *lines])] if lines else []


def _place(page: _Page, language: Language) -> str:
    where = f", {say('page', language, page=page.page)}" if page.page is not None else ""
    return f"{page.title}{where}"


def _said(page: _Page) -> str:
    """The caption of a page's picture, without what gives orders."""
    caption = readable(page.picture["caption"]) if page.picture else ""
    return f": {_shorter(caption)}" if caption else ""


def _cited(page: _Page) -> list[Citation]:
    """The first sentence of the passage by which a page was found, word for word."""
    if page.passage is None:
        return []
    text = page.passage["text"]
    quotes = [text[start:end] for start, end in evidence_spans(text)]
    if not quotes:
        return []
    quote = quotes[0][:_SHORT].strip()
    heading = heading_of(page.passage)
    return [{"n": 1, "source": page.title, "page": page.page, "heading": heading, "quote": quote}]


def _shorter(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHORT else flat[: _SHORT - 1] + "…"


def _topic_ko(request: str, found: re.Match[str]) -> str:
    if found["which"]:
        return _FILE.sub("", request[: found.start()] + " " + request[found.end() :]).strip(" ?？.")
    before = _WHERE_KO.sub("", request[: found.start()])
    before = _ABOUT_KO.sub("", before).strip(" ,.")
    number = (found["number"] or "").strip()
    return f"{before} {found['noun']} {number}".strip() if number else before


def _topic_en(request: str, found: re.Match[str]) -> str:
    after = _WHERE_EN.sub("", request[found.end() :])
    after = _ABOUT_EN.sub("", after).strip(" ?.!,")
    kind = _ARTICLES.sub("", found["kind"] or "")
    return " ".join(f"{kind} {after}".split())
