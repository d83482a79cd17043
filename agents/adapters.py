"""Adapters that training made: which there are, what they are, and whether the model takes one."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.chat_template import ChatTemplate
from agents.errors import UsageError
from mcp_servers import weights

if TYPE_CHECKING:
    from agents.models import ChosenModel

_FILE = "adapter.gguf"
_RECORD = "gguf.json"  # in a model's folder: from which weights the GGUF beside it was made


@dataclass(frozen=True)
class Adapter:
    """One published adapter. `figures` are those of its run, where it has one."""

    name: str
    folder: Path
    base: str
    method: str
    trained: float  # seconds since the epoch
    figures: dict[str, Any]
    passport: dict[str, str]

    @property
    def gguf(self) -> Path:
        """The file that llama.cpp loads; it need not be there."""
        return self.folder / _FILE

    def template(self) -> ChatTemplate | None:
        """The chat template that it was trained with, or None for that of its base."""
        try:
            source = (self.folder / "chat_template.jinja").read_text(encoding="utf-8")
        except OSError:
            return None
        special = _read(self.folder / "tokenizer_config.json")
        return ChatTemplate(
            source, _text(special.get("bos_token")), _text(special.get("eos_token"))
        )


def listing(home: Path) -> list[Adapter]:
    """All adapters that can be read, the latest first."""
    folders = sorted((home / "adapters").glob("*/adapter_config.json"))
    found = [_adapter(path.parent) for path in folders if not path.parent.name.startswith(".")]
    return sorted(found, key=lambda adapter: -adapter.trained)


def find(name: str, home: Path) -> Adapter:
    """The adapter of this name. Raises `UsageError` that names the nearest ones."""
    folder = home / "adapters" / name
    if name and Path(name).name == name and (folder / "adapter_config.json").is_file():
        return _adapter(folder)
    if name and Path(name).name == name and folder.is_dir():
        raise UsageError(f"{folder} is broken: it has no adapter_config.json. Train it again.")
    known = [adapter.name for adapter in listing(home)]
    if not known:
        raise UsageError(
            f"There is no adapter {name!r}, and none was trained yet. Train one first: dure train."
        )
    if near := difflib.get_close_matches(name, known, n=3, cutoff=0.4):
        raise UsageError(f"There is no adapter {name!r}. Did you mean: {', '.join(near)}?")
    raise UsageError(f"There is no adapter {name!r}. The latest: {', '.join(known[:5])}.")


def check(adapter: Adapter, chosen: ChosenModel) -> None:
    """Raise `UsageError` with the reason, and what to do, where this model cannot take it.

    The passport of an embedded base holds the hash of its GGUF: weights, tokenizer and chat
    template in one. That of a model made here holds the hash of its safetensors, and the record
    of its export which GGUF was made from these.
    """
    from agents.embedded import EmbeddedChatModel

    model = chosen.model
    if base := runs_here(adapter.base, adapter.folder.parent.parent):
        change = (
            f"Change the model first: /model {base}, then /adapter {adapter.name} "
            f"(outside the chat: --model {base} --adapter {adapter.name})."
        )
    else:
        change = (
            f"Its base {adapter.base} does not run inside Dure. Make one model of the two: "
            f"dure train merge {adapter.name}"
        )
    if not isinstance(model, EmbeddedChatModel):
        raise UsageError(
            f"{chosen.spec} answers, and only the models that run inside Dure take adapters. "
            + change
        )
    if not adapter.passport:
        raise UsageError(
            f"{adapter.folder} has no passport, so nothing tells which base it fits. "
            "Train it here: dure train."
        )
    trained_on = adapter.passport.get("base_sha256", "")
    if adapter.base in weights.WEIGHTS:
        fits = trained_on == model.sha256()
    else:
        fits = model.file is not None and trained_on == _made_from(model.file, model.sha256())
    if fits:
        return
    if chosen.spec == adapter.base:
        raise UsageError(
            f"The adapter {adapter.name} was trained on other weights of {adapter.base} "
            f"({trained_on[:12]}…, now {model.sha256()[:12]}…). Train it again."
        )
    if chosen.spec == base:
        raise UsageError(
            f"The adapter {adapter.name} was trained on other weights of {adapter.base} than its "
            "GGUF was made from. Export or merge that model again, or train the adapter again."
        )
    raise UsageError(
        f"The adapter {adapter.name} was trained on {adapter.base}, and {chosen.spec} answers: "
        f"its matrices mean nothing there. {change}"
    )


def _made_from(gguf: Path, sha256: str) -> str:
    """The hash of the weights that a GGUF was made from; ? where no record tells."""
    record = _read(gguf.with_suffix("") / _RECORD)
    return str(record.get("weights_sha256")) if record.get("gguf_sha256") == sha256 else "?"


def runs_here(base: str, home: Path) -> str | None:
    """The spec under which a base of a training answers, or None: the hub's and folders' do not."""
    if base in weights.WEIGHTS:
        return base
    file = home / "models" / f"{base}.gguf"
    return f"gguf:{base}" if Path(base).name == base and file.is_file() else None


def _adapter(folder: Path) -> Adapter:
    config = _read(folder / "adapter_config.json")
    run = _read(folder / "run.json")
    passport = {str(k): str(v) for k, v in _read(folder / "passport.json").items()}
    base = passport.get("base") or config.get("base_model_name_or_path")
    return Adapter(
        folder.name,
        folder,
        str(base or "?"),
        str(run.get("method") or config.get("peft_type") or "?").lower(),
        (folder / "adapter_config.json").stat().st_mtime,
        run.get("figures") or {},
        passport,
    )


def _text(token: Any) -> str:
    """A special token, which tokenizer_config.json writes as a text or as an object."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _read(path: Path) -> dict[str, Any]:
    """A JSON object, empty where it is missing or broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
