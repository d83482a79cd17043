"""The push job: what a run made, uploaded to a model hub (chapter 10.12). Never of itself."""

from __future__ import annotations

from typing import Any

from mcp_servers import jobs
from mcp_servers.errors import EngineError


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


def push(worker: jobs.Worker) -> dict[str, Any]:
    """Create the repository if need be and upload the published folder as it is."""
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
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        commit = hub.upload_folder(repo_id=repo, folder_path=str(result))
    except HFValidationError as error:
        raise EngineError(f"{repo!r} is not a repository: {error} Write owner/name.") from None
    except LocalTokenNotFoundError:
        raise EngineError("No token of the hub is known. Run: hf auth login.") from None
    except HfHubHTTPError as error:
        raise EngineError(
            f"The hub refused: {error} Check the name and the token (hf auth login)."
        ) from None
    except OSError as error:
        raise EngineError(f"The hub cannot be reached: {error}. Try again later.") from None
    return {"repo": repo, "url": str(commit)}


if __name__ == "__main__":
    jobs.work(push)
