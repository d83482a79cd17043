"""The derivation of a BLEU score, step by step as in textbook 3.8, with the numbers filled in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from mcp_servers.metrics.tokens import count_ngrams

_SHOWN = 12  # n-grams named in a line; a long sentence has too many to read

_WORDS = {
    "en": {
        "candidate": "Candidate ({c} tokens): {tokens}",
        "reference": "Reference ({r} tokens): {tokens}",
        "order": "{n}-gram: {ratio} match: {matched}",
        "none": "none",
        "more": "and {count} more",
        "clipped": "{ngram} (clipped from {of} to {counted})",
        "precision": "p{n} = {ratio} = {value}",
        "smoothed": "p{n} = {ratio}, smoothed to {value}",
        "nothing": "Nothing matches, so BLEU = 0",
        "mean": "Mean of the logs = ({terms}) / {orders} = {value}",
        "geometric": "Geometric mean = exp({mean}) = {value}",
        "penalty": "Brevity penalty: c = {c} < r = {r}, BP = exp(1 - {r}/{c}) = {value}",
        "no_penalty": "Brevity penalty: c = {c} >= r = {r}, BP = 1",
        "score": "BLEU = BP x geometric mean = {bp} x {geometric} = {value}",
    },
    "ko": {
        "candidate": "후보 문장(토큰 {c}개): {tokens}",
        "reference": "기준 문장(토큰 {r}개): {tokens}",
        "order": "{n}-gram: {ratio} 일치: {matched}",
        "none": "없음",
        "more": "외 {count}개",
        "clipped": "{ngram}({of}번 중 {counted}번만 인정)",
        "precision": "p{n} = {ratio} = {value}",
        "smoothed": "p{n} = {ratio}, 평활화하여 {value}",
        "nothing": "일치하는 것이 없으므로 BLEU = 0",
        "mean": "로그의 평균 = ({terms}) / {orders} = {value}",
        "geometric": "기하 평균 = exp({mean}) = {value}",
        "penalty": "길이 벌점: c = {c} < r = {r} 이므로 BP = exp(1 - {r}/{c}) = {value}",
        "no_penalty": "길이 벌점: c = {c} >= r = {r} 이므로 BP = 1",
        "score": "BLEU = BP x 기하 평균 = {bp} x {geometric} = {value}",
    },
}


def derive(
    candidate: Sequence[str],
    references: Sequence[Sequence[str]],
    used: Sequence[float],
    closest: int,
    language: Literal["ko", "en"],
) -> list[str]:
    """The lines of the derivation.

    `used` holds the precision of each order from 1 on as it enters the mean (0 to 1, smoothed
    where nothing matches); `closest` is the length of the reference closest to the candidate's.
    A matched n-gram counts at most as often as in the reference that has it most ("clipped").
    """
    words = _WORDS[language]
    length = len(candidate)
    lines = [words["candidate"].format(c=length, tokens=_listed(candidate, words))]
    lines += [
        words["reference"].format(r=len(reference), tokens=_listed(reference, words))
        for reference in references
    ]
    for n, value in enumerate(used, start=1):
        lines += _order_lines(candidate, references, n, value, words)
    if not any(used):
        return [*lines, words["nothing"]]

    logs = [math.log(value) for value in used]
    lines += [
        f"ln p{n} = ln {value:.4f} = {log:.5f}"
        for n, (value, log) in enumerate(zip(used, logs, strict=True), start=1)
    ]
    mean = sum(logs) / len(logs)
    terms = " + ".join(f"({log:.5f})" if log < 0 else f"{log:.5f}" for log in logs)
    lines.append(words["mean"].format(terms=terms, orders=len(logs), value=f"{mean:.5f}"))
    geometric = math.exp(mean)
    lines.append(words["geometric"].format(mean=f"{mean:.5f}", value=f"{geometric:.4f}"))
    penalty = math.exp(1 - closest / length) if length < closest else 1.0
    form = words["penalty"] if length < closest else words["no_penalty"]
    lines.append(form.format(c=length, r=closest, value=f"{penalty:.4f}"))
    lines.append(
        words["score"].format(
            bp=f"{penalty:.4f}", geometric=f"{geometric:.4f}", value=f"{penalty * geometric:.4f}"
        )
    )
    return lines


def _order_lines(
    candidate: Sequence[str],
    references: Sequence[Sequence[str]],
    n: int,
    value: float,
    words: dict[str, str],
) -> list[str]:
    counts = count_ngrams(candidate, n)
    in_references = [count_ngrams(reference, n) for reference in references]
    matched: list[str] = []
    matches = 0
    for ngram, count in counts.items():
        counted = min(count, max(found[ngram] for found in in_references))
        if not counted:
            continue
        matches += counted
        shown = f'"{" ".join(ngram)}"'
        if counted < count:
            shown = words["clipped"].format(ngram=shown, of=count, counted=counted)
        elif count > 1:
            shown = f"{shown} x{count}"
        matched.append(shown)
    ratio = f"{matches}/{counts.total()}"
    named = ", ".join(matched[:_SHOWN]) or words["none"]
    if len(matched) > _SHOWN:
        named += f", {words['more'].format(count=len(matched) - _SHOWN)}"
    form = words["precision"] if matches or not value else words["smoothed"]
    return [
        words["order"].format(n=n, ratio=ratio, matched=named),
        form.format(n=n, ratio=ratio, value=f"{value:.4f}"),
    ]


def _listed(tokens: Sequence[str], words: dict[str, str]) -> str:
    most = 4 * _SHOWN
    more = f" ... {words['more'].format(count=len(tokens) - most)}" if len(tokens) > most else ""
    return " ".join(tokens[:most]) + more
