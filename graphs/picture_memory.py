"""What a conversation has said of pictures so far: those made, found or named, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AnyMessage

from graphs.picture_places import pictures_in
from graphs.state import Step

_JOB = re.compile(r"\b[a-z_]+(?:-[a-z_]+)*-\d{8}-\d{6}-\w{6}\b")


def job_in(text: str) -> str | None:
    """The job's id in a text."""
    found = _JOB.search(text)
    return found[0] if found else None


def made(steps: Sequence[Step]) -> list[str]:
    """The pictures that steps made, in order."""
    found: list[str] = []
    for step in steps:
        result = step["result"]
        if not step["ok"] or not isinstance(result, dict) or step["server"] != "diffusion":
            continue
        if isinstance(result.get("result"), dict):  # of a job
            result = result["result"]
        if step["tool"] == "settings_of":
            continue
        listed = result.get("pictures")
        pictures = [result.get("picture"), *(listed if isinstance(listed, list) else [])]
        pictures = [each.get("picture") if isinstance(each, dict) else each for each in pictures]
        found += [each for each in pictures if isinstance(each, str)]
    return list(dict.fromkeys(found))


def steps_before(earlier: Sequence[AnyMessage]) -> list[Step]:
    """The steps of the conversation's earlier answers, in order."""
    turns = (message.additional_kwargs.get("turn") or {} for message in earlier)
    return [step for turn in turns for step in turn.get("steps", [])]


def last_drawing(earlier: Sequence[AnyMessage]) -> Step | None:
    """The last call of `generate` that went well."""
    drawn = (step for step in reversed(steps_before(earlier)) if step["tool"] == "generate")
    return next((step for step in drawn if step["ok"]), None)


def next_seed(step: Step) -> int | None:
    """The seed after those that a drawing used."""
    result = step["result"]
    seeds = [each["seed"] for each in result.get("pictures", []) if isinstance(each, dict)]
    if seeds:
        return int(max(seeds)) + 1
    seed = step["arguments"].get("seed")
    return None if seed is None else int(seed) + int(step["arguments"].get("count", 1))


def last_pictures(earlier: Sequence[AnyMessage]) -> list[str]:
    """The pictures that were last made, found or named."""
    for message in reversed(earlier):
        turn = message.additional_kwargs.get("turn") or {}
        if found := made(turn.get("steps", [])) or found_by(turn.get("steps", [])):
            return found
        if message.type == "human" and (named := pictures_in(str(message.text))):
            return named
    return []


def found_by(steps: Sequence[Step]) -> list[str]:
    """The pictures that a search found, best first."""
    for step in reversed(steps):
        if step["server"] == "clip" and step["tool"] == "search" and step["ok"]:
            return [str(hit["picture"]) for hit in step["result"]["results"]]
    return []


def last_job(earlier: Sequence[AnyMessage]) -> str | None:
    """The job that was last spoken of."""
    found = (job_in(str(message.text)) for message in reversed(earlier))
    return next(filter(None, found), None)


def last_index(earlier: Sequence[AnyMessage]) -> str | None:
    """The index of pictures that was last used."""
    steps = (step for step in reversed(steps_before(earlier)) if step["server"] == "clip")
    return next((str(i) for step in steps if (i := step["arguments"].get("index"))), None)


def last_vae(earlier: Sequence[AnyMessage]) -> str | None:
    """The autoencoder that was last trained or used."""
    for step in reversed(steps_before(earlier)):
        if "vae" in step["tool"] and (named := step["arguments"].get("vae")):
            return str(named)
        if step["tool"] == "train_vae" and step["ok"]:
            return str(step["result"]["name"])
    return None
