"""llama.cpp in this process: one loaded GGUF, its token counts, its prefix cache on disk.

Prompt tokens cost most on a CPU (about 80 a second here). llama.cpp keeps the last prompt's state
and re-uses a common prefix; `warm` also keeps the state of each fixed prefix (a specialist's
system prompt and tool list) in a file, so that a new process starts where an earlier one was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agents.errors import DureError

_KEEP_PREFIXES = 16  # files of about 30 kB a token
_STEP_TOKENS = 128  # prompt tokens between two chances to cancel; costs 2% of speed here


class Llama:
    """A GGUF loaded by xllamacpp's in-process server, with one slot.

    Loading takes 3 to 5 seconds and 1.5 GB for the 1.5B model.
    """

    def __init__(
        self, path: Path, *, context: int, threads: int, prefixes: Path | None = None
    ) -> None:
        from xllamacpp import CommonParams, Server

        params = CommonParams()
        params.model.path = str(path)
        params.n_ctx = context
        params.n_batch = params.n_ubatch = _STEP_TOKENS
        params.n_parallel = 1
        params.cpuparams.n_threads = threads
        params.use_jinja = True
        params.warmup = False
        params.verbosity = -1
        # xllamacpp always listens on loopback; the key keeps other users of the machine out.
        self._key = secrets.token_hex(16)
        params.api_keys = [self._key]
        self._prefixes = prefixes
        if prefixes:
            prefixes.mkdir(parents=True, exist_ok=True)
            params.slot_save_path = f"{prefixes}/"
        self.context = context
        self._identity = f"{path.name}|{path.stat().st_size}|{context}|{version('xllamacpp')}"
        self._warmed: set[str] = set()
        self._turn = threading.Lock()
        try:
            self._server = Server(params)
        except RuntimeError as error:
            raise DureError(
                f"{path.name} could not be loaded ({error}). Check it with: dure doctor."
            ) from None

    @property
    def address(self) -> str:
        """Base URL of the OpenAI-compatible API that the same weights answer on loopback."""
        return str(self._server.listening_address)

    @property
    def key(self) -> str:
        """Bearer token of that API."""
        return self._key

    def chat(self, request: dict[str, Any], receive: Callable[[dict[str, Any]], bool]) -> None:
        """Stream one chat completion; `receive` gets each chunk and returns True to stop it.

        Holds the model's one slot until it is done. Raises `DureError` if llama.cpp refuses.
        """
        refused: list[str] = []

        def forward(chunk: dict[str, Any]) -> bool:
            if "error" in chunk:
                refused.append(str(chunk["error"].get("message", chunk["error"])))
                return True
            return receive(chunk)

        with self._turn:
            head = request["messages"][0]
            if head["role"] == "system":
                self._warm(head["content"])
            outcome = self._server.handle_chat_completions({**request, "stream": True}, forward)
        if isinstance(outcome, dict) and "error" in outcome:
            refused.append(str(outcome["error"].get("message", outcome["error"])))
        if refused:
            raise DureError(f"The embedded model refused the request: {refused[0]}.")

    def count(self, messages: Sequence[dict[str, str]]) -> int:
        """Tokens of these messages under the model's own chat template."""
        rendered = self._post("/apply-template", {"messages": list(messages)})["prompt"]
        return self.count_text(rendered)

    def count_text(self, text: str) -> int:
        """Tokens of a text; markers such as `<|im_start|>` count as the one token they are."""
        body = {"content": text, "parse_special": True}
        return len(self._post("/tokenize", body)["tokens"])

    def _warm(self, system: str) -> None:
        """Bring the state of a fixed system prompt into the slot, from disk where it is there."""
        if self._prefixes is None or system in self._warmed:
            return
        self._warmed.add(system)
        digest = hashlib.sha256(f"{self._identity}|{system}".encode()).hexdigest()[:32]
        for saved in self._prefixes.glob(f"{digest}-*.bin"):
            # llama.cpp aborts the whole process on half a file, so the name holds the size.
            if saved.stem == f"{digest}-{saved.stat().st_size}":
                with contextlib.suppress(DureError):
                    self._post("/slots/0?action=restore", {"filename": saved.name})
                    saved.touch()
                    return
            saved.unlink(missing_ok=True)
        marker = "\x00"
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": marker},
        ]
        rendered = self._post("/apply-template", {"messages": messages})["prompt"]
        prefix = rendered.split(marker)[0]
        self._post("/completion", {"prompt": prefix, "n_predict": 0, "id_slot": 0})
        aside = self._prefixes / f"{digest}.{os.getpid()}.tmp"
        with contextlib.suppress(DureError, OSError):  # a full disk costs time, not the answer
            told = self._post("/slots/0?action=save", {"filename": aside.name})
            size = aside.stat().st_size
            if size == told["n_written"]:
                aside.replace(self._prefixes / f"{digest}-{size}.bin")
            self._forget_oldest()
        aside.unlink(missing_ok=True)

    def _forget_oldest(self) -> None:
        assert self._prefixes is not None
        files = sorted(self._prefixes.glob("*.bin"), key=lambda file: -file.stat().st_mtime)
        for file in files[_KEEP_PREFIXES:]:
            file.unlink(missing_ok=True)
        for rest in self._prefixes.glob("*.tmp"):  # of a process that was killed
            if rest.stat().st_mtime < time.time() - 3600:
                rest.unlink(missing_ok=True)

    def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.address + route,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        # Loopback must not go through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise DureError(f"llama.cpp refused {route}: {error.read().decode()}") from None


_loaded: dict[tuple[Path, int, int], Llama] = {}
_loading = threading.Lock()


def load(path: Path, *, context: int, threads: int, prefixes: Path | None) -> Llama:
    """The process's one `Llama` of this file; loads it on the first call."""
    with _loading:
        key = (path, context, threads)
        if key not in _loaded:
            _loaded[key] = Llama(path, context=context, threads=threads, prefixes=prefixes)
        return _loaded[key]


def prefix_folder(home: Path) -> Path:
    """Where the states of fixed prefixes are kept."""
    return home / "cache" / "prefixes"
