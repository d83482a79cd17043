"""The verdict on a pattern in words, with the attack that proves it and a safe rewrite."""

from __future__ import annotations

import heapq
import math
import re
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mcp_servers.regex.ambiguity import propose
from mcp_servers.regex.automaton import TooLarge, build
from mcp_servers.regex.examining import Finding, examine
from mcp_servers.regex.growth import Growth
from mcp_servers.regex.matching import flag_bits, run
from mcp_servers.regex.results import Check, Language, Timing
from mcp_servers.regex.rewriting import rewrites
from mcp_servers.regex.samples import sample_texts
from mcp_servers.regex.sandbox import SANDBOX, TIME_LIMIT_SECONDS, TimedOut
from mcp_servers.regex.syntax import parse

_REWRITE_SECONDS = 4.0
_PROVING_SECONDS = 0.02  # the attack on a polynomial pattern takes at least this long
_HOPELESS_SECONDS = 4.0  # expected of an attack on an exponential one: four time limits
_MOST_TIMINGS = 8
_LONGEST_CULPRIT = 100
_RANKS = {"safe": 0, "unknown": 1, "polynomial": 1, "exponential": 2}

_SAID = {
    "exponential": (
        "Exponential: with re.{call}, each further {pump!r} multiplies the time by about "
        "{rate:.1f}; measured up to {length} characters, which took {seconds:.2f} s.",
        "지수적: re.{call}에서 {pump!r} 하나가 늘 때마다 걸리는 시간이 약 {rate:.1f}배가 됩니다. "
        "{length}자까지 재었고 {seconds:.2f}초가 걸렸습니다.",
    ),
    "polynomial": (
        "Polynomial: with re.{call}, the time grows with about the power {rate:.1f} of the length; "
        "{length:,} characters took {seconds:.2f} s.",
        "다항적: re.{call}에서 걸리는 시간이 길이의 약 {rate:.1f}제곱으로 늘어납니다. "
        "{length:,}자에 {seconds:.2f}초가 걸렸습니다.",
    ),
    "safe": (
        "Safe: no attack string took more than linear time; the slowest measured, with "
        "{length:,} characters, took {seconds:.4f} s.",
        "안전: 어떤 공격 문자열도 선형보다 오래 걸리지 않았습니다. 가장 느린 것도 {length:,}자에 "
        "{seconds:.4f}초였습니다.",
    ),
    "unknown": (
        "Unknown: nothing slow was found, but the pattern is too large to analyse completely. "
        "Check its parts one by one.",
        "알 수 없음: 느린 입력을 찾지 못했지만 패턴이 너무 커서 끝까지 분석하지 못했습니다. "
        "부분별로 나누어 확인하세요.",
    ),
    "stopped": (
        " With {0} characters it was still running after {1:.0f} s.",
        " {0}자에서는 {1:.0f}초가 지나도 끝나지 않았습니다.",
    ),
    "culprit": (" The cause is {0}.", " 원인은 {0} 부분입니다."),
    "not_needed": ("No rewrite is needed.", "고쳐 쓸 필요가 없습니다."),
    "agrees": (
        "It is measured safe and did the same as the original on {texts:,} generated texts, "
        "of which {found:,} matched (match, fullmatch and finditer).",
        "안전함을 측정했고, 생성한 텍스트 {texts:,}개(그중 {found:,}개 일치)에서 match, fullmatch, "
        "finditer 결과가 원래 패턴과 같았습니다.",
    ),
    "groups": (
        " Its capturing groups differ: adapt code that reads them.",
        " 캡처 그룹은 다르므로 그룹을 읽는 코드는 맞춰 고치세요.",
    ),
    "none": (
        "No rule gave a rewrite that is both safe and equivalent. Limit the length of the input, "
        "or make neighbouring repetitions unable to match the same characters.",
        "안전하면서 같은 일을 하는 고쳐쓰기를 찾지 못했습니다. 입력 길이를 제한하거나, 이웃한 "
        "반복이 같은 글자에 맞지 않게 하세요.",
    ),
    "better": (
        " Better, though not safe, and equivalent on the same texts: {0}",
        " 안전하지는 않지만 더 낫고 같은 텍스트에서 결과가 같은 패턴: {0}",
    ),
}


def check(pattern: str, language: Language, flags: str) -> Check:
    """Judge a pattern. Takes 0.1 to 10 s. Raises `EngineError` for an invalid one."""
    run("compile", pattern, flags)
    parse(pattern, flag_bits(flags))  # refuses what nests too deeply
    bits = flag_bits(flags)
    finding = examine(pattern, bits)
    growth = finding.growth
    korean = language == "ko"
    proof = _proof(pattern, bits, finding)
    rewrite = None
    note = _SAID["not_needed"][korean]
    if finding.verdict in ("exponential", "polynomial"):
        search = _Search(pattern, bits, finding)
        rewrite = search.safe()
        note = search.note(rewrite, korean)
    return {
        "pattern": pattern,
        "verdict": finding.verdict,
        "reason": _reason(pattern, bits, finding, proof, korean),
        "attack": None if proof is None or growth is None else growth.attack.text(proof),
        "attack_code": None if proof is None or growth is None else growth.attack.code(proof),
        "growth": [] if growth is None else _timings(growth),
        "rewrite": None if rewrite is None else rewrite.pattern,
        "rewrite_note": note,
    }


def _reason(pattern: str, flags: int, finding: Finding, proof: int | None, korean: bool) -> str:
    growth = finding.growth
    if growth is None or finding.verdict == "unknown":
        return _SAID["unknown"][korean]
    said = _SAID[finding.verdict][korean].format(
        call=growth.call,
        pump=growth.attack.pump,
        rate=growth.rate,
        length=growth.lengths[-1],
        seconds=growth.seconds[-1],
    )
    if finding.verdict == "exponential":
        if proof is not None and proof > growth.repeats[-1]:
            length = len(growth.attack.text(proof))
            said += _SAID["stopped"][korean].format(length, TIME_LIMIT_SECONDS)
        culprit = _culprit(pattern, flags)
        if culprit is not None and len(culprit) <= _LONGEST_CULPRIT:
            said += _SAID["culprit"][korean].format(culprit)
    return said


def _culprit(pattern: str, flags: int) -> str | None:
    """The smallest repeated group that is ambiguous by itself."""
    pieces = [below for piece in parse(pattern, flags) for below in piece.walk()]
    texts = [pattern[piece.start : piece.end] for piece in pieces if piece.quantifier is not None]
    for text in sorted(texts, key=len):
        try:
            if propose(build(text, flags)).exponential:
                return text
        except (re.error, TooLarge):
            continue  # it refers to a group outside, or is too large
    return None


def _proof(pattern: str, flags: int, finding: Finding) -> int | None:
    """The number of pumps in an attack string that was run and proves the verdict.

    For exponential growth one that the sandbox had to stop; else the first that was slow.
    """
    growth = finding.growth
    if growth is None or finding.verdict not in ("exponential", "polynomial"):
        return None
    if finding.verdict == "exponential":
        more = math.log(_HOPELESS_SECONDS / growth.seconds[-1]) / math.log(growth.rate)
        repeats = growth.repeats[-1] + max(1, math.ceil(more))
        text = growth.attack.text(repeats)
        try:
            SANDBOX.ask({"do": growth.call, "pattern": pattern, "flags": flags, "text": text})
        except TimedOut:
            return repeats
    pairs = zip(growth.repeats, growth.seconds, strict=True)
    slow = (count for count, seconds in pairs if seconds >= _PROVING_SECONDS)
    return next(slow, growth.repeats[-1])


def _timings(growth: Growth) -> list[Timing]:
    pairs = list(zip(growth.lengths, growth.seconds, strict=True))[-_MOST_TIMINGS:]
    return [{"length": length, "seconds": round(seconds, 6)} for length, seconds in pairs]


@dataclass(frozen=True)
class _Rewrite:
    pattern: str
    finding: Finding
    same_groups: bool


class _Search:
    """Looks for a safe rewrite: applies rules to what they gave, best finding first."""

    def __init__(self, pattern: str, flags: int, finding: Finding) -> None:
        self.original = _Rewrite(pattern, finding, same_groups=True)
        self.flags = flags
        self.deadline = monotonic() + _REWRITE_SECONDS
        self.best = self.original
        self.texts: list[str] = []
        self.behaviour: dict[str, Any] = {}

    def safe(self) -> _Rewrite | None:
        """A rewrite that is measured safe and behaves the same on all texts, or None."""
        if not self._observe():
            return None
        seen = {self.original.pattern}
        waiting: list[tuple[tuple[int, float, int], int, str]] = []
        self._push(self.original, waiting, seen)
        while waiting and monotonic() < self.deadline:
            _, _, pattern = heapq.heappop(waiting)
            rewrite = self._judged(pattern)
            if rewrite is None:
                continue
            if rewrite.finding.verdict == "safe":
                return rewrite
            self.best = min(self.best, rewrite, key=_badness)
            self._push(rewrite, waiting, seen)
        return None

    def _push(
        self,
        parent: _Rewrite,
        waiting: list[tuple[tuple[int, float, int], int, str]],
        seen: set[str],
    ) -> None:
        for pattern in rewrites(parent.pattern, self.flags):
            if pattern not in seen:
                seen.add(pattern)
                heapq.heappush(waiting, (_badness(parent), len(seen), pattern))

    def note(self, rewrite: _Rewrite | None, korean: bool) -> str:
        """What is to be known about the rewrite, or about the lack of one."""
        if rewrite is not None:
            said = _SAID["agrees"][korean].format(texts=len(self.texts), found=self._found())
            return said + ("" if rewrite.same_groups else _SAID["groups"][korean])
        said = _SAID["none"][korean]
        if _badness(self.best)[:2] < _badness(self.original)[:2]:
            said += _SAID["better"][korean].format(self.best.pattern)
        return said

    def _observe(self) -> bool:
        """Run the original on generated texts, shorter ones if it is too slow for these."""
        try:
            texts = sample_texts(build(self.original.pattern, self.flags))
        except TooLarge:
            return False
        for longest in (1000, 16, 10):
            self.texts = [text for text in texts if len(text) <= longest]
            behaviour = self._behave(self.original.pattern)
            if behaviour is not None:
                self.behaviour = behaviour
                refused = any(None in spans[:2] for spans in behaviour["spans"])
                return self._found() > 0 and refused
        return False

    def _found(self) -> int:
        return sum(any(span is not None for span in spans) for spans in self.behaviour["spans"])

    def _behave(self, pattern: str) -> dict[str, Any] | None:
        request = {"do": "behave", "pattern": pattern, "flags": self.flags, "texts": self.texts}
        try:
            answer = SANDBOX.ask(request)
        except TimedOut:
            return None
        return None if "error" in answer else answer

    def _judged(self, pattern: str) -> _Rewrite | None:
        """None if it is invalid or does anything else than the original."""
        behaviour = self._behave(pattern)
        if behaviour is None or behaviour["spans"] != self.behaviour["spans"]:
            return None
        same_groups = behaviour["groups"] == self.behaviour["groups"]
        seconds = max(self.deadline - monotonic(), 1.0)
        return _Rewrite(pattern, examine(pattern, self.flags, seconds), same_groups)


def _badness(rewrite: _Rewrite) -> tuple[int, float, int]:
    growth = rewrite.finding.growth
    rate = 0.0 if growth is None else round(growth.rate)
    return _RANKS[rewrite.finding.verdict], rate, len(rewrite.pattern)
