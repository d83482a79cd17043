"""The export job: a run's adapter or model as a GGUF file for llama.cpp and Ollama."""

from __future__ import annotations

from typing import Any

from mcp_servers import jobs


def export(worker: jobs.Worker) -> dict[str, Any]:
    """Write `adapter.gguf` into the adapter's folder, or `<name>.gguf` beside the model's."""
    worker.step(0, 2, "loading the libraries")
    from mcp_servers.training import gguf_adapters, gguf_models, loading, methods, runs

    folder = runs.find(worker.spec["run"], runs.MAKING)
    merged = runs.published(folder) if "merged" in runs.spec(folder) else None
    one = loading.finished(runs.spec(folder)["run"] if merged else folder.name)
    worker.step(1, 2, "converting")
    if merged:
        path = gguf_models.convert_beside(merged, worker.spec["gguf_kind"], one.base)
    elif methods.is_adapter(one.settings):
        path = gguf_adapters.convert_adapter(one.result, one.base)
    else:
        path = gguf_models.convert_beside(one.result, worker.spec["gguf_kind"], one.base)
    return {"gguf": str(path), "bytes": path.stat().st_size}


if __name__ == "__main__":
    jobs.work(export)
