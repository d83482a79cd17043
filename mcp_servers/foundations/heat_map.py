"""The heat map of attention: the mean of the heads, and each head beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_servers.foundations.stages import Language, Which
from mcp_servers.pictures import drawing, new_figure, png_of, short

if TYPE_CHECKING:
    from mcp_servers.foundations.explanation import Explained

_TITLES: dict[Language, dict[Which, str]] = {
    "en": {
        "cross": "Cross-attention, layer {layer}",
        "encoder": "Encoder self-attention, layer {layer}",
        "decoder": "Decoder self-attention, layer {layer}",
    },
    "ko": {
        "cross": "크로스 어텐션, {layer}층",
        "encoder": "인코더 셀프 어텐션, {layer}층",
        "decoder": "디코더 셀프 어텐션, {layer}층",
    },
}
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "mean": "mean of {heads} heads",
        "head": "head {number}",
        "keys": "looked at (keys)",
        "tokens": "looking (queries)",
        "queries": "looking (queries) → to say next",
        "untrained": "untrained",
    },
    "ko": {
        "mean": "헤드 {heads}개의 평균",
        "head": "헤드 {number}",
        "keys": "보이는 쪽 (키)",
        "tokens": "보는 쪽 (쿼리)",
        "queries": "보는 쪽 (쿼리) → 다음에 말할 토큰",
        "untrained": "학습 전",
    },
}
_COLUMNS = 4  # small pictures in a row
_NUMBERED = 14  # tokens a side up to which a cell's number can be read


def draw(found: Explained, which: Which, trained: bool, language: Language) -> bytes:
    """The weights as a PNG: darker looks more; numbers where there is room.

    A decoder's row also names the token that it is to say next, since that is what it looks for.
    """
    words = _WORDS[language]
    weights, rows, columns = found.weights, found.rows, found.columns
    named = rows
    if found.nexts:
        named = [f"{row} → {after}" for row, after in zip(rows, found.nexts, strict=True)]
    heads = len(weights)
    mean = [
        [sum(head[r][c] for head in weights) / heads for c in range(len(columns))]
        for r in range(len(rows))
    ]
    across = min(heads, _COLUMNS)
    down = -(-heads // across)
    cell = 0.62 if max(len(rows), len(columns)) <= _NUMBERED else 0.34  # inches
    width, height = 2.6 + cell * len(columns), max(3.2, 1.5 + cell * 0.75 * len(rows))
    labels = [short(row, 22) for row in named], [short(column, 12) for column in columns]
    small = max(2.2, 0.8 + 0.16 * max(len(rows), len(columns)))
    with drawing() as family:
        text: dict[str, Any] = {"fontfamily": family, "parse_math": False}
        figure = new_figure(max(width, small * across), height + small * down + 0.4)
        title = _TITLES[language][which].format(layer=found.layer)
        if not trained:
            title += f" ({words['untrained']})"
        figure.suptitle(title, fontsize=14, **text)
        top, bottom = figure.subfigures(
            2, 1, squeeze=False, height_ratios=[height, small * down]
        ).flat
        axes = top.add_subplot()
        picture = axes.imshow(mean, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_title(words["mean"].format(heads=heads), fontsize=11, **text)
        axes.set_xticks(range(len(columns)), labels[1], rotation=45, ha="right", **text)
        axes.set_yticks(range(len(rows)), labels[0], **text)
        axes.set_xlabel(words["keys"], **text)
        axes.set_ylabel(words["queries" if found.nexts else "tokens"], **text)
        if max(len(rows), len(columns)) <= _NUMBERED:
            for r, values in enumerate(mean):
                for c, value in enumerate(values):
                    colour = "white" if value > 0.5 else "black"
                    axes.text(c, r, f"{value:.2f}", ha="center", va="center", size=9, color=colour)
        top.colorbar(picture, ax=axes, fraction=0.03, pad=0.02)
        grid = bottom.subplots(down, across, squeeze=False)
        for number, place in enumerate(grid.flat):
            if number >= heads:
                place.set_axis_off()
                continue
            place.imshow(weights[number], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            place.set_title(words["head"].format(number=number + 1), fontsize=10, **text)
            place.set_xticks(range(len(columns)), labels[1], rotation=90, fontsize=7, **text)
            place.set_yticks(range(len(rows)), [short(row, 12) for row in rows], fontsize=7, **text)
        return png_of(figure)
