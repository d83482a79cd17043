"""Bases by name: embedded ones made ready, folders checked, passports, clear refusals."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mcp_servers import weights
from mcp_servers.errors import EngineError
from mcp_servers.training import bases
from tests.conftest import ROOT, environment
from tests.mcp_servers.training_bytes import byte_base
from tests.mcp_servers.training_parts import make_base, write_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return byte_base(tmp_path / "base")


def test_a_folder_is_a_base_with_a_padding_token_at_the_right(
    dure_home: Path, folder: Path
) -> None:
    base = bases.resolve(str(folder))
    assert base == bases.Base(str(folder), str(folder), None)
    tokenizer = bases.load_tokenizer(base)
    assert tokenizer.pad_token == "<|pad|>"
    assert tokenizer.padding_side == "right"


def test_a_model_that_training_made_here_is_a_base_by_its_name(
    dure_home: Path, folder: Path
) -> None:
    shutil.copytree(folder, dure_home / "models" / "mine")
    assert bases.resolve("mine").folder == str(dure_home / "models" / "mine")
    assert bases.allowed("mine", None) == "mine"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", r"has no \*.safetensors"),
    ],
)
def test_a_folder_without_a_model_says_what_is_missing(
    dure_home: Path, folder: Path, spoil: str, message: str
) -> None:
    (folder / spoil).unlink()
    with pytest.raises(EngineError, match=message):
        bases.resolve(str(folder))


def test_an_adapter_is_no_base(dure_home: Path, folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(EngineError, match=r"adapter, not a whole model.*merge"):
        bases.resolve(str(folder))


def test_pickled_weights_are_refused_unless_the_user_insists(dure_home: Path, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EngineError, match=r"pickled \(pytorch_model.bin\).*can run any code"):
        bases.resolve(str(folder))
    assert bases.resolve(str(folder), pickled=True).folder == str(folder)


@pytest.mark.parametrize("name", ["embedded:huge", "a/b/c", "what is this", ""])
def test_an_unknown_base_lists_the_known_ones(dure_home: Path, name: str) -> None:
    with pytest.raises(EngineError, match=r"embedded, embedded:small, embedded:tiny"):
        bases.resolve(name)


def test_a_missing_folder_is_not_sought_on_the_hub(dure_home: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="There is no folder"):
        bases.resolve(str(tmp_path / "nowhere"))


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path: Path) -> None:
    script = """
from mcp_servers.training import bases
try:
    bases.resolve("nobody/nothing")
except bases.EngineError as error:
    print(error)
"""
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**env, "DURE_HOME": str(tmp_path / "home")},
        timeout=60,
        check=True,
    )
    assert re.search("nobody/nothing.*Check the network.*embedded:tiny", done.stdout), done.stderr


@pytest.mark.slow
def test_a_look_and_an_estimate_fetch_no_weights_and_a_run_does(tmp_path: Path) -> None:
    script = """
import json, sys
from mcp_servers.training import bases, estimating, inspection
rows = [sys.argv[1]]
looked = inspection.inspect(rows, "owner/base")
told = estimating.estimate(rows, "owner/base", "lora", {}, probe=True)
print("told", looked["template"], told["parameters"], flush=True)
print("base", bases.resolve("owner/base").folder)
"""
    with hub_of(make_base(tmp_path / "base"), tmp_path / "asked.txt") as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", script, str(write_rows(tmp_path))],
            capture_output=True,
            text=True,
            env={
                **environment(tmp_path / "home", OMP_NUM_THREADS="1"),
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(tmp_path / "hf"),
                "NO_PROXY": "127.0.0.1",
            },
            cwd=ROOT,
            timeout=60,
        )
    assert "told chat" in done.stdout, done.stderr
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    at = [n for n, line in enumerate(asked) if line.startswith("GET /api/models/owner/base/rev")]
    assert len(at) == 3, asked  # a look, an estimate, the base itself
    third = at[2]
    assert any(line.endswith("/config.json") for line in asked[:third])
    assert not any(line.endswith(".safetensors") for line in asked[:third])
    assert any(line.endswith(".safetensors") for line in asked[third:])
    folder = Path(done.stdout.split("base ")[1].strip())
    assert (folder / "model.safetensors").is_file()


@contextmanager
def hub_of(folder: Path, log: Path) -> Iterator[str]:
    """The address of a hub that holds one model, owner/base; what it is asked goes to the log."""
    commit = "a" * 40

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with log.open("a") as asked:
                asked.write(f"{self.command} {self.path}\n")
            if self.path.startswith("/api/models/owner/base/revision/"):
                files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
                told = {"id": "owner/base", "sha": commit, "siblings": files}
                self._answer(json.dumps(told).encode(), "application/json")
                return
            if self.path.startswith("/api/models/owner/base/tree/"):
                tree = [
                    {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0"}
                    for path in sorted(folder.iterdir())
                ]
                self._answer(json.dumps(tree).encode(), "application/json")
                return
            file = folder / self.path.rpartition("/")[2].partition("?")[0]
            if file.is_file():
                self._answer(file.read_bytes(), "application/octet-stream")
            else:
                self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", hashlib.sha256(body).hexdigest())
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the log has it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_passport_knows_weights_tokenizer_and_template_apart(
    dure_home: Path, folder: Path
) -> None:
    base = bases.resolve(str(folder))
    first = bases.passport(base)
    assert first == bases.passport(base)
    assert first["base"] == str(folder)
    keys = {"model.safetensors": "base_sha256", "tokenizer.json": "tokenizer_sha256"}
    for name, key in {**keys, "chat_template.jinja": "template_sha256"}.items():
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        changed = bases.passport(base)
        assert {at for at in first if changed[at] != first[at]} == {key}
        first = changed


def test_paths_outside_what_is_allowed_are_refused(
    dure_home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DURE_ALLOW", str(tmp_path / "elsewhere"))
    with pytest.raises(EngineError, match="outside the folders"):
        bases.allowed(str(folder), None)
    for name in ("embedded:tiny", "google/gemma-2b"):
        assert bases.allowed(name, None) == name


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bases.Base]:
    """`embedded:tiny` dequantised once for this module."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DURE_HOME", str(tmp_path_factory.mktemp("tiny")))
    seen: list[float] = []
    yield bases.resolve("embedded:tiny", lambda share, _: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1.0
    patch.undo()


@pytest.mark.slow
def test_an_embedded_base_is_dequantised_once_and_leaves_nothing_aside(tiny: bases.Base) -> None:
    folder = Path(tiny.folder)
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, tiny.gguf.name}  # type: ignore[union-attr]
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert bases.resolve("embedded:tiny") == tiny
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    found = bases.passport(tiny)
    assert found["base_sha256"] == weights.WEIGHTS["embedded:tiny"].sha256


TRICKY = [
    "서울은 어디에 있나요?  123 4567 12.5%",
    " \n12.3 결론",
    "１２３ ①②",
    "I'm don't WE'LL you'Re",
    "a\n\n\n  b\t\tc   ",
    "x=1;\n    def f(a):\n\treturn a**2 # 주석",
    "😀 한글과 emoji 👨‍👩‍👧 mixed",
    "<|im_start|>user\n안녕<|im_end|>\n<|im_start|>assistant\n",
    "\r\nwin\r\n",
]


@pytest.mark.slow
def test_the_tokenizer_and_the_chat_template_are_llama_cpps(tiny: bases.Base) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(tiny.gguf)
    parameters.n_ctx = 256
    parameters.cpuparams.n_threads = 1
    parameters.use_jinja = True
    server = xllamacpp.Server(parameters)

    def post(route: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            server.listening_address + route,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as reply:
            return json.load(reply)

    tokenizer = bases.load_tokenizer(tiny)
    for text in TRICKY:
        theirs = post("/tokenize", {"content": text, "add_special": True, "parse_special": True})
        assert tokenizer(text)["input_ids"] == theirs["tokens"], text
        assert tokenizer.decode(theirs["tokens"]) == text
    messages = [{"role": "user", "content": "안녕 hi"}]
    ours = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert ours == post("/apply-template", {"messages": messages})["prompt"]


@pytest.mark.slow
def test_a_disk_too_small_for_a_base_leaves_only_the_gguf(tmp_path: Path, tiny: bases.Base) -> None:
    mount = shutil.which("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(disk)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DURE_HOME", str(disk))
            with pytest.raises(EngineError, match=r"disk is full: the model needs .*DURE_HOME"):
                bases.resolve("embedded:tiny")
        assert [path.name for path in (disk / "models").iterdir()] == [
            weights.WEIGHTS["embedded:tiny"].filename
        ]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
