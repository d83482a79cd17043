"""Settings: what wins, what is refused and how, and what is never shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from agents.errors import UsageError
from agents.settings import load_settings

SECRET = "sk-do-not-show-7391"


def configure(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


def test_defaults_stand_where_nothing_is_set(dure_home: Path) -> None:
    settings = load_settings()
    assert settings.home == dure_home
    assert settings.model == "auto"
    assert settings.ollama_url == "http://127.0.0.1:11434"
    assert settings.base_url is None and settings.api_key is None
    assert settings.threads == os.cpu_count()
    assert settings.mcp_config == dure_home / "mcp.json"


def test_the_flag_wins_over_the_environment_over_the_file_over_the_default(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().context == 8192
    configure(dure_home, "context = 2048\n")
    assert load_settings().context == 2048
    monkeypatch.setenv("DURE_CONTEXT", "3072")
    assert load_settings().context == 3072
    assert load_settings(context=4096).context == 4096


def test_a_flag_that_was_not_given_hides_nothing(dure_home: Path) -> None:
    configure(dure_home, 'model = "embedded:small"\n')
    assert load_settings(model=None).model == "embedded:small"


def test_each_setting_takes_its_own_source(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(dure_home, 'model = "ollama:두레"\nstep_limit = 3\ntool_timeout = 5\n')
    monkeypatch.setenv("DURE_STEP_LIMIT", "4")
    settings = load_settings(threads=1)
    assert (settings.model, settings.step_limit, settings.tool_timeout, settings.threads) == (
        *("ollama:두레", 4, 5.0, 1),
    )


def test_a_file_that_is_not_toml_is_named_with_the_place(dure_home: Path) -> None:
    configure(dure_home, 'model = "embedded\ncontext = 1\n')
    with pytest.raises(UsageError, match=r"config\.toml cannot be read: .*line 1"):
        load_settings()


def test_a_file_that_is_not_text_is_named(dure_home: Path) -> None:
    (dure_home / "config.toml").write_bytes(b'model = "\xff\xfe"\n')
    with pytest.raises(UsageError, match=r"config\.toml cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('context = "much"', "context"),
        ("context = 10", "context"),
        ("threads = 0", "threads"),
        ("tool_timeout = -1", "tool_timeout"),
        ("model = 5", "model"),
        ('modell = "embedded"', "modell"),
        ("[model]\nname = 1", "model"),
    ],
)
def test_a_wrong_value_in_the_file_is_named(dure_home: Path, line: str, name: str) -> None:
    configure(dure_home, line + "\n")
    with pytest.raises(UsageError, match=f"setting '{name}' is wrong") as caught:
        load_settings()
    assert str(dure_home / "config.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_value_in_the_environment_names_its_variable(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_MAX_TOKENS", "lots")
    with pytest.raises(UsageError, match=r"'max_tokens' is wrong: .*DURE_MAX_TOKENS"):
        load_settings()


def test_variables_of_the_servers_do_not_disturb(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_ALLOW", str(dure_home))
    monkeypatch.setenv("DURE_TOKEN", SECRET)
    assert load_settings().home == dure_home


def test_a_key_is_in_no_text_of_the_settings(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_API_KEY", SECRET)
    settings = load_settings()
    assert settings.api_key is not None and settings.api_key.get_secret_value() == SECRET
    shown = [repr(settings), str(settings), f"{settings}", settings.model_dump_json()]
    assert not any(SECRET in text for text in shown)


def test_a_key_is_in_no_error_about_the_settings(dure_home: Path) -> None:
    configure(dure_home, f'api_key = ["{SECRET}"]\n')
    with pytest.raises(UsageError, match="'api_key' is wrong") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_a_home_under_the_tilde_is_the_users_home(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and servers must mean the same folder, not one that is called ~."""
    monkeypatch.setenv("HOME", str(dure_home))
    monkeypatch.setenv("DURE_HOME", "~/두레")
    assert load_settings().home == dure_home / "두레"
    assert load_settings(home=Path("~/other")).home == dure_home / "other"


def test_a_relative_home_stays_the_same_folder_when_the_working_folder_changes(
    dure_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dure_home)
    monkeypatch.setenv("DURE_HOME", "here")
    assert load_settings().home == dure_home / "here"


def test_an_empty_home_is_no_home(dure_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(dure_home))
    monkeypatch.setenv("HOME", str(dure_home))
    monkeypatch.setenv("DURE_HOME", "")
    home = load_settings().home
    assert home.name == "dure" and home.is_relative_to(dure_home)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX ones")
def test_the_home_is_the_owners_alone(dure_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURE_HOME", str(dure_home / "new"))
    assert load_settings().home.stat().st_mode & 0o077 == 0


def test_every_setting_says_what_it_is_for(dure_home: Path) -> None:
    for name, field in type(load_settings()).model_fields.items():
        assert field.description, name
