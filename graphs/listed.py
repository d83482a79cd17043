"""Two lists that a request writes out, true and predicted, read by code and not by the model.

A small model loses its place in a list of ten labels. What is written with a role in front of it
("actual: a, b", "정답 [1, 0]"), in numbered lines or as pairs ("spam -> ham") needs no model.
"""

from __future__ import annotations

import re
from itertools import product, zip_longest
from typing import Any

_ROLE = re.compile(
    r"(?P<true>y_?(true|test)|\btrue\b(?! ?(pos|neg))|truth|actual(ly)?|gold|expert|annotator"
    r"|(?<!predicted )\blabels?\b|\brefs?\b|references?|answers?(?= were)|\bhuman"
    r"|정답|실제|참조|기준|레퍼런스|사람|모범|판정|진단|recruiter|reviewer|\breal\b)"
    r"|(?P<predicted>y_?pred|\bpred\w*|guess\w*|\bmodel\b|screener|classifier|detector|systems?\b|outputs?|hyp\w*|candidates?|\bmt\b"
    r"|예측|추측|모델|번역|출력|후보|시스템|생성)",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\[([^\]]+)\]")
_ITEM = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^,\s][^,]*)")
_ARROW = re.compile(r"([^\n,;:]+?)\s*(?:->|→|=>)\s*([^\n,;]+)")
_SLASH = re.compile(r"\(([^()/\n]+?)\s*/\s*([^()/\n]+?)\)")
_NUMBERED = re.compile(
    r"^\W*(?P<role>\D{2,20}?)[ _]?(?P<number>\d+)\s*[:：.)]\s*(?P<text>.+)$", re.M
)
_SAID = re.compile(
    r"^\W*(?:\d+\W+)?(?P<role>[^\d:：\n]{2,20}?)[ _]?[A-Z\d]?\s*[:：]\s*(?P<text>\S.*)$", re.M
)
_HEAD = re.compile(r"^\W*(?P<role>[^:：\]\n]{2,30}?)\s*(?:\([^)\n]*\))?\s*[:：\]]\W*$")
_LISTED = re.compile(r"^\W*(?P<name>[^=:：,\[\n]{1,30}?)\s*[=:：]\s*(?P<items>\S.*)$", re.M)
_NUMBER = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*•])\s+")  # of an item
_SLASHED = re.compile(r"(?:[^\s/]+/){2,}[^\s/]+")
_BARE_HEAD = re.compile(r"^\W*(?P<role>[^\s,:：.]{2,12})\W*$")
_SAME_LINE = re.compile(r"\s+[/|]\s+(?=[^\d\n]{2,20}?\d+\s*[:：])")
_CELL = re.compile(r"\s*[,\t|]\s*")

Lists = tuple[list[Any], list[str]]
"""True and predicted; a true one may itself be a list, of several references."""


def listed(request: str) -> Lists | None:
    """The true and the predicted list of a request, or None where that is not plain to see."""
    readers = (
        _pairs,
        _columns,
        _numbered,
        _alternating,
        _blocks,
        _named,
        _slashed,
        _labelled,
    )
    return next((lists for reader in readers if (lists := reader(request))), None)


def headed(request: str) -> Lists | None:
    """The lines below a heading of either kind ("System output:", "[정답 요약]")."""
    found: dict[str, list[str]] = {"true": [], "predicted": []}
    current: list[str] | None = None
    for line in request.splitlines():
        head = _HEAD.match(line)
        bare = _BARE_HEAD.match(line)
        role = _role((head or bare)["role"]) if head or bare else None  # type: ignore[index]
        if head or role:
            current = found[role] if role else None
        elif current is not None and line.strip():
            current.append(_NUMBER.sub("", line).strip(" -*\"'"))
        elif current:
            current = None
    equal = len(found["true"]) == len(found["predicted"]) > 0
    return (found["true"], found["predicted"]) if equal else None


def _pairs(request: str) -> Lists | None:
    """`actual -> predicted` or `(actual / predicted)`, in one line or in many."""
    found = max(_ARROW.findall(request), _SLASH.findall(request), key=len)
    rows = [(_NUMBER.sub("", a).strip(), b.strip()) for a, b in found]
    heads = [row for row in rows[:1] if _role(row[0])]
    rows = rows[len(heads) :]
    if len(rows) < 2 and len(heads) == 1:
        return None
    if len(first := {row[0].split()[0] for row in (*heads, *rows)}) == 1 and _role(*first):
        # Each row tells its roles: "정답 배송 → 예측 배송".
        rows = [(_after_word(a), _after_word(b)) for a, b in (*heads, *rows)]
        roles = [_role(*first)]
    else:
        roles = [_role(heads[0][0])] if heads else [_kind(m) for m in _ROLE.finditer(request)]
    if len(rows) < 2:
        return None
    fitted = _fit(*([row[i] for row in rows] for i in (0, 1)))
    if not fitted or not roles:
        return None
    return fitted if roles[0] == "true" else (fitted[1], fitted[0])


def _after_word(cell: str) -> str:
    return cell.split(maxsplit=1)[-1]


def _columns(request: str) -> Lists | None:
    """A table whose header names one column of true and one of predicted labels."""
    rows = [_CELL.split(line.strip().strip("|").strip()) for line in request.splitlines()]
    for number, head in enumerate(rows):
        roles = [_role(cell) if len(cell) <= 24 else None for cell in head]
        if roles.count("true") != 1 or roles.count("predicted") != 1:
            continue
        body = [row for row in rows[number + 1 :] if len(row) == len(head)]
        body = [row for row in body if not set("".join(row)) <= set("-: ")]  # Markdown's rule
        if len(body) >= 2:
            true, predicted = roles.index("true"), roles.index("predicted")
            return [row[true] for row in body], [row[predicted] for row in body]
    return None


def _numbered(request: str) -> Lists | None:
    """`reference 1: ...` and `output 1: ...`, each in a line of its own."""
    found: dict[str, dict[int, str]] = {"true": {}, "predicted": {}}
    for line in _NUMBERED.finditer(_SAME_LINE.sub("\n", request)):
        if role := _role(line["role"]):
            found[role][int(line["number"])] = line["text"].strip().strip("\"'")
    true, predicted = found["true"], found["predicted"]
    if len(true) < 2 or true.keys() != predicted.keys():
        return None
    order = sorted(true)
    return [true[n] for n in order], [predicted[n] for n in order]


def _alternating(request: str) -> Lists | None:
    """`translation: ...` and then its `reference: ...`, one or more, again and again."""
    lines = [(_role(line["role"]), line["text"].strip(" \"'")) for line in _SAID.finditer(request)]
    said = [(role, text) for role, text in lines if role]
    backwards = said[:1] != [] and said[0][0] == "true"  # each reference before its translation
    predicted: list[str] = []
    true: list[list[str]] = []
    for role, text in said[::-1] if backwards else said:
        if role == "predicted":
            predicted.append(text)
            true.append([])
        elif true:
            true[-1].append(text)
    if len(predicted) < 2 or not all(true):
        return None
    order = -1 if backwards else 1
    single = [texts[0] if len(texts) == 1 else texts[::order] for texts in true]
    return single[::order], predicted[::order]


def _blocks(request: str) -> Lists | None:
    found = headed(request)
    return found if found and len(found[0]) > 1 else None


def _named(request: str) -> Lists | None:
    """Two lines `name = a, b, c`, where one name tells a role and the other need not."""
    lines = [(_role(m["name"]), _items(m["items"].strip("[] "))) for m in _LISTED.finditer(request)]
    lists = [(role, items) for role, items in lines if len(items) > 1]
    if len(lists) != 2 or lists[0][0] == lists[1][0]:
        return None
    if lists[0][0] == "predicted" or lists[1][0] == "true":
        lists.reverse()
    (_, true), (_, predicted) = lists
    return (true, predicted) if len(true) == len(predicted) else None


def _slashed(request: str) -> Lists | None:
    """`real a/b/a guessed a/a/b`: two runs of one length, each after the word for its role."""
    runs = list(_SLASHED.finditer(request))[-2:]
    if len(runs) != 2:
        return None
    told = [request[: runs[0].start()], request[runs[0].end() : runs[1].start()]]
    roles = [[_kind(match) for match in _ROLE.finditer(words)][-1:] for words in told]
    lists = [run[0].split("/") for run in runs]
    if len(lists[0]) != len(lists[1]) or not roles[1] or roles[0] == roles[1]:
        return None
    return (lists[1], lists[0]) if roles[1] == ["true"] else (lists[0], lists[1])


def _labelled(request: str) -> Lists | None:
    """A list after the word for the true labels, another after that for the predicted ones."""
    roles = list(_ROLE.finditer(request))
    parts: dict[str, list[str]] = {"true": [], "predicted": []}
    for role, following in zip_longest(roles, roles[1:]):
        end = following.start() if following else len(request)
        parts[_kind(role)].append(request[role.end() : end])
    for true, predicted in product(parts["true"], parts["predicted"]):
        brackets = _BRACKETS.search(true), _BRACKETS.search(predicted)
        if brackets[0] and brackets[1]:  # as written, even of unequal lengths: the tool says so
            return _items(brackets[0][1]), _items(brackets[1][1])
        if fitted := _fit(_items(_line(true)), _items(_line(predicted))):
            return fitted
    return None


def _role(text: str) -> str | None:
    found = _ROLE.search(text)
    return _kind(found) if found else None


def _kind(role: re.Match[str]) -> str:
    return "true" if role["true"] else "predicted"


def _line(part: str) -> str:
    """The line of a part that holds its list, without the words up to its colon or equals sign."""
    text = re.sub(r"^[^,\n]{0,24}?[:=：]\s*", "", part).strip()
    text = re.sub(r"^(은|는|이|가|were|was|are|said|says)\s+", "", text)
    return re.split(r"\n|;|[.?!](?:\s|$)|\s/|\|", text)[0].strip(" ,[]")


def _items(text: str) -> list[str]:
    if "," not in text:
        return [item.strip("\"'") for item in text.split()]
    return [next(filter(None, found), "").strip() for found in _ITEM.findall(text)]


def _fit(true: list[str], predicted: list[str]) -> Lists | None:
    """Both lists without the words around them, or None unless they are of one length.

    A word around a list touches only its ends ("were yes, no", "spam, ham이고"), so an end that
    is no label by itself is cut to the label in it, and words after the list are dropped.
    """
    if min(len(true), len(predicted)) < 2:
        return None
    size = min(len(true), len(predicted))
    labels = {*true[1 : size - 1], *predicted[1 : size - 1]} | ({*true} & {*predicted})
    true, predicted = _ends(true[: size + 1], labels), _ends(predicted[: size + 1], labels)
    for items in (true, predicted):
        if len(items) > size and items[size] in labels:
            return None
    # Where words follow the list, its last label is an end too: 예측 1 0 0 1의 F1은?
    true, predicted = _ends(true[:size], labels), _ends(predicted[:size], labels)
    shared = {*true} & {*predicted}
    few = all(len(item) <= 24 for item in (*true, *predicted))
    return (true, predicted) if shared and few else None


def _ends(items: list[str], labels: set[str]) -> list[str]:
    first, *middle, last = items
    if first not in labels:
        first = next((x for x in labels if first.endswith((f" {x}", f"은 {x}"))), first)
    if last not in labels:
        last = next((x for x in sorted(labels, key=len)[::-1] if last.startswith(x)), last)
    return [first, *middle, last]
