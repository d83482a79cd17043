"""A base without a model for tests of training data: bytes as tokens, and a chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>{{ '\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% endif %}"
)


def byte_tokenizer(chat_template: str | None = CHATML) -> Any:
    """A byte-level tokenizer of 259 tokens, `<|im_end|>` its end."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE({sign: at for at, sign in enumerate(alphabet)}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokens.add_special_tokens(
        [AddedToken(mark, special=True) for mark in ("<|pad|>", "<|im_start|>", "<|im_end|>")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        chat_template=chat_template,
    )


def byte_base(folder: Path) -> Path:
    """A folder with that tokenizer and next to nothing for weights."""
    import numpy as np
    from safetensors.numpy import save_file

    byte_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    save_file({"weight": np.zeros(4, dtype=np.float32)}, folder / "model.safetensors")
    return folder


def lines(path: Path, *records: Any) -> Path:
    """A JSON Lines file; texts are written as they are."""
    written = (r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)
    path.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
    return path
