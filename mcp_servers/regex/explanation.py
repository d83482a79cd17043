"""A pattern in words (textbook section 4.3's table, and what it leaves out)."""

from __future__ import annotations

import re

from mcp_servers.regex.matching import FLAG_LETTERS, flag_bits, run
from mcp_servers.regex.results import ExplainedPart, Explanation, Language
from mcp_servers.regex.syntax import Piece, Quantifier, character, class_items, parse
from mcp_servers.regex.wording import Words

_SUMMARY_DEPTH = 2  # groups within groups below this are named in the sentence, not told


def explain(pattern: str, language: Language, flags: str) -> Explanation:
    """One sentence, then every piece of the pattern with its meaning, depth first.

    Raises `EngineError` for an invalid pattern.
    """
    run("compile", pattern, flags)
    return _Speaker(pattern, flag_bits(flags), Words(language)).explanation()


class _Speaker:
    def __init__(self, pattern: str, flags: int, words: Words) -> None:
        self.pattern = pattern
        self.flags = flags
        self.words = words

    def explanation(self) -> Explanation:
        pieces = parse(self.pattern, self.flags)
        said = self._sequence(pieces, 0)
        summary = self.words("summary", said)
        letters = "".join(letter for letter, bit in FLAG_LETTERS.items() if self.flags & bit)
        letters += "".join(piece.name for piece in pieces if piece.kind == "flags")
        if letters:
            summary += self.words("with", self._settings("".join(dict.fromkeys(letters))))
        parts: list[ExplainedPart] = []
        self._tell(pieces, 0, parts)
        return {"pattern": self.pattern, "summary": summary, "parts": parts}

    def _tell(self, pieces: list[Piece], depth: int, parts: list[ExplainedPart]) -> None:
        for run_of in self._joined(pieces):
            text = self.pattern[run_of[0].start : run_of[-1].end]
            parts.append({"text": text, "meaning": self._meaning(run_of), "depth": depth})
            self._tell(run_of[0].inside, depth + 1, parts)

    def _sequence(self, pieces: list[Piece], depth: int) -> str:
        """What a row of pieces matches, as one phrase."""
        branches: list[list[str]] = [[]]
        for run_of in self._joined(pieces):
            piece = run_of[0]
            if piece.kind == "bar":
                branches.append([])
            elif piece.kind not in ("ignored", "flags"):
                branches[-1].append(self._phrase(run_of, depth))
        said = [self.words("then").join(branch) or self.words("empty") for branch in branches]
        return self.words("either").join(said)

    def _phrase(self, run_of: list[Piece], depth: int) -> str:
        piece = run_of[0]
        if not piece.inside or depth >= _SUMMARY_DEPTH:
            return self._meaning(run_of, brief=True)
        content = self._sequence(piece.inside, depth + 1)
        plain = piece.kind == "group"
        said = f"({content})" if plain else f"{self._heading(piece)} [{content}]"
        return self._quantified(said, piece.quantifier, brief=True)

    def _meaning(self, run_of: list[Piece], brief: bool = False) -> str:
        if len(run_of) > 1:
            return self.words("text", "".join(self._literal(piece) for piece in run_of))
        return self._quantified(self._heading(run_of[0]), run_of[0].quantifier, brief)

    def _heading(self, piece: Piece) -> str:
        words, kind = self.words, piece.kind
        text = self.pattern[piece.start : piece.body_end]
        if kind == "literal":
            return self._character(self._literal(piece))
        if kind == "any":
            return words("any_s" if piece.flags & re.S else "any")
        if kind == "category":
            return words(text) + (words("ascii") if piece.flags & re.A else "")
        if kind == "class":
            return self._class(text)
        if kind == "anchor":
            by_line = piece.flags & re.M and text in "^$"
            return words({r"\z": r"\Z"}.get(text, text) + ("m" if by_line else ""))
        if kind == "capture" and piece.name:
            return words("named", piece.number, piece.name)
        if kind == "capture":
            return words("capture", piece.number)
        if kind in ("condition", "backreference"):
            return words(kind, piece.name)
        if kind in ("scoped", "flags"):
            return words(kind, self._settings(piece.name))
        return words(kind)

    def _quantified(self, said: str, quantifier: Quantifier | None, brief: bool) -> str:
        """`brief` leaves the usual greed unsaid."""
        if quantifier is None:
            return said
        low, high = quantifier.low, quantifier.high
        simple = {(0, 1): "?", (0, None): "*", (1, None): "+", (1, 1): "once"}
        if (low, high) in simple:
            times = self.words(simple[low, high])
        elif low == high:
            times = self.words("exactly", low)
        elif high is None:
            times = self.words("at_least", low)
        else:
            times = self.words("between", low, high) if low else self.words("at_most", high)
        usual = quantifier.mode == "greedy" and (brief or (low, high) == (0, 1))
        if low != high and not usual:
            times += ", " + self.words(quantifier.mode)
        return self.words("repeated", said, times)

    def _joined(self, pieces: list[Piece]) -> list[list[Piece]]:
        """Neighbouring printable characters as one run; every other piece alone."""
        runs: list[list[Piece]] = []
        last_plain = False
        for piece in pieces:
            plain = piece.kind == "literal" and piece.quantifier is None
            plain = plain and self._literal(piece).isprintable()
            if plain and last_plain:
                runs[-1].append(piece)
            else:
                runs.append([piece])
            last_plain = plain
        return runs

    def _literal(self, piece: Piece) -> str:
        text = self.pattern[piece.start : piece.body_end]
        return character(text) or text if text.startswith("\\") else text

    def _character(self, one: str) -> str:
        return self.words("one", one) if _visible(one) else self._unseen(one)

    def _unseen(self, one: str) -> str:
        return self.words(one) if one in self.words else self.words("code", f"U+{ord(one):04X}")

    def _class(self, text: str) -> str:
        negated, items = class_items(text)
        if not negated and len(items) == 1 and items[0][0] == items[0][1]:
            return self._character(items[0][0])
        said = ", ".join(self._item(first, last) for first, last in items)
        if not negated and len(items) == 1:
            return said
        return self.words("not_of" if negated else "of", said)

    def _item(self, first: str, last: str | None) -> str:
        if last is None:
            return self.words(first)
        if first == last:
            return f'"{first}"' if _visible(first) else self._unseen(first)
        if f"{first}-{last}" in self.words:
            return self.words(f"{first}-{last}")
        for low, high, key in _NAMED_BLOCKS:
            if low <= first and last <= high:
                return self.words(key, first, last)
        shown = (one if _visible(one) else f"U+{ord(one):04X}" for one in (first, last))
        return self.words("range", *shown)

    def _settings(self, letters: str) -> str:
        on, _, off = letters.partition("-")
        said = [self.words(f"flag_{letter}") for letter in on]
        said += [self.words("off", self.words(f"flag_{letter}")) for letter in off]
        return ", ".join(said)


_NAMED_BLOCKS = (
    ("가", "힣", "syllables"),
    ("0", "9", "digits"),
    ("\u3400", "\u9fff", "hanja"),
    ("\u3041", "\u30ff", "kana"),
)


def _visible(one: str) -> bool:
    return one.isprintable() and not one.isspace()
