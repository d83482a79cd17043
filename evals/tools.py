"""Tool use: the right tool with the right arguments, for regex and metrics requests.

Each request goes straight to its specialist. The first tool call is judged: its name, the
arguments that the case fixes, and fields of the result that the tool itself returned. A pattern
may be written in many ways, so such cases are judged by what the pattern finds.

The figure is that of `tools_held_out`, written by someone who had seen neither prompts nor rules
and read by nobody before it was measured; the misses of `tools` were read while they were made.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from agents.session import new_thread, open_session
from agents.settings import load_settings
from evals.reports import cases, share

TARGET = 0.85


def main(model: str, limit: int | None) -> bool:
    """Ask every case of both sets, print what went wrong and the shares; True at 85% or more."""
    held_out = asyncio.run(_run("tools_held_out", model, limit))
    asyncio.run(_run("tools", model, limit))
    print(f"target {TARGET:.0%} of tools_held_out, {model}: {held_out:.1%}")
    return held_out >= TARGET


async def _run(name: str, model: str, limit: int | None) -> float:
    asked = cases(name, limit)
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    began = time.monotonic()
    async with open_session(load_settings(model=model)) as session:
        for case in asked:
            step = await _first_step(session, case)
            problem = judge(case, step)
            for group in ("all", case["agent"], case["language"]):
                total[group] += 1
                right[group] += problem is None
            if problem:
                print(f"  {case['request'][:80]!r}: {problem}", flush=True)
    seconds = (time.monotonic() - began) / len(asked)
    for group, count in total.items():
        print(f"{name}, {group}: {share(right[group], count)}", flush=True)
    print(f"{name}: {seconds:.1f} s a request", flush=True)
    return right["all"] / len(asked)


async def _first_step(session: Any, case: dict[str, Any]) -> dict[str, Any] | None:
    async for event in session.ask(case["request"], thread=new_thread(), agent=case["agent"]):
        if event["event"] == "tool_end" and event["step"]["tool"] in case["tool"]:
            return dict(event["step"])
        if event["event"] == "tool_end":
            first = dict(event["step"])
            # `write` verifies and checks on its way; those are its own steps, not a choice.
            if not ("write" in case["tool"] and first["tool"] in ("verify", "check")):
                return first
    return None


def judge(case: dict[str, Any], step: dict[str, Any] | None) -> str | None:
    """What is wrong with a tool call, or None."""
    if step is None:
        return "no tool call"
    if step["tool"] not in case["tool"]:
        return f"{step['tool']} instead of {'/'.join(case['tool'])}"
    for name, wanted in case.get("arguments", {}).items():
        given = step["arguments"].get(name)
        if not same(wanted, given):
            return f"{name} = {given!r} instead of {wanted!r}"
    if not step["ok"]:
        return f"the tool failed: {step['result']}"
    for name, wanted in case.get("result", {}).items():
        result = step["result"]
        given = result.get(name)
        if name == "texts":
            given = [match["text"] for match in result.get("matches", [])]
        if not same(wanted, given):
            return f"result {name} = {given!r} instead of {wanted!r}"
    return None


def same(wanted: Any, given: Any) -> bool:
    """Equal as a user would say: texts stripped, list elements as texts, numbers to 1e-3."""
    if isinstance(wanted, bool) or wanted is None:
        return wanted is given
    if isinstance(wanted, int | float):
        return isinstance(given, int | float) and abs(wanted - given) < 1e-3
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(same(wanted[k], given.get(k)) for k in wanted)
    if isinstance(wanted, list):
        return isinstance(given, list) and [str(w).strip() for w in wanted] == [
            str(g).strip() for g in given
        ]
    return str(wanted).strip() == str(given).strip()
