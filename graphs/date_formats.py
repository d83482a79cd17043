"""Dates from one written order into another: "DD/MM/YYYY to YYYY-MM-DD", "연.월.일을 일/월/연"."""

from __future__ import annotations

import re

_PART = r"(YYYY|YY|MM|DD|M|D|연도|연|년|월|일)"
_FORMAT = re.compile(
    rf"(?<![A-Za-z가-힣]){_PART}([-./ ]){_PART}\2{_PART}(?![A-Za-z])", re.IGNORECASE
)
_UNITS = {"연": "Y", "년": "Y", "월": "M", "일": "D"}
_DIGITS = {"YYYY": r"\d{4}", "YY": r"\d{2}", "Y": r"\d{4}"}


def date_change(request: str) -> dict[str, str]:
    """Pattern and replacement for the two date formats that a request names, the first into the
    second; nothing where it does not name two of the same three parts.
    """
    formats = [(m.group(1, 3, 4), m[2]) for m in _FORMAT.finditer(request)]
    if len(formats) != 2:
        return {}
    (parts, separator), (wanted, between) = formats
    units = [_unit(part) for part in parts]
    if sorted(units) != ["D", "M", "Y"] or sorted(map(_unit, wanted)) != sorted(units):
        return {}
    digits = [
        rf"({_DIGITS.get(part.upper(), _digits(unit))})"
        for part, unit in zip(parts, units, strict=True)
    ]
    pattern = rf"(?<!\d){re.escape(separator).join(digits)}(?!\d)"
    places = [rf"\{units.index(_unit(part)) + 1}" for part in wanted]
    return {"pattern": pattern, "replacement": between.join(places)}


def _unit(part: str) -> str:
    return _UNITS.get(part[0], part[0].upper())


def _digits(unit: str) -> str:
    return r"\d{4}" if unit == "Y" else r"\d{1,2}"
