"""Pictures against texts: similarity, classification without training, the best texts (5.5 to 5.7).

The textbook's 5.6 takes the softmax of bare dot products; a cosine lies within -1 and 1, so that
softmax is nearly flat. CLIP's probabilities are the softmax of cosines times its learnt scale, as
5.5 has them through the model's own forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.clip import notes, templates
from mcp_servers.clip.models import Clip
from mcp_servers.clip.opening import all_opened, checked_texts, opened
from mcp_servers.clip.results import (
    Classification,
    Classified,
    Row,
    Similarity,
    TextFound,
    TextsFound,
)

if TYPE_CHECKING:
    from mcp_servers.clip.models import Floats


def similarity(clip: Clip, pictures: Sequence[Path], texts: Sequence[str]) -> Similarity:
    """Cosines, logits and probabilities of every picture with every text. Raises `EngineError`."""
    texts = checked_texts(texts, "text")
    paths, opened_pictures, skipped = all_opened(pictures)
    cosines = clip.picture_vectors(opened_pictures) @ clip.text_vectors(texts).T
    logits, probabilities = _of_cosines(clip, cosines)
    rows: list[Row] = []
    for at, path in enumerate(paths):
        rows.append(
            {
                "picture": str(path),
                "cosines": _rounded(cosines[at]),
                "logits": _rounded(logits[at]),
                "probabilities": _rounded(probabilities[at]),
                "best": texts[int(logits[at].argmax())],
            }
        )
    return {
        "model": clip.name,
        "texts": texts,
        "logit_scale": round(float(clip.logit_scale.detach()), 4),
        "probabilities_mean": notes.probabilities_mean(texts),
        "rows": rows,
        "skipped": skipped,
        "markdown": _table(paths, texts, cosines, probabilities),
        "notes": notes.of_texts(clip, texts),
    }


def classify(
    clip: Clip, pictures: Sequence[Path], labels: Sequence[str], template: str | list[str] | None
) -> Classification:
    """The labels of every picture, likeliest first. Raises `EngineError`."""
    labels = list(dict.fromkeys(checked_texts(labels, "label", least=2)))
    labels = checked_texts(labels, "different label", least=2)
    own = templates.checked(template) if template is not None else None
    used = [own or templates.usual(label, clip.source) for label in labels]
    vectors = label_vectors(clip, labels, used)
    paths, opened_pictures, skipped = all_opened(pictures)
    cosines = clip.picture_vectors(opened_pictures) @ vectors.T
    _, probabilities = _of_cosines(clip, cosines)
    found: list[Classified] = []
    for at, path in enumerate(paths):
        order = (-cosines[at]).argsort(kind="stable").tolist()
        found.append(
            {
                "picture": str(path),
                "label": labels[order[0]],
                "labels": [
                    {
                        "label": labels[each],
                        "probability": round(float(probabilities[at, each]), 6),
                        "cosine": round(float(cosines[at, each]), 6),
                    }
                    for each in order
                ],
            }
        )
    return {
        "model": clip.name,
        "templates": list(dict.fromkeys(each for several in used for each in several)),
        "pictures": found,
        "skipped": skipped,
        "markdown": _table(paths, labels, cosines, probabilities),
        "notes": notes.of_texts(clip, labels),
    }


def label_vectors(clip: Clip, labels: Sequence[str], used: Sequence[Sequence[str]]) -> Floats:
    """A vector of length 1 for each label: the mean over the sentences that it stands in.

    `used` are each label's templates; shape (labels, dimension).
    """
    import numpy as np

    sentences = [
        [templates.filled(each, label) for each in several]
        for label, several in zip(labels, used, strict=True)
    ]
    flat = list(dict.fromkeys(each for several in sentences for each in several))
    known = dict(zip(flat, clip.text_vectors(flat), strict=True))
    means = np.stack([np.mean([known[each] for each in several], 0) for several in sentences])
    found: Floats = means / np.linalg.norm(means, axis=1, keepdims=True)
    return found


def best_texts(clip: Clip, picture: Path, texts: Sequence[str], k: int) -> TextsFound:
    """The k texts that fit a picture best, by cosine. Raises `EngineError`."""
    texts = list(dict.fromkeys(checked_texts(texts, "text")))
    scores = clip.text_vectors(texts) @ clip.picture_vectors([opened(picture)])[0]
    order = (-scores).argsort(kind="stable")[:k].tolist()
    results: list[TextFound] = [
        {"text": texts[at], "score": round(float(scores[at]), 6)} for at in order
    ]
    return {
        "model": clip.name,
        "picture": str(picture),
        "results": results,
        "texts": len(texts),
        "notes": notes.of_texts(clip, [texts[at] for at in order]),
    }


def _of_cosines(clip: Clip, cosines: Floats) -> tuple[Floats, Floats]:
    """Logits, and their softmax over the texts; both shape (pictures, texts)."""
    import numpy as np

    bias = 0.0 if clip.logit_bias is None else float(clip.logit_bias.detach())
    logits = cosines * float(clip.logit_scale.detach()) + bias
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits, raised / raised.sum(axis=1, keepdims=True)


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 6) for value in values]


def _table(
    pictures: Sequence[Path], texts: Sequence[str], cosines: Floats, probabilities: Floats
) -> str:
    """Rows are pictures, columns texts; each cell a probability and its cosine."""
    head = " | ".join(_cell(text) for text in texts)
    lines = [f"| | {head} |", f"|---|{'---:|' * len(texts)}"]
    for at, path in enumerate(pictures):
        cells = " | ".join(
            f"{p:.1%} ({c:.3f})" for p, c in zip(probabilities[at], cosines[at], strict=True)
        )
        lines.append(f"| {_cell(path.name)} | {cells} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
