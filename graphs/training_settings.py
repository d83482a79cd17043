"""The settings, data and names of a training run as a request writes them (chapters 9.3, 10.10).

"train on faq.csv with LoRA rank 8 for 3 epochs" -> {"data": ["faq.csv"], "method": "lora",
"rank": 8, "epochs": 3.0}. What is written out needs no model to retype it; the words that people
use for each setting are data (`prompts/training_words.toml`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from prompts import table

_NUMBER = r"(?P<value>\d[\d,]*(?:\.\d+)?(?:e-?\d+)?|\.\d+)(?P<percent> ?%)?"
_BETWEEN = r"(?:을|를|은|는|이|가| 값을?| 수를?)?\s*(?:[=:]|to|of|is|at)?\s*"
_WHOLE = {"rank", "gradient_accumulation", "batch_size", "max_steps", "max_length", "seed"}
_WHOLE |= {"virtual_tokens", "processes", "save_total_limit", "zero_stage"}
_DENIED_BEFORE = re.compile(
    r"(?:\bno|without|disable|turn off|\bnot|don['’]?t|\bnever|\bavoid|instead of|rather than)\s+"
    r"(?:us(?:e|ing) )?(?:the |any |a )?$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^\S{0,2}\s*(?:없이|끄|빼|안 |말고|대신|아니|(?:하|쓰|사용하)지 ?(?:마|말|않)|off\b)",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"(?<![\w-])(?P<key>[a-z][a-z_]+)\s*[=:]\s*(?P<value>\[[^\]]*\]|\"[^\"]*\"|[^\s,;\"'\[\]]+)",
    re.I,
)
_SPOKEN = {"한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8}
_SPOKEN |= {"아홉": 9, "열": 10, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
_NAMED = re.compile(
    r"(?:\bcall(?:ed)? (?:it |the (?:result|model|adapter) )?|\bname(?:d)?(?: it| the \w+)? |\bas )"
    r"[\"'`“‘]?(?P<a>[A-Za-z][\w-]*)"
    r"|이름[은을이]?\s*[\"'`“‘]?(?P<b>[\w가-힣][\w가-힣-]*?)[\"'`”’]?(?:으로|로|이야|야|라고|이라고|$|[\s,.])"
    r"|[\"'`“‘]?(?P<c>[A-Za-z][\w-]*)[\"'`”’]?(?:이?라는 이름|이?라고 (?:이름|불러|저장))",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"[\"“'‘`](?P<quoted>[^\"”'’`\n]+\.(?:jsonl?|csv|tsv|parquet|txt|md))[\"”'’`]"
    r"|(?P<bare>[^\s\"'“”‘’`(),=\[\]]+\.(?:jsonl?|csv|tsv|parquet|txt|md))"
    r"(?![A-Za-z0-9_]|\.[A-Za-z0-9_])",
    re.IGNORECASE,
)
_FOLDER = re.compile(r"(?<![\w./~:-])(?P<path>(?:\.{1,2}|~)?/?[\w.가-힣-]+(?:/[\w.가-힣-]*)+)")
_HERE = re.compile(r"[.~/]")  # how a path begins that says it is one
_ON = re.compile(
    r"\b(?:on|data(?: ?set)?)\s*[=:]?\s*[\"'`“‘]?$|데이터(?:셋|세트)?[은는]?\s*[=:]?\s*$", re.I
)
_WITH = re.compile(r"^\S{0,3}\s*(?:데이터|data ?set)", re.IGNORECASE)
_PARTICLE = re.compile(r"(?<=[^/])(?:으로|로|에서|에|을|를|과|와|랑|하고)$")
_HUB = re.compile(  # ASCII alone: a Korean particle may follow
    r"(?<![\w./~:-])(?P<repo>[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
    r"(?![A-Za-z0-9_/])"
)
_BASE_BEFORE = re.compile(
    r"(?:\b(?:base|model|tune|tuning|on top of|from)|베이스|기반|모델)[은는을를이가:=]?\s*"
    r"(?:model |is |to )?$",
    re.IGNORECASE,
)
_BASE_AFTER = re.compile(
    r"^[\"'`”’]?\s*(?:을|를|에|의|로|으로)?\s*"
    r"(?:기반|베이스|모델|위에|위에서|base|model|as (?:the )?base|with|on\b)",
    re.IGNORECASE,
)
_FROM_HUB = re.compile(
    r"^(?:google|meta-llama|qwen|huggingfacetb|mistralai|microsoft|eleutherai|undi95|beomi|skt"
    r"|facebook|openai-community|tinyllama|deepseek-ai|upstage|naver\w*|lgai\w*)/",
    re.IGNORECASE,
)
_TARGETS = re.compile(r"(?<![A-Za-z_])(?:[a-z]+_proj|lm_head|query_key_value|c_attn)(?![A-Za-z_])")
_TRACKED = re.compile(r"wandb|w&b|weights ?& ?biases", re.IGNORECASE)


def settings_in(request: str, names: Collection[str]) -> dict[str, Any]:
    """The arguments among `names` that a request writes out, with the types that a run takes."""
    found: dict[str, Any] = {}
    rest, data, base = _sources(request)
    if data:
        found["data"] = data
    if base:
        found["base"] = base
    rest, pairs = _pairs(rest, {*names} - found.keys() - {"data"})
    if called := _NAMED.search(rest):
        found["name"] = next(group for group in called.groups() if group)
        rest = rest[: called.start()] + " " + rest[called.end() :]
    found |= {k: v for k, v in _words(rest).items() if k not in found}
    if targets := list(dict.fromkeys(_TARGETS.findall(rest))):
        found["targets"] = targets
    if _TRACKED.search(rest):
        found["report_to"] = ["wandb"]
    found |= pairs
    if found.get("quantize") and "method" not in found:
        found["method"] = "lora"
    return {name: value for name, value in found.items() if name in names}


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with changes to them. A run ends by epochs or by max_steps: the last said wins.

    Side by side max_steps would win in silence.
    """
    ends = {"epochs", "max_steps"}
    gone = ends if ends & changes.keys() else set()
    return {**{k: v for k, v in settings.items() if k not in gone}, **changes}


def data_in(request: str) -> list[str]:
    """The files, folders and hub data sets that a request names, in order."""
    return _sources(request)[1]


def without_sources(request: str) -> str:
    """A request without the files, folders and hub names in it."""
    return _HUB.sub(" ", _sources(request)[0])


def repo_in(request: str) -> str | None:
    """The hub repository (owner/name) that a request names."""
    found = _HUB.search(request)
    return found["repo"] if found else None


def _sources(request: str) -> tuple[str, list[str], str | None]:
    """(the request without them, data, base)."""
    data: list[str] = []
    base: str | None = None
    rest = request
    for match in reversed(list(_FILE.finditer(request))):
        data.insert(0, match["quoted"] or match["bare"])
        rest = (
            rest[: match.start()] + " \N{LOWER RIGHT SHADOWED WHITE SQUARE} " + rest[match.end() :]
        )
    for match in reversed(list(_FOLDER.finditer(rest))):
        before, after = rest[: match.start()], rest[match.end() :]
        written = re.sub(r"(?<=[^./])\.+$", "", match["path"])  # the end of a sentence
        path = _PARTICLE.sub("", written)
        is_repo = bool(_HUB.fullmatch(path))
        named = re.search(r"\bbase\s*[=:]\s*$", before, re.IGNORECASE) or (
            is_repo
            and (_FROM_HUB.match(path) or _BASE_BEFORE.search(before) or _BASE_AFTER.match(after))
        )
        if named and base is None:
            base = path
        elif _is_place(path) or (
            is_repo and (_ON.search(before) or written.endswith("로") or _WITH.match(after))
        ):
            data.append(path)
        else:
            continue  # learning/evaluation, q_proj/v_proj, 1e-4/step
        rest = f"{before} {after}"
    return (
        rest.replace("\N{LOWER RIGHT SHADOWED WHITE SQUARE}", " "),
        list(dict.fromkeys(data)),
        base,
    )


def _is_place(path: str) -> bool:
    """Whether something with a slash is a path: it says so itself, or it is there."""
    return bool(_HERE.match(path)) or path.endswith("/") or Path(path).exists()


def _pairs(text: str, names: Collection[str]) -> tuple[str, dict[str, Any]]:
    """`key=value` with one of these keys; taken out of the text."""
    found: dict[str, Any] = {}
    for match in reversed(list(_PAIR.finditer(text))):
        key = match["key"].lower()
        if key in names:
            found[key] = _value(key, match["value"])
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return text, found


def _value(key: str, written: str) -> Any:
    """A value as written after `=`, without a Korean particle at its end."""
    plain = re.sub(r"(?<=[\w\]\"%])(?:으로|로|이고|고|에|야)$", "", written).rstrip(".")
    number = re.fullmatch(_NUMBER, plain)
    if number:
        return _number(key, number)
    try:
        return json.loads(plain)
    except ValueError:
        if plain.startswith("["):
            return [part.strip(" \"'") for part in plain.strip("[]").split(",") if part.strip()]
        flags = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
        return flags.get(plain.lower(), plain)


def _words(text: str) -> dict[str, Any]:
    """Settings by the words that people use for them; each number serves one setting."""
    words = table("training_words")
    found: dict[str, Any] = {}
    no_lora = False
    for choice in words["choice"]:
        for value, pattern in choice["words"].items():
            match = re.search(pattern, text, re.IGNORECASE)
            if match and not _denied(text, match):
                found.setdefault(choice["setting"], value)
            elif match and value == "lora" and not match[0].lower().startswith("q"):
                no_lora = True
    if no_lora:
        found.setdefault("method", "full")  # lora is what an unnamed method means
    for flag, pattern in words["flag"].items():
        if match := re.search(pattern, text, re.IGNORECASE):
            found[flag] = not _denied(text, match)
    for value, number in _SPOKEN.items():
        text = re.sub(
            rf"(?<!\w){value} ?(?=번|회|바퀴|에폭|epochs?|times|passes)", f"{number} ", text
        )
    counted = set(words["count"])
    for setting, pattern in words["number"].items():
        if setting not in counted:
            text = _take(setting, rf"(?:{pattern}){_BETWEEN}{_NUMBER}", text, found)
    for setting, pattern in words["count"].items():
        text = _take(setting, rf"(?<![\w.]){_NUMBER}\s*(?:{pattern})", text, found)
    for setting in counted & words["number"].keys():
        pattern = words["number"][setting]
        text = _take(setting, rf"(?:{pattern}){_BETWEEN}{_NUMBER}", text, found)
    return found


def _take(setting: str, pattern: str, text: str, found: dict[str, Any]) -> str:
    """Read one setting and take its words out, so that no other one reads the number again."""
    match = re.search(pattern, text, re.IGNORECASE)
    if not match or setting in found:
        return text
    found[setting] = _number(setting, match)
    return f"{text[: match.start()]} ; {text[match.end() :]}"


def _number(setting: str, match: re.Match[str]) -> int | float:
    value = float(match["value"].replace(",", ""))
    if match["percent"]:
        return value / 100
    return int(value) if setting in _WHOLE and value.is_integer() else value


def _denied(text: str, match: re.Match[str]) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.search(after))
