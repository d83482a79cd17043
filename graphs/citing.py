"""Tie each sentence of an answer to a verbatim span of a source that contains its support.

A sentence is supported by a span that holds every number and every Latin name which the sentence
adds to the question, and most of what else it says; between two languages, where words cannot be
compared, sentence vectors tell whether the span says the same. What has no such span is dropped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.tools import BaseTool

from graphs.language import Language, language_of
from graphs.passages import Passage, evidence_spans, gives_orders, heading_of, sentence_spans
from graphs.similarity import Features, cosines
from graphs.state import Citation, Step
from graphs.tokens import asked_content, asks_amount, content, names, numbers
from graphs.tool_calls import call_tool, result_of
from prompts import say

_SUPPORT = 0.45  # share of a sentence's content tokens that a source span must contain
_ADDED = 0.34  # share of what it adds to the question
_NEW, _HARDLY = 0.6, 0.2  # or most of what it adds, or its names and numbers, and little else
_NEAR = 0.5  # cosine from which on a span in another language says the same
_NEAR_NAMED = 0.4  # the same, where it holds a name that is asked about
_CODE_BEARS = 0.5  # how much a quote gains that holds what a sentence has in back-ticks
_QUOTE = 400  # characters; longer spans are cut at a word
_NEIGHBOURS = 5  # sentences, or lines of a list, that one quote may join
_MARK = re.compile(r"[ \t]*\[\d{1,3}\]")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_COUNTS = re.compile(r"^[ \t]*(?:#+[ \t]*)?\d{1,2}[.)](?=\s)", re.MULTILINE)
_AROUND = "`'\"* "
_SHORTEST = 3  # characters of a pattern like <[^>]+>, which has no words and is quoted as it stands
_CODE = re.compile(r"`([^`\s]+)`")
_PIECE = re.compile(r"(?:[^.!?。\n]|[.!?](?=\S))+[.!?。]*|[.!?。]+|\n")


@dataclass(frozen=True)
class _Source:
    """A quote that an answer may rest on, with its tokens."""

    quote: str
    passage: Passage
    tokens: frozenset[str]
    stated: frozenset[str]
    """The same; where an amount is asked for, without what counts a line ("3. Deploy")."""
    topics: frozenset[str]
    """The same, with those of the titles over it."""
    foreign: bool
    """Whether it is in another language than the question, and gives no orders to a model."""


def sentences(text: str) -> list[str]:
    """The sentences of a text, each a verbatim span without surrounding white space."""
    return [text[start:end] for start, end in sentence_spans(text)]


def cite(
    answer: str,
    passages: Sequence[Passage],
    question: str = "",
    vectors: Features | None = None,
) -> tuple[str, list[Citation]]:
    """The answer's supported sentences with `[n]` after each, and the citations by number.

    `passages` are results of the retrieval server; `vectors` are of sentences in any language.
    Marks that the model wrote itself are taken off: only what is checked here is cited. An empty
    text means that nothing is supported.
    """
    sources = list(_sources(passages, question))
    pieces = _PIECE.findall(_MARK.sub("", answer))
    near = _near([_said(piece) for piece in pieces], sources, vectors)
    citations: list[Citation] = []
    kept: list[str] = []
    for piece in pieces:
        if piece == "\n":
            kept.append(piece)
            continue
        said = _said(piece)
        if not re.search(r"\w", said) and len(said.strip(_AROUND)) < _SHORTEST:
            continue
        if (best := _best(said, question, sources, near.get(said, {}))) is not None:
            kept.append(f"{piece.rstrip()} [{_number(citations, best)}]")
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), citations


async def cite_from_pages(
    answer: str,
    passages: Sequence[Passage],
    question: str,
    vectors: Features,
    page_text: BaseTool,
) -> tuple[str, list[Citation], list[Step]]:
    """As `cite`, of what stands verbatim on its page as the server has it; and the calls made."""
    steps: list[Step] = []
    texts: dict[tuple[str, int | None], str] = {}
    while True:
        marked, citations = await asyncio.to_thread(cite, answer, passages, question, vectors)
        quotes: dict[tuple[str, int | None], list[str]] = {}
        for citation in citations:
            place = citation["source"], citation["page"]
            quotes.setdefault(place, []).append(citation["quote"])
        for passage in passages:
            place = _place(passage)
            if (passage["title"], passage["page"]) not in quotes or place in texts:
                continue
            arguments = {"source": passage["source"], "page": passage["page"]}
            message = await call_tool("rag", page_text, arguments)
            steps.append(message.additional_kwargs["step"])
            result = result_of(message)
            texts[place] = result["text"] if message.status != "error" else ""
        sound = [
            passage
            for passage in passages
            if all(
                quote in texts[_place(passage)]
                for quote in quotes.get((passage["title"], passage["page"]), [])
                if quote in passage["text"]
            )
        ]
        if len(sound) == len(passages):
            return marked, citations, steps
        passages = sound


def unmarked(answer: str) -> str:
    """An answer without its marks and without what counts or marks the items of a list."""
    return "\n".join(map(_said, _MARK.sub("", answer).split("\n")))


def listed(citations: Sequence[Citation], language: Language) -> str:
    """The list of sources below an answer, in Markdown."""
    lines = [f"**{say('sources', language)}**", ""]
    for citation in citations:
        page, heading = citation["page"], citation["heading"]
        where = f", {heading}" if heading else ""
        if page is not None:
            where = f", {say('page', language, page=page)}"
        quote = " ".join(citation["quote"].split())
        lines.append(f"[{citation['n']}] {citation['source']}{where}: “{quote}”  ")
    return "\n".join(lines)


def _place(passage: Passage) -> tuple[str, int | None]:
    return str(passage["source"]), passage["page"]


def _said(piece: str) -> str:
    return _BULLET.sub("", piece).strip()


def _near(
    said: Sequence[str], sources: Sequence[_Source], vectors: Features | None
) -> dict[str, dict[str, float]]:
    """How near each sentence is to each quote in another language, by their texts."""
    quotes = [source.quote for source in sources if source.foreign]
    if not quotes or vectors is None:
        return {}
    rows = cosines(said, quotes, vectors)
    return {text: dict(zip(quotes, row, strict=True)) for text, row in zip(said, rows, strict=True)}


def _best(
    sentence: str, question: str, sources: Sequence[_Source], near: Mapping[str, float]
) -> _Source | None:
    """The shortest of the sources that support the sentence best, or None."""
    said = content(sentence)
    asked = content(question)
    added = said - asked
    exact = names(sentence) - asked
    asked_names = names(question) - numbers(question)
    about = asked_content(question) if question else set[str]()
    pattern = "" if said else sentence.strip(_AROUND)
    code = content(" ".join(_CODE.findall(sentence)))
    best: tuple[float, int] | None = None
    found = None
    for source in sources:
        if not exact <= source.stated:
            continue
        share, new = _share(said, source.tokens), _share(added, source.tokens)
        enough = share >= _SUPPORT and (not added or new >= _ADDED)
        enough = enough or (share >= _HARDLY and (bool(exact) or (bool(added) and new >= _NEW)))
        cosine = near.get(source.quote, 0.0)
        if source.foreign:
            # Of words, only names, numbers and what is left as it is can be compared.
            needed = _NEAR_NAMED if asked_names & source.tokens else _NEAR
            enough = enough or bool(exact) or new >= _ADDED or cosine >= needed
        elif about and not about & source.topics:
            enough = False  # a quote must be about what is asked
        if pattern:
            enough = pattern in source.quote
        if not enough:
            continue
        # Of equally good spans the shortest is the most telling quote.
        bears = share + 0.3 * _share(about, source.topics) + cosine
        bears += _CODE_BEARS * _share(code, source.tokens)
        rank = (round(bears, 2), -len(source.quote))
        if best is None or rank > best:
            best, found = rank, source
    return found


def _share(tokens: frozenset[str] | set[str], held: frozenset[str]) -> float:
    return len(tokens & held) / len(tokens) if tokens else 0.0


def _sources(passages: Sequence[Passage], question: str) -> Iterator[_Source]:
    """Each sentence, and each run of up to five neighbours, as verbatim quotes."""
    asked_in = language_of(question) if question else None
    of_amount = asks_amount(question)
    for passage in passages:
        text = passage["text"]
        spans = evidence_spans(text)
        titles = content(heading_of(passage) or "")
        foreign = asked_in not in (None, language_of(text)) and not gives_orders(text)
        for first in range(len(spans)):
            for last in range(first, min(first + _NEIGHBOURS, len(spans))):
                quote = text[spans[first][0] : spans[last][1]]
                if last > first and (
                    len(quote) > _QUOTE or text[spans[last - 1][1] : spans[last][0]].strip()
                ):
                    break  # too long, or something withheld stands between
                quote = _cut(quote)
                tokens = frozenset(content(quote))
                stated = frozenset(content(_COUNTS.sub("", quote))) if of_amount else tokens
                yield _Source(quote, passage, tokens, stated, tokens | titles, foreign)


def _number(citations: list[Citation], source: _Source) -> int:
    place = {"source": source.passage["title"], "page": source.passage["page"]}
    for citation in citations:
        if citation["quote"] == source.quote and place.items() <= citation.items():
            return citation["n"]
    n = len(citations) + 1
    citations.append(
        {
            "n": n,
            "source": source.passage["title"],
            "page": source.passage["page"],
            "heading": heading_of(source.passage),
            "quote": source.quote,
        }
    )
    return n


def _cut(quote: str) -> str:
    return quote if len(quote) <= _QUOTE else quote[:_QUOTE].rsplit(" ", 1)[0]
