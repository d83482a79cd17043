"""What the tools of autoencoders return."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from mcp_servers import jobs


class Started(TypedDict):
    """A job that trains `name`; `status` as in `job`."""

    job: str
    name: str
    status: jobs.Status


class Unread(TypedDict):
    """A file that is no picture, and why."""

    path: str
    reason: str


class Reconstruction(TypedDict):
    """`error` is the mean squared error of pixels from 0 to 1, `kl` is in nats."""

    path: str
    error: float
    kl: float


class Reconstructions(TypedDict):
    """`picture` is a sheet: originals above what the model makes of them."""

    vae: str
    pictures: list[Reconstruction]
    mean_error: float
    usual_error: float
    picture: str
    skipped: list[Unread]


class Samples(TypedDict):
    """Each of `pictures` is what its seed alone gives; `picture` is a sheet of all."""

    vae: str
    pictures: list[str]
    seeds: list[int]
    picture: str


class Interpolation(TypedDict):
    """`pictures` go from the first to the last; `picture` is a sheet of all."""

    vae: str
    pictures: list[str]
    picture: str


class Denoised(TypedDict):
    """`denoised` is the result alone, `picture` a sheet. Errors against the original are known
    only where the noise was added here.
    """

    vae: str
    denoised: str
    noisy_error: float | None
    denoised_error: float | None
    picture: str
    notes: list[str]


class Outlier(TypedDict):
    """`score` is the larger of both z values: how much worse than usual the reconstruction is,
    and how much farther than usual the latents lie from those of training.
    """

    path: str
    score: float
    outlier: bool
    z_error: float
    z_latent: float
    error: float
    why: str


class Outliers(TypedDict):
    """The most unusual first; `picture` is a sheet of them, with their reconstructions."""

    vae: str
    looked_at: int
    found: int
    threshold: float
    pictures: list[Outlier]
    picture: str
    skipped: list[Unread]
    notes: list[str]


class Placed(TypedDict):
    """A picture's place in the plot; `group` is its class (its folder) or its cluster."""

    path: str
    x: float
    y: float
    group: str


class LatentPlot(TypedDict):
    """`explained` is the share of variance in two dimensions (PCA); `agreement` the adjusted Rand
    index of clusters and classes where both are known.
    """

    vae: str
    method: str
    points: list[Placed]
    groups: dict[str, int]
    explained: float | None
    agreement: float | None
    picture: str
    skipped: list[Unread]
    notes: list[str]


class Autoencoder(TypedDict):
    """A trained model; `about` holds its data, sizes, settings and figures."""

    name: str
    folder: str
    picture: str
    curve: str
    about: dict[str, Any]


class Removed(TypedDict):
    """A model that is no longer there."""

    removed: str
