"""The image agent: what the tools of the clip and diffusion servers give, as the user sees it."""

from __future__ import annotations

from typing import Any

from agents import autoencoders, recognition
from agents.registry import Agent
from agents.rendering import job_state, listed, noted
from graphs.language import Language
from graphs.specialist import Render
from prompts import say

_CLIP_JOBS = {"pictures", "clip"}  # kinds


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
    return noted(lines, result["notes"])


def _settings(result: Any, language: Language) -> str:
    if not result["settings"]:  # another program's
        return f"`{result['picture']}`:\n\n```text\n{result['text']}\n```"
    told = {k: v for k, v in result["settings"].items() if v not in (None, "", [], 0.0)}
    return "\n".join([f"`{result['picture']}`", "", *listed(told)])


def _pipelines(result: Any, language: Language) -> str:
    head = "모델 | 종류 | 크기" if language == "ko" else "Model | Pipeline | Side"
    rows = [f"{r['name']} | {r['pipeline']} | {r['side'] or ''}" for r in result["result"]]
    return "\n".join([head, "--- | --- | ---:", *rows])


def _job(result: Any, language: Language) -> str:
    def finished(head: str) -> str:
        if result["kind"] in _RESULTS:
            return _RESULTS[result["kind"]](result["result"], language)
        return "\n".join([head, "", *listed(result["result"])])

    return job_state(result, finished)


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
