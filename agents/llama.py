"""llama.cpp beside this process: one loaded GGUF, its token counts, its prefix cache on disk.

Prompt tokens cost most on a CPU (about 80 a second here). llama.cpp keeps the last prompt's state
and re-uses a common prefix; `warm` also keeps the state of each fixed prefix (a specialist's
system prompt and tool list) in a file, so that a new process starts where an earlier one was.

LoRA adapters are loaded beside the model, and each request runs with one of them or with none.
What was read with one is never used with another.
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
_KEEP_ADAPTERS = 4  # in memory at once; the one loaded longest ago goes
_STEP_TOKENS = 128  # prompt tokens between two chances to cancel; costs 2% of speed here
# OpenMP's threads spin while they wait for each other unless told not to. Beside one busy process
# on two cores an answer took 126 s instead of 28; alone, 17 s either way.
_SLEEP_WHILE_WAITING = {"OMP_WAIT_POLICY": "passive"}


class Llama:
    """A GGUF loaded in a process of its own, which ends with this one; one slot.

    Loading takes 2 to 5 seconds and 1.5 GB for the 1.5B model, beside whatever else goes on.
    """

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        threads: int,
        prefixes: Path | None = None,
        adapters: Sequence[Path] = (),
    ) -> None:
        self._key = secrets.token_hex(16)
        self._prefixes = prefixes
        if prefixes:
            prefixes.mkdir(parents=True, exist_ok=True)
        self.context = context
        self._identity = f"{path.name}|{_stamp(path)}|{context}|{version('xllamacpp')}"
        self._warmed: set[str] = set()
        self._adapters = {adapter: _stamp(adapter) for adapter in adapters}
        # With which the slot's tokens were read; unknown where a first request has yet to say.
        self._adapter: Path | None = Path() if self._adapters else None
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents.llama_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_SLEEP_WHILE_WAITING | os.environ,
            start_new_session=True,  # Ctrl-C in the terminal is for the chat
        )
        order = {
            "path": str(path),
            "context": context,
            "threads": threads,
            "batch": _STEP_TOKENS,
            "key": self._key,
            "prefixes": str(prefixes) if prefixes else "",
            "adapters": [str(adapter) for adapter in self._adapters],
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

    def adapters(self) -> list[Path]:
        """The adapters that it holds and whose files are still those that it loaded."""
        return [path for path, stamp in self._adapters.items() if _stamp(path) == stamp]

    def chat(self, request: dict[str, Any], receive: Callable[[dict[str, Any]], bool]) -> None:
        """Stream one chat completion; `receive` gets each chunk and returns True to stop it.

        Holds the model's one slot until it is done. `DureError` if llama.cpp refuses or ends.
        """
        with self._turn:
            self._switch(None)
            head = request["messages"][0]
            if head["role"] == "system":
                self._warm(head["content"])
            self._stream("/v1/chat/completions", request, receive)

    def complete(
        self,
        request: dict[str, Any],
        receive: Callable[[dict[str, Any]], bool],
        adapter: Path | None = None,
    ) -> None:
        """Stream the completion of a prompt that is already rendered, with one of its adapters.

        Markers such as `<|im_start|>` count as tokens, and none is added. Else as `chat`.
        """
        with self._turn:
            self._switch(adapter)
            tokens = self._tokens(request["prompt"])
            self._stream("/v1/completions", {**request, "prompt": tokens}, receive)

    def _switch(self, adapter: Path | None) -> None:
        """Empty the slot where it was read with another adapter."""
        if adapter != self._adapter:
            # llama.cpp forgets the slot's tokens when a request names another set than the last.
            self._post("/completion", {"prompt": [0], "n_predict": 0, **self._lora(adapter)})
            self._warmed.clear()
            self._adapter = adapter

    def _lora(self, adapter: Path | None) -> dict[str, Any]:
        """The part of a request that says which adapter it runs with. Empty where there is none.

        llama.cpp takes a request that says nothing for one with the last request's tokens.
        """
        scales = [
            {"id": number, "scale": float(path == adapter)}
            for number, path in enumerate(self._adapters)
        ]
        return {"lora": scales} if scales else {}

    def _stream(
        self, route: str, request: dict[str, Any], receive: Callable[[dict[str, Any]], bool]
    ) -> None:
        body = {**request, "stream": True, **self._lora(self._adapter)}
        with self._open(route, body) as lines:
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
        return len(self._tokens(text))

    def _tokens(self, text: str) -> list[int]:
        body = {"content": text, "parse_special": True}
        tokens: list[int] = self._post("/tokenize", body)["tokens"]
        return tokens

    def properties(self) -> dict[str, Any]:
        """What the file says of itself: `chat_template`, `bos_token`, `eos_token` and more."""
        with self._open("/props", None) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def close(self) -> None:
        """End its process, once what it is answering is answered."""
        with self._turn:
            assert self._process.stdin
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

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
        read = {"prompt": prefix, "n_predict": 0, "id_slot": 0, **self._lora(None)}
        self._post("/completion", read)
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
    def _open(self, route: str, body: dict[str, Any] | None) -> Iterator[HTTPResponse]:
        """An answer to read from; `DureError` if it is a refusal or ends too soon."""
        request = urllib.request.Request(
            self.address + route,
            json.dumps(body).encode() if body is not None else None,
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


def load(
    path: Path,
    *,
    context: int,
    threads: int,
    prefixes: Path | None,
    adapter: Path | None = None,
) -> Llama:
    """The process's one `Llama` of this file, with this adapter among those that it holds.

    Loads it on the first call, and anew when it does not hold the adapter yet.
    """
    with _loading:
        key = (path, context, threads)
        running = _loaded.get(key)
        known = running.adapters() if running else []
        if running and running.alive and (adapter is None or adapter in known):
            return running
        if running:
            running.close()
        wanted = known if adapter is None else [*known, adapter]
        try:
            _loaded[key] = Llama(
                path,
                context=context,
                threads=threads,
                prefixes=prefixes,
                adapters=wanted[-_KEEP_ADAPTERS:],
            )
        except DureError:
            if adapter is None:
                raise
            raise DureError(
                f"{adapter} could not be loaded beside {path.name}: it is broken, or was made for "
                "another model. Train it again, or take it out: /adapter off."
            ) from None
        return _loaded[key]


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def prefix_folder(home: Path) -> Path:
    """Where the states of fixed prefixes are kept."""
    return home / "cache" / "prefixes"
