"""Language models of two small layers, random but whole: a Hugging Face folder and its GGUF.

They load in milliseconds in transformers and in llama.cpp, and speak in words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_BYTES = [chr(b) if 33 <= b < 127 else chr(256 + b) for b in range(256)]
_WORDS = [f"\u0120w{n}" for n in range(200)]  # "\u0120" is a space in byte-level vocabularies
TOKENS = [*_BYTES, *_WORDS, "<|im_start|>", "<|im_end|>"]


def model(folder: Path, architecture: str = "llama") -> Any:
    """A random transformers model, saved in the folder with its template."""
    from mcp_servers.torch_runtime import torch  # isort: skip
    import transformers

    torch.manual_seed(7)
    sizes = {
        "vocab_size": len(TOKENS),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
    }
    config = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[architecture]
    kind = {"llama": transformers.LlamaForCausalLM, "qwen2": transformers.Qwen2ForCausalLM}
    made = kind[architecture](config(**sizes)).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
        made.get_input_embeddings().weight[:256] *= 0.05  # it speaks in words, not in bytes
    made.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return made


def base_gguf(made: Any, path: Path) -> Path:
    """The GGUF that such a model would have come from, as llama.cpp's own script writes it."""
    import gguf
    import numpy as np

    config = made.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("model")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * (len(TOKENS) - 2) + [3, 3])
    writer.add_token_merges(["w 0"])
    writer.add_bos_token_id(len(TOKENS) - 2)
    writer.add_eos_token_id(len(TOKENS) - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(
        gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers
    )
    for name, tensor in made.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = tensor.numpy().astype(np.float32)
        for projection, heads in (
            ("q_proj", config.num_attention_heads),
            ("k_proj", config.num_key_value_heads),
        ):
            if architecture == "llama" and projection in name:  # as llama.cpp's `permute`
                shape = values.shape
                values = values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
                values = values.swapaxes(1, 2).reshape(shape)
        writer.add_tensor(names.get_name(name, (".weight", ".bias")) or name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def adapter(
    made: Any, folder: Path, passport: dict[str, str], seed: int = 11, **settings: Any
) -> Any:
    """A random LoRA adapter of such a model, published as training does; the adapted model."""
    from mcp_servers.torch_runtime import torch  # isort: skip
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    default: dict[str, Any] = {
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
    }
    adapted = get_peft_model(made, LoraConfig(**{**default, **settings})).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    adapted.save_pretrained(str(folder))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    (folder / "passport.json").write_text(json.dumps(passport), encoding="utf-8")
    run = {"method": "lora", "figures": {"steps": 60, "loss": 1.25, "eval_loss": 2.5}}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return adapted
