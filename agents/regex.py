"""The regex agent: patterns run, explained, checked and written."""

from __future__ import annotations

from typing import Any

from agents.registry import Agent
from graphs.language import Language
from prompts import say

_SHOWN = 50  # matches listed in an answer; the result itself holds up to 1,000


def _code(text: object) -> str:
    """Inline code that survives back-ticks and line breaks in the text."""
    shown = str(text).replace("\n", "⏎").replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _findall(result: Any, language: Language) -> str:
    matches = result["matches"]
    if language == "ko":
        head = f"{_code(result['pattern'])} 패턴으로 **{result['count']}개**를 찾았습니다."
    else:
        plural = "" if result["count"] == 1 else "es"
        head = f"{_code(result['pattern'])} found **{result['count']} match{plural}**."
    lines = [head]
    for number, match in enumerate(matches[:_SHOWN], start=1):
        lines.append(f"{number}. {_code(match['text'])} [{match['start']}:{match['end']}]")
    if result["count"] > _SHOWN:
        left = result["count"] - _SHOWN
        lines.append(f"... (+{left})")
    return _noted(lines, result)


def _one_match(result: Any, language: Language) -> str:
    pattern, match = _code(result["pattern"]), result["match"]
    if not result["matched"]:
        none = "일치하지 않습니다" if language == "ko" else "does not match"
        return _noted([f"{pattern}: **{none}**."], result)
    found = f"{_code(match['text'])} [{match['start']}:{match['end']}]"
    lines = [f"{pattern}: {'일치합니다' if language == 'ko' else 'matches'} → {found}"]
    groups = [*enumerate(match["groups"], start=1), *match["named"].items()]
    lines += [f"- {name}: {_code(text) if text is not None else '-'}" for name, text in groups]
    return _noted(lines, result)


def _replaced(result: Any, language: Language) -> str:
    count = result["count"]
    head = f"{count}곳을 바꿨습니다." if language == "ko" else f"{count} replaced."
    return f"{head}\n\n```text\n{result['text']}\n```"


def _split(result: Any, language: Language) -> str:
    parts = result["parts"]
    count = len(parts)
    head = f"{count}개로 나눴습니다." if language == "ko" else f"Split into {count} parts."
    listed = [f"{n}. {_code(part) if part else '(empty)'}" for n, part in enumerate(parts, start=1)]
    return "\n".join([head, *listed])


def _explained(result: Any, language: Language) -> str:
    lines = [f"{_code(result['pattern'])}: {result['summary']}", ""]
    for part in result["parts"]:
        lines.append(f"{'  ' * part['depth']}- {_code(part['text'])}: {part['meaning']}")
    return "\n".join(lines)


def _checked(result: Any, language: Language) -> str:
    korean = language == "ko"
    verdicts = {
        "safe": "안전" if korean else "safe",
        "polynomial": "위험: 다항 시간" if korean else "dangerous: polynomial time",
        "exponential": "위험: 지수 시간" if korean else "dangerous: exponential time",
        "unknown": "판정 못 함" if korean else "undecided",
    }
    head = f"{_code(result['pattern'])}: **{verdicts[result['verdict']]}**. {result['reason']}"
    lines = [head]
    if result["attack_code"]:
        lines.append(f"- {'공격 문자열' if korean else 'attack'}: {_code(result['attack_code'])}")
    for timing in result["growth"]:
        unit = "자" if korean else "characters"
        lines.append(f"  - {timing['length']} {unit}: {timing['seconds']:.4f} s")
    if result["rewrite"]:
        lines.append(f"- {'안전한 대안' if korean else 'safe rewrite'}: {_code(result['rewrite'])}")
    if result["rewrite_note"]:
        lines.append(f"- {result['rewrite_note']}")
    return "\n".join(lines)


def _verified(result: Any, language: Language) -> str:
    korean = language == "ko"
    passed = ("모두 통과" if korean else "all pass") if result["passed"] else ""
    failed = "" if result["passed"] else ("통과하지 못함" if korean else "not all pass")
    lines = [f"{_code(result['pattern'])}: **{passed or failed}**", ""]
    for row in result["results"]:
        wanted = "✓" if row["expected"] else "✗"
        got = "✓" if row["matched"] else "✗"
        mark = "" if wanted == got else " ←"
        labels = ("기대", "실제") if korean else ("expected", "got")
        lines.append(f"- {_code(row['text'])}: {labels[0]} {wanted}, {labels[1]} {got}{mark}")
    return "\n".join(lines)


def _written(result: Any, language: Language) -> str:
    if not result["passed"]:
        wrong = ", ".join(_code(text) for text in result["wrong"])
        return say(
            "pattern_unproven",
            language,
            attempts=result["attempts"],
            pattern=result["pattern"],
            wrong=wrong,
        )
    return say(
        "pattern_found",
        language,
        pattern=result["pattern"],
        examples=len(result["examples"]),
        counterexamples=len(result["counterexamples"]),
        attempts=result["attempts"],
        verdict=result["verdict"],
    )


def _noted(lines: list[str], result: Any) -> str:
    return "\n".join([*lines, f"> {result['note']}"] if result.get("note") else lines)


AGENT = Agent(
    name="regex",
    servers=("regex",),
    titles={"ko": "정규표현식", "en": "regular expressions"},
    purpose="find, extract, mask, replace or split parts of a given text; explain, check, write "
    "regular expressions",
    prompt="regex",
    tools=(
        "findall",
        "search",
        "match",
        "fullmatch",
        "replace",
        "split",
        "explain",
        "check",
        "verify",
    ),
    renderers={
        "findall": _findall,
        "search": _one_match,
        "match": _one_match,
        "fullmatch": _one_match,
        "replace": _replaced,
        "split": _split,
        "explain": _explained,
        "check": _checked,
        "verify": _verified,
        "write": _written,
    },
)
