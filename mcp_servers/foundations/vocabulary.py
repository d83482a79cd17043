"""Sentences into tokens and back, one vocabulary a language, by the tokenizers library (BPE)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.home import write_atomically

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"
SPECIALS = (PAD, BOS, EOS, UNK)  # ids 0 to 3
_SPACE = "▁"  # the tokenizers library's mark of a word's start


def words_in(sentence: str) -> list[str]:
    """The sentence's words in lower case, punctuation left out."""
    return re.findall(r"\w+", unicodedata.normalize("NFC", sentence).lower())


class Vocabulary:
    """Frequent words are whole, rare ones in pieces: an unseen 고양이로 is 고양이 and 로."""

    pad, bos, eos, unknown = range(4)

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def learned(cls, sentences: Iterable[str], size: int, *, lower_case: bool) -> Vocabulary:
        """A vocabulary of at most `size` pieces, or of as many as there are characters."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE(unk_token=UNK))
        steps = [normalizers.NFC(), *([normalizers.Lowercase()] if lower_case else [])]
        tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(SPECIALS), show_progress=False
        )
        tokenizer.train_from_iterator(sentences, trainer)
        return cls(tokenizer)

    @classmethod
    def loaded(cls, path: Path) -> Vocabulary:
        """The vocabulary that `save` wrote."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_file(str(path)))

    def save(self, path: Path) -> None:
        """Write it as the tokenizers library's JSON."""
        write_atomically(path, self._tokenizer.to_str(pretty=True))

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def ids(self, sentence: str) -> list[int]:
        """The sentence's tokens as numbers, without start and end marks."""
        return list(self._tokenizer.encode(sentence, add_special_tokens=False).ids)

    def text(self, ids: Sequence[int]) -> str:
        """The sentence that these tokens spell; marks are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def shown(self, ids: Sequence[int]) -> list[str]:
        """Each token as a person reads it: the mark of a word's start is left out."""
        names = (str(self._tokenizer.id_to_token(id_)) for id_ in ids)
        return [name if name in SPECIALS else name.replace(_SPACE, "") or _SPACE for name in names]
