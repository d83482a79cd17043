"""The child process that holds one loaded GGUF: `python -m agents.llama_process`.

A process of its own, because xllamacpp keeps Python's lock while it loads (2 to 5 seconds): in
the chat's process nothing could be shown, typed or interrupted meanwhile. llama.cpp can also
abort its process; the conversation outlives that.

Standard input: one JSON line {"path", "context", "threads", "batch", "key", "prefixes",
"adapters"}, then nothing; its end ends the process. Standard output: one JSON line, {"address"}
or {"error"}.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys


def _die_with_standard_input() -> None:
    """Have the kernel end this process when its standard input ends, also while it loads.

    No thread of Python's could: the lock is kept. SIGIO ends a process that does not handle it on
    Linux; where it does not, the read at the end of `main` notices, once the model is loaded.
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def main() -> None:
    """Load, say where it listens, and wait for the parent to go."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # llama.cpp prints where it likes
    from xllamacpp import CommonAdapterLoraInfo, CommonParams, Server

    order = json.loads(sys.stdin.readline())
    _die_with_standard_input()
    params = CommonParams()
    params.model.path = order["path"]
    params.n_ctx = order["context"]
    params.n_batch = params.n_ubatch = order["batch"]
    params.n_parallel = 1
    params.cpuparams.n_threads = order["threads"]
    params.use_jinja = True
    params.warmup = False
    params.verbosity = -1
    # It listens on loopback; the key keeps other users of the machine out.
    params.api_keys = [order["key"]]
    if order["prefixes"]:
        params.slot_save_path = order["prefixes"] + "/"
    if order["adapters"]:
        # Each request says which one it wants. The cache of earlier prompts in memory does not
        # tell with which adapter it read them, so it is off.
        params.lora_adapters = [CommonAdapterLoraInfo(path, 0.0) for path in order["adapters"]]
        params.cache_ram_mib = 0
    try:
        server = Server(params)
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), file=told, flush=True)
        os._exit(1)
    print(json.dumps({"address": str(server.listening_address)}), file=told, flush=True)
    sys.stdin.read()
    os._exit(0)  # at once, in mid-answer too


if __name__ == "__main__":
    main()
