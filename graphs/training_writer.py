"""What the model is asked to write for a training row, one short text at a time (chapter 12).

Each text has a shape that the sampling keeps to. What repeats comes first: the system prompt
with its worked examples, then a passage, and the task last.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from graphs import training_checks as checks
from graphs.language import Language
from graphs.training_blanks import Blank
from prompts import prompt, say, worked_examples

_TEXTS = (
    *("training_task", "training_blank", "training_answer", "training_hypothetical"),
    *("training_reasoning", "training_reasoned"),
)
"""Fixed texts that make the rows what they are."""
_EMPTY = dict.fromkeys(
    ("passage", "task", "cloze", "asks", "question", "answer", "quote", "reasoning"), ""
)
_PLAIN = r'\n\r\t"\\？'  # what JSON would escape, and another script's mark, within [^...]
_SHAPES = {
    "question": rf"^Q: [^?{_PLAIN}]{{8,120}}\?$",
    "question_ko": rf"^Q: [^?{_PLAIN}]{{6,110}}(나요|가요|까요)\?$",
    "answer": rf"^A: [^{_PLAIN}]{{1,120}}$",
    "hypothetical": rf"^A: [^.{_PLAIN}]{{10,120}}[.]( [^.{_PLAIN}]{{10,120}}[.])?$",
    "reasoning_ko": rf"^A: [^.{_PLAIN}]{{10,110}}(다|요)[.]$",
    "reasoning": rf"^A: [^.{_PLAIN}]{{10,120}}[.]$",
}
"""What each text must look like: left free, a small model copies where it should ask.

Lengths are bounded, so that no reply is cut off in mid-JSON, but not by much more than 100: to
sample under {20,400} takes ten times as long (18.5 s instead of 1.7 s)."""


def recipe_hash() -> str:
    """What the model is asked, as a hash: rows made under other prompts do not belong together."""
    texts = [*_SHAPES.values(), *(_system(language) for language in ("ko", "en"))]
    for language in ("ko", "en"):
        texts += [say(key, language, **_EMPTY) for key in _TEXTS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


class Writer:
    """Asks the model for one short text at a time.

    A passage comes before its tasks: all tasks about a passage then share one prefix, whose
    reading is most of the cost. `refusals` are what the model raises when it gives no text.
    """

    def __init__(self, model: BaseChatModel, refusals: tuple[type[Exception], ...]) -> None:
        self._refusals = refusals
        self._asking = {
            what: model.with_structured_output(_schema(shape)) for what, shape in _SHAPES.items()
        }

    async def question(self, blank: Blank, language: Language) -> str:
        """A question for a blank, or "". It is not shown what stood there, so it cannot tell it."""
        shape = "question_ko" if language == "ko" else "question"
        task = say("training_blank", language, cloze=blank.cloze, asks=blank.asks)
        return mended(await self._write(shape, task, language))

    async def text(
        self, what: str, language: Language, passage: str | None = None, **values: str
    ) -> str:
        """The "answer", "hypothetical" or "reasoning" that the model writes, or "" for none."""
        task = say(f"training_{what}", language, **values)
        if passage is not None:
            task = say("training_task", language, passage=passage, task=task)
        if what == "reasoning" and language == "ko":
            what = "reasoning_ko"
        return await self._write(what, task, language)

    async def _write(self, shape: str, task: str, language: Language) -> str:
        config: Any = {"tags": ["nostream"]}
        try:
            written = await self._asking[shape].ainvoke(
                [SystemMessage(_system(language)), HumanMessage(task)], config
            )
        except self._refusals:
            return ""
        text = str(written.get("text") or "") if isinstance(written, dict) else ""
        return checks.normalised(text.removeprefix("Q:").removeprefix("A:"))


def mended(question: str) -> str:
    """A question with an ending that a small model gets wrong put right: 하는가요 is 하나요."""
    return re.sub(r"는가요\?$", "나요?", question)


def _system(language: Language) -> str:
    """The rules, then blanks with good questions: what it has just seen done, a model follows.

    They stand in the system prompt, whose read state is kept on disk; as turns of their own they
    were read anew for every passage (16 to 40 s on one busy core).
    """
    lines = [prompt("training_data_ko") if language == "ko" else prompt("training_data_en")]
    for example in worked_examples(f"training_{language}"):
        lines.append(say("training_blank", language, cloze=example["cloze"], asks=example["asks"]))
        shown = {"text": f"Q: {example['question']}"}
        lines.append(json.dumps(shown, ensure_ascii=False))
    return "\n".join(lines)


def _schema(shape: str) -> dict[str, Any]:
    """One text of this shape. The same field for all, so that all share the prompt's prefix."""
    return {
        "title": "write",
        "description": "Write the text that is asked for.",
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": shape}},
        "required": ["text"],
    }
