"""Routing: labelled requests, written apart from the router's examples, to the right specialist.

The figure is that of `routing_held_out`, which nobody looked at while the router was made; its
misses on `routing`, the development set, were read. `python -m evals.routing --fit` shows on what
the thresholds were fitted: each of the router's own examples, routed with itself left out.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from agents import meta
from agents.models import choose
from agents.settings import load_settings
from evals.reports import cases, confusion_table, share
from graphs.router import Router
from graphs.similarity import ExampleClassifier
from prompts import router_examples

TARGET = 0.95


def main(model: str, limit: int | None) -> bool:
    """Route both sets, print stages, misses and confusion matrices; True at 95% held out."""
    held_out = asyncio.run(_route_both(model, limit))
    print(f"target {TARGET:.0%} of routing_held_out, {model}: {held_out:.1%}")
    return held_out >= TARGET


async def _route_both(model: str, limit: int | None) -> float:
    router = meta.build_decider(choose(load_settings(model=model)))
    await _route(router, "routing", limit)
    return await _route(router, "routing_held_out", limit)


async def _route(router: Router, name: str, limit: int | None) -> float:
    """The share of a set's requests that reach the right specialist."""
    pairs: list[tuple[str, str]] = []
    stages: Counter[str] = Counter()
    right: Counter[str] = Counter()
    asked = cases(name, limit)
    for case in asked:
        route = await router.decide(case["request"])
        decided = route["agent"] or "asked"
        pairs.append((case["agent"], decided))
        stages[route["stage"]] += 1
        right[case["language"]] += decided == case["agent"]
        if decided != case["agent"]:
            where = f"{route['stage']} {route['confidence']:.2f}"
            print(f"  {case['agent']} -> {decided} ({where}): {case['request'][:90]!r}")
    labels = list(dict.fromkeys(case["agent"] for case in asked))
    print(confusion_table(labels, pairs))
    total = Counter(case["language"] for case in asked)
    for language, count in total.items():
        print(f"{language}: {share(right[language], count)}")
    print("stages:", ", ".join(f"{stage} {count}" for stage, count in stages.most_common()))
    correct = sum(true == decided for true, decided in pairs)
    print(f"{name}: {share(correct, len(pairs))}\n")
    return correct / len(pairs)


def fit() -> None:
    """Accuracy and coverage of the examples alone at each confidence, one left out at a time."""
    examples = router_examples()
    classifier = ExampleClassifier(examples, meta.request_features)
    judged: list[tuple[float, bool]] = []
    for text, label, scores in classifier.leave_one_out():
        best = max(scores, key=scores.__getitem__)
        judged.append((scores[best], best == label))
        if best != label:
            print(f"  {label} -> {best} ({scores[best]:.2f}): {text}")
    print(f"examples alone: {share(sum(ok for _, ok in judged), len(judged))}")
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        sure = [ok for confidence, ok in judged if confidence >= threshold]
        decided = share(len(sure), len(judged))
        print(f"  at {threshold:.1f}: decides {decided}, right {share(sum(sure), len(sure))}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--fit"]:
        fit()
    else:
        sys.exit(0 if main("embedded", None) else 1)
