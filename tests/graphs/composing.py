"""A chat model that writes training questions by rule, and can be told to write bad ones or fail.

It knows documents like "Orchard Alma grows 17 hectares of pears near the river Ister.".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict, Field

NAMES = (
    *("Alma", "Bronn", "Cetta", "Dorval", "Elmira", "Fosse", "Gandia", "Horta", "Ilmen", "Jarva"),
    *("Kolm", "Lund", "Mira", "Narva", "Orla", "Prien", "Quint", "Riva", "Selm", "Torre"),
    *("Ural", "Varda", "Wolin", "Zemst"),
)
FRUITS = ("pears", "plums", "cherries", "apricots", "quinces", "medlars", "figs", "walnuts")
RIVERS = ("Ister", "Volda", "Neria", "Tamis", "Ohre", "Sava")


def orchard(n: int) -> str:
    """A document of two statements that no other document says."""
    name, fruit, river = NAMES[n], FRUITS[n % len(FRUITS)], RIVERS[n % len(RIVERS)]
    return (
        f"Orchard {name} grows {17 + 3 * n} hectares of {fruit} near the river {river}.\n\n"
        f"Orchard {name} sells its harvest to {4 + n} bakeries in the town of {name}burg.\n"
    )


class Composing(BaseChatModel):
    """Answers each task about an orchard. `spoil(text, what)` may change what it writes."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    spoil: Callable[[str, str], str] = lambda text, what: text
    fails_at: int | None = None
    failure: Exception = ConnectionError("the model went away")
    asked: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "composing"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        async def write(messages: list[BaseMessage]) -> dict[str, str]:
            self.asked.append(str(messages[-1].text))
            if len(self.asked) == self.fails_at:
                raise self.failure
            return {"text": self._write(str(messages[-1].text))}

        return RunnableLambda(write)

    def _write(self, task: str) -> str:
        if found := re.search(r"^Sentence: Orchard (\w+) (grows|sells)[^\n]*\n(.*)", task, re.M):
            name, verb, wanted = found.groups()
            unit = "hectares" if verb == "grows" else "bakeries"
            if "word or number" in wanted:
                return "Q: " + self.spoil(f"How many {unit} does Orchard {name} have?", "question")
            if "search" in wanted:
                return "Q: " + self.spoil(f"where are {unit} of Orchard {name}?", "query")
            return "Q: " + self.spoil(f"Which {unit} has Orchard {name}?", "reverse")
        found = re.search(r"^Question: (.*)$", task, re.M)
        assert found, task
        name = re.search(r"Orchard (\w+)", f"{found[1]} {task} Orchard Nobody")
        assert name
        if "Passage:" not in task:
            return "A: " + self.spoil(f"Orchard {name[1]} has hectares, bakeries.", "hypothetical")
        verb = "grows" if "hectares" in found[1] else "sells"
        said = re.search(rf"Orchard {name[1]} {verb}[^\n]*", task)
        if said is None:
            return "A: unknown"
        if answer := re.search(r"^Answer: (.*)$", task, re.M):
            return "A: " + self.spoil(f"The document counts {answer[1]}.", "reasoning")
        if found[1].startswith("How many"):
            number = re.search(r"\d+", said[0])
            assert number
            return "A: " + self.spoil(f"{number[0]}", "answer")
        return "A: " + self.spoil(said[0], "sentence")
