"""llama.cpp beside this process: one loaded GGUF, its token counts, its prefix cache on disk.

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
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agents.errors import DureError, ModelRefused

_KEEP_PREFIXES = 16  # files of about 30 kB a token
_STEP_TOKENS = 128  # prompt tokens between two chances to cancel; costs 2% of speed here


class Llama:
    """A GGUF loaded in a process of its own, which ends with this one; one slot.

    Loading takes 2 to 5 seconds and 1.5 GB for the 1.5B model, beside whatever else goes on.
    """

    def __init__(
        self, path: Path, *, context: int, threads: int, prefixes: Path | None = None
    ) -> None:
        self._key = secrets.token_hex(16)
        self._prefixes = prefixes
        if prefixes:
            prefixes.mkdir(parents=True, exist_ok=True)
        self.context = context
        self._identity = f"{path.name}|{path.stat().st_size}|{context}|{version('xllamacpp')}"
        self._warmed: set[str] = set()
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents.llama_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the chat
        )
        order = {
            "path": str(path),
            "context": context,
            "threads": threads,
            "batch": _STEP_TOKENS,
            "key": self._key,
            "prefixes": str(prefixes) if prefixes else "",
        }
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        said = self._process.stdout.readline()
        answer = json.loads(said) if said else {"error": "its process ended, out of memory perhaps"}
        if "error" in answer:
            self._process.wait()
            raise DureError(
                f"{path.name} could not be loaded ({answer['error']}). Check it with: dure doctor."
            )
        self._address = str(answer["address"])

    @property
    def address(self) -> str:
        """Base URL of the OpenAI-compatible API that the same weights answer on loopback."""
        return self._address

    @property
    def pid(self) -> int:
        """Of the process that holds the weights."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    @property
    def key(self) -> str:
        """Bearer token of that API."""
        return self._key

    def chat(self, request: dict[str, Any], receive: Callable[[dict[str, Any]], bool]) -> None:
        """Stream one chat completion; `receive` gets each chunk and returns True to stop it.

        Holds the model's one slot until it is done. `DureError` if llama.cpp refuses or ends.
        """
        with self._turn:
            head = request["messages"][0]
            if head["role"] == "system":
                self._warm(head["content"])
            with self._open("/v1/chat/completions", {**request, "stream": True}) as lines:
                for line in lines:
                    if not line.startswith(b"data: {"):
                        continue
                    chunk = json.loads(line.removeprefix(b"data: "))
                    if "error" in chunk:
                        raise ModelRefused(
                            "The embedded model refused the request: "
                            f"{chunk['error'].get('message', chunk['error'])}."
                        )
                    if receive(chunk):
                        return  # closing the connection stops llama.cpp

    def start_afresh(self) -> None:
        """Let the next prompt find the slot as a new process would, with its fixed prefix alone.

        Where a prompt's reading starts moves its rounding (measured: 0.02 in a log-probability):
        what must come out the same again has to start from the same place.
        """
        with self._turn:
            self._warmed.clear()

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
        with self._open(route, body) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    @contextlib.contextmanager
    def _open(self, route: str, body: dict[str, Any]) -> Iterator[HTTPResponse]:
        """An answer to read from; `DureError` if it is a refusal or ends too soon."""
        request = urllib.request.Request(
            self.address + route,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        # Loopback must not go through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request) as response:
                yield response
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                told = json.loads(told)["error"]["message"]
            raise DureError(f"The embedded model refused the request: {told}.") from None
        except (OSError, HTTPException):
            raise DureError(
                "The embedded model's process ended. Ask again: it is loaded anew."
            ) from None


_loaded: dict[tuple[Path, int, int], Llama] = {}
_loading = threading.Lock()


def load(path: Path, *, context: int, threads: int, prefixes: Path | None) -> Llama:
    """The process's one `Llama` of this file; loads it on the first call."""
    with _loading:
        key = (path, context, threads)
        if key not in _loaded or not _loaded[key].alive:
            _loaded[key] = Llama(path, context=context, threads=threads, prefixes=prefixes)
        return _loaded[key]


def prefix_folder(home: Path) -> Path:
    """Where the states of fixed prefixes are kept."""
    return home / "cache" / "prefixes"
