"""In which language a request is written, and whether an answer keeps to it."""

from __future__ import annotations

import locale
import re
from typing import Literal

Language = Literal["ko", "en"]

_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")
_QUOTED = re.compile(
    r"```.*?```|`[^`]*`|\"[^\"]*\"|“[^”]*”|‘[^’]*’|(?<!\w)'[^']*'(?![A-Za-z])", re.DOTALL
)
_OTHER_LANGUAGE = re.compile(
    r"영어|영문|한국어|한글|번역|코드|일본어|중국어"
    r"|english|korean|translat|japanese|chinese|code",
    re.IGNORECASE,
)


def system_language() -> Language:
    """The language of the user's locale, for what is said before or without a request."""
    return "ko" if (locale.getlocale()[0] or "").startswith("ko") else "en"


def language_of(request: str) -> Language:
    """The language that the user speaks, pasted data aside.

    Quoted text and code are taken out first, since people paste one language and ask in another;
    then it is Korean if at least a quarter of the words have Hangul in them.
    """
    spoken = _QUOTED.sub(" ", request)
    words = [word for word in spoken.split() if any(char.isalpha() for char in word)]
    if not words:
        words = request.split()
    hangul = sum(bool(_HANGUL.search(word)) for word in words)
    return "ko" if words and hangul >= len(words) / 4 else "en"


def strays_from(language: Language, request: str, answer: str) -> bool:
    """Whether a prose answer is clearly in another language than the request.

    Never when the request speaks of languages or code: a translation must not be "mended".
    """
    if _OTHER_LANGUAGE.search(request):
        return False
    prose = re.sub(r"```.*?```|`[^`]*`", " ", answer, flags=re.DOTALL)
    letters = [char for char in prose if char.isalpha()]
    if len(letters) < 20:
        return False
    share = sum(bool(_HANGUL.match(char)) for char in letters) / len(letters)
    return share < 0.2 if language == "ko" else share > 0.5
