"""Whether retrieved text answers a question: a small calibrated model over cheap signs.

A 1.5B model's yes or no alone is wrong too often in both directions. Its log-odds, and how much of
the question the passages cover, are put together by a logistic regression; once an answer is
written, the model is asked again over the quotes of that answer alone, where nothing distracts it.
`evidence.json` holds the weights; `python -m evals.answerability fit` fits them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage

from graphs.citing import unmarked
from graphs.language import language_of
from graphs.passages import Passage, as_prompt, readable
from graphs.state import Citation
from graphs.tokens import asks_amount, content, names, numbers
from prompts import prompt

Stage = Literal["read", "answered"]
"""Before an answer is written, and after it."""

_DENIES = re.compile(
    r"(언급|명시|기재|나와|나타나|적혀|쓰여)\S{0,4}\s?(있지\s?않|되지\s?않|지\s?않|하지\s?않)"
    r"|(정보|내용|근거|언급|설명|기록)\S{0,2}\s*(는|은|이|가)?\s*없(다|습|는|어|음)"
    r"|알 수 없|찾을 수 없"
    r"|\b(do|does|is|are|was|were|did)(n.t| not) (\w+ ){0,2}(state|mention|specif|answer)"
    r"|\bno (mention|information)\b|\bnot (mentioned|stated|specified|provided)\b",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"(?<![가-힣])(?:한|두|세|네)(?=\s|[가-힣])|하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉|스무|서른|마흔"
    r"|(?<![가-힣])(?:열|쉰|첫)|(?<![가-힣])(?:[일이삼사오육칠팔구수]?[십백천만억])+(?=\s|개|명|원|회|번|배|년|여)"
    r"|절반|하루|이틀|사흘|무료|무제한|모두|전부|없"
    r"|\b(?:no|none|zero|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty"
    r"|thirty|forty|fifty|hundred|thousand|million|billion|dozen|third|quarter)s?|\w+teen|\w+ty"
    r"|once|twice|half|both|all|single|free|unlimited)\b",
    re.IGNORECASE,
)
_CERTAIN = 3.0  # log-odds: beyond that a small model's certainty means nothing


def signs(
    question: str,
    passages: Sequence[Passage],
    read: Sequence[str],
    yes: float,
    quoted: float = 0.5,
) -> dict[str, float]:
    """What speaks for an answer, by name: log-odds within ±3, the others from 0 to 1.

    `read` is what the model read of the passages, `yes` its probability that this answers the
    question, `quoted` that the quotes of its answer alone do.
    """
    held = content(" ".join(read))
    foreign = bool(read) and language_of(question) != language_of(read[0])
    return {
        "yes": _log_odds(yes),
        "coverage": max((p["scores"].get("coverage", 0.0) for p in passages), default=0.0),
        "names": _share(names(question), held),
        "foreign": float(foreign),
        "quoted": _log_odds(quoted),
    }


def denies(reply: str) -> bool:
    """Whether a reply begins by saying that the passages do not say it."""
    return bool(_DENIES.search(reply.strip().split("\n")[0][:200]))


def evades(question: str, reply: str, supported: str) -> bool:
    """Whether a reply says that nothing is said, or what of it has a source lacks the number."""
    return denies(reply) or lacks_number(question, supported)


def lacks_number(question: str, answer: str) -> bool:
    """Whether a question asks how many or how much and an answer, with its marks, gives none."""
    if not asks_amount(question):
        return False
    said = unmarked(answer)
    given, asked = numbers(said), numbers(question)
    chosen = len(asked) > 1 and given  # "4 or 8?"
    return not (given - asked or chosen or _NUMBER_WORD.search(said))


def chance(stage: Stage, found: Mapping[str, float]) -> float:
    """The probability that the passages answer the question, from its signs at a stage."""
    fitted = _fitted()[stage]
    score = fitted["bias"] + sum(w * found[name] for name, w in fitted["weights"].items())
    return 1 / (1 + math.exp(-score))


def enough(stage: Stage) -> float:
    """The chance from which on the next step is worth taking: writing, and showing, an answer."""
    return float(_fitted()[stage]["threshold"])


async def yes_or_no(model: BaseChatModel, messages: list[AnyMessage]) -> float:
    """How likely a model says yes; of one that gives no probabilities, what it says."""
    probabilities = getattr(model, "aprobabilities", None)
    if probabilities is not None:
        chances: dict[str, float] = await probabilities(messages, ["yes", "no"])
        return chances["yes"]
    config: Any = {"tags": ["nostream"]}
    reply = await model.ainvoke(messages, config)
    return 0.95 if re.match(r"\W*(yes|네|예)\b", str(reply.text), re.IGNORECASE) else 0.05


def answerable_prompt(read: Sequence[str], question: str) -> list[AnyMessage]:
    """Asks whether these texts answer the question."""
    return as_prompt(read, f"{question}\n\n{prompt('evidence')}")


async def quotes_answer(
    model: BaseChatModel, citations: Sequence[Citation], question: str
) -> float:
    """How likely a model finds that the quotes of an answer, alone, answer the question.

    Each is read under its heading: "max_steps=100" answers for Gemma in the chapter on Gemma.
    """
    quotes = [
        readable("\n".join(filter(None, (citation["heading"], citation["quote"]))))
        for citation in citations
    ]
    asked = as_prompt(quotes, f"{question}\n\n{prompt('evidence_quotes')}")
    return await yes_or_no(model, asked)


@cache
def _fitted() -> dict[str, Any]:
    text = files(__package__).joinpath("evidence.json").read_text(encoding="utf-8")
    weights: dict[str, Any] = json.loads(text)
    return weights


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return max(-_CERTAIN, min(_CERTAIN, math.log(p / (1 - p))))


def _share(tokens: set[str], held: set[str]) -> float:
    return len(tokens & held) / len(tokens) if tokens else 1.0
