"""What the tools of CLIP give, as the user sees it: labels, fits, pictures found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphs.language import Language
from graphs.specialist import Render

_LABELS = 5  # of a picture; the likeliest
_ROWS = 10  # of a list


def _classified(result: Any, language: Language) -> str:
    head = "라벨 | 몫 | 코사인" if language == "ko" else "Label | Share | Cosine"
    lines: list[str] = []
    for each in result["pictures"]:
        best = each["labels"][0]
        lines += [f"**{best['label']}** {best['probability']:.1%} (`{each['picture']}`)", ""]
        rows = [
            f"{label['label']} | {label['probability']:.1%} | {label['cosine']:.3f}"
            for label in each["labels"][:_LABELS]
        ]
        lines += [head, "--- | ---: | ---:", *rows, ""]
    return _noted([*lines, f"({result['model']})"], result)


def _compared(result: Any, language: Language) -> str:
    return _noted([result["markdown"].rstrip(), "", f"({result['model']})"], result)


def _noted(lines: list[str], result: Mapping[str, Any]) -> str:
    """The lines, files that could not be read, and notes."""
    skipped = [f"`{each['picture']}`: {each['reason']}" for each in result["skipped"][:_ROWS]]
    return "\n".join([*lines, *(f"\n> {note}" for note in [*skipped, *result["notes"]])])


RENDERERS: dict[str, Render] = {"classify": _classified, "similarity": _compared}
