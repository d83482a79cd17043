"""What is said without a request is in the language of the user's locale."""

from __future__ import annotations

import locale

import pytest

from agents.training import print_result
from graphs.language import system_language
from tests.graphs.operating import STATE


@pytest.mark.parametrize(
    ("spoken", "language", "shown"),
    [
        ("ko_KR", "ko", "5/10 단계"),
        ("en_US", "en", "step 5/10"),
        ("de_DE", "en", "step 5/10"),
        (None, "en", "step 5/10"),
    ],
)
def test_the_locale_says_the_language(
    spoken: str | None,
    language: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(locale, "getlocale", lambda: (spoken, "UTF-8"))
    assert system_language() == language
    print_result("status", STATE, as_json=False)
    assert shown in capsys.readouterr().out
