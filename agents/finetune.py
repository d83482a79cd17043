"""The finetune agent: what its tools' results look like to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.adapters import runs_here
from agents.registry import Agent
from agents.training_advice import translated
from graphs.language import Language
from mcp_servers.home import dure_home
from prompts import say

_BAR = 20  # characters
_PROBLEMS = 5  # of the data, shown; all are counted
_KINDS: dict[str, dict[Language, str]] = {
    "train": {"ko": "학습", "en": "training"},
    "evaluate": {"ko": "평가", "en": "evaluation"},
    "merge": {"ko": "병합", "en": "merge"},
    "export": {"ko": "GGUF 변환", "en": "export to GGUF"},
    "push": {"ko": "업로드", "en": "upload"},
}
_STATES: dict[str, dict[Language, str]] = {
    "running": {"ko": "진행 중", "en": "running"},
    "paused": {"ko": "멈춰 둠", "en": "paused"},
    "done": {"ko": "끝남", "en": "done"},
    "failed": {"ko": "실패", "en": "failed"},
    "cancelled": {"ko": "취소됨", "en": "cancelled"},
}


_SCORES = (
    ("loss", "손실", "loss"),
    ("perplexity", "혼란도", "perplexity"),
    ("exact_match", "정확히 일치", "exact match"),
    ("token_f1", "토큰 F1", "token F1"),
    ("rouge1", "ROUGE-1", "ROUGE-1"),
    ("rouge2", "ROUGE-2", "ROUGE-2"),
    ("rougeL", "ROUGE-L", "ROUGE-L"),
    ("accuracy", "정확도", "accuracy"),
)


def duration(seconds: float, language: Language) -> str:
    """`1시간 5분`, `2 min 10 s`: two units at most."""
    whole = max(0, round(seconds))
    units = ("시간", "분", "초") if language == "ko" else (" h", " min", " s")
    parts = (whole // 3600, whole % 3600 // 60, whole % 60)
    told = [f"{n}{unit}" for n, unit in zip(parts, units, strict=True) if n][:2]
    return " ".join(told) or f"0{units[2]}"


def size(count: float) -> str:
    """Bytes as `1.2 GB` or `350 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def progress_line(state: Mapping[str, Any], language: Language) -> str:
    """A run or job in one line: bar, step, losses, speed, time left; plain text."""
    korean = language == "ko"
    parts = []
    if steps := state["steps"]:
        step = _step(state)
        share = min(1.0, step / steps)
        filled = round(share * _BAR)
        bar = "█" * filled + "░" * (_BAR - filled)
        parts.append(f"{bar} {share:.0%}")
        parts.append(f"{step}/{steps} 단계" if korean else f"step {step}/{steps}")
    elif state["status"] == "running":
        parts.append(translated(str(state["message"]), language))
    if state["loss"] is not None:
        parts.append(f"{'손실' if korean else 'loss'} {state['loss']:.4g}")
    if state["eval_loss"] is not None:
        parts.append(f"{'검증 손실' if korean else 'held-out loss'} {state['eval_loss']:.4g}")
    if state["status"] == "running":
        if speed := state["tokens_per_second"]:
            parts.append(
                f"{'초당 ' if korean else ''}{speed:.0f}{'토큰' if korean else ' tokens/s'}"
            )
        if (left := state["seconds_left"]) is not None:
            told = duration(left, language)
            parts.append(f"{told} 남음" if korean else f"{told} left")
    return " · ".join(parts)


def _step(state: Mapping[str, Any]) -> int:
    """The step that a run is at. One that is done has done all: its last ones are not all told."""
    return int(state["steps"] if state["status"] == "done" else state["step"])


def preview(
    inspected: Mapping[str, Any] | None,
    estimated: Mapping[str, Any],
    settings: Mapping[str, Any],
    language: Language,
) -> str:
    """What the user sees before a training starts: the data, the settings, what it will take."""
    korean = language == "ko"
    chosen = {
        "base": estimated["base"],
        "method": estimated["method"],
        **{k: v for k, v in settings.items() if k != "data"},
    }
    listed = ", ".join(f"{name} = {_value(value)}" for name, value in chosen.items())
    lines = [
        *([_inspected(inspected, language), ""] if inspected else []),
        f"**{'설정' if korean else 'Settings'}** {listed}",
        "",
        _estimated(estimated, language),
    ]
    return "\n".join(lines)


def _noted(notes: Sequence[str]) -> list[str]:
    """Notes as quoted paragraphs, each by itself."""
    return [line for note in notes for line in ("", f"> {note}")]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _inspected(result: Any, language: Language) -> str:
    korean = language == "ko"
    forms = ", ".join(f"{name} {count}" for name, count in result["forms"].items())
    head = f"**{'데이터' if korean else 'Data'}** " + (
        f"{result['rows']:,}행 ({forms})" if korean else f"{result['rows']:,} rows ({forms})"
    )
    told = []
    if lengths := result["lengths"]:
        told.append(
            f"길이 중앙값 {lengths['median']}토큰, 최대 {lengths['max']}"
            if korean
            else f"median {lengths['median']} tokens, longest {lengths['max']}"
        )
    counts = (
        ("truncated", "잘리는 행", "cut at max_length"),
        ("dropped", "답이 남지 않아 빠지는 행", "dropped: nothing left to learn"),
        ("duplicates", "중복", "duplicates"),
        ("near_duplicates", "거의 같은 행", "near duplicates"),
        ("problem_count", "쓸 수 없는 행", "unusable rows"),
    )
    for key, ko, en in counts:
        if result[key]:
            told.append(f"{ko} {result[key]}" if korean else f"{result[key]} {en}")
    lines = [", ".join([head, *told])]
    for problem in result["problems"][:_PROBLEMS]:
        place = f"{problem['file']}:{problem['line']}" if problem["line"] else problem["file"]
        lines.append(f"- {place}: {problem['reason']}")
    if result["problem_count"] > _PROBLEMS:
        lines.append(f"- ... (+{result['problem_count'] - _PROBLEMS})")
    lines += _noted([translated(each, language) for each in result["advice"]])
    if example := result["example"]:
        if "⟦" not in example["text"]:
            title = "첫 행" if korean else "The first row"
        elif korean:
            title = "모델이 보는 한 행 (⟦ ⟧ 사이만 배웁니다)"
        else:
            title = "A row as the model sees it (only what stands between ⟦ and ⟧ is learnt)"
        lines += ["", f"{title}:", "", f"```text\n{example['text'].rstrip()}\n```"]
    return "\n".join(lines)


def _estimated(result: Any, language: Language) -> str:
    korean = language == "ko"
    share = result["trainable"] / max(1, result["parameters"])
    took = duration(result["seconds"], language)
    needed, free = size(result["memory_total"]), size(result["memory_free"])
    if korean:
        head = f"**예상** 약 {took} ({result['steps']:,}단계, {result['rows']:,}행)"
        memory = f"메모리 {needed} (비어 있는 것 {free}, {result['device']})"
        learnt = f"학습할 매개변수 {result['trainable']:,}개 ({share:.2%})"
    else:
        head = f"**Estimate** about {took} ({result['steps']:,} steps, {result['rows']:,} rows)"
        memory = f"memory {needed} ({free} free, {result['device']})"
        learnt = f"{result['trainable']:,} parameters learnt ({share:.2%})"
    lines = [", ".join((head, memory, learnt))]
    if not result["fits"]:
        lines += _noted([f"**{say('does_not_fit', language)}**"])
    lines += _noted([translated(each, language) for each in result["advice"]])
    return "\n".join(lines)


def _started(result: Any, language: Language) -> str:
    if not result["approved"]:
        return say("rejected", language, tool="train")
    return say("training_run_started", language, **result["run"])


def _run(result: Any, language: Language) -> str:
    """A run, or a job that works on one."""
    name, status = result["name"] or result["run"], result["status"]
    kind = _KINDS.get(result["kind"], {}).get(language, result["kind"])
    head = f"**{name}** {kind}: {_STATES.get(status, {}).get(language, status)}"
    lines = [f"{head} (`{result['run']}`)"]
    if line := progress_line(result, language):
        lines += ["", line]
    if result["error"]:
        lines += ["", f"> {result['error']}"]
    if status in ("paused", "failed", "cancelled") and result["kind"] == "train":
        lines += ["", say("resume_run", language, name=name)]
    if status == "done":
        lines += ["", _outcome(result, language)]
    return "\n".join(lines).rstrip()


def _outcome(state: Any, language: Language) -> str:
    """What a finished job made, and what to do with it."""
    result = state["result"] or {}
    if state["kind"] == "train":
        return _learnt(result, state, language)
    if state["kind"] == "evaluate":
        return _judged(result, state, language)
    lines = [f"- {key}: {_value(value)}" for key, value in result.items() if value is not None]
    return "\n".join(lines)


def _learnt(result: Any, state: Any, language: Language) -> str:
    korean = language == "ko"
    took = result.get("seconds") or state["seconds"]  # without its pauses, where it says so
    lines = [say("trained", language, seconds=duration(took, language))]
    before, after = result.get("eval_loss_before"), result.get("eval_loss")
    if before is not None and after is not None:
        name = "남겨 둔 행의 손실" if korean else "held-out loss"
        perplexity = ""
        if result["perplexity"] is not None:  # of labels and preferences there is none
            perplexity = f" ({'혼란도' if korean else 'perplexity'} {result['perplexity']:.4g})"
        lines.append(f"- {name}: {before:.4g} → **{after:.4g}**{perplexity}")
    for key, ko, en in (("adapter", "어댑터", "adapter"), ("model", "모델", "model")):
        if path := result.get(key):
            lines.append(f"- {ko if korean else en}: `{path}`")
    lines += _noted([translated(each, language) for each in result.get("notes", [])])
    base = runs_here(str(state["base"]), dure_home()) if result.get("gguf") else None
    if base:
        key = "use_adapter"
    elif result.get("model"):
        key = "use_model"
    else:
        learnt_tokens = state["method"] in ("prefix", "prompt")
        key = "use_learnt_tokens" if learnt_tokens else "use_elsewhere"
    told = say(key, language, name=state["name"], base=base)
    return "\n".join([*lines, "", told])


def _judged(result: Any, state: Any, language: Language) -> str:
    """Scores before and after, on rows held out and on rows seen in training."""
    korean = language == "ko"
    sides = [(side, result.get(side) or {}) for side in ("held_out", "seen")]
    sides = [(side, told) for side, told in sides if told.get("before") and told.get("after")]
    names = {
        "held_out": "남겨 둔 행" if korean else "held-out rows",
        "seen": "배운 행" if korean else "seen rows",
    }
    heads = [f"{names[side]} ({told['after']['rows']})" for side, told in sides]
    lines = [f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(sides)}"]
    for key, ko, en in _SCORES:
        pairs = [(told["before"].get(key), told["after"].get(key)) for _, told in sides]
        if any(None not in pair for pair in pairs):
            cells = ["-" if None in pair else "{:.4g} → **{:.4g}**".format(*pair) for pair in pairs]
            lines.append(f"| {ko if korean else en} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", say("see_samples", language, name=state["name"])])


def _pausing(result: Any, language: Language) -> str:
    if result["status"] != "running":
        return _run(result, language)
    return say("pausing", language, name=result["name"])


def _cancelling(result: Any, language: Language) -> str:
    if result["status"] != "running":
        return _run(result, language)
    return say("cancelling", language, name=result["name"])


def _job_started(result: Any, language: Language) -> str:
    if result["status"] != "running":
        return _run(result, language)
    kind = _KINDS[result["kind"]][language]
    return say("run_job_started", language, kind=kind, name=result["name"], run=result["run"])


def _runs(result: Any, language: Language) -> str:
    rows = result["result"]
    if not rows:
        return say("no_runs", language)
    head = (
        "이름 | 하는 일 | 상태 | 바탕 | 방법 | 단계 | 손실"
        if language == "ko"
        else "Name | Job | State | Base | Method | Steps | Loss"
    )
    lines = [head, "--- | --- | --- | --- | --- | ---: | ---:"]
    for row in rows:
        loss = "-" if row["loss"] is None else f"{row['loss']:.4g}"
        kind = _KINDS.get(row["kind"], {}).get(language, row["kind"])
        status = _STATES.get(row["status"], {}).get(language, row["status"])
        steps = f"{_step(row)}/{row['steps']}"
        cells = (row["name"] or row["run"], kind, status, row["base"], row["method"], steps, loss)
        lines.append(" | ".join(cells))
    return "\n".join(lines)


def _logs(result: Any, language: Language) -> str:
    return f"`{result['run']}`:\n\n```text\n" + "\n".join(result["lines"]) + "\n```"


def _curve(result: Any, language: Language) -> str:
    picture = "그림" if language == "ko" else "Picture"
    return f"```text\n{result['terminal'].rstrip()}\n```\n\n{picture}: `{result['picture']}`"


def _compared(result: Any, language: Language) -> str:
    lines = [result["table"], ""]
    if not result["same_data"]:
        lines += [f"> {say('other_data', language)}", ""]
    lines.append(f"{'그림' if language == 'ko' else 'Picture'}: `{result['picture']}`")
    return "\n".join(lines)


def _samples(result: Any, language: Language) -> str:
    """Each question with its answers, one below the other: answers are too long for columns."""
    korean = language == "ko"
    names = ("정답", "학습 전", "학습 후") if korean else ("expected", "before", "after")
    lines = []
    for number, sample in enumerate(result["samples"], start=1):
        seen = ("배운 행" if korean else "seen") if sample["seen"] else ""
        held_out = "" if sample["seen"] else ("남겨 둔 행" if korean else "held out")
        lines.append(f"{number}. **{_one_line(sample['question'])}** ({seen or held_out})")
        lines.append(f"   - {names[0]}: {_one_line(sample['expected'])}")
        for name, key in ((names[1], "before"), (names[2], "after")):
            score = sample[f"token_f1_{key}"]
            lines.append(f"   - {name} (F1 {score:.2f}): {_one_line(sample[key])}")
    return "\n".join(lines) or say("no_samples", language)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "-"


def _deleted(result: Any, language: Language) -> str:
    return say("run_deleted", language, name=result["name"], folders=", ".join(result["folders"]))


AGENT = Agent(
    name="finetune",
    servers=("training",),
    titles={"ko": "모델 학습시키기 (미세조정)", "en": "fine-tuning models"},
    purpose="train or fine-tune a model on the user's data file; how far a training run is, pause, "
    "resume, evaluate, compare, merge, delete it",
    prompt="finetune",
    tools=(
        "train",
        "inspect_dataset",
        "estimate",
        "status",
        "runs",
        "logs",
        "curve",
        "pause",
        "resume",
        "cancel",
        "compare",
        "evaluate",
        "samples",
        "merge",
        "export",
        "delete_run",
        "push",
    ),
    renderers={
        "train": _started,
        "watch": _run,
        "inspect_dataset": _inspected,
        "estimate": _estimated,
        "status": _run,
        "runs": _runs,
        "logs": _logs,
        "curve": _curve,
        "pause": _pausing,
        "resume": _run,
        "cancel": _cancelling,
        "compare": _compared,
        "evaluate": _job_started,
        "samples": _samples,
        "merge": _job_started,
        "export": _job_started,
        "delete_run": _deleted,
        "push": _job_started,
    },
)
