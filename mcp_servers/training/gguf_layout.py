"""How llama.cpp names and lays out the tensors of a Hugging Face model.

The names come from the `gguf` package. The layout differs in one place: llama.cpp rotates pairs
of neighbouring rows of the query and key projections of `llama` models, transformers rotates the
first half of a head against its second, so those rows are interleaved head by head.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mcp_servers.errors import EngineError

Array = npt.NDArray[Any]
SCRIPTS = "llama.cpp's own convert_hf_to_gguf.py and convert_lora_to_gguf.py"

# The class in config.json -> llama.cpp's architecture. Those beside `llama` keep the rows' order.
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "Phi3ForCausalLM": "phi3",
}


@dataclass(frozen=True)
class Layout:
    """The layout of one model in GGUF."""

    architecture: str
    heads: int
    key_heads: int
    tied: bool  # the output is the embedding
    _name: Callable[[str], str | None]

    def name(self, module: str) -> str:
        """llama.cpp's name of a module such as `model.layers.0.self_attn.q_proj`."""
        found = self._name(module)
        if found is None:
            raise EngineError(
                f"llama.cpp has no tensor for {module} in a {self.architecture} model. "
                f"Convert it with {SCRIPTS}."
            )
        return found

    def rows(self, module: str, values: Array) -> Array:
        """The rows (dimension 0) of a module's weight, bias or LoRA B in llama.cpp's order."""
        if self.architecture != "llama":
            return values
        if module.endswith(".q_proj"):
            return _interleave(values, self.heads)
        if module.endswith(".k_proj"):
            return _interleave(values, self.key_heads)
        return values


def read(folder: Path) -> Layout:
    """The layout of the model in a folder. Raises `EngineError` for one that is not known here."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{folder} holds no readable config.json ({error}). Name the folder of a model."
        ) from None
    return of_config(config)


def of_config(config: dict[str, Any]) -> Layout:
    """The layout of the model that a config.json describes."""
    import gguf

    kind = (config.get("architectures") or ["?"])[0]
    if kind not in ARCHITECTURES:
        raise EngineError(
            f"Conversion of {kind} to GGUF is not built in (built in: "
            f"{', '.join(ARCHITECTURES)}). Use {SCRIPTS}."
        )
    architecture = ARCHITECTURES[kind]
    number = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[architecture]
    names = gguf.get_tensor_name_map(number, int(config["num_hidden_layers"]))
    heads = int(config["num_attention_heads"])
    return Layout(
        architecture,
        heads,
        int(config.get("num_key_value_heads") or heads),
        bool(config.get("tie_word_embeddings", False)),
        names.get_name,
    )


def _interleave(values: Array, heads: int) -> Array:
    """Rows h, half, i of each head as h, i, half; columns, if there are any, stay."""
    half = values.shape[0] // heads // 2
    split = values.reshape(heads, 2, half, *values.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(values.shape))
