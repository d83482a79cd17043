"""The merging job: base and adapter as one model in `DURE_HOME/models` (chapter 9.6.7).

Where the base is an embedded one, its GGUF stands beside it: `dure chat --model gguf:NAME`.
"""

from __future__ import annotations

import json
from typing import Any

from mcp_servers import jobs
from mcp_servers.home import write_atomically


def merge(worker: jobs.Worker) -> dict[str, Any]:
    """Write the merged model with its tokenizer and passport, whole or not at all."""
    worker.step(0, 4, "loading the libraries")
    from mcp_servers.errors import EngineError
    from mcp_servers.training import bases, gguf_models, loading, publishing

    one = loading.finished(worker.spec["run"])
    worker.step(1, 4, "merging")
    model = loading.whole(one)
    worker.step(2, 4, "saving")
    name = worker.spec["merged"]
    with publishing.appearing(publishing.place("model", name), worker.folder.name) as aside:
        model.save_pretrained(aside)
        # The adapter's own tokenizer: it holds the template that it was trained with.
        learnt = bases.Base(one.base.name, str(one.result), None)
        bases.load_tokenizer(learnt).save_pretrained(aside)
        passport = json.dumps(bases.passport(one.base), indent=1)
        write_atomically(aside / "passport.json", passport)
        told = json.loads((one.result / "run.json").read_text(encoding="utf-8"))
        told = {**told, "run": worker.folder.name, "merged_from": one.folder.name}
        write_atomically(aside / "run.json", json.dumps(told, ensure_ascii=False, indent=1))
    worker.step(3, 4, "converting to GGUF")
    model_folder = publishing.place("model", name)
    done: dict[str, Any] = {"name": name, "model": str(model_folder), "gguf": None, "notes": []}
    try:
        done["gguf"] = str(gguf_models.convert_beside(model_folder, base=one.base))
    except EngineError as error:  # what llama.cpp cannot run is of use to transformers still
        done["notes"].append(f"no GGUF: {error}")
    return done


if __name__ == "__main__":
    jobs.work(merge)
