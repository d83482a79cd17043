"""Pictures found by their looks, and from which cosine on a picture fits a question at all.

Every CLIP has cosines of its own: 0.9 for a picture's own caption with one model, 0.3 with
another. So each model is asked about drawings whose captions are known, once for an index: a
picture fits from halfway between what it gives other drawings' captions and what it gives theirs.
Questions about what a model has never seen fit nothing then, rather than anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mcp_servers.errors import EngineError
from mcp_servers.picture_files import opened
from mcp_servers.retrieval.picture_store import PictureStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mcp_servers.clip.models import Clip

    Floats = NDArray[np.float32]

_EMBEDDED = "embedded"  # the model of an index that asks for no other
_BATCH = 16  # pictures embedded between two looks at the cancel mark
_STRAY = 95  # percentile of the cosines with others' captions
_SIDE = 224  # pixels of the drawings


def embed(pictures: PictureStore, name: str | None, step: Callable[[str], None]) -> str | None:
    """Give every picture its vector; why that was not possible, or None.

    `name` is the model that is asked for, None the index's own; a change of models embeds all
    pictures anew. `step(message)` reports, and may raise to stop.
    """
    try:
        from mcp_servers.clip import models

        model = models.load(name or pictures.meta("clip_name") or _EMBEDDED, step)
        if pictures.meta("clip") != model.identity:
            pictures.set_model(model.identity, model.name, fitting_cosine(model))
    except EngineError as error:
        return f"Pictures are found by the words around them alone. {error}"
    todo = pictures.without_looks()
    for at in range(0, len(todo), _BATCH):
        step(f"embedding pictures ({at} of {len(todo)})")
        batch = todo[at : at + _BATCH]
        images = [opened(pictures.path_of(picture), 1024) for picture in batch]
        vectors = model.picture_vectors(images)
        pictures.keep_looks(zip(batch, (vector.tobytes() for vector in vectors), strict=True))
    return None


def fitting_cosine(model: Clip) -> float:
    """From which cosine on a picture fits a text, for this model."""
    import numpy as np

    from mcp_servers.drawings.captions import caption
    from mcp_servers.drawings.painting import paint
    from mcp_servers.drawings.scenes import COLOURS, SHAPES, Scene, Thing

    scenes = [
        Scene((Thing(shape, colour, None, 0.5, 0.5, 0.22),))
        for colour in COLOURS
        for shape in SHAPES
    ]
    seen = model.picture_vectors([paint(scene, _SIDE) for scene in scenes])
    said = model.text_vectors([caption(scene, "en") for scene in scenes])
    cosines = seen @ said.T
    own = np.eye(len(scenes), dtype=bool)
    return float(np.mean([cosines[own].mean(), np.percentile(cosines[~own], _STRAY)]))


def cosines(pictures: PictureStore, held: Mapping[str, Floats], query: str) -> dict[str, float]:
    """The pictures that fit a question, with their cosines. Raises `EngineError`.

    `held` are their vectors.
    """
    import numpy as np

    from mcp_servers.clip import models

    model = models.load(pictures.meta("clip_name"))
    if model.identity != pictures.meta("clip"):
        raise EngineError(
            f"The pictures were embedded with another version of {model.name}. Add their files "
            "again, and they are embedded anew."
        )
    names = list(held)
    scores = np.stack([held[name] for name in names]) @ model.text_vectors([query])[0]
    fits = float(pictures.meta("fits"))
    return {name: float(score) for name, score in zip(names, scores, strict=True) if score >= fits}
