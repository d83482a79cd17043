"""The models that training starts from, and the passport by which what it made is known.

A base is named as a chat model is (`embedded:tiny`), by the hub (`google/gemma-2b`), by a folder,
or by a model that training made here. Weights are safetensors: a pickle can run any code when it
is loaded, so one is refused unless the user insists.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import Context

from mcp_servers import hugging_face, weights
from mcp_servers.errors import EngineError
from mcp_servers.home import dure_home, process_exists, write_atomically
from mcp_servers.roots import allowed_path

DEFAULT = "embedded:tiny"
_PLAIN_NAME = re.compile(r"[\w-]+")
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
_PICKLES = (".bin", ".pt", ".pth")
_GROWTH = 5  # float16 safetensors are at most so many times as long as the 4-bit GGUF
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "merges.txt")
Progress = Callable[[float, str], None]
"""Told how far it is (0 to 1) and what is going on."""


def silent(share: float, message: str) -> None:
    """Progress for callers that show none."""


@dataclass(frozen=True)
class Base:
    """A base that is ready to load.

    `folder` is what `from_pretrained` takes; `gguf` the file that it was made from, if embedded.
    """

    name: str
    folder: str
    gguf: Path | None


def resolve(
    name: str, progress: Progress = silent, *, pickled: bool = False, described: bool = False
) -> Base:
    """The base of this name, ready to load. An embedded one is dequantised once (15 to 60 s).

    `pickled` lets weights through that only exist as a pickle (.bin, .pt). `described` is for
    callers that read configuration and tokenizer alone: of a hub's base no weights are fetched.
    Raises `EngineError` for an unknown one, a folder that holds no model, a hub that cannot be
    reached and a disk that is full.
    """
    if name in weights.WEIGHTS:
        return _embedded(weights.find(name), progress)
    made_here = dure_home() / "models" / name
    if _PLAIN_NAME.fullmatch(name) and (made_here / "config.json").is_file():
        return Base(name, _checked(made_here, pickled), None)
    path = Path(name).expanduser()
    if name and (path.exists() or name.startswith((".", "~", os.sep))):
        return Base(name, _checked(path, pickled), None)
    if name.startswith("embedded") or not _HUB_NAME.fullmatch(name):
        raise EngineError(
            f"There is no base {name!r}. Choose from: {', '.join(weights.WEIGHTS)}, a name of the "
            "Hugging Face hub such as google/gemma-2b, or a folder that holds a model."
        )
    return Base(name, _downloaded(name, progress, pickled, described), None)


def allowed(name: str, context: Context[Any, Any, Any] | None) -> str:
    """The name, its path made absolute if it is one. Raises `EngineError` outside the roots."""
    made_here = dure_home() / "models" / name
    if name in weights.WEIGHTS or (_PLAIN_NAME.fullmatch(name) and made_here.is_dir()):
        return name
    if Path(name).expanduser().exists() or name.startswith((".", "~", os.sep)):
        return str(allowed_path(name, context))
    return name


def load_tokenizer(base: Base) -> Any:
    """The base's tokenizer, with a padding token and padding at the right (chapter 9.6.2)."""
    from mcp_servers import torch_runtime  # noqa: F401

    # isort: split
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"The tokenizer of {base.name!r} does not load ({reason}). Name a folder that holds "
            "tokenizer.json too, or another base."
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def passport(base: Base) -> dict[str, str]:
    """What identifies a base: its name, and SHA-256 of its weights, tokenizer and chat template.

    An embedded base's weights are known by the hash of their GGUF. Other hashes are kept in
    `DURE_HOME/cache`, and worked out again when a file's size or time has changed.
    """
    folder = Path(base.folder)
    digest = weights.find(base.name).sha256 if base.gguf is not None else weights_hash(folder)
    tokenizer = hashlib.sha256()
    for name in _TOKENIZER_FILES:
        if (folder / name).is_file():
            tokenizer.update((folder / name).read_bytes())
    return {
        "base": base.name,
        "base_sha256": digest,
        "tokenizer_sha256": tokenizer.hexdigest(),
        "template_sha256": hashlib.sha256(_template(folder).encode()).hexdigest(),
    }


def _embedded(found: weights.Weights, progress: Progress) -> Base:
    """An embedded model as safetensors, made from its GGUF on first use."""
    gguf = weights.ensure(
        found,
        dure_home(),
        lambda done, total: progress(0.2 * done / total, f"joining {found.title}"),
    )
    folder = gguf.with_suffix("")
    if not (folder / "config.json").is_file():
        _sweep(gguf)
        aside = gguf.with_name(f".{gguf.stem}.{os.getpid()}.tmp")
        needed = found.size * _GROWTH
        try:
            if shutil.disk_usage(gguf.parent).free < needed:
                raise weights.disk_full(gguf.parent, needed)
            _dequantise(gguf, aside, found, progress)
            with contextlib.suppress(OSError):  # another process was faster; its folder is as good
                aside.rename(folder)
        except Exception as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            if full or "No space left" in str(error):
                raise weights.disk_full(gguf.parent, needed) from None
            if isinstance(error, OSError):
                raise EngineError(
                    f"{found.title} cannot be written to {gguf.parent} ({error}). "
                    "Set DURE_HOME to a folder that you can write."
                ) from None
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Base(found.spec, str(folder), gguf)


def _sweep(gguf: Path) -> None:
    """Remove what processes left behind that were killed while they dequantised."""
    for stale in gguf.parent.glob(f".{gguf.stem}.*.tmp"):
        owner = stale.suffixes[-2][1:]
        if stale.is_dir() and owner.isdecimal() and not process_exists(int(owner)):
            shutil.rmtree(stale, ignore_errors=True)


def _dequantise(gguf: Path, target: Path, found: weights.Weights, progress: Progress) -> None:
    """Write a GGUF's model, tokenizer and template as a Hugging Face folder.

    Weights are stored in float16, whose rounding is far below that of 4 bits, and marked to load
    in float32.
    """
    from mcp_servers.torch_runtime import torch

    # isort: split
    from transformers import AutoModelForCausalLM, AutoTokenizer

    progress(0.2, f"reading the tokenizer of {found.title}")
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    if found.spec == "embedded:tiny":  # transformers forgets that SmolLM parts digits
        from tokenizers import pre_tokenizers

        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    tokenizer.save_pretrained(target)
    progress(0.4, f"dequantising {found.title}")
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = model.config
    with contextlib.suppress(AttributeError):
        del config.quantization_config
    # A model that came from a GGUF cannot be saved; a plain one with its weights can.
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    state = {key: value.to(torch.float16) for key, value in model.state_dict().items()}
    del model
    plain.load_state_dict(state, assign=True)
    plain.tie_weights()
    progress(0.8, f"writing {found.title} as safetensors")
    plain.save_pretrained(target)
    written = json.loads((target / "config.json").read_text(encoding="utf-8"))
    text = json.dumps({**written, "dtype": "float32", "_name_or_path": found.spec}, indent=2)
    write_atomically(target / "config.json", text)
    progress(1.0, f"{found.title} is ready to train")


def _checked(path: Path, pickled: bool, described: bool = False) -> str:
    """A folder that holds a model, or what describes one. Raises `EngineError` if it is missing."""
    if path.is_file():
        raise EngineError(f"{path} is a file. Name the folder that holds config.json.")
    if not path.is_dir():
        raise EngineError(f"There is no folder {path}. Check the spelling.")
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            raise EngineError(
                f"{path} holds an adapter, not a whole model. Name the base that it was trained "
                "on, or merge it into one first."
            )
        raise EngineError(
            f"{path} has no config.json, so it holds no Hugging Face model. Name a folder that "
            "save_pretrained wrote."
        )
    if not described and not any(path.glob("*.safetensors")):
        pickles = sorted(file.name for file in path.iterdir() if file.suffix in _PICKLES)
        if not pickles:
            raise EngineError(f"{path} has no *.safetensors. Name a folder that holds weights.")
        if not pickled:
            raise EngineError(
                f"The weights in {path} are pickled ({pickles[0]}): loading them can run any "
                "code. Convert them to safetensors, or insist with allow_pickle=true if you "
                "trust their source."
            )
    return str(path.resolve())


def _downloaded(name: str, progress: Progress, pickled: bool, described: bool) -> str:
    """A hub model's folder in the hub's own cache. Raises `EngineError` saying what to do."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    wanted = ["*.json", "*.model", "*.txt", "*.jinja"]
    if not described:
        wanted += ["*.safetensors", *(f"*{suffix}" for suffix in _PICKLES if pickled)]
    progress(0.0, f"looking for {name} on the Hugging Face hub")
    try:
        folder = snapshot_download(
            name,
            allow_patterns=wanted,
            ignore_patterns=["original/*", "onnx/*", "openvino/*"],
        )
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise hugging_face.refusal(name, error) from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"{name!r} is neither a folder here nor can it be had from the Hugging Face hub "
            f"({reason}). Check the network, or name a folder or one of: "
            f"{', '.join(weights.WEIGHTS)}."
        ) from None
    return _checked(Path(folder), pickled, described)


def weights_hash(folder: Path) -> str:
    """SHA-256 of a folder's weights: of the file, or of the files' hashes where there are more."""
    files = sorted(folder.glob("*.safetensors")) or sorted(
        file for file in folder.iterdir() if file.suffix in _PICKLES
    )
    seen = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    cache = dure_home() / "cache" / "bases" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(cache.read_text(encoding="utf-8"))
        if known["files"] == seen:
            return str(known["sha256"])
    hashes = []
    for file in files:
        with file.open("rb") as opened:
            hashes.append(hashlib.file_digest(opened, "sha256").hexdigest())
    joined = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    write_atomically(cache, json.dumps({"files": seen, "sha256": joined}))
    return joined


def _template(folder: Path) -> str:
    """A folder's chat template, empty if it has none."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    with contextlib.suppress(OSError, ValueError):
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        return json.dumps(settings.get("chat_template") or "")
    return ""
