"""A training server's tools that record what they are called with, and agents over them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from agents.finetune import AGENT, preview, progress_line
from graphs.finetune import training_tools, with_training
from graphs.specialist import Expertise, build_specialist
from graphs.state import Turn
from graphs.training_runs import Runs
from tests.graphs.scripted import Scripted

SETTINGS = ("base", "method", "name", "epochs", "rank", "learning_rate", "quantize", "dora")
STATE: dict[str, Any] = {
    **{"run": "train-1", "name": "faq", "kind": "train", "status": "running", "message": "step"},
    **{"base": "embedded:tiny", "method": "lora", "data": ["faq.csv"], "step": 5, "steps": 10},
    **{"epoch": 1.5, "loss": 1.25, "eval_loss": 1.5, "learning_rate": 1e-4, "result": None},
    **{"tokens_per_second": 512.4, "seconds": 30.0, "seconds_left": 95.0, "error": None},
    "folder": "/home/jobs/train-1",
}
INSPECTED: dict[str, Any] = {
    **{"rows": 12, "forms": {"csv": 12}, "truncated": 1, "dropped": 0, "duplicates": 2},
    **{"near_duplicates": 0, "problem_count": 1, "advice": [], "lengths": None},
    "problems": [{"file": "faq.csv", "line": 7, "reason": "the answer is empty"}],
    "example": {"text": "user: Hi\nassistant: ⟦Hello⟧"},
}
ESTIMATED: dict[str, Any] = {
    **{"base": "embedded:tiny", "method": "lora", "parameters": 1000, "trainable": 10},
    **{"memory_total": 1.2e9, "memory_free": 8e9, "device": "cpu", "fits": True, "rows": 12},
    **{"steps": 10, "seconds": 95.0, "advice": []},
}


class Workshop:
    """The tools, what they were called with, and the states that `status` gives one by one."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.states: list[dict[str, Any]] = [STATE]
        self.started: list[dict[str, Any]] = []

    def called(self, tool: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == tool]

    def tools(self) -> dict[str, BaseTool]:
        own = {
            "inspect_dataset": ["data", "base"],
            "estimate": ["data", *SETTINGS],
            "train": ["data", *SETTINGS],
            "status": ["run"],
            "runs": [],
            "pause": ["run"],
            "cancel": ["run"],
            "evaluate": ["run"],
            "delete_run": ["run"],
        }
        return {name: self._tool(name, arguments) for name, arguments in own.items()}

    def _tool(self, name: str, arguments: list[str]) -> BaseTool:
        async def call(**given: Any) -> tuple[str, Any]:
            self.calls.append((name, given))
            return "", {"structured_content": self._answer(name, given)}

        required = [a for a in arguments if a == "data" or (name, a) == ("delete_run", "run")]
        return StructuredTool(
            name=name,
            description=f"{name} for the test.",
            args_schema={
                "type": "object",
                "properties": {argument: {} for argument in arguments},
                "required": required,
            },
            coroutine=call,
            response_format="content_and_artifact",
            metadata={"server": "training"},
            handle_tool_error=True,
        )

    def _answer(self, name: str, given: dict[str, Any]) -> Any:
        if name == "inspect_dataset":
            if "gone.csv" in given["data"]:
                raise ToolException("There is no file gone.csv. Name an existing one.")
            return INSPECTED
        if name == "estimate":
            if given.get("dora") and given.get("quantize") == "int8":
                raise ToolException("dora works with nf4 or fp4, not with int8.")
            return {**ESTIMATED, "seconds": 30.0 * given.get("epochs", 3)}
        if name == "runs":
            return {"result": self.started}
        if name == "delete_run":
            return {"run": given["run"], "name": given["run"], "folders": ["/x"]}
        if name == "evaluate":
            return {**STATE, "run": "evaluate-2", "kind": "evaluate"}
        if name == "train":
            self.started.insert(0, STATE)
            return STATE
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class Talk:
    """One conversation with the finetune agent. The model must not be needed."""

    def __init__(self, workshop: Workshop, *, ask_first: bool = True) -> None:
        offered = workshop.tools()
        allowed = list(offered.values())
        runs = Runs(offered)
        own = training_tools(offered, allowed, preview, progress_line, ask_first=ask_first)
        self.model = Scripted(replies=[])
        expertise = Expertise(
            "finetune",
            "You train.",
            own,
            AGENT.renderers,
            ask_first=frozenset({"delete_run"}),
            settle=runs.settle,
            final_errors=True,
        )
        specialist = build_specialist(expertise, self.model, small=True, step_limit=6)
        graph = StateGraph(Turn)
        graph.add_node("finetune", with_training(specialist, runs))
        graph.add_edge(START, "finetune")
        graph.add_edge("finetune", END)
        self._graph = graph.compile(checkpointer=InMemorySaver())
        self._config: Any = {"configurable": {"thread_id": "one"}}
        self.progress: list[str] = []

    async def say(self, text: str) -> Any:
        """The answer, or the call that waits for approval."""
        return await self._run({"messages": [HumanMessage(text)]})

    async def decide(self, **decision: Any) -> Any:
        return await self._run(Command(resume={"decisions": [decision]}))

    async def steps(self) -> Any:
        """The steps of the last turn."""
        return (await self._graph.aget_state(self._config)).values["steps"]

    async def _run(self, given: Any) -> Any:
        async for _, mode, data in self._graph.astream(
            given, self._config, stream_mode=["custom", "updates"], subgraphs=True
        ):
            if mode == "custom" and data["event"] == "progress":
                self.progress.append(data["text"])
            if mode == "updates" and "__interrupt__" in data:
                (waiting,) = data["__interrupt__"][0].value["action_requests"]
                return waiting
        state = await self._graph.aget_state(self._config)
        return str(state.values["messages"][-1].text)
