"""A tiny server for the tests of serving: its tools print, sleep, and start jobs."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import Field

from mcp_servers.serving import Engine, build, report, run_stdio, tool

Text = Annotated[str, Field(description="What to say")]


@tool("Say")
def say(text: Text) -> dict[str, str]:
    """Print a text in every way there is, then return it."""
    print(text)
    print(text, file=sys.stdout, flush=True)
    os.write(1, text.encode() + b"\n")
    os.system(f"echo {text}")
    return {"said": text}


@tool("Sleep")
def sleep(
    context: Context[Any, Any, Any], seconds: Annotated[float, Field(description="How long")]
) -> dict[str, bool]:
    """Report that it began, then sleep in a way that nothing interrupts."""
    report(context, 0, 1, "asleep")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        threading.Event().wait(left)
    return {"slept": True}


@tool("Fail")
def fail() -> dict[str, str]:
    """Raise an error that nobody expected."""
    raise RuntimeError("out of cheese")


ENGINE = Engine(name="talking", summary="talks", tools=(say, sleep, fail))

if __name__ == "__main__":
    run_stdio(build([ENGINE], name="talking", namespaced=False))
