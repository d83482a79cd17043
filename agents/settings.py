"""One typed settings object, read once at the edge and passed down.

Order of precedence: the command line, the environment (`DURE_MODEL=...`), `config.toml` in the
Dure folder, the defaults here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agents.errors import UsageError
from mcp_servers.home import dure_home


class Settings(BaseSettings):
    """Everything that can be configured, with its default."""

    model_config = SettingsConfigDict(env_prefix="DURE_", extra="forbid")

    home: Path = Field(default_factory=dure_home, description="where everything you make is kept")
    model: str = Field("auto", description="which chat model answers; see `dure models`")
    base_url: str | None = Field(None, description="address of an OpenAI-compatible API")
    api_key: SecretStr | None = Field(None, description="key for that API")
    ollama_url: str = Field("http://127.0.0.1:11434", description="where Ollama listens")
    vision: Literal["auto", "on", "off"] = Field(
        "auto", description="whether pictures are shown to the chat model; auto: if it can see"
    )
    context: int = Field(8192, ge=1024, description="context of the embedded model, tokens")
    max_tokens: int = Field(1024, ge=16, description="longest answer, tokens")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="threads of that model"
    )
    tool_timeout: float = Field(60.0, gt=0, description="seconds a tool call may take")
    step_limit: int = Field(6, ge=1, description="model calls that one specialist may make")
    keep_checkpoints: int = Field(
        20, ge=1, description="steps of a conversation that stay on disk to go back to"
    )

    @field_validator("home", mode="before")
    @classmethod
    def _absolute(cls, home: Any) -> Any:
        """The same folder as `dure_home` and the servers mean by it."""
        if home == "":
            return dure_home()
        return Path(home).expanduser().resolve() if isinstance(home, str | Path) else home

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, dure_home() / "config.toml")
        return init_settings, env_settings, toml

    @property
    def mcp_config(self) -> Path:
        """The user's own servers, in the `mcpServers` format."""
        return self.home / "mcp.json"


def load_settings(**chosen: Any) -> Settings:
    """Settings with the command line's choices on top; `None` means not chosen.

    Raises `UsageError` naming the setting that does not parse.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"The setting {name!r} is wrong: {first['msg']}. "
            f"Mend it in {dure_home() / 'config.toml'} or in DURE_{name.upper()}."
        ) from None
    except ValueError as error:  # config.toml is not TOML
        raise UsageError(f"{dure_home() / 'config.toml'} cannot be read: {error}.") from None
