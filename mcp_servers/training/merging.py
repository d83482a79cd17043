"""The merging job: base and adapter as one model in `DURE_HOME/models` (chapter 9.6.7)."""

from __future__ import annotations

import json
from typing import Any

from mcp_servers import jobs
from mcp_servers.home import write_atomically


def merge(worker: jobs.Worker) -> dict[str, Any]:
    """Write the merged model with its tokenizer and passport, whole or not at all."""
    worker.step(0, 3, "loading the libraries")
    from mcp_servers.training import bases, loading, publishing

    one = loading.finished(worker.spec["run"])
    worker.step(1, 3, "merging")
    model = loading.whole(one)
    worker.step(2, 3, "saving")
    name = worker.spec["merged"]
    with publishing.appearing(publishing.place("model", name), worker.folder.name) as aside:
        model.save_pretrained(aside)
        bases.load_tokenizer(one.base).save_pretrained(aside)
        passport = json.dumps(bases.passport(one.base), indent=1)
        write_atomically(aside / "passport.json", passport)
        told = json.loads((one.result / "run.json").read_text(encoding="utf-8"))
        told = {**told, "run": worker.folder.name, "merged_from": one.folder.name}
        write_atomically(aside / "run.json", json.dumps(told, ensure_ascii=False, indent=1))
    return {"name": name, "model": str(publishing.place("model", name))}


if __name__ == "__main__":
    jobs.work(merge)
