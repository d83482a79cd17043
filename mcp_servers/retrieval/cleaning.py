"""Text as it is kept in an index: composed, printable, one space where a space is meant."""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
)
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_LINE_END = re.compile("\r\n|[\r\x0c\x85\u2028\u2029]")
_OTHER_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def composed(text: str) -> str:
    """NFC: macOS and some PDF producers write Hangul as loose letters (NFD), which match nothing.

    Lone surrogates go too, since neither SQLite nor an embedder can take them.
    """
    return unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode("utf-8"))


def plain(text: str) -> str:
    r"""Text without what no reader sees: control and zero-width characters, odd spaces, `\r`."""
    text = _LINE_END.sub("\n", text.translate(_LIGATURES))
    text = _OTHER_SPACE.sub(" ", _CONTROL.sub("", _INVISIBLE.sub("", text)))
    return composed(text)
