"""What each kind of request about pictures does with the tools of the clip and diffusion servers.

Where one tool needs what another makes they are called one after the other: a folder is indexed
before it is searched, and a picture's caption is known before its colour is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException

from graphs.drawing_words import caption_in, drawing_settings
from graphs.following import Line, watch_tool
from graphs.language import Language, language_of
from graphs.picture_changes import change_in, changed_caption, filled_in
from graphs.picture_memory import (
    job_in,
    last_drawing,
    last_index,
    last_job,
    last_pictures,
    last_vae,
    made,
    next_seed,
    steps_before,
)
from graphs.picture_places import folders_in, model_in, pictures_in, without_places
from graphs.picture_questions import (
    asks_for_like,
    default_labels,
    labels_in,
    query_in,
    wanted_number,
)
from graphs.tool_calls import call_tool, plain_error, result_of
from graphs.training_settings import data_in, settings_in
from graphs.vae_words import vae_name, vae_settings

AGENT = "image"
_ORDINALS = (
    re.compile(r"\bfirst\b|첫|1번", re.IGNORECASE),
    re.compile(r"\bsecond\b|두 ?번째|둘째|2번", re.IGNORECASE),
    re.compile(r"\bthird\b|세 ?번째|셋째|3번", re.IGNORECASE),
    re.compile(r"\bfourth\b|네 ?번째|넷째|4번", re.IGNORECASE),
)
_LAST = re.compile(r"\blast\b|마지막|끝", re.IGNORECASE)
_ANY = re.compile(r"\bsomething\b|\banything\b|뭔가|아무거나|뭐든", re.IGNORECASE)
_LEARNING = {"name", "epochs", "batch_size", "learning_rate", "seed"}
_SAME = re.compile(r"\bsame\b|똑같|그대로|같은 시드", re.IGNORECASE)


class Question(Exception):
    """What the user must say first: a key of `messages.toml`."""


class NeedsYes(Exception):
    """A tool waits for the user's yes, which the agent's own loop asks for."""


class Studio:
    """The tools of both servers, and what each kind of request does with them.

    `servers` holds each server's tools by name, those of `ask_first` wait for the user's yes;
    `owner` names the server of a job by its id, and `line` tells a job's state.
    """

    def __init__(
        self,
        servers: Mapping[str, Mapping[str, BaseTool]],
        ask_first: Collection[str],
        owner: Callable[[str], str],
        line: Line,
    ) -> None:
        self._servers = servers
        self._owner = owner
        self._line = line
        self.ask_first = ask_first
        self._watches = {
            name: watch_tool(tools["job"], "job", line)
            for name, tools in servers.items()
            if "job" in tools
        }

    async def run(
        self, tool: str, request: str, earlier: Sequence[AnyMessage]
    ) -> list[ToolMessage]:
        """The tool calls of a request, the answer's last; a failed one ends it.

        Raises `Question` where something is missing.
        """
        errand = Errand(self, request, earlier)
        match tool:
            case "generate":
                await errand.draw()
            case "image_to_image" | "inpaint":
                await errand.redraw(tool)
            case "classify" | "similarity" | "search_texts":
                await errand.look(tool)
            case "search" | "duplicates" | "index_pictures" | "list_pictures":
                await errand.find(tool)
            case "job" | "watch" | "cancel" | "resume":
                await errand.follow(tool)
            case "finetune":
                await errand.finetune()
            case _ if "vae" in tool:
                await errand.autoencode(tool)
            case "settings_of":
                await errand.call("diffusion", tool, picture=errand.picture("which_picture"))
            case _:
                await errand.call(self.server_of(tool), tool)
        return errand.messages

    def offered(self, names: Sequence[str]) -> list[BaseTool]:
        """The tools of these names for an agent's loop, one for each name, and `watch`."""
        found: dict[str, BaseTool] = {}
        for name in names:
            alike = {
                server: tools[name] for server, tools in self._servers.items() if name in tools
            }
            if len(alike) > 1:
                found[name] = _either(alike, self._owner)
            elif alike:
                (found[name],) = alike.values()
        if "job" in found:
            found["watch"] = watch_tool(found["job"], "job", self._line)
        return list(found.values())

    def server_of(self, tool: str) -> str:
        """The server that offers a tool."""
        return next(name for name, tools in self._servers.items() if tool in tools)

    def knows(self, tool: str) -> bool:
        """Whether a server offers the tool."""
        if tool == "watch":
            return bool(self._watches)
        return any(tool in tools for tools in self._servers.values())

    def tool(self, server: str, name: str) -> BaseTool:
        """A server's tool, or the one that follows its jobs."""
        return self._watches[server] if name == "watch" else self._servers[server][name]

    def owner(self, job: str) -> str:
        """The server of a job."""
        return self._owner(job)


class Errand:
    """One request on its way: what it names, and the calls that were made for it."""

    def __init__(self, studio: Studio, request: str, earlier: Sequence[AnyMessage]) -> None:
        self._studio = studio
        self._request = request
        self._asked = without_places(request)
        self._earlier = earlier
        self._pictures = pictures_in(request)
        self._language: Language = language_of(request)
        self.messages: list[ToolMessage] = []

    async def call(self, server: str, name: str, /, **arguments: Any) -> Any:
        """A tool's result, or None where it failed; arguments that it does not take stay out."""
        if name in self._studio.ask_first:
            raise NeedsYes
        tool = self._studio.tool(server, name)
        if "language" in tool.args:
            arguments["language"] = self._language
        if "model" not in arguments and (model := model_in(self._request)):
            arguments["model"] = model
        given = {k: v for k, v in arguments.items() if k in tool.args and v is not None}
        message = await call_tool(AGENT, tool, given)
        self.messages.append(message)
        return None if message.status == "error" else result_of(message)

    async def draw(self) -> None:
        rest, settings = drawing_settings(self._asked)
        if caption := caption_in(rest):
            settings["prompt"] = caption
        else:
            before = last_drawing(self._earlier)
            if before is None or _ANY.search(rest):
                raise Question("which_drawing")
            fresh = {} if _SAME.search(self._request) else {"seed": next_seed(before)}
            settings = {**before["arguments"], **fresh, **settings}
        await self.call("diffusion", "generate", **settings)

    async def redraw(self, tool: str) -> None:
        picture = self.picture("which_base")
        rest, settings = drawing_settings(self._asked)
        if tool == "inpaint":
            prompt, box = filled_in(rest)
            mask = self._pictures[1] if len(self._pictures) > 1 else box
            if not mask:
                raise Question("which_mask")
            await self.call(
                "diffusion", tool, picture=picture, mask=mask, prompt=prompt, **settings
            )
            return
        change = change_in(rest)
        if not change:
            raise Question("which_change")
        prompt = change
        if "model" not in settings and not model_in(self._request):
            caption = await self._caption_of(picture)
            prompt = changed_caption(caption, change) if caption else change
        await self.call("diffusion", tool, picture=picture, prompt=prompt, **settings)

    async def _caption_of(self, picture: str) -> str | None:
        """What a picture was drawn from, else the drawing that CLIP takes it for."""
        for step in reversed(steps_before(self._earlier)):
            if picture in made([step]) and step["arguments"].get("prompt"):
                return str(step["arguments"]["prompt"])
        quiet = await self._quietly("diffusion", "settings_of", picture=picture)
        told = quiet.get("settings", quiet) if isinstance(quiet, dict) else {}
        if isinstance(told, dict) and told.get("prompt"):
            return str(told["prompt"])
        labels = default_labels(self._language, drawn=True)
        seen = await self._quietly("clip", "classify", pictures=[picture], labels=labels)
        label = _best_label(seen)
        return f"a {label}" if label and self._language == "en" else label

    async def _quietly(self, server: str, name: str, /, **arguments: Any) -> Any:
        """A tool's result without a word of it; None where it failed or may not run."""
        if not self._studio.knows(name) or name in self._studio.ask_first:
            return None
        tool = self._studio.tool(server, name)
        call: Any = {"name": name, "args": arguments, "id": f"call_{name}", "type": "tool_call"}
        message = await tool.ainvoke(call)
        return None if message.status == "error" else result_of(message)

    async def look(self, tool: str) -> None:
        pictures = self._pictures or [self.picture("which_picture")]
        texts = labels_in(self._request)
        if tool != "classify":
            if not texts:
                raise Question("which_captions")
            await self.call("clip", "similarity", pictures=pictures, texts=texts)
            return
        labels = list(texts)
        if len(labels) < 2:  # "is this a star?" is answered among what else it could be
            known = default_labels(self._language, drawn=model_in(self._request) is None)
            labels += [label for label in known if label not in texts]
        await self.call("clip", tool, pictures=pictures, labels=labels)

    async def find(self, tool: str) -> None:
        index: str | None = None
        folders = folders_in(self._request)
        if folders:
            index = await self._indexed(folders[0], follow=tool != "index_pictures")
            if index is None or tool == "index_pictures":
                return
        elif tool == "index_pictures":
            raise Question("which_picture_folder")
        index = index or named_index(self._request) or last_index(self._earlier)
        if tool != "search":
            await self.call("clip", tool, index=index)
            return
        like = asks_for_like(self._request)
        picture = self.picture("which_picture") if like else None
        query = None if like else query_in(self._request)
        if not like and not query:
            raise Question("which_query")
        k = wanted_number(self._request)
        await self.call("clip", tool, query_text=query, picture=picture, index=index, k=k)

    async def _indexed(self, folder: str, *, follow: bool) -> str | None:
        """The name of the folder's index, which is made or brought up to date; None on failure."""
        index = _index_name(folder)
        state = await self.call("clip", "index_pictures", folder=folder, index=index)
        if state is None:
            return None
        if follow and state.get("job"):
            state = await self.call("clip", "watch", job=state["job"])
            if state is None or state["status"] != "done":
                return None
        return index

    async def finetune(self) -> None:
        sources = data_in(self._request) or folders_in(self._request)
        if not sources:
            raise Question("which_pairs")
        settings = settings_in(self._request, _LEARNING)
        if "epochs" in settings:
            settings["epochs"] = int(settings["epochs"])
        settings.setdefault("name", _index_name(sources[0].rsplit(".", 1)[0]))
        await self.call("clip", "finetune", data=sources[0], **settings)

    async def autoencode(self, tool: str) -> None:
        settings = vae_settings(self._asked)
        folders = folders_in(self._request)
        named = vae_name(self._asked) or last_vae(self._earlier)
        match tool:
            case "train_vae":
                if not folders:
                    raise Question("which_picture_folder")
                name = vae_name(self._asked)
                await self.call("diffusion", tool, folder=folders[0], name=name, **settings)
                return
            case "vae_reconstruct" | "vae_outliers":
                settings["pictures"] = [*folders, *self._pictures] or [
                    self.picture("which_picture")
                ]
            case "vae_interpolate":
                known = self._pictures or last_pictures(self._earlier)
                if len(known) < 2:
                    raise Question("which_two_pictures")
                settings |= {"first": known[0], "last": known[1]}
            case "vae_denoise":
                settings["picture"] = self.picture("which_picture")
            case "vae_plot":
                settings["folder"] = folders[0] if folders else None
        await self.call("diffusion", tool, vae=named, **settings)

    async def follow(self, tool: str) -> None:
        job = job_in(self._request) or last_job(self._earlier)
        if job is None:
            raise Question("no_picture_job")
        await self.call(self._studio.owner(job), tool, job=job)

    def picture(self, question: str) -> str:
        """The picture that is meant: one that is named, else the last one spoken of."""
        if self._pictures:
            return self._pictures[0]
        found = last_pictures(self._earlier)
        if not found:
            raise Question(question)
        for place, ordinal in enumerate(_ORDINALS):
            if place < len(found) and ordinal.search(self._asked):
                return found[place]
        return (
            found[0] if len(found) == 1 or not re.search("마지막|last", self._asked) else found[-1]
        )


def _either(alike: Mapping[str, BaseTool], owner: Callable[[str], str]) -> BaseTool:
    """One tool for those that several servers name alike: the job's own server answers."""

    async def call(job: str) -> tuple[str, Any]:
        tool = alike.get(owner(job)) or next(iter(alike.values()))
        wanted: Any = {"name": tool.name, "args": {"job": job}, "id": "call", "type": "tool_call"}
        message = await tool.ainvoke(wanted)
        if message.status == "error":
            raise ToolException(plain_error(str(message.text), tool.name))
        return str(message.text), message.artifact

    first = next(iter(alike.values()))
    assert first.args_schema is not None  # as all tools have that come over MCP
    return StructuredTool(
        name=first.name,
        description=first.description,
        args_schema=first.args_schema,
        coroutine=call,
        response_format="content_and_artifact",
        metadata=first.metadata,
        handle_tool_error=True,
    )


def named_index(request: str) -> str | None:
    """The index that a request names."""
    found = re.search(r"\bindex (?!of\b)([\w-]+)|([\w가-힣-]+) 색인|색인 ([\w-]+)", request)
    return next((group for group in found.groups() if group), None) if found else None


def _index_name(folder: str) -> str:
    """The index of a folder: its last name, in letters that a name may have."""
    last = folder.rstrip("/").rsplit("/", 1)[-1].strip("~.") or "pictures"
    return re.sub(r"[^\w-]+", "-", last)[:64]


def _best_label(result: Any) -> str | None:
    """The likeliest label of a classification's first picture."""
    rows = result.get("pictures") if isinstance(result, dict) else None
    if not rows:
        return None
    return str(rows[0]["labels"][0]["label"]) if rows[0].get("labels") else None
