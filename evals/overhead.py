"""Overhead: `dure ask --agent chat` against the same tokens given to xllamacpp directly.

Both are whole processes, model load included. The raw run gets the very prompt that Dure renders
and stops at the same number of tokens. Runs alternate, and neither side reads a prefix cache from
disk.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agents.settings import load_settings
from mcp_servers import weights

_REQUESTS = (
    "Write a short paragraph about why the sea is salty, in five sentences.",
    "Explain how a web browser loads a page, in ten numbered steps with one sentence each.",
)
_TARGET = 1.15

_RAW = """
import json, sys
from xllamacpp import CommonParams, Server
path, context, threads, body = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
params = CommonParams()
params.model.path = path
params.n_ctx = context
params.n_parallel = 1
params.cpuparams.n_threads = threads
params.use_jinja = True
params.warmup = False
params.verbosity = -1
server = Server(params)
usage = {}
def receive(chunk):
    usage.update(chunk.get("usage") or {})
    return False
request = json.loads(body) | {"stream": True, "stream_options": {"include_usage": True}}
server.handle_chat_completions(request, receive)
print(json.dumps(usage))
"""


def main(model: str, limit: int | None) -> bool:
    """The ratio of a short and of a long answer; True if both are 1.15 or less."""
    ratios = [_ratio(model, request, limit or 5) for request in _REQUESTS]
    return max(ratios) <= _TARGET


def _ratio(model: str, request: str, runs: int) -> float:
    """Median wall time of alternating runs over that of the raw ones."""
    from prompts import prompt, say

    settings = load_settings(model=model)
    path = weights.ensure(weights.find(model), settings.home)
    reminder = say("answer_language", "en")
    messages = [
        {"role": "system", "content": prompt("chat")},
        {"role": "user", "content": f"{request}\n\n({reminder})"},
    ]
    ours: list[float] = []
    raw: list[float] = []
    for _ in range(runs):
        seconds, tokens = _dure(model, request)
        ours.append(seconds)
        body = {"messages": messages, "max_tokens": tokens["completion"], "temperature": 0}
        seconds, usage = _raw(path, settings.context, settings.threads, body)
        raw.append(seconds)
        print(f"dure {ours[-1]:.2f} s, raw {raw[-1]:.2f} s", flush=True)
        assert usage["prompt_tokens"] == tokens["prompt"], "the two did not read the same prompt"
    ratio = statistics.median(ours) / statistics.median(raw)
    size = f"{tokens['prompt']} tokens in, {tokens['completion']} out"
    print(f"overhead, {model}, {size}: {ratio:.2f} times the raw call, target {_TARGET}")
    return ratio


def _dure(model: str, request: str) -> tuple[float, dict[str, int]]:
    """A fresh home each time, with the model linked in: no prefix is remembered."""
    settings = load_settings(model=model)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "models").mkdir()
        source = weights.ensure(weights.find(model), settings.home)
        (home / "models" / source.name).symlink_to(source)
        command = [sys.executable, "-m", "agents.cli", "ask", "--json", "--agent", "chat"]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--model", model, request],
            env={**os.environ, "DURE_HOME": folder},
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        shutil.rmtree(home / "cache", ignore_errors=True)
    tokens: dict[str, int] = json.loads(done.stdout)["tokens"]
    return seconds, tokens


def _raw(
    path: Path, context: int, threads: int, body: dict[str, object]
) -> tuple[float, dict[str, int]]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RAW, str(path), str(context), str(threads), json.dumps(body)],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - began, json.loads(done.stdout.splitlines()[-1])
