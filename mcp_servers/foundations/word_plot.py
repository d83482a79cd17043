"""Word vectors on paper: PCA or t-SNE by scikit-learn, each word at its place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mcp_servers.errors import EngineError
from mcp_servers.foundations.results import Point
from mcp_servers.foundations.stages import Language
from mcp_servers.foundations.word_vectors import Found, WordVectors, look_up, nearest
from mcp_servers.pictures import drawing, new_figure, png_of, short

if TYPE_CHECKING:
    from mcp_servers.foundations.word_vectors import Array

Method = Literal["pca", "tsne"]

MAX_WORDS = 200
FREQUENT = 60  # words that are drawn where none are named
_SEED = 0
_PALETTE = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf")
_OTHERS = "#7f7f7f"
_CORNERS = ((4, 3, "left"), (4, -12, "left"), (-4, 3, "right"), (-4, -12, "right"))
_SIZE = {True: 12, False: 9}  # of a label: a word that was asked for, another one


def points_of(
    model: WordVectors, words: Sequence[str], neighbours: int, method: Method
) -> tuple[list[Point], list[str]]:
    """Places of words and their nearest ones, or of the most frequent words; and what to note.

    Raises `EngineError` for an unknown word, or for fewer than 3 words.
    """
    chosen: dict[str, tuple[Array, str]] = {}
    notes: list[str] = []
    for asked in words:
        found = look_up(model, asked)
        notes += found.notes
        chosen.setdefault(found.word, (found.vector, found.word))
        for near in _near(model, found, neighbours):
            chosen.setdefault(near, (model.keyed.get_vector(near), found.word))
    if not words:
        chosen = {word: (model.keyed.get_vector(word), "") for word in _frequent(model)}
    if len(chosen) < 3:
        raise EngineError(
            f"There are {len(chosen)} words to draw; a plot needs 3. Name more words, or pass "
            "neighbours=8 to draw each with its nearest ones."
        )
    if len(chosen) > MAX_WORDS:
        raise EngineError(
            f"There are {len(chosen)} words to draw; the limit is {MAX_WORDS}. Name fewer words, "
            "or fewer neighbours."
        )
    places = _places([vector for vector, _ in chosen.values()], method)
    points: list[Point] = [
        {"word": word, "x": round(x, 4), "y": round(y, 4), "group": group}
        for (word, (_, group)), (x, y) in zip(chosen.items(), places, strict=True)
    ]
    return points, list(dict.fromkeys(notes))


def _near(model: WordVectors, found: Found, neighbours: int) -> list[str]:
    if not 0 <= neighbours <= 30:
        raise EngineError(f"neighbours is {neighbours}. Pass 0 to 30.")
    if not neighbours:
        return []
    return [each["word"] for each in nearest(model, found.word, neighbours)["neighbours"]]


def _frequent(model: WordVectors) -> list[str]:
    """The most frequent words that say something: two letters or more, no stop words."""
    from bm25s.stopwords import STOPWORDS_EN

    empty = frozenset(STOPWORDS_EN)
    words = (word for word in model.keyed.index_to_key if len(word) > 1 and word not in empty)
    return list(itertools.islice(words, FREQUENT))


def _places(vectors: Sequence[Any], method: Method) -> list[tuple[float, float]]:
    """Unit vectors in two dimensions: directions are what cosines compare."""
    import numpy as np

    matrix = np.stack(vectors)
    matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    if method == "pca":
        from sklearn.decomposition import PCA

        placed = PCA(n_components=2, random_state=_SEED).fit_transform(matrix)
    else:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(matrix) - 1) / 3)
        placed = TSNE(
            n_components=2, perplexity=perplexity, init="pca", random_state=_SEED
        ).fit_transform(matrix)
    return [(float(x), float(y)) for x, y in placed]


def _corners(points: Sequence[Point], width: float, height: float) -> list[tuple[int, int, str]]:
    """Where each label goes: right or left of its dot, above or below, off dots and other labels.

    `width` and `height` of the drawing are in points, as is the offset; the last is the label's
    horizontal alignment. A label that fits nowhere stands above on the right.
    """
    xs, ys = [point["x"] for point in points], [point["y"] for point in points]
    across = width / max(max(xs) - min(xs), 1e-9)
    up = height / max(max(ys) - min(ys), 1e-9)
    dots = [(x * across, y * up) for x, y in zip(xs, ys, strict=True)]
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in dots]
    corners: list[tuple[int, int, str]] = []
    for point in points:
        size = _SIZE[point["word"] == point["group"]]
        label = short(point["word"])
        long = size * sum(1.0 if ord(letter) > 0x1100 else 0.6 for letter in label)
        boxes = []
        for dx, dy, aligned in _CORNERS:
            left = point["x"] * across + dx - (long if aligned == "right" else 0)
            low = point["y"] * up + dy
            boxes.append(((dx, dy, aligned), (left, low, left + long, low + 1.2 * size)))
        free = [each for each in boxes if not any(_overlap(each[1], other) for other in taken)]
        corner, box = (free or boxes)[0]
        corners.append(corner)
        taken.append(box)
    return corners


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def draw(points: Sequence[Point], title: str, language: Language) -> bytes:
    """The points as a PNG, a colour a group, the words that were asked for larger."""
    groups = list(dict.fromkeys(point["group"] for point in points))
    colours = {
        group: _PALETTE[number % len(_PALETTE)] if group else _OTHERS
        for number, group in enumerate(groups)
    }
    side = 7.0 + min(5.0, len(points) / 30)
    with drawing() as family:
        text: dict[str, Any] = {"fontfamily": family, "parse_math": False}
        figure = new_figure(side * 1.25, side)
        axes = figure.add_subplot()
        corners = _corners(points, side * 1.25 * 72 * 0.8, side * 72 * 0.8)
        for point, (dx, dy, aligned) in zip(points, corners, strict=True):
            own = point["word"] == point["group"]
            colour = colours[point["group"]]
            axes.scatter(point["x"], point["y"], s=46 if own else 16, color=colour, alpha=0.8)
            axes.annotate(
                short(point["word"]),
                (point["x"], point["y"]),
                xytext=(dx, dy),
                ha=aligned,
                textcoords="offset points",
                fontsize=_SIZE[own],
                fontweight="bold" if own else "normal",
                color=colour if point["group"] else "black",
                **text,
            )
        axes.set_title(title, **text)
        axes.set_xlabel("1차원" if language == "ko" else "dimension 1", **text)
        axes.set_ylabel("2차원" if language == "ko" else "dimension 2", **text)
        axes.margins(0.08)
        axes.grid(alpha=0.2)
        return png_of(figure)
