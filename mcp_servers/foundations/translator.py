"""A trained translator: its folder under `DURE_HOME/models/translators`, and translating with it.

The folder holds `model.safetensors`, `config.json`, and the vocabularies `source.json` and
`target.json`.
"""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mcp_servers.errors import EngineError
from mcp_servers.folders import replaced
from mcp_servers.foundations import search
from mcp_servers.foundations.results import Candidate, Method, Translation
from mcp_servers.foundations.transformer import Shape, Transformer
from mcp_servers.foundations.vocabulary import Vocabulary, words_in
from mcp_servers.model_folders import config_of, folder_of
from mcp_servers.torch_runtime import torch

HOW_TO_TRAIN = "Train one with train_translator (about two minutes)."
MAX_WIDTH = 20
_UNSURE = -0.2  # mean log probability of a token; held-out sentences have about -0.06
MAX_CHARACTERS = 1_000


@dataclass(frozen=True)
class Translator:
    """A model in evaluation mode on the CPU, with both vocabularies; `config` as on disk."""

    name: str
    model: Transformer
    source: Vocabulary
    target: Vocabulary
    config: dict[str, Any]

    def source_ids(self, sentence: str) -> list[int]:
        """A sentence's tokens and the end mark. Raises `EngineError` for an empty or long one."""
        sentence = checked_sentence(sentence, "source")
        ids = [*self.source.ids(sentence), Vocabulary.eos]
        limit = self.model.shape.longest
        if len(ids) > limit:
            raise EngineError(
                f"The sentence has {len(ids) - 1} tokens; this translator takes {limit - 1}. "
                "Translate a shorter part."
            )
        return ids


def translate(
    translator: Translator, sentence: str, method: Method, width: int, length_penalty: float
) -> Translation:
    """Translate one sentence. Raises `EngineError` for what cannot be."""
    if not 1 <= width <= MAX_WIDTH:
        raise EngineError(f"beam_width is {width}. Pass 1 to {MAX_WIDTH}.")
    if not 0 <= length_penalty <= 5:
        raise EngineError(f"length_penalty is {length_penalty}. Pass 0 to 5; 0.6 is usual.")
    sentence = checked_sentence(sentence, "source")
    ids = translator.source_ids(sentence)
    longest = translator.model.shape.longest
    with torch.inference_mode():
        source = torch.tensor([ids])
        if method == "greedy":
            width, length_penalty = 1, 0.0  # a beam of one takes the likeliest token each time
        found = search.beam(translator.model, source, width, length_penalty, longest)
    candidates: list[Candidate] = [
        {
            "text": translator.target.text(each.ids),
            "log_probability": round(each.log_probability, 4),
            "score": round(each.score, 4),
        }
        for each in found
    ]
    known = set(translator.config["known_words"])
    unknown = [word for word in dict.fromkeys(words_in(sentence)) if word not in known]
    notes = []
    if unknown:
        notes.append(
            f"Not in the training sentences, so left to guessing: {', '.join(unknown[:10])}."
        )
    if candidates[0]["log_probability"] / (len(found[0].ids) + 1) < _UNSURE:
        notes.append(
            "The model is unsure: the sentence is unlike those that it learned from "
            f"({translator.config['data']['name']})."
        )
    return {
        "source": sentence,
        "translation": candidates[0]["text"],
        "candidates": candidates,
        "method": method,
        "tokens": translator.source.shown(ids),
        "unknown": unknown,
        "translator": translator.name,
        "notes": notes,
    }


def checked_sentence(sentence: str, name: str) -> str:
    """The sentence in composed form on one line. Raises `EngineError` if empty or too long."""
    sentence = " ".join(unicodedata.normalize("NFC", sentence).split())
    if not sentence:
        raise EngineError(f"{name} is empty. Pass a sentence.")
    if len(sentence) > MAX_CHARACTERS:
        raise EngineError(
            f"{name} has {len(sentence):,} characters; the limit is {MAX_CHARACTERS:,}. "
            "Pass one sentence."
        )
    return sentence


def load(name: str) -> Translator:
    """A trained translator by name. Raises `EngineError` that says how to train one."""
    config = config_of("translators", name, f"No translator {name!r} is trained", HOW_TO_TRAIN)
    return _loaded(str(config.parent), config.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(folder: str, _written: int) -> Translator:
    from safetensors.torch import load_file

    path = Path(folder)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        model = Transformer(Shape(**config["shape"]))
        model.load_state_dict(load_file(path / "model.safetensors"))
        source, target = (Vocabulary.loaded(path / f"{side}.json") for side in ("source", "target"))
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise EngineError(
            f"The translator in {path} is damaged ({error}). Train it again with replace=true."
        ) from None
    return Translator(path.name, model.eval(), source, target, config)


def save(translator: Translator) -> Path:
    """Publish a translator under its name, in the place of an earlier one."""
    from safetensors.torch import save_file

    folder = folder_of("translators", translator.name)
    config = {**translator.config, "shape": dataclasses.asdict(translator.model.shape)}
    with replaced(folder) as aside:
        save_file(translator.model.state_dict(), aside / "model.safetensors")
        translator.source.save(aside / "source.json")
        translator.target.save(aside / "target.json")
        (aside / "config.json").write_text(
            json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8"
        )
    return folder
