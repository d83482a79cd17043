"""Which CLIP a name means: the embedded one, one's own, a folder, or one of the hub's.

Weights as safetensors alone: a pickle can do anything when it is loaded. Nothing heavy is
imported, so that a wrong name is refused at once.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcp_servers.drawings import weights
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home
from mcp_servers.model_folders import folder_of

if TYPE_CHECKING:
    from mcp.server.fastmcp import Context

EMBEDDED = "embedded"
OPEN_CLIP_CONFIG = "open_clip_config.json"
INSTALL_OPEN_CLIP = "pip install 'dure[open-clip]'"
HUB = "hf-hub:"
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_OPENAI = re.compile(r"(?:RN(?:50|101|50x4|50x16|50x64)|ViT-[BL]/(?:32|16|14)(?:@336px)?)")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

Library = Literal["transformers", "open_clip"]


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a folder that is here, or what its library calls it.

    `where` is a hub name, or for open_clip ARCHITECTURE/TAG; `folder` is None for these.
    """

    name: str
    library: Library
    where: str
    folder: Path | None

    @property
    def embedded(self) -> bool:
        """Whether it is the package's own."""
        return self.name == EMBEDDED


def own_folder(name: str) -> Path:
    """The folder of a model of the user's own. Raises `EngineError` for what is no name."""
    if name == EMBEDDED:
        raise EngineError(f"{EMBEDDED} is the model that Dure brings. Pass another name.")
    return folder_of("clips", name)


def own_models() -> list[str]:
    """The names of the user's own models."""
    folder = dure_home() / "models" / "clips"
    return sorted(path.name for path in folder.glob("[!.]*") if path.is_dir())


def allowed(name: str, context: Context[Any, Any, Any] | None) -> str:
    """The name, its path made absolute if it is one. Raises `EngineError` outside the roots."""
    if not _is_path(name):
        return name
    from mcp_servers.roots import allowed_path  # jobs do without the protocol

    return str(allowed_path(name, context))


def source_of(name: str) -> Source:
    """What a name means. Raises `EngineError` for a folder without a safe model, or no name."""
    if name == EMBEDDED:
        return _of_folder(name, weights.folder("clip"))
    if _is_path(name):
        return _of_folder(name, Path(name))
    if name in own_models():
        return _of_folder(name, own_folder(name))
    if name.startswith(HUB) and _HUB_NAME.fullmatch(name.removeprefix(HUB)):
        return Source(name, _open_clip(name), name, None)
    if _OPENAI.fullmatch(name):  # as the textbook and OpenAI's own package name them
        architecture = name.replace("@336px", "-336").replace("/", "-")
        return Source(name, _open_clip(name), f"{architecture}/openai", None)
    architecture, _, tag = name.partition("/")
    if tag and architecture in _architectures():
        return Source(name, "open_clip", name, None)
    if _HUB_NAME.fullmatch(name):
        return Source(name, "transformers", name, None)
    own = ", ".join(own_models()) or "none"
    raise EngineError(
        f"There is no CLIP model {name!r}. Choose {EMBEDDED}, one of your own ({own}), a folder, a "
        "hub name such as openai/clip-vit-large-patch14 or hf-hub:timm/ViT-B-16-SigLIP, or one of "
        "open_clip's such as ViT-B-32/laion2b_s34b_b79k."
    )


def _of_folder(name: str, folder: Path) -> Source:
    """A folder that transformers or open_clip wrote, without pickles."""
    if folder.is_file():
        raise EngineError(f"{folder} is a file. Name the folder that holds the model.")
    if not folder.is_dir():
        raise EngineError(f"There is no folder {folder}. Check the spelling.")
    if _has_json(folder / OPEN_CLIP_CONFIG):
        source = Source(name, _open_clip(name), f"local-dir:{folder}", folder)
    elif _has_json(folder / "config.json"):
        source = Source(name, "transformers", str(folder), folder)
    else:
        raise EngineError(
            f"{folder} has neither config.json nor {OPEN_CLIP_CONFIG} that can be read, so it "
            "holds no CLIP. Name a folder that transformers or open_clip wrote."
        )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix in _PICKLES)
        raise EngineError(
            pickled(f"in {folder} ({pickles[0]})")
            if pickles
            else f"{folder} has no weights (*.safetensors). Copy the whole model there."
        )
    return source


def pickled(where: str) -> str:
    """What to say of weights that are pickled."""
    return (
        f"The weights {where} are pickled: loading them can run any code. Convert them to "
        "safetensors, or name a model that has them so."
    )


def _open_clip(name: str) -> Library:
    """The library's name, where it is installed. Raises `EngineError`."""
    if find_spec("open_clip") is None:
        raise EngineError(
            f"{name} needs open_clip, which is not installed. Run: {INSTALL_OPEN_CLIP}."
        )
    return "open_clip"


def _architectures() -> frozenset[str]:
    """The architectures that open_clip knows, without importing it."""
    found = find_spec("open_clip")
    folders = (found.submodule_search_locations if found else None) or []
    return frozenset(
        path.stem for folder in folders for path in Path(folder, "model_configs").glob("*.json")
    )


def _is_path(name: str) -> bool:
    if name.startswith((".", "~", os.sep)):
        return True
    return "/" in name and Path(name).exists()


def _has_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
