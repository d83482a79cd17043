"""Rewrites of a pattern that may match the same in less time.

Each rule proposes; nothing here proves. `checking` keeps a rewrite only if it is measured safe
and did the same as the original on generated texts. The rules are the usual remedies of the
literature, e.g. Davis et al. (2018), "The impact of regular expression denial of service
(ReDoS) in practice", and Friedl, "Mastering Regular Expressions", chapter 6.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from mcp_servers.regex.syntax import Piece, Quantifier, parse

_ATOMS = ("literal", "any", "class", "category")
_GROUPS = ("capture", "group")
_ONCE = Quantifier(1, 1, "greedy", "")


def rewrites(pattern: str, flags: int) -> list[str]:
    """All patterns that one rule at one place makes of this one, likeliest remedy first."""
    pieces = parse(pattern, flags)
    rewriter = _Rewriter(pattern, pieces)
    found = [
        *rewriter.collapsed(),
        *rewriter.merged(),
        *rewriter.with_fewer_branches(),
        *rewriter.without_inner_loop(),
        *rewriter.stopping_early(),
        *rewriter.starting_once(),
        *rewriter.possessive(),
    ]
    return [other for other in dict.fromkeys(found) if other != pattern]


class _Rewriter:
    def __init__(self, pattern: str, pieces: list[Piece]) -> None:
        self.pattern = pattern
        self.pieces = pieces
        self.all = [below for piece in pieces for below in piece.walk()]
        captures = [piece for piece in self.all if piece.kind == "capture"]
        # A group may go only if no other group's number changes and nothing refers to it.
        self.only_group = len(captures) == 1 and not captures[0].name
        refers = any(piece.kind in ("backreference", "condition") for piece in self.all)
        self.only_group &= not refers

    def collapsed(self) -> Iterator[str]:
        """`(X+)+` is `X+`: a loop around a loop with nothing between."""
        for piece in self.all:
            inside = _matching(piece.inside)
            outer = piece.quantifier
            if outer is None or piece.kind not in _GROUPS or len(inside) != 1:
                continue
            inner, body = inside[0].quantifier, self._body(inside[0])
            kept = piece.kind == "capture" and not self.only_group
            if inner is not None:
                endless = outer.high is None or inner.high is None
                high = None if endless else (outer.high or 0) * (inner.high or 0)
                looped = body + _times(outer.low * inner.low, high)
                looped += "?" if inner.mode == "lazy" else ""
                yield self._put(piece, f"{self._opening(piece)}{looped})" if kept else looped)
                if outer.low == 0 and inner.low > 1:
                    yield self._put(piece, f"(?:{looped})?")
            elif not kept and inside[0].kind in (*_ATOMS, *_GROUPS):
                yield self._put(piece, body + outer.text)

    def merged(self) -> Iterator[str]:
        """`X+X*` is `X+`, `X+X+` is `X{2,}`: neighbours that loop over the same."""
        for row in self._rows():
            for body, run_of in itertools.groupby(row, key=self._body):
                same = list(run_of)
                loops = [piece.quantifier or _ONCE for piece in same]
                endless = any(loop.high is None for loop in loops)
                if len(same) > 1 and same[0].kind in _ATOMS and endless:
                    times = _times(sum(loop.low for loop in loops), None)
                    yield self._cut(same[0].start, same[-1].end, body + times)

    def with_fewer_branches(self) -> Iterator[str]:
        """`(a|a)*` and `(a|aa)*` are `(a)*`: an alternative that the others make up."""
        for piece in self.all:
            if piece.quantifier is None or not any(one.kind == "bar" for one in piece.inside):
                continue
            branches = self._branches(piece)
            for index in range(len(branches)):
                rest = branches[:index] + branches[index + 1 :]
                yield self._with_content(piece, "|".join(rest))

    def without_inner_loop(self) -> Iterator[str]:
        """`(X+ Y?)*` is `(X Y?)*`: the outer loop repeats X anyway."""
        for piece in self.all:
            if piece.quantifier is None or piece.quantifier.high is not None:
                continue
            for inner in (below for below in piece.walk() if below is not piece):
                loop = inner.quantifier
                if loop is not None and loop.high is None and loop.low <= 1:
                    yield self._put(inner, self._body(inner) + ("" if loop.low else "?"))

    def stopping_early(self) -> Iterator[str]:
        """`.*=` is `[^=\\n]*=`, where the first `=` serves as well as a later one."""
        for row in self._rows():
            for left, right in itertools.pairwise(row):
                plain = right.kind == "literal" and right.quantifier is None
                if left.kind == "any" and left.quantifier is not None and plain:
                    stop = self._body(right)
                    stop = "\\" + stop if stop in "]^-" else stop
                    others = f"[^{stop}]" if left.flags & re.S else f"[^{stop}\\n]"
                    yield self._put(left, others + left.quantifier.text)

    def starting_once(self) -> Iterator[str]:
        """`X+Y` is `(?<!X)X+Y`: a search need not start again in the middle of the same run."""
        row = _matching(self.pieces)
        firsts = [one for index, one in enumerate(row) if not index or row[index - 1].kind == "bar"]
        for first in firsts:
            loop = first
            while loop.quantifier is None and loop.kind in _GROUPS and _matching(loop.inside):
                loop = _matching(loop.inside)[0]
            if loop.quantifier is not None and loop.quantifier.high is None:
                looks = "".join(f"(?<!{end})" for end in self._ends(loop))
                yield self._cut(first.start, first.start, looks)

    def _ends(self, loop: Piece) -> list[str]:
        """What may stand before a place in the middle of this loop, if that is of fixed width."""
        if loop.kind in _ATOMS:
            return [self._body(loop)]
        if loop.kind not in _GROUPS:
            return []
        ends: list[str] = []
        end, loops = "", False
        for one in [*_matching(loop.inside), None]:
            if one is None or one.kind == "bar":
                ends += [] if loops else [end]
                end, loops = "", False
            elif one.kind not in _ATOMS:
                return []
            else:
                end += self._body(one)
                loops = loops or one.quantifier is not None
                ends += [end] if loops else []
        return list(dict.fromkeys(filter(None, ends)))

    def possessive(self) -> Iterator[str]:
        """`X+Y` is `X++Y` where Y cannot begin with what X took (Python 3.11)."""
        loops = [
            piece
            for piece in self.all
            if piece.quantifier is not None
            and piece.quantifier.mode == "greedy"
            and piece.quantifier.high is None
        ]
        for piece in loops:
            yield self._cut(piece.end, piece.end, "+")

    def _rows(self) -> Iterator[list[Piece]]:
        yield _matching(self.pieces)
        for piece in self.all:
            yield _matching(piece.inside)

    def _body(self, piece: Piece) -> str:
        return self.pattern[piece.start : piece.body_end]

    def _opening(self, piece: Piece) -> str:
        return f"(?P<{piece.name}>" if piece.name else "("

    def _branches(self, piece: Piece) -> list[str]:
        branches = [""]
        for one in piece.inside:
            if one.kind == "bar":
                branches.append("")
            else:
                branches[-1] += self.pattern[one.start : one.end]
        return branches

    def _with_content(self, piece: Piece, content: str) -> str:
        return self._cut(piece.inside[0].start, piece.inside[-1].end, content)

    def _put(self, piece: Piece, text: str) -> str:
        return self._cut(piece.start, piece.end, text)

    def _cut(self, start: int, end: int, text: str) -> str:
        return self.pattern[:start] + text + self.pattern[end:]


def _matching(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.kind not in ("ignored", "flags")]


def _times(low: int, high: int | None) -> str:
    """The shortest quantifier."""
    if high is not None:
        return f"{{{low},{high}}}"
    return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
