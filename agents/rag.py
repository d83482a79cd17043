"""The rag agent: the user's own documents."""

from __future__ import annotations

from typing import Any

from agents.registry import Agent
from graphs.language import Language
from prompts import say


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
        lines.append(f"{row['title']} | {pages} | {row['chunks']} | {row['added'][:16]}")
    return "\n".join(lines)


def _started(result: Any, language: Language) -> str:
    return say("job_started", language, job=result["job"])


def _job(result: Any, language: Language) -> str:
    text = f"`{result['job']}`: {result['status']} {result['done']}/{result['total']}"
    return f"{text} ({result['error']})" if result["error"] else text


def _removed(result: Any, language: Language) -> str:
    removed, left = result["removed"], result["documents"]
    if language == "ko":
        return f"`{removed}` 을(를) 색인에서 뺐습니다. 남은 문서: {left}개."
    return f"Removed `{removed}` from the index; {left} documents remain."


AGENT = Agent(
    name="rag",
    server="retrieval",
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
