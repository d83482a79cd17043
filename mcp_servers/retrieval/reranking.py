"""Passages judged again by a cross-encoder that the user names (chapter 11.3.1.5).

Any sequence-classification model with one output, such as `BAAI/bge-reranker-v2-m3`, by its hub
name or as a folder. The textbook turns the logits into probabilities across the candidates; a
reranker judges each pair by itself, so its score is the logit's sigmoid.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mcp_servers.serving import EngineError

_PAIRS_AT_ONCE = 8
_lock = threading.Lock()


def reranked(model: str, query: str, texts: Sequence[str]) -> list[float]:
    """How well each text answers the query, 0 to 1. Raises `EngineError` for an unusable model."""
    from mcp_servers.torch_runtime import torch

    with _lock:
        encoder = _encoder(model)
        scores = encoder.predict(
            [(query, text) for text in texts],
            batch_size=_PAIRS_AT_ONCE,
            activation_fn=torch.nn.Sigmoid(),
            show_progress_bar=False,
        )
    return [float(score) for score in scores]


@lru_cache(maxsize=1)
def _encoder(model: str) -> Any:
    from mcp_servers import torch_runtime  # noqa: F401

    # isort: split
    try:
        from sentence_transformers import CrossEncoder
    except ImportError:
        raise EngineError(
            "A cross-encoder needs sentence-transformers. Install it: pip install 'dure[embedders]'"
        ) from None
    try:
        encoder = CrossEncoder(
            model, device="cpu", trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EngineError(
            f"The reranker {model!r} does not load: {reason} Name a model on the Hugging Face hub "
            "or a folder with config.json and model.safetensors, or leave rerank out."
        ) from None
    if encoder.config.num_labels != 1:
        raise EngineError(
            f"{model!r} gives {encoder.config.num_labels} outputs; a reranker gives one. "
            "Name another model, such as BAAI/bge-reranker-v2-m3."
        )
    return encoder
