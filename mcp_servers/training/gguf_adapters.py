"""A PEFT LoRA adapter as the GGUF file that llama.cpp adds to a model while it runs.

llama.cpp computes x A^T B^T scaled by alpha / rank with one alpha a file. What PEFT scales
otherwise (rsLoRA, patterns of ranks and alphas) goes into B. What is more than two low-rank
matrices a module (DoRA, whole modules, biases) has no place in the file and is refused.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcp_servers.errors import EngineError
from mcp_servers.training import gguf_layout
from mcp_servers.training.gguf_layout import Array, Layout

if TYPE_CHECKING:
    from mcp_servers.training.bases import Base

FILE = "adapter.gguf"
_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."

# Settings of `LoraConfig` that llama.cpp cannot follow, and why. Falsy values are harmless.
_REFUSED = {
    "use_dora": "DoRA rescales each weight by its length, which llama.cpp does not compute",
    "modules_to_save": "it holds whole modules beside LoRA's matrices",
    "trainable_token_indices": "it holds new embeddings of tokens",
    "lora_bias": "LoRA's B has a bias, which llama.cpp does not add",
    "fan_in_fan_out": "its matrices are those of transposed (Conv1D) layers",
    "use_qalora": "QALoRA pools its input",
    "use_bdlora": "BD-LoRA's matrices are block-diagonal",
    "velora_config": "VeLoRA is not two matrices",
    "monteclora_config": "MonteCLoRA is not two matrices",
    "kasa_config": "KaSA changes the base's weights",
    "alora_invocation_tokens": "aLoRA switches on in mid-prompt",
    "layer_replication": "it repeats layers of the base",
    "target_parameters": "it targets bare parameters, such as a mixture's experts",
}
_CHANGES_BASE = ("pissa", "olora", "loftq", "corda", "lora_ga")


def convert_adapter(folder: Path, base: Base) -> Path:
    """Write `adapter.gguf` into an adapter's folder, and return its path.

    `base` is what it was trained on. Raises `EngineError` for a folder that holds no LoRA, for a
    pickle, and for what llama.cpp cannot follow.
    """
    config = _config(folder)
    layout = _layout(base)
    pairs = _pairs(folder)
    path = folder / FILE
    aside = path.with_name(f".{FILE}.{os.getpid()}.tmp")
    try:
        _write(aside, config, layout, pairs)
        aside.replace(path)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be written ({error}). Free some space or mend its permissions."
        ) from None
    finally:
        aside.unlink(missing_ok=True)
    return path


def _config(folder: Path) -> dict[str, Any]:
    """The folder's `adapter_config.json`, checked for what cannot be converted."""
    path = folder / "adapter_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise EngineError(
            f"{folder} is not an adapter: it has no adapter_config.json. Name a folder that PEFT "
            "or Dure wrote."
        ) from None
    except ValueError as error:
        raise EngineError(f"{path} is not JSON ({error}). Train or save it again.") from None
    kind = config.get("peft_type")
    if kind != "LORA":
        raise EngineError(
            f"The adapter is of type {kind}; llama.cpp adds LoRA adapters alone. "
            "Answer with it through PEFT (evaluate), or train with method lora."
        )
    for name, why in _REFUSED.items():
        if config.get(name):
            raise _merge_instead(f"{why} ({name})")
    if config.get("bias", "none") != "none":
        raise _merge_instead(f"it holds changed biases (bias={config['bias']})")
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(_CHANGES_BASE):
        raise _merge_instead(f"{begun} changed the base's weights too")
    return config


def _merge_instead(why: str) -> EngineError:
    return EngineError(
        f"The adapter has no GGUF form: {why}. Merge it into its base instead (merge), and export "
        "the model."
    )


def _layout(base: Base) -> Layout:
    """The layout of the base, from its config.json here or on its hub."""
    if Path(base.folder).is_dir():
        return gguf_layout.read(Path(base.folder))
    from mcp_servers.torch_runtime import torch as torch  # before transformers

    # isort: split
    from transformers import AutoConfig

    return gguf_layout.of_config(AutoConfig.from_pretrained(base.folder).to_dict())


def _pairs(folder: Path) -> dict[str, tuple[Array, Array]]:
    """A (rank, in) and B (out, rank) in float32 by the module that they belong to."""
    path = folder / _WEIGHTS
    if not path.is_file():
        if (folder / "adapter_model.bin").exists():
            raise EngineError(
                f"{folder} holds its weights as a pickle (adapter_model.bin), which can run "
                "any code when it is read. Save it with safetensors."
            )
        raise EngineError(f"{folder} has no {_WEIGHTS}. Train or save the adapter again.")
    from mcp_servers.torch_runtime import torch as torch  # safetensors reads bfloat16 through it

    # isort: split
    from safetensors import SafetensorError, safe_open

    halves: dict[str, dict[str, Array]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            for key in file.offset_keys():
                module, found, half = key.removeprefix(_PREFIX).rpartition(".lora_")
                if not found or half not in ("A.weight", "B.weight"):
                    raise _merge_instead(f"it holds {key}, which is not LoRA of a layer")
                halves.setdefault(module, {})[half[0]] = file.get_tensor(key).float().numpy()
    except (SafetensorError, OSError) as error:
        raise EngineError(f"{path} is broken ({error}). Train or save it again.") from None
    if not halves or any(pair.keys() != {"A", "B"} for pair in halves.values()):
        raise EngineError(f"{path} has no pair of A and B for some layer. Train or save it again.")
    return {module: (pair["A"], pair["B"]) for module, pair in sorted(halves.items())}


def _write(
    path: Path,
    config: dict[str, Any],
    layout: Layout,
    pairs: dict[str, tuple[Array, Array]],
) -> None:
    import gguf

    alpha = float(config["lora_alpha"])
    writer = gguf.GGUFWriter(path, layout.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for module, (a, b) in pairs.items():
        if module.endswith("lm_head") and layout.tied:
            raise EngineError(
                "The adapter changes lm_head, which is this base's embedding too: llama.cpp would "
                "change both. Merge it instead (merge), and export the model."
            )
        wanted = _scaling(config, module, a.shape[0]) / (alpha / a.shape[0])
        tensor = layout.name(module) + ".weight"
        writer.add_tensor(f"{tensor}.lora_a", a)
        writer.add_tensor(f"{tensor}.lora_b", layout.rows(module, b) * np.float32(wanted))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _scaling(config: dict[str, Any], module: str, rank: int) -> float:
    """What PEFT multiplies this module's B A with."""
    alpha = float(config["lora_alpha"])
    if patterns := config.get("alpha_pattern"):
        from mcp_servers.torch_runtime import torch as torch  # before peft

        # isort: split
        from peft.utils.other import get_pattern_key

        alpha = float(patterns.get(get_pattern_key(list(patterns), module), alpha))
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
