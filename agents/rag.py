"""The rag agent: the user's own documents."""

from __future__ import annotations

from typing import Any

from agents.registry import Agent
from graphs.language import Language
from prompts import say

_SHOWN = 20  # files left out that an answer names; the job's result holds all
_FATES: dict[str, dict[Language, str]] = {
    "indexed": {"ko": "색인함", "en": "indexed"},
    "unchanged": {"ko": "그대로", "en": "unchanged"},
    "duplicates": {"ko": "같은 내용이 있음", "en": "same as another"},
    "removed": {"ko": "사라져서 뺌", "en": "vanished and removed"},
    "skipped": {"ko": "건너뜀", "en": "skipped"},
}


def _documents(result: Any, language: Language) -> str:
    rows = result["result"]
    if not rows:
        return say("no_documents", language)
    head = (
        "문서 | 쪽 | 조각 | 더한 때" if language == "ko" else "Document | Pages | Passages | Added"
    )
    lines = [head, "--- | ---: | ---: | ---"]
    for row in rows:
        pages = row["pages"] if row["pages"] is not None else "-"
        same = "".join(f" = {path}" for path in row["other_paths"])
        lines.append(f"{row['title']}{same} | {pages} | {row['chunks']} | {row['added'][:16]}")
    return "\n".join(lines)


def _started(result: Any, language: Language) -> str:
    return say("job_started", language, job=result["job"])


def _job(result: Any, language: Language) -> str:
    text = f"`{result['job']}`: {result['status']} {result['done']}/{result['total']}"
    if result["error"]:
        return f"{text} ({result['error']})"
    if result["status"] == "running":
        return f"{text} ({result['message']})"
    return f"{text}\n\n{_outcome(result['result'], language)}" if result["result"] else text


def _outcome(outcome: Any, language: Language) -> str:
    """What a finished job did: how many files, and why some were left out."""
    counts = [f"{_FATES[fate][language]} {len(outcome[fate])}" for fate in _FATES if outcome[fate]]
    pictures = outcome.get("pictures")  # jobs of earlier versions looked for none
    if pictures and pictures["total"]:
        found = {"added": pictures["added"], "total": pictures["total"]}
        counts.append(say("pictures_indexed", language, **found))
    left_out = [*outcome["skipped"], *(pictures["skipped"] if pictures else [])]
    lines = [f"- {item['path']}: {item['reason']}" for item in left_out[:_SHOWN]]
    if len(left_out) > _SHOWN:
        lines.append(f"- ... (+{len(left_out) - _SHOWN})")
    if pictures and pictures["note"]:
        lines.append(say("pictures_left_out", language))
    return "\n".join([", ".join(counts), *lines])


def _removed(result: Any, language: Language) -> str:
    removed = ", ".join(f"`{path}`" for path in (result["removed"], *result["other_paths"]))
    left = result["documents"]
    if language == "ko":
        return f"{removed} 을(를) 색인에서 뺐습니다. 남은 문서: {left}개."
    return f"Removed {removed} from the index; {left} documents remain."


AGENT = Agent(
    name="rag",
    servers=("retrieval",),
    titles={"ko": "내 문서에서 찾아 답하기", "en": "answers from your documents"},
    purpose="questions about the user's own documents, textbook, report, manual; add or list files",
    prompt="rag_manage",
    tools=("add", "list_documents", "remove", "job", "cancel"),
    renderers={
        "add": _started,
        "list_documents": _documents,
        "remove": _removed,
        "job": _job,
        "cancel": _job,
    },
)
