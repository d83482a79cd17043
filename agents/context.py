"""Context enrichment (chapter 16.2.6): facts from providers, put before the answer with source."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from agents.errors import DureError
from agents.pool import ServerPool
from graphs.router import Enrich
from graphs.state import Fact

_TIME = re.compile(
    r"몇 ?시|시각|시간이야|오늘|지금|내일|어제|요일|며칠|날짜|이번 ?(주|달|해)|올해|현재"
    r"|\b(what time|time is it|today|now|tomorrow|yesterday|date|weekday|day is it|current|this "
    r"(week|month|year))\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z0-9]{3,}|[가-힣]{2,}")
_LONGEST = 600  # characters of one resource that enter the prompt
_RESOURCES = 3


def providers(pool: ServerPool, foreign: list[str], now: Callable[[], datetime]) -> Enrich:
    """The clock, where a request speaks of time, and attached servers' matching resources."""

    async def enrich(request: str) -> list[Fact]:
        facts: list[Fact] = []
        if _TIME.search(request):
            moment = now().astimezone()
            text = moment.strftime("%Y-%m-%d %A %H:%M (UTC%z)")
            facts.append({"source": "clock", "text": f"It is now {text}."})
        for name in foreign:
            facts += await _resources(pool, name, request)
        return facts

    return enrich


async def _resources(pool: ServerPool, name: str, request: str) -> list[Fact]:
    """The resources of one server that share most words with the request."""
    wanted = set(_WORD.findall(request.lower()))
    try:
        resources = await pool.server(name).read_resources()
    except DureError:
        return []  # enrichment is a help: an answer must not fail for want of it
    scored = []
    for uri, text in resources:
        shared = wanted & set(_WORD.findall(f"{uri} {text}".lower()))
        if len(shared) >= 2:
            scored.append((len(shared), uri, text))
    scored.sort(key=lambda item: -item[0])
    return [{"source": uri, "text": text[:_LONGEST]} for _, uri, text in scored[:_RESOURCES]]
