"""Load the embedded model while Python is still importing: both take seconds, and neither waits."""

from __future__ import annotations

import threading


def start_loading(model: str | None, adapter: str | None = None) -> None:
    """Begin to load the weights that a request will need, if it is clear that it will.

    Loading happens in another process. A failure is left for the real load to report.
    """
    thread = threading.Thread(target=_load, args=(model, adapter), name="preload", daemon=True)
    thread.start()


def _load(model: str | None, adapter: str | None) -> None:
    import contextlib

    from agents import adapters, llama
    from agents.errors import DureError
    from agents.models import resolve
    from agents.settings import load_settings
    from mcp_servers import weights

    with contextlib.suppress(DureError):
        settings = load_settings(model=model)
        spec, _ = resolve(settings)
        if spec in weights.WEIGHTS:
            path = weights.joined(weights.find(spec), settings.home)
            wanted = adapters.find(adapter, settings.home) if adapter else None
            if path and (wanted is None or (wanted.base == spec and wanted.gguf.is_file())):
                llama.load(
                    path,
                    context=settings.context,
                    threads=settings.threads,
                    prefixes=llama.prefix_folder(settings.home),
                    adapter=wanted.gguf if wanted else None,
                )
