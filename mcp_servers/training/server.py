"""The training server: language models fine-tuned on the user's rows, judged and handed on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.serving import Engine, run, tool, with_picture
from mcp_servers.training import bases, comparing, curves, inspection, pushing, starting
from mcp_servers.training import data as data_names
from mcp_servers.training import runs as states
from mcp_servers.training.inspection import Inspection
from mcp_servers.training.results import (
    Comparison,
    Curve,
    Deleted,
    Estimate,
    Logs,
    RunState,
    Samples,
)
from mcp_servers.training.settings import Method, with_settings
from mcp_servers.training.templates import LossOn, Template

Data = Annotated[
    list[str],
    Field(description="Files, folders or hub names of rows: JSON, JSONL, CSV, Parquet, text"),
]
Base = Annotated[
    str,
    Field(description="embedded:tiny (quick), embedded:small (useful), a hub name or a folder"),
]
Weights = Annotated[
    list[float] | None, Field(description="How often each of data is taken, as 1, 0.5")
]
MethodName = Annotated[
    Method, Field(description="lora; full; prefix; prompt; bitfit; dpo learns from preferences")
]
Run = Annotated[str | None, Field(description="Name or id of a run; default the latest")]


@tool("Look at training data")
def inspect_dataset(
    context: Context[Any, Any, Any],
    data: Data,
    base: Base = "embedded:tiny",
    template: Annotated[Template, Field(description="How rows become text")] = "auto",
    max_length: Annotated[int, Field(description="Tokens; what a row has beyond is cut off")] = 512,
    loss_on: Annotated[LossOn, Field(description="Which tokens are learnt")] = "answer",
    weights: Weights = None,
) -> Inspection:
    """Count, measure and check rows before training: lengths, duplicates, bad rows by line."""
    return inspection.inspect(
        data_names.allowed(data, context),
        bases.allowed(base, context),
        template,
        max_length,
        loss_on,
        weights,
    )


@tool("Estimate a training run")
@with_settings
def estimate(
    context: Context[Any, Any, Any],
    data: Data,
    base: Base = "embedded:tiny",
    method: MethodName = "lora",
    probe: Annotated[
        bool, Field(description="Measure this machine's speed for half a second")
    ] = True,
    weights: Weights = None,
    **settings: Any,
) -> Estimate:
    """Say the memory and the time that training would take, and what to change if too much."""
    from mcp_servers.training import estimating

    names = data_names.allowed(data, context)
    base = bases.allowed(base, context)
    return estimating.estimate(names, base, method, settings, weights=weights, probe=probe)


@tool("Train a model", read_only=False, destructive=True)
@with_settings
def train(
    context: Context[Any, Any, Any],
    data: Data,
    base: Base = "embedded:tiny",
    method: MethodName = "lora",
    name: Annotated[
        str | None, Field(description="What to call the result; default after the data")
    ] = None,
    weights: Weights = None,
    **settings: Any,
) -> RunState:
    """Start fine-tuning a base on rows. Answers at once; ask status how far it is."""
    names = data_names.allowed(data, context)
    return starting.train(names, bases.allowed(base, context), method, name, weights, settings)


@tool("State of a run")
def status(run: Run = None) -> RunState:
    """How far a run is: step, loss, tokens a second, seconds left, result or error."""
    return states.state(states.find(run, states.KINDS))


@tool("List runs")
def runs() -> list[RunState]:
    """All training runs, newest first."""
    return [states.state(folder) for folder in states.folders()]


@tool("Log of a run")
def logs(
    run: Run = None, lines: Annotated[int, Field(description="How many of the last lines")] = 50
) -> Logs:
    """The last lines that a run wrote, to find out why it failed."""
    return states.logs(run, lines)


@tool("Curve of a run")
def curve(run: Run = None) -> Annotated[CallToolResult, Curve]:
    """The loss of a run over its steps, as a picture and in characters."""
    return with_picture(*curves.curve(run))


@tool("Pause a run", read_only=False)
def pause(run: Run = None) -> RunState:
    """Save a checkpoint and stop; resume goes on from there."""
    return starting.pause(run)


@tool("Resume a run", read_only=False)
def resume(run: Run = None) -> RunState:
    """Go on with a run that was paused, cancelled or killed, from its last checkpoint."""
    return starting.resume(run)


@tool("Cancel a run", read_only=False)
def cancel(run: Run = None) -> RunState:
    """Stop a run at its next step. Its checkpoints stay."""
    return starting.cancel(run)


@tool("Compare runs")
def compare(
    runs: Annotated[list[str], Field(description="Two or more names or ids")],
) -> Annotated[CallToolResult, Comparison]:
    """Several runs side by side: losses, speed, the settings that differ, one picture."""
    return with_picture(*comparing.compare(runs))


@tool("Evaluate a run", read_only=False)
def evaluate(
    run: Run = None,
    rows: Annotated[
        int, Field(ge=1, description="At most so many held-out and so many seen rows are answered")
    ] = 50,
) -> RunState:
    """Judge before and after on held-out and on seen rows: a job, ask status with the run it says.

    Loss on all held-out rows, perplexity, exact match, token F1, ROUGE, and answers side by side.
    """
    return starting.follow_up("evaluate", run, {"rows": rows})


@tool("Answers before and after")
def samples(
    run: Run = None, n: Annotated[int, Field(description="How many questions")] = 5
) -> Samples:
    """Answers of the base and of the trained model side by side, as evaluate wrote them."""
    return comparing.samples(run, n)


@tool("Merge an adapter", read_only=False)
def merge(
    run: Run = None,
    name: Annotated[
        str | None, Field(description="Name of the model; default the run's and -merged")
    ] = None,
) -> RunState:
    """Write base and adapter as one model that needs neither.

    A job: ask status with the run that this says.
    """
    return starting.merge(run, name)


@tool("Export to GGUF", read_only=False)
def export(
    run: Run = None,
    kind: Annotated[
        Literal["f32", "f16", "bf16", "q8_0"],
        Field(description="How a whole model's numbers are stored; an adapter's stay as they are"),
    ] = "f16",
) -> RunState:
    """Write an adapter or a model as GGUF for llama.cpp and Ollama.

    A job: ask status with the run that this says.
    """
    return starting.follow_up("export", run, {"gguf_kind": kind})


@tool("Delete a run", read_only=False, destructive=True)
def delete_run(
    run: Annotated[str, Field(description="Name or id of a run")],
    keep_result: Annotated[
        bool, Field(description="Keep the adapter or model that it published")
    ] = False,
) -> Deleted:
    """Remove a run's folder and, unless it is to be kept, the adapter or model it made.

    By the name of a merged model that model alone, with the job that made it.
    """
    return states.delete(run, keep_result)


@tool("Push to a hub", read_only=False, destructive=True)
def push(
    run: Annotated[str, Field(description="Name or id of a run")],
    repo: Annotated[str, Field(description="owner/name on the hub")],
    private: Annotated[bool, Field(description="Nobody else sees it")] = True,
) -> RunState:
    """Upload an adapter or a model to a model hub. Only when the user asks for it by name."""
    pushing.check(repo)
    return starting.follow_up("push", run, {"repo": repo, "private": private})


ENGINE = Engine(
    name="training",
    summary="fine-tunes language models on the user's rows (LoRA, QLoRA, full, prefix, prompt, "
    "BitFit, DPO), follows, resumes, judges, merges and exports the runs",
    tools=(
        inspect_dataset,
        estimate,
        train,
        status,
        runs,
        logs,
        curve,
        pause,
        resume,
        cancel,
        compare,
        evaluate,
        samples,
        merge,
        export,
        delete_run,
        push,
    ),
)

if __name__ == "__main__":
    run(ENGINE)
