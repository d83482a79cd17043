"""The image agent: what the tools of the clip and diffusion servers give, as the user sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents import autoencoders, recognition
from agents.registry import Agent
from graphs.language import Language
from graphs.specialist import Render
from prompts import say

_CLIP_JOBS = {"pictures", "clip"}  # kinds


def job_line(state: Mapping[str, Any], language: Language) -> str:
    """A running job in one line."""
    share = f" {state['done'] / state['total']:.0%}" if state["total"] else ""
    return f"{state['message']}{share}"


def owner(job: str) -> str:
    """The server whose job it is, by the kind that its id begins with."""
    kind = job.split("-")[0]
    return "clip" if kind in _CLIP_JOBS else "diffusion"


def _drawn(result: Any, language: Language) -> str:
    if result["job"] and not result["pictures"]:
        return say("drawing_started", language, job=result["job"])
    settings = result["settings"]
    korean = language == "ko"
    facts = [f"{settings['steps']}{'단계' if korean else ' steps'}"]
    if result["width"] and result["height"]:
        facts.append(f"{result['width']}×{result['height']}")
    if (guidance := settings.get("guidance_scale")) is not None:
        facts.append(f"{'가이던스' if korean else 'guidance'} {guidance:g}")
    facts += [result["scheduler"], result["model"]] if result["scheduler"] else [result["model"]]
    facts.append(f"{result['seconds']:.1f}{'초' if korean else ' s'}")
    lines = [f"**{settings['prompt']}** ({', '.join(facts)})", ""]
    seed = "시드" if korean else "seed"
    lines += [f"- `{each['picture']}` ({seed} {each['seed']})" for each in result["pictures"]]
    if result["previews"]:
        head = "중간 과정" if korean else "On the way"
        lines += ["", f"{head}:", ""]
        lines += [f"- `{each['preview']}` ({each['step']})" for each in result["previews"]]
    return _noted(lines, result)


def _settings(result: Any, language: Language) -> str:
    if not result["settings"]:  # another program's
        return f"`{result['picture']}`:\n\n```text\n{result['text']}\n```"
    told = {k: v for k, v in result["settings"].items() if v not in (None, "", [], 0.0)}
    return "\n".join([f"`{result['picture']}`", "", *_listed(told)])


def _pipelines(result: Any, language: Language) -> str:
    head = "모델 | 종류 | 크기" if language == "ko" else "Model | Pipeline | Side"
    rows = [f"{r['name']} | {r['pipeline']} | {r['side'] or ''}" for r in result["result"]]
    return "\n".join([head, "--- | --- | ---:", *rows])


def _job(result: Any, language: Language) -> str:
    head = f"`{result['job']}`: {result['status']} {result['done']}/{result['total']}"
    if result["error"]:
        return f"{head} ({result['error']})"
    if not result["result"]:
        return f"{head} ({result['message']})"
    if result["kind"] in _RESULTS:
        return _RESULTS[result["kind"]](result["result"], language)
    return "\n".join([head, "", *_listed(result["result"])])


def _listed(values: Mapping[str, Any]) -> list[str]:
    return [f"- {key}: {_short(value)}" for key, value in values.items()]


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"


def _noted(lines: list[str], result: Any) -> str:
    return "\n".join([*lines, *(f"\n> {note}" for note in result["notes"])])


_RESULTS: dict[str, Render] = {
    "picture": _drawn,
    "vae": autoencoders.trained,
    "pictures": recognition.indexed,
    "clip": recognition.tuned,
}
"""Kinds of jobs whose result is shown as their tool's own."""

AGENT = Agent(
    name="image",
    servers=("clip", "diffusion"),
    titles={
        "ko": "그림 그리기, 고치기, 알아보기, 찾기",
        "en": "draw, change, recognise and find pictures",
    },
    purpose="draw a picture from words; change or recognise a picture file; find pictures in a "
    "folder; train on pictures",
    prompt="image",
    tools=(
        "generate",
        "image_to_image",
        "inpaint",
        "settings_of",
        "pipelines",
        *recognition.RENDERERS,
        *autoencoders.RENDERERS,
        "job",
        "cancel",
        "resume",
    ),
    renderers={
        "generate": _drawn,
        "image_to_image": _drawn,
        "inpaint": _drawn,
        "settings_of": _settings,
        "pipelines": _pipelines,
        **recognition.RENDERERS,
        **autoencoders.RENDERERS,
        "job": _job,
        "watch": _job,
        "cancel": _job,
        "resume": _job,
    },
)
