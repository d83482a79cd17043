"""The regular-expression server: Python's `re`, explained, and safe from runaway patterns.

The textbook (chapter 4) prints the pattern that strips HTML tags as `<[>]+>`; that matches only
tags made of `>`. It means `<[^>]+>`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mcp_servers.regex import matching, results
from mcp_servers.serving import Engine, run, tool

Pattern = Annotated[str, Field(description="Python regular expression")]
Text = Annotated[str, Field(description="Text to work on")]
Flags = Annotated[str, Field(description="Letters out of aimsx, e.g. i to ignore case")]
Language = Annotated[results.Language, Field(description="Language of the words")]


@tool("Find all matches")
def findall(pattern: Pattern, text: Text, flags: Flags = "") -> results.Matches:
    """Find every match of a pattern in a text: extract or count all occurrences."""
    return matching.findall(pattern, text, flags)


@tool("Find the first match")
def search(pattern: Pattern, text: Text, flags: Flags = "") -> results.OneMatch:
    """Find the first match anywhere in a text: does it contain this?"""
    return matching.one_match("search", pattern, text, flags)


@tool("Match at the start")
def match(pattern: Pattern, text: Text, flags: Flags = "") -> results.OneMatch:
    """Match a pattern at the very start of a text: does it begin with this?"""
    return matching.one_match("match", pattern, text, flags)


@tool("Match the whole text")
def fullmatch(pattern: Pattern, text: Text, flags: Flags = "") -> results.OneMatch:
    """Match a pattern against a whole text: is it valid as a whole?"""
    return matching.one_match("fullmatch", pattern, text, flags)


@tool("Replace matches")
def replace(
    pattern: Pattern,
    replacement: Annotated[str, Field(description=r"New text; \1 or \g<name> is a group")],
    text: Text,
    count: Annotated[int, Field(description="Replace at most so many; 0 is all")] = 0,
    flags: Flags = "",
) -> results.Replaced:
    """Replace or delete what a pattern matches in a text."""
    return matching.replace(pattern, replacement, text, count, flags)


@tool("Split at matches")
def split(
    pattern: Pattern,
    text: Text,
    maxsplit: Annotated[int, Field(description="Split at most so often; 0 is no limit")] = 0,
    flags: Flags = "",
) -> results.Parts:
    """Split a text into parts wherever a pattern matches."""
    return matching.split(pattern, text, maxsplit, flags)


@tool("Explain a pattern")
def explain(pattern: Pattern, language: Language = "en", flags: Flags = "") -> results.Explanation:
    """Explain in words what a pattern means, piece by piece."""
    from mcp_servers.regex import explanation

    return explanation.explain(pattern, language, flags)


@tool("Check for catastrophic backtracking")
def check(pattern: Pattern, language: Language = "en", flags: Flags = "") -> results.Check:
    """Is a pattern safe, or can some text make it run very long (ReDoS)? Offers a safe rewrite."""
    from mcp_servers.regex import checking

    return checking.check(pattern, language, flags)


@tool("Verify a pattern on examples")
def verify(
    pattern: Pattern,
    examples: Annotated[list[str], Field(description="Texts that must match as a whole")],
    counterexamples: Annotated[list[str], Field(description="Texts that must not match")],
    flags: Flags = "",
) -> results.Verification:
    """Prove a pattern on examples: each must match as a whole, no counter-example may."""
    return matching.verify(pattern, examples, counterexamples, flags)


ENGINE = Engine(
    name="regex",
    summary="search, replace, split, explain and check regular expressions",
    tools=(findall, search, match, fullmatch, replace, split, explain, check, verify),
)

if __name__ == "__main__":
    run(ENGINE)
