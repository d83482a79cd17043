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
    """A document of three statements that no other document says."""
    name, fruit, river = NAMES[n], FRUITS[n % len(FRUITS)], RIVERS[n % len(RIVERS)]
    return (
        f"Orchard {name} grows {17 + 3 * n} hectares of {fruit} near the river {river}.\n\n"
        f"Orchard {name} sells its harvest to {4 + n} bakeries in the town of {name}burg.\n\n"
        f"Orchard {name} is a farm of the {name} family with {2 + n} stores for winter fruit.\n"
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
        if found := re.search(r'^Sentence: (.*)\nAsk for the blank with "(.*)"', task, re.M):
            return "Q: " + self._question(*found.groups())
        found = re.search(r"^Question: (.*)$", task, re.M)
        assert found, task
        name = re.search(r"Orchard (\w+)", f"{found[1]} {task} Orchard Nobody")
        assert name
        if "Passage:" not in task:
            return "A: " + self.spoil(f"Orchard {name[1]} has a farm, bakeries.", "hypothetical")
        if answer := re.search(r"^Answer: (.*)$", task, re.M):
            return "A: " + self.spoil(f"The document says {answer[1]}.", "reasoning")
        for asking, told in _TOLD:
            said = re.search(told.format(name[1]), task)
            if asking in found[1] and said:
                return "A: " + self.spoil(said[1], "sentence" if asking == "What is" else "answer")
        return "A: unknown"

    def _question(self, cloze: str, asks: str) -> str:
        found = re.search(r"Orchard (\w+)", cloze)
        name = found[1] if found else "Nobody"
        if asks.startswith("how many "):
            unit = asks.removeprefix("how many ")
            return self.spoil(f"How many {unit} does Orchard {name} have?", "question")
        if "river" in cloze or "near ____" in cloze:
            return self.spoil(f"Which river runs by Orchard {name}?", "query")
        if "town of ____" in cloze:
            return self.spoil(f"In which town does Orchard {name} sell its harvest?", "query")
        return self.spoil(f"What is Orchard {name}?", "reverse")


_TOLD = (
    ("hectares", r"Orchard {0} grows (\d+ hectares)"),
    ("bakeries", r"Orchard {0} sells its harvest to (\d+ bakeries)"),
    ("stores", r"Orchard {0} is a farm [^\n]* with (\d+ stores)"),
    ("river", r"Orchard {0} grows [^\n]* near (the river \w+)"),
    ("town", r"Orchard {0} sells [^\n]* the town of (\w+)"),
    ("What is", r"(Orchard {0} is [^\n]*)"),
)
