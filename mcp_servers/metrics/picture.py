"""The picture of a confusion matrix: a PNG whose labels may be Korean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mcp_servers.pictures import drawing, new_figure, png_of, short

_WORDS = {
    "en": {"true": "True label", "predicted": "Predicted label"},
    "ko": {"true": "정답", "predicted": "예측"},
}


def draw(
    labels: Sequence[str], matrix: Sequence[Sequence[int]], language: Literal["ko", "en"]
) -> bytes:
    """The matrix as a PNG: rows true, columns predicted, darker cells for larger counts."""
    size = len(labels)
    side = 2.6 + 0.5 * size  # inches
    names = [short(label) for label in labels]
    words = _WORDS[language]
    highest = max(max(row) for row in matrix)
    with drawing() as family:
        figure = new_figure(side, side)
        axes = figure.add_subplot()
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=max(highest, 1))
        # A label such as "$5" must not be read as a formula.
        text: dict[str, Any] = {"fontfamily": family, "parse_math": False}
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor", **text)
        axes.set_yticks(range(size), names, **text)
        axes.set_xlabel(words["predicted"], fontfamily=family)
        axes.set_ylabel(words["true"], fontfamily=family)
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                colour = "white" if 2 * count > highest else "black"
                axes.text(column, row, f"{count}", ha="center", va="center", size=9, color=colour)
        return png_of(figure)
