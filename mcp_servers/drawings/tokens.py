"""The tokenizer of the embedded models: CLIP's byte-level BPE, learnt from the world's captions."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import mcp_servers.torch_runtime  # noqa: F401  transformers imports torch
from mcp_servers.drawings.captions import caption
from mcp_servers.drawings.scenes import random_scene

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LONGEST = 32  # tokens of a caption, with its start and end
_START, _END = "<|startoftext|>", "<|endoftext|>"
_CAPTIONS, _MERGES = 20_000, 600


def new_tokenizer(seed: int) -> CLIPTokenizer:
    """A tokenizer whose merges are learnt from captions in both languages.

    Ids are laid out as in CLIP's own: bytes, bytes that end a word, merges, start, end. Words
    that no caption holds are still encoded, in pieces.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer

    rng = random.Random(seed)
    texts = [caption(random_scene(rng), "en" if at % 2 else "ko", rng) for at in range(_CAPTIONS)]
    empty = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = empty.normalizer, empty.pre_tokenizer
    alphabet = sorted(ByteLevel.alphabet())
    known = len(alphabet) * 2
    trainer = BpeTrainer(
        vocab_size=known + _MERGES,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    merges: Any = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    pieces = [*alphabet, *(f"{byte}</w>" for byte in alphabet)]
    pieces += dict.fromkeys("".join(pair) for pair in merges)
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys([*pieces, _START, _END]))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LONGEST)
