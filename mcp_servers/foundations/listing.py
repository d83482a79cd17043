"""What translators and word vectors were trained, as a tool answers it."""

from __future__ import annotations

import json

from mcp_servers.foundations.results import Model
from mcp_servers.model_folders import folder_of, names


def trained_models() -> list[Model]:
    """Every trained model with what its `config.json` says of it; no vocabulary, no samples."""
    found: list[Model] = []
    for name in names("translators"):
        folder = folder_of("translators", name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        figures = {key: value for key, value in config["figures"].items() if key != "samples"}
        about = {"data": config["data"], "shape": config["shape"], "figures": figures}
        found.append({"name": name, "kind": "translator", "folder": str(folder), "about": about})
    for name in names("words"):
        folder = folder_of("words", name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        about = {
            **{key: value for key, value in config.items() if key not in ("counts", "files")},
            "vocabulary": len(config["counts"]),
            "files": len(config["files"]),
        }
        found.append({"name": name, "kind": "words", "folder": str(folder), "about": about})
    return found
