"""The push job: what a run made, uploaded to a model hub (chapter 10.12). Never of itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from mcp_servers import jobs, weights
from mcp_servers.errors import EngineError
from mcp_servers.home import link_or_copy, write_atomically

# Where a published folder says what it was made from: which may be a path of this machine.
_BASE_KEYS = ("base_model_name_or_path", "tokenizer_name_or_path", "_name_or_path", "name_or_path")


def check(repo: str) -> None:
    """Raise `EngineError` where this cannot be a repository's name; asks no hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise EngineError(f"{repo!r} is not a repository: {error} Write owner/name.") from None
    if "/" not in repo:
        raise EngineError(f"{repo!r} does not say whose it is. Write owner/name.")


def shareable(result: Path, copy: Path, base: str) -> Path:
    """A copy of a published folder that names its base and its data without this machine's paths.

    `base` is what the run calls its base. The weights are the same bytes under a second name.
    """
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(result, copy, copy_function=link_or_copy)
    known = weights.WEIGHTS[base].hub if base in weights.WEIGHTS else _plain(base)
    folders = set()
    for path in copy.rglob("*.json"):
        held = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(held, dict):
            continue
        said = dict(held)
        for key in _BASE_KEYS:
            if said.get(key):
                folders.add(str(said[key]))
                said[key] = known
        if path.name in ("run.json", "passport.json"):
            said["base"] = _plain(base)
        if path.name == "run.json":
            said["data"] = [{**one, "name": _plain(one["name"])} for one in said.get("data", ())]
        if said != held:
            write_atomically(path, json.dumps(said, ensure_ascii=False, indent=1))
    for path in copy.rglob("*.md"):  # peft's card names the base by its folder
        text = path.read_text(encoding="utf-8")
        for folder in sorted(folders, key=len, reverse=True):
            text = text.replace(folder, known)
        write_atomically(path, text)
    return copy


def _plain(name: str) -> str:
    """A name as it is, a path without the folders above it."""
    return Path(name).name if Path(name).is_absolute() else name


def push(worker: jobs.Worker) -> dict[str, Any]:
    """Create the repository if need be and upload the published folder, its paths left out."""
    repo, private = worker.spec["repo"], worker.spec["private"]
    worker.step(0, 2, "loading the libraries")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    from mcp_servers.training import runs

    result = runs.published(runs.find(worker.spec["run"]))
    if result is None:
        raise EngineError("What this run published is gone. Name another run.")
    worker.step(1, 2, f"uploading to {repo}")
    hub = HfApi()
    copy = shareable(result, worker.folder / "upload", runs.spec(worker.folder)["base"])
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        commit = hub.upload_folder(repo_id=repo, folder_path=str(copy))
    except HFValidationError as error:
        raise EngineError(f"{repo!r} is not a repository: {error} Write owner/name.") from None
    except LocalTokenNotFoundError:
        raise EngineError("No token of the hub is known. Run: hf auth login.") from None
    except HfHubHTTPError as error:
        raise EngineError(
            f"The hub refused: {error} Check the name and the token (hf auth login)."
        ) from None
    except Exception as error:  # whatever the network makes its client raise
        raise EngineError(
            f"The hub cannot be reached ({error}). Check the network and push again."
        ) from None
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return {"repo": repo, "url": str(commit)}


if __name__ == "__main__":
    jobs.work(push)
