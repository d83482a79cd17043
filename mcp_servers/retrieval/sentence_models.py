"""Embedders from Sentence Transformers: any model by its name on the hub, or a folder.

The library and torch are an extra (`pip install 'dure[embedders]'`): they take two gigabytes.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from mcp_servers.retrieval.embedding import Vector

_MOST_TOKENS = 8192  # where a model names no limit, or an absurd one
# A tokenizer that was made for Korean needs at most a token a syllable; one that was not takes
# it apart into letters (all-MiniLM-L6-v2: 2.4 tokens a syllable, and no meaning) or gives up.
_KOREAN = "서울은 대한민국의 수도이며 한강이 도시를 가로질러 흐른다"
_TOKENS_A_SYLLABLE = 1.5


class SentenceModel:
    """A Sentence Transformers model (see `Embedder`), with the prompts that it brings.

    Raises `EngineError` where the library is missing, or the model does not load.
    """

    def __init__(self, name: str) -> None:
        if find_spec("sentence_transformers") is None:
            from mcp_servers.retrieval.embedding import BUILT_IN

            raise EngineError(
                f"The embedder {name!r} is not built in ({', '.join(BUILT_IN)} are); others need "
                "Sentence Transformers. Install it: pip install 'dure[embedders]'"
            )
        self.name = name
        self._lock = threading.RLock()
        self._model: Any = None
        self._prompt = ""

    @property
    def max_tokens(self) -> int:
        return min(self._loaded().max_seq_length or _MOST_TOKENS, _MOST_TOKENS)

    @property
    def languages(self) -> frozenset[str] | None:
        """None where the tokenizer was made for Korean too; the model's own card is not asked."""
        tokenizer = self._loaded().tokenizer
        with self._lock:
            ids = tokenizer(_KOREAN, add_special_tokens=False, truncation=False)["input_ids"]
        syllables = len(_KOREAN.replace(" ", ""))
        unknown = ids.count(tokenizer.unk_token_id) if tokenizer.unk_token_id is not None else 0
        knows = len(ids) <= _TOKENS_A_SYLLABLE * syllables and unknown * 4 < len(ids)
        return None if knows else frozenset({"en"})

    def identity(self) -> str:
        """By the weights themselves, so that another version or fine-tuning is noticed."""
        return self._identity

    @cached_property
    def _identity(self) -> str:
        model = self._loaded()
        weights = hashlib.blake2b(digest_size=6)
        for parameter in model.parameters():
            weights.update(parameter.detach().flatten()[:64].float().cpu().numpy().tobytes())
        dimension = model.get_embedding_dimension()
        return f"{Path(self.name).name} ({weights.hexdigest()}), {dimension} dimensions"

    def tokens(self, text: str) -> int:
        tokenizer = self._loaded().tokenizer
        with self._lock:
            ids = tokenizer(self._prompt + text, truncation=False, padding=False, verbose=False)
        return len(ids["input_ids"])

    def fits(self, text: str) -> bool:
        return self.tokens(text) <= self.max_tokens

    def passage_vectors(self, texts: list[str]) -> Vector:
        model = self._loaded()
        with self._lock:
            vectors: Vector = model.encode_document(
                texts, normalize_embeddings=True, show_progress_bar=False
            )
        return vectors

    def query_vector(self, text: str) -> Vector:
        model = self._loaded()
        with self._lock:
            vector: Vector = model.encode_query(
                text, normalize_embeddings=True, show_progress_bar=False
            )
        return vector

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                from mcp_servers import torch_runtime  # noqa: F401

                # isort: split
                from sentence_transformers import SentenceTransformer

                try:
                    self._model = SentenceTransformer(self.name)
                except Exception as error:  # whatever the hub, the files or torch raise
                    reason = str(error).strip().split("\n")[0].rstrip(".")
                    raise EngineError(
                        f"The embedder {self.name!r} does not load ({reason}). Name a Sentence "
                        "Transformers model of the hub, or a folder that holds one."
                    ) from None
                prompts = self._model.prompts
                keys = ("document", "passage", "corpus")  # as encode_document looks for them
                self._prompt = next((prompts[key] for key in keys if prompts.get(key)), "")
        return self._model
