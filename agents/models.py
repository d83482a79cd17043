"""One function turns a model spec into a chat model, and says what it picked and why."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import sight
from agents.errors import DureError, UsageError
from agents.settings import Settings
from mcp_servers import weights

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agents.embedded import Progress


@dataclass(frozen=True)
class ChosenModel:
    """A chat model, the spec it stands for, and why it was picked.

    `small` is true for the models that run inside Dure: graphs then render a tool's result
    themselves instead of asking the model to retype it. `sees` is true for those that take
    pictures beside the text.
    """

    spec: str
    model: BaseChatModel
    reason: str
    small: bool
    sees: bool = False


def choose(settings: Settings, progress: Progress | None = None) -> ChosenModel:
    """The chat model of `settings.model`. Never a paid or remote one that nobody configured.

    Raises `UsageError` for a spec that means nothing and `DureError` for a model that is not
    there, both with the command that mends it. Nothing is loaded yet.
    """
    spec, reason = resolve(settings)
    if spec in weights.WEIGHTS:
        return ChosenModel(spec, _embedded(spec, settings, progress), reason, small=True)
    provider, _, name = spec.partition(":")
    if provider == "gguf" and name:
        model = _embedded(spec, settings, progress, gguf_file(name, settings.home))
        return ChosenModel(spec, model, reason, small=True)
    if provider == "ollama" and name:
        can = "vision" in _capabilities(settings, name)
        return ChosenModel(spec, _ollama(name, settings), reason, False, _sees(settings, can))
    if provider == "openai" and name:
        model = _openai(name, settings)
        return ChosenModel(spec, model, reason, False, _sees(settings, sight.sees(model, name)))
    if provider in ("gguf", "ollama", "openai"):
        raise UsageError(f"There is no model {spec!r}: write its name, as in {provider}:NAME.")
    model = _any(spec)
    return ChosenModel(spec, model, reason, False, _sees(settings, sight.sees(model, name)))


def resolve(settings: Settings) -> tuple[str, str]:
    """The spec that `auto` stands for now, and the reason, without building a model."""
    if settings.model != "auto":
        return settings.model, "chosen by you"
    try:
        capable = [
            name for name in ollama_models(settings.ollama_url) if _has_tools(settings, name)
        ]
    except DureError:
        return "embedded", "no Ollama is running, so the model that Dure brings"
    if capable:
        return f"ollama:{capable[0]}", "a running Ollama has it and it can use tools"
    return "embedded", "the running Ollama has no model that can use tools"


def ollama_models(url: str) -> list[str]:
    """Names of the models that a running Ollama has, latest first. `DureError` if none runs."""
    answer = _ollama_api(url, "/api/tags", None)
    models = [model for model in answer.get("models") or [] if isinstance(model, dict)]
    models.sort(key=lambda model: str(model.get("modified_at", "")), reverse=True)
    return [model["name"] for model in models]


def _sees(settings: Settings, can: bool) -> bool:
    """Whether the model is shown pictures: what the user set, else whether it `can` see."""
    return can if settings.vision == "auto" else settings.vision == "on"


def _capabilities(settings: Settings, name: str) -> list[str]:
    """What Ollama says that a model can do; nothing where it does not say."""
    try:
        shown = _ollama_api(settings.ollama_url, "/api/show", {"model": name})
    except DureError:
        return []
    return [str(each) for each in shown.get("capabilities") or []]


def _has_tools(settings: Settings, name: str) -> bool:
    """Whether a model can use tools on this machine: Ollama lists models of its cloud too."""
    try:
        shown = _ollama_api(settings.ollama_url, "/api/show", {"model": name})
    except DureError:
        return False
    return "tools" in (shown.get("capabilities") or []) and not shown.get("remote_host")


def _ollama_api(url: str, route: str, body: dict[str, Any] | None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url.rstrip("/") + route, data), timeout=2) as reply:
            answer = json.load(reply)
    except urllib.error.HTTPError as error:
        raise DureError(f"Ollama at {url} refused {route}: {error.reason}.") from None
    except (OSError, ValueError):
        raise DureError(f"Ollama is not running at {url}. Start it with: ollama serve.") from None
    if not isinstance(answer, dict):
        raise DureError(f"What answers at {url} is not Ollama. Start it with: ollama serve.")
    return answer


def gguf_file(name: str, home: Path) -> Path:
    """The GGUF file of a path, or of a model that training made here, by name.

    Raises `UsageError` for a file that is not there and for one that is no model.
    """
    places = [Path(name).expanduser(), home / "models" / name, home / "models" / f"{name}.gguf"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        made = ", ".join(made_here(home)) or "none yet"
        raise UsageError(
            f"There is no file {places[0]}. Name a GGUF file, or a model made here ({made})."
        )
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Name another file.") from None
    if not head.startswith(b"GGUF"):
        raise UsageError(f"{path} is not a GGUF file. Export the model first, or name another one.")
    if b"adapter.type" in head:
        raise UsageError(
            f"{path} is an adapter, not a model. Choose its base, and then: /adapter NAME."
        )
    return path.resolve()


def made_here(home: Path) -> list[str]:
    """Specs of the models that training made and exported here."""
    own = {found.filename for found in weights.WEIGHTS.values()}
    files = sorted((home / "models").glob("[!.]*.gguf"))
    return [f"gguf:{file.stem}" for file in files if file.name not in own]


def _embedded(
    spec: str, settings: Settings, progress: Progress | None, file: Path | None = None
) -> BaseChatModel:
    from agents.embedded import EmbeddedChatModel, silent

    return EmbeddedChatModel(
        spec=spec,
        file=file,
        home=settings.home,
        context=settings.context,
        threads=settings.threads,
        max_tokens=settings.max_tokens,
        progress=progress or silent,
    )


def _ollama(name: str, settings: Settings) -> BaseChatModel:
    have = ollama_models(settings.ollama_url)
    if name not in have and f"{name}:latest" not in have:
        listed = ", ".join(have) or "no models yet"
        raise DureError(f"Ollama has no model {name!r} (it has {listed}). Run: ollama pull {name}.")
    from langchain_ollama import ChatOllama

    return ChatOllama(
        model=name,
        base_url=settings.ollama_url,
        temperature=0,
        num_predict=settings.max_tokens,
        client_kwargs={"trust_env": False},
    )


def _openai(name: str, settings: Settings) -> BaseChatModel:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    key = key or os.environ.get("OPENAI_API_KEY") or ("none" if settings.base_url else None)
    if key is None:
        raise DureError(
            f"openai:{name} needs a key. Set OPENAI_API_KEY, or DURE_BASE_URL for a compatible "
            "server of your own."
        )
    from langchain_openai import ChatOpenAI
    from openai import Timeout

    return ChatOpenAI(
        model=name,
        base_url=settings.base_url,
        api_key=lambda: key,
        temperature=0,
        max_completion_tokens=settings.max_tokens,
        stream_usage=True,
        # LangChain shares its HTTP clients among models of one address and timeout, and their
        # connections belong to the event loop that opened them: the next loop's model would find
        # them closed. A timeout that is an object keeps this model's clients its own.
        timeout=Timeout(None),
    )


def _any(spec: str) -> BaseChatModel:
    """Whatever else LangChain's `init_chat_model` knows, such as `anthropic:<model>`."""
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(spec)
    except ImportError as error:
        raise DureError(f"The model {spec!r} needs a package that is not there: {error}") from None
    except Exception as error:
        known = ", ".join([*weights.WEIGHTS, "gguf:<path>", "ollama:<model>", "openai:<model>"])
        raise UsageError(
            f"There is no model {spec!r} ({str(error).splitlines()[0]}). Choose from: {known}."
        ) from None
    return model
