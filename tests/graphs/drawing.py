"""The tools of the clip and diffusion servers that record their calls, and a talk over them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from graphs import image
from graphs.picture_errands import Studio
from graphs.specialist import Expertise, build_specialist
from graphs.state import Turn
from tests.graphs.scripted import Scripted

DRAWING = ("prompt", "negative_prompt", "steps", "guidance_scale", "width", "height", "seed")
DRAWING += ("count", "scheduler", "eta", "clip_skip", "model", "preview_every")
TOOLS: dict[str, dict[str, tuple[str, ...]]] = {
    "clip": {
        "similarity": ("pictures", "texts", "model"),
        "classify": ("pictures", "labels", "template", "model"),
        "index_pictures": ("folder", "index", "model"),
        "search": ("query_text", "picture", "index", "k"),
        "duplicates": ("index", "threshold"),
        "indexes": (),
        "finetune": ("data", "name", "epochs", "learning_rate"),
        "remove_index": ("index",),
        "job": ("job",),
        "cancel": ("job",),
    },
    "diffusion": {
        "generate": DRAWING,
        "image_to_image": ("picture", "strength", *DRAWING),
        "inpaint": ("picture", "mask", "strength", *DRAWING),
        "settings_of": ("picture",),
        "pipelines": (),
        "train_vae": ("folder", "name", "steps", "beta", "latent_dim", "side", "language"),
        "vae_sample": ("count", "seed", "temperature", "vae"),
        "vae_interpolate": ("first", "last", "steps", "vae"),
        "vae_outliers": ("pictures", "threshold", "vae", "language"),
        "vae_reconstruct": ("pictures", "vae", "language"),
        "vae_denoise": ("picture", "noise", "seed", "vae", "language"),
        "vae_plot": ("folder", "method", "clusters", "vae"),
        "vaes": (),
        "delete_vae": ("name",),
        "job": ("job",),
        "cancel": ("job",),
    },
}
JOB = "pictures-20260101-120000-abcdef"


def owner(job: str) -> str:
    return "clip" if job.startswith("pictures-") else "diffusion"


class Talk:
    """One conversation with the image agent. The model must not be needed."""

    def __init__(self, ask_first: frozenset[str] = frozenset()) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failing = ""
        self.made = 0
        servers = {
            server: {name: self._tool(server, name, takes) for name, takes in tools.items()}
            for server, tools in TOOLS.items()
        }
        studio = Studio(servers, ask_first, owner, lambda state, language: state["message"])
        renderers = dict.fromkeys(
            ["watch", *(name for tools in TOOLS.values() for name in tools)],
            lambda result, language: f"{language}: {result}",
        )
        self.model = Scripted(replies=[])
        names = tuple(dict.fromkeys(name for tools in TOOLS.values() for name in tools))
        expertise = Expertise(
            *("image", "You draw.", studio.offered(names), renderers, ask_first),
            settle=image.settle,
            final_errors=True,
        )
        specialist = build_specialist(expertise, self.model, small=True, step_limit=4)
        graph = StateGraph(Turn)
        graph.add_node("image", image.with_pictures(specialist, studio, renderers))
        graph.add_edge(START, "image")
        graph.add_edge("image", END)
        self._graph = graph.compile(checkpointer=InMemorySaver())
        self._config: Any = {"configurable": {"thread_id": "one"}}

    async def say(self, text: str) -> Any:
        """The state after the answer, or the call that waits for approval."""
        given: Any = {"messages": [HumanMessage(text)]}
        async for _, mode, data in self._graph.astream(
            given, self._config, stream_mode=["custom", "updates"], subgraphs=True
        ):
            if mode == "updates" and "__interrupt__" in data:
                (waiting,) = data["__interrupt__"][0].value["action_requests"]
                return waiting
        values = (await self._graph.aget_state(self._config)).values
        turn = {key: values.get(key, []) for key in ("steps", "artifacts")}
        values["messages"][-1].additional_kwargs["turn"] = turn
        await self._graph.aupdate_state(self._config, {"messages": [values["messages"][-1]]})
        return values

    async def calls_of(self, text: str) -> list[tuple[str, dict[str, Any]]]:
        """The calls that a request leads to."""
        before = len(self.calls)
        await self.say(text)
        return self.calls[before:]

    def _tool(self, server: str, name: str, takes: tuple[str, ...]) -> BaseTool:
        async def call(**given: Any) -> tuple[str, Any]:
            self.calls.append((name, given))
            if name == self.failing:
                raise ToolException("It cannot be done. Do another thing.")
            return "", {"structured_content": self._answer(name, given)}

        return StructuredTool(
            name=name,
            description=f"{name} for the test.",
            args_schema={
                "type": "object",
                "properties": {each: {} for each in takes},
                "required": [],
            },
            coroutine=call,
            response_format="content_and_artifact",
            metadata={"server": server},
            handle_tool_error=True,
        )

    def _answer(self, name: str, given: dict[str, Any]) -> Any:
        if name in ("generate", "image_to_image", "inpaint"):
            seed = given.get("seed", 100)
            first = self.made
            self.made += given.get("count", 1)
            return {
                "pictures": [
                    {"picture": f"/home/p/{at}.png", "seed": seed + at - first}
                    for at in range(first, self.made)
                ]
            }
        if name == "finetune":
            return {"job": "clip-20260101-120000-abcdef", "name": given["name"], "notes": []}
        if name == "train_vae":
            return {"job": "vae-20260101-120000-abcdef", "name": given.get("name", "vae")}
        if name == "settings_of":
            raise ToolException("It says nothing of how it was made.")
        if name in ("index_pictures", "job"):
            running = name == "index_pictures"
            status = "running" if running else "done"
            return {"job": JOB, "status": status, "message": status, "result": {"added": 3}}
        if name == "classify":
            rows = [{"label": label, "probability": 0.5} for label in given["labels"]]
            return {"pictures": [{"picture": p, "labels": rows} for p in given["pictures"]]}
        if name == "search":
            return {"results": [{"picture": "/photos/1.png", "score": 0.9}]}
        return {"result": []}
