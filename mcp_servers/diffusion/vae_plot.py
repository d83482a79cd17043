"""The latent space on paper: pictures at their places, by PCA or t-SNE, in classes or clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcp_servers import pictures as picture_store
from mcp_servers.diffusion import vae_models, vae_pictures
from mcp_servers.diffusion.vae_models import Trained
from mcp_servers.diffusion.vae_pictures import Pictures
from mcp_servers.diffusion.vae_results import LatentPlot, Placed
from mcp_servers.errors import EngineError
from mcp_servers.torch_runtime import torch

if TYPE_CHECKING:
    from numpy import ndarray

Method = Literal["pca", "tsne"]

MAX_PICTURES = 3_000
_THUMBNAILS = 150  # more would hide each other
_LISTED = 500
_MOST_GROUPS = 20  # which a palette tells apart
_SEED = 0


def plot(
    trained: Trained, pictures: Pictures, root: Path, method: Method, clusters: int
) -> tuple[LatentPlot, bytes]:
    """Place the latents' means in two dimensions. Raises `EngineError` for fewer than 3.

    Classes are the folders below `root`; `clusters` (0: none) groups by k-means instead.
    """
    import numpy as np

    count = len(pictures.paths)
    if count < 3:
        raise EngineError(f"There are {count} pictures to draw; a plot needs 3. Name more.")
    if clusters and not 2 <= clusters <= min(count, _MOST_GROUPS):
        most = min(count, _MOST_GROUPS)
        raise EngineError(f"clusters is {clusters}. Pass 0 (none) or 2 to {most}.")
    with torch.inference_mode():
        means = vae_models.encoded(trained.model, pictures.numbers())[0].numpy()
    if not np.ptp(means, axis=0).any():
        raise EngineError("All pictures have the same latents. Name pictures that differ.")
    places, explained = _places(means, method)
    classes = [_class_of(path, root) for path in pictures.paths]
    agreement: float | None = None
    groups = classes
    if clusters:
        groups = _clusters(means, clusters)
        if len(set(classes)) > 1:
            from sklearn.metrics import adjusted_rand_score

            agreement = round(float(adjusted_rand_score(classes, groups)), 4)
    names = f"{trained.name}: {'t-SNE' if method == 'tsne' else 'PCA'}"
    png = _draw(places, groups, pictures, names)
    notes = []
    if count > _LISTED:
        notes.append(f"The first {_LISTED} of {count:,} points are listed; all are drawn.")
    points: list[Placed] = [
        {"path": str(path), "x": round(float(x), 4), "y": round(float(y), 4), "group": group}
        for path, (x, y), group in zip(pictures.paths, places, groups, strict=True)
    ]
    return {
        "vae": trained.name,
        "method": method,
        "points": points[:_LISTED],
        "groups": dict(Counter(groups).most_common()),
        "explained": explained,
        "agreement": agreement,
        "picture": str(picture_store.save(png, "latents")),
        "skipped": pictures.skipped,
        "notes": notes,
    }, png


def _class_of(path: Path, root: Path) -> str:
    """The first folder below the one that was named; empty for a picture that lies in it."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return parts[0] if len(parts) > 1 else ""


def _clusters(means: ndarray[Any, Any], clusters: int) -> list[str]:
    from sklearn.cluster import KMeans

    found = KMeans(clusters, n_init=10, random_state=_SEED).fit_predict(means)
    return [str(number + 1) for number in found]


def _places(means: ndarray[Any, Any], method: Method) -> tuple[Any, float | None]:
    """(n, 2), and with PCA the share of the variance that the two dimensions hold."""
    if means.shape[1] == 1:
        import numpy as np

        return np.hstack([means, np.zeros_like(means)]), 1.0
    from sklearn.decomposition import PCA

    if method == "pca":
        fitted = PCA(n_components=2, random_state=_SEED)
        placed = fitted.fit_transform(means)
        return placed, round(float(fitted.explained_variance_ratio_.sum()), 4)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(means) - 1) / 3)
    places = TSNE(
        n_components=2, perplexity=perplexity, init="pca", random_state=_SEED
    ).fit_transform(means)
    return places, None


def _draw(places: Any, groups: Sequence[str], pictures: Pictures, title: str) -> bytes:
    """Dots in the groups' colours, and the pictures themselves where they have room."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    known = [group for group, _ in Counter(groups).most_common(_MOST_GROUPS)]
    palette = colormaps["tab20" if len(known) > 10 else "tab10"]
    colour = {group: palette(number) for number, group in enumerate(known)}
    step = -(-len(groups) // _THUMBNAILS)
    with picture_store.drawing() as family:
        text: dict[str, Any] = {"fontfamily": family, "parse_math": False}
        figure = picture_store.new_figure(10, 8)
        axes = figure.add_subplot()
        for group in [*known, *sorted(set(groups) - set(known))]:
            chosen = [at for at, each in enumerate(groups) if each == group]
            label = picture_store.short(group, 24) if group else None
            where: dict[str, Any] = {"color": colour.get(group, "grey"), "label": label}
            axes.scatter(places[chosen, 0], places[chosen, 1], s=14, alpha=0.8, **where)
        for at in range(0, len(groups), step):
            image = vae_pictures.images(pictures.numbers(slice(at, at + 1)))[0].convert("RGB")
            box = AnnotationBbox(
                OffsetImage(np.asarray(image), zoom=26 / image.width),
                tuple(places[at]),
                pad=0.08,
                bboxprops={"edgecolor": colour.get(groups[at], "grey"), "lw": 1.5},
            )
            axes.add_artist(box)
        axes.set_title(title, **text)
        axes.margins(0.06)
        axes.grid(alpha=0.2)
        if any(groups):
            axes.legend(prop={"family": family}, loc="best")
        return picture_store.png_of(figure)
