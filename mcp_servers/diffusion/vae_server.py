"""The diffusion server's tools of variational autoencoders (chapter 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers import checkpoints, folders, jobs, model_folders
from mcp_servers.diffusion.vae_results import (
    Autoencoder,
    Denoised,
    Interpolation,
    LatentPlot,
    Outliers,
    Reconstructions,
    Removed,
    Samples,
    Started,
)
from mcp_servers.diffusion.vae_settings import Side, VaeSettings
from mcp_servers.errors import EngineError
from mcp_servers.roots import allowed_path
from mcp_servers.serving import report, tool, with_picture

DEFAULT = "vae"
KIND, MODULE = "vae", "mcp_servers.diffusion.vae_learning"

Name = Annotated[str, Field(description="The autoencoder's name")]
Paths = Annotated[list[str], Field(description="Pictures, or folders of pictures")]
In = Annotated[Literal["en", "ko"], Field(description="Language of the texts")]
Seed = Annotated[int, Field(description="The same seed gives the same result")]


@tool("Train an autoencoder", read_only=False)
def train_vae(
    context: Context[Any, Any, Any],
    folder: Annotated[str, Field(description="A folder of pictures; some hundreds are good")],
    name: Name = DEFAULT,
    side: Annotated[Side, Field(description="Pixels; the middle square is scaled to it")] = 32,
    grey: Annotated[bool, Field(description="Without colours")] = False,
    latent_dim: Annotated[int, Field(description="Numbers that stand for a picture")] = 32,
    beta: Annotated[
        float, Field(description="Weight of KL; less is sharper, 1 the textbook's")
    ] = 0.1,
    steps: Annotated[int, Field(description="Steps of the optimiser")] = 2000,
    batch_size: Annotated[int, Field(description="Pictures a step")] = 32,
    learning_rate: Annotated[float, Field(description="The highest, after the warm-up")] = 3e-3,
    noise: Annotated[
        float, Field(description="Most noise on what it sees (pixels 0 to 1), to denoise")
    ] = 0.1,
    seed: Seed = 65,
    replace: Annotated[
        bool, Field(description="Train again in place of one of the same name")
    ] = False,
) -> Started:
    """Train a variational autoencoder on pictures: reconstruction + beta * KL.

    Returns a job id; ask job about it. The same call, or resume, goes on where one stopped.
    """
    path = allowed_path(folder, context)
    if not path.is_dir():
        raise EngineError(f"There is no folder {path}. Name a folder of pictures.")
    spec = VaeSettings(
        name=name,
        folder=str(path),
        side=side,
        grey=grey,
        latent_dim=latent_dim,
        beta=beta,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        noise=noise,
        seed=seed,
    ).checked()
    model_folders.must_be_free("vaes", name, replace)
    started = jobs.start(KIND, MODULE, spec)
    return {"job": started["job"], "name": name, "status": started["status"]}


@tool("Reconstruct pictures", read_only=False)
def vae_reconstruct(
    context: Context[Any, Any, Any], pictures: Paths, vae: Name = DEFAULT, language: In = "en"
) -> Annotated[CallToolResult, Reconstructions]:
    """Encode pictures and decode them again, with the error of each."""
    paths = [allowed_path(each, context) for each in pictures]
    told = _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_using

    trained = vae_models.load(vae)
    given = vae_using.read(trained, paths, vae_using.MAX_SHOWN, told)
    return with_picture(*vae_using.reconstruct(trained, given, language))


@tool("Sample from an autoencoder", read_only=False)
def vae_sample(
    context: Context[Any, Any, Any],
    count: Annotated[int, Field(description="How many")] = 8,
    seed: Annotated[int, Field(description="Picture i is what seed + i alone gives")] = 0,
    temperature: Annotated[float, Field(description="Below 1: more usual pictures")] = 1.0,
    vae: Name = DEFAULT,
) -> Annotated[CallToolResult, Samples]:
    """Make new pictures: decode latents drawn from N(0, 1)."""
    _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_using

    return with_picture(*vae_using.sample(vae_models.load(vae), count, seed, temperature))


@tool("Interpolate between pictures", read_only=False)
def vae_interpolate(
    context: Context[Any, Any, Any],
    first: Annotated[str, Field(description="Path of a picture")],
    last: Annotated[str, Field(description="Path of another one")],
    steps: Annotated[int, Field(description="Pictures on the way, both ends included")] = 8,
    vae: Name = DEFAULT,
) -> Annotated[CallToolResult, Interpolation]:
    """Change one picture into another by steps through the latent space."""
    paths = [allowed_path(each, context) for each in (first, last)]
    told = _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_using

    trained = vae_models.load(vae)
    ends = vae_using.read(trained, paths, 2, told)
    return with_picture(*vae_using.interpolate(trained, ends, steps))


@tool("Denoise a picture", read_only=False)
def vae_denoise(
    context: Context[Any, Any, Any],
    picture: Annotated[str, Field(description="Path of the picture")],
    noise: Annotated[
        float,
        Field(description="0: it is noisy itself; else so much noise is added first, to compare"),
    ] = 0.0,
    seed: Seed = 0,
    vae: Name = DEFAULT,
    language: In = "en",
) -> Annotated[CallToolResult, Denoised]:
    """Take the noise from a picture of the kind that the autoencoder learnt."""
    path = allowed_path(picture, context)
    told = _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_using

    trained = vae_models.load(vae)
    given = vae_using.read(trained, [path], 1, told)
    return with_picture(*vae_using.denoise(trained, given, noise, seed, language))


@tool("Find outliers among pictures", read_only=False)
def vae_outliers(
    context: Context[Any, Any, Any],
    pictures: Paths,
    threshold: Annotated[float, Field(description="Flag scores above; lower flags more")] = 3.5,
    vae: Name = DEFAULT,
    language: In = "en",
) -> Annotated[CallToolResult, Outliers]:
    """Flag pictures unlike those that the autoencoder learnt, the most unusual first."""
    paths = [allowed_path(each, context) for each in pictures]
    told = _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_outliers, vae_using

    trained = vae_models.load(vae)
    given = vae_using.read(trained, paths, vae_outliers.MAX_PICTURES, told)
    return with_picture(*vae_outliers.flag(trained, given, threshold, language))


@tool("Plot the latent space", read_only=False)
def vae_plot(
    context: Context[Any, Any, Any],
    folder: Annotated[
        str | None, Field(description="Pictures, classes in folders; null: those of training")
    ] = None,
    method: Annotated[
        Literal["pca", "tsne"], Field(description="How dimensions are reduced to two")
    ] = "pca",
    clusters: Annotated[int, Field(description="Group into so many by k-means; 0: no")] = 0,
    vae: Name = DEFAULT,
) -> Annotated[CallToolResult, LatentPlot]:
    """Draw where pictures lie in the latent space, with their classes or clusters."""
    named = allowed_path(folder, context) if folder else None
    told = _loading(context, vae)
    from mcp_servers.diffusion import vae_models, vae_plot, vae_using

    trained = vae_models.load(vae)
    root = named or allowed_path(trained.config["data"]["folder"], context)
    given = vae_using.read(trained, [root], vae_plot.MAX_PICTURES, told)
    return with_picture(*vae_plot.plot(trained, given, root, method, clusters))


@tool("List autoencoders")
def vaes() -> list[Autoencoder]:
    """The autoencoders that were trained, with their data, settings and figures."""
    found: list[Autoencoder] = []
    for name in model_folders.names("vaes"):
        folder = model_folders.folder_of("vaes", name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found.append(
            {
                "name": name,
                "folder": str(folder),
                "picture": str(folder / "preview.png"),
                "curve": str(folder / "curve.png"),
                "about": {key: config[key] for key in ("data", "shape", "settings", "figures")},
            }
        )
    return found


@tool("Delete an autoencoder", read_only=False, destructive=True)
def delete_vae(name: Name) -> Removed:
    """Delete an autoencoder. It cannot be had back but by training."""
    there = model_folders.is_there("vaes", name)
    begun = checkpoints.forget("vaes", name)
    if not there and not begun:
        known = ", ".join(model_folders.names("vaes")) or "none"
        raise EngineError(f"There is no autoencoder {name!r}. There are: {known}.")
    folders.remove(model_folders.folder_of("vaes", name))
    return {"removed": name}


def _loading(context: Context[Any, Any, Any], vae: str) -> Callable[[int, int], None]:
    """Say that the model loads, where it is there; answers what says how pictures are read."""
    if model_folders.is_there("vaes", vae):
        report(context, 0, 1, f"loading the autoencoder {vae}")

    def told(done: int, total: int) -> None:
        if done % 100 == 0:
            report(context, done, total, "reading the pictures")

    return told


TOOLS = (
    train_vae,
    vae_reconstruct,
    vae_sample,
    vae_interpolate,
    vae_denoise,
    vae_outliers,
    vae_plot,
    vaes,
    delete_vae,
)
