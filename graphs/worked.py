"""Worked examples: requests with the tool call that was right for each, shown to a small model.

A small model follows what it has just seen done. Of a bank too long for one prompt it sees those
nearest to the request (Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?"), as if
they were earlier turns, so that they look exactly like the reply that is asked of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from typing_extensions import TypedDict

from graphs.similarity import Features

_SHOWN = 2  # each costs about a second of reading on two cores


class Worked(TypedDict):
    """One request and its right tool call."""

    request: str
    tool: str
    arguments: dict[str, Any]


class WorkedExamples:
    """The examples of one agent. Their features are computed at the first request."""

    def __init__(self, examples: Sequence[Worked], features: Features) -> None:
        self._examples = list(examples)
        self._features = features
        self._vectors: Any = None

    def nearest(self, request: str, tool: str | None) -> list[AnyMessage]:
        """The nearest examples (of this tool, if one is named) as turns, the nearest last."""
        places = [i for i, e in enumerate(self._examples) if tool in (None, e["tool"])]
        if not places:
            return []
        if self._vectors is None:
            self._vectors = np.asarray(self._features([e["request"] for e in self._examples]))
        closeness = self._vectors[places] @ np.asarray(self._features([request]))[0]
        order = [places[i] for i in np.argsort(closeness)[-_SHOWN:]]
        return [turn for place in order for turn in _turns(self._examples[place])]


def _turns(example: Worked) -> list[AnyMessage]:
    call = {"name": example["tool"], "args": example["arguments"], "id": "worked"}
    return [HumanMessage(example["request"]), AIMessage("", tool_calls=[call])]
