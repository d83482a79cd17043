"""Which runs a request means: those whose names it writes, else the latest where that is safe."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool
from typing_extensions import TypedDict

from graphs.state import Step
from graphs.tool_calls import result_of
from graphs.tool_rules import ruled_arguments
from graphs.training_settings import repo_in, settings_in, without_sources

NAMED_ONLY = frozenset({"delete_run", "push"})
"""Tools that nobody can undo: they never mean the latest run unless the request says so."""
_FINAL = NAMED_ONLY | {"merge"}  # a name that nobody knows must not become another run
_LATEST = re.compile(r"마지막|최근|최신|방금|\b(?:latest|last|newest|most recent)\b", re.IGNORECASE)
_FOLLOWED = {"status", "watch", "cancel", "logs"}  # what can be said of a job that works on a run
_JOBS = {
    "evaluate": re.compile(r"평가|채점|\bevaluat", re.IGNORECASE),
    "merge": re.compile(r"병합|합치|합쳐|\bmerg", re.IGNORECASE),
    "export": re.compile(r"변환|내보내|gguf|\b(?:export|conver)", re.IGNORECASE),
    "push": re.compile(r"업로드|올리|올려|\b(?:upload|push)", re.IGNORECASE),
}
_QUOTED = re.compile(r"[\"“'‘`]([\w-]+)[\"”'’`]")
_NAME_BEFORE = re.compile(
    r"\b(?:run|adapter|model|delete|remove|erase|push|upload|merge)\s+(?:the )?"
    r"(?:run |adapter |model )?(?P<name>[A-Za-z][\w-]*)",
    re.IGNORECASE,
)
_NAME_AFTER = re.compile(
    r"(?<![\w./-])(?P<name>[A-Za-z][\w-]*)\s*(?:실행|런|어댑터|모델|학습)?(?:을|를|은|는|의)?\s*"
    r"(?:실행|런|어댑터|모델|학습)?(?:을|를)?\s*(?:지워|삭제|제거|없애|합쳐|병합|올려|업로드)"
)
_KIND = re.compile(r"(?<![a-z0-9])(?:q8_0|bf16|f16|f32)(?![a-z0-9])", re.IGNORECASE)
_NO_NAMES = re.compile(
    r"(?:the|my|a|an|it|its|this|that|these|those|last|latest|newest|current|all|run|runs|job|jobs"
    r"|training|adapter|adapters|model|models|lora|gguf|merge|merged|into|with|to|and|from|hub"
    r"|rows?|lines?|columns?|duplicates?|blanks?|data|everything|nothing|any)",
    re.IGNORECASE,
)


class Known(TypedDict):
    """A run by its two names, and what kind of job it is."""

    run: str
    name: str
    kind: str


class Runs:
    """The runs that there are, the newest first, as of the last `refresh`."""

    def __init__(self, tools: Mapping[str, BaseTool]) -> None:
        self._tools = tools
        self._jobs: list[Known] = []
        self.known: Sequence[Known] = ()

    async def refresh(self) -> None:
        """Ask the server, quietly: this is no step that the user asked for."""
        call = ToolCall(name="runs", args={}, id="call_runs", type="tool_call")
        message = await self._tools["runs"].ainvoke(call)
        result = result_of(message)
        self.known = [*self._jobs, *(result["result"] if isinstance(result, dict) else ())]

    def note(self, steps: Sequence[Step]) -> None:
        """Keep the jobs on runs that these steps started: the server lists trainings alone."""
        for step in steps:
            if step["ok"] and step["tool"] in _JOBS:
                self._jobs.insert(0, step["result"])

    def settle(self, tool: str, names: Collection[str], request: str) -> dict[str, Any]:
        """The arguments of a tool that the request settles."""
        found = ruled_arguments(tool, request)
        if tool in ("train", "estimate"):
            return found | settings_in(request, self._tools[tool].args)  # also what no model sees
        if "data" in names:
            found |= settings_in(request, names)
        if "runs" in names:
            named = self.named_in(request) or self.latest()[:2]
            return found | ({"runs": named} if len(named) > 1 else {})
        if "run" in names and (run := self._one(tool, request)):
            found["run"] = run
        if tool == "merge":
            found |= settings_in(request, {"name"})
        if tool == "export" and (kind := _KIND.search(request)):
            found["kind"] = kind[0].lower()
        if "repo" in names and (repo := repo_in(request)):
            found["repo"] = repo
        return found

    def named_in(self, request: str) -> list[str]:
        """The known runs that the request names, in its order."""
        places: dict[str, int] = {}
        for one in self.known:
            for written in (one["run"], one["name"]):
                # A Korean particle follows without a space, so no \b.
                match = re.search(rf"(?<![\w-]){re.escape(written)}(?![A-Za-z0-9_-])", request)
                if written and match:
                    places.setdefault(
                        one["run"] if written == one["run"] else written, match.start()
                    )
        return sorted(places, key=places.__getitem__)

    def _one(self, tool: str, request: str) -> str | None:
        if tool in _FINAL:
            request = without_sources(request)  # faq.csv does not name the run faq
        named = self.named_in(request)
        if tool in _FOLLOWED and (job := self._job(request, named)):
            return job
        if named:
            return named[0]
        if tool not in _FINAL:
            return None  # the server's default: the latest
        if unknown := _unknown(request):
            return unknown  # the server says which ones there are
        if tool in NAMED_ONLY and not _LATEST.search(request):
            return None
        return next(iter(self.latest()), None)

    def _job(self, request: str, named: Collection[str]) -> str | None:
        """The id of the newest job of the kind that the request says, on a named run if any is."""
        kinds = [kind for kind, words in _JOBS.items() if words.search(request)]
        for one in self.known:
            if one["kind"] in kinds and (not named or {one["name"], one["run"]} & {*named}):
                return one["run"]
        return None

    def latest(self) -> list[str]:
        """The names of the training runs, the newest first, each once."""
        return list(
            dict.fromkeys(r["name"] or r["run"] for r in self.known if r["kind"] == "train")
        )


def _unknown(request: str) -> str | None:
    """What stands where a run's name stands, though there is no such run."""
    for pattern in (_QUOTED, _NAME_BEFORE, _NAME_AFTER):
        for match in pattern.finditer(request):
            name = match[1] if pattern is _QUOTED else match["name"]
            if not _NO_NAMES.fullmatch(name):
                return name
    return None
