"""Word vectors under `DURE_HOME/models/words`: nearest words, analogies, and unknown words.

A model's folder holds `vectors.safetensors` (rows in the order of `words`, and FastText's
n-grams) and `config.json`. gensim's own format is pickled, and a pickle may run anything.
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError
from mcp_servers.folders import replaced
from mcp_servers.foundations.corpus import words_of
from mcp_servers.foundations.results import Analogy, Nearest, Neighbour
from mcp_servers.model_folders import config_of, folder_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

HOW_TO_TRAIN = "Train them with train_word_vectors on your own texts."
MAX_NEIGHBOURS = 100
_SPELLINGS = 5  # near spellings that an error names
MAX_WORD = 100  # characters
_ENOUGH_FOR_NEIGHBOURS = 50_000  # words of text
_ENOUGH_FOR_ANALOGIES = 10_000_000  # words of text


@dataclass(frozen=True)
class WordVectors:
    """A model as it is searched: gensim's vectors, and FastText's n-grams where it has them."""

    name: str
    keyed: Any
    ngrams: Array | None
    seen: frozenset[int]  # n-grams (as places of `ngrams`) that training texts had
    config: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind it was trained as: skipgram, cbow, fasttext or fasttext-cbow."""
        return str(self.config["kind"])


@dataclass(frozen=True)
class Found:
    """A word as the model knows it, or as FastText composes it."""

    word: str
    vector: Array
    composed: bool
    notes: tuple[str, ...]


def look_up(model: WordVectors, asked: str) -> Found:
    """The vector of a word. Raises `EngineError` with near spellings where it has none.

    A word in another form is looked up as the dictionary lists it: 먹었다 as 먹다.
    """
    word = " ".join(unicodedata.normalize("NFC", asked).split())
    if not word:
        raise EngineError("The word is empty. Pass one word.")
    if len(word) > MAX_WORD:
        raise EngineError(f"A word has at most {MAX_WORD} characters. Pass one word.")
    keyed = model.keyed
    read = words_of(word)
    for form in dict.fromkeys((word, word.lower(), *(read if len(read) == 1 else ()))):
        if form in keyed.key_to_index:
            notes = () if form == word else (f"Read as {form}.",)
            return Found(form, keyed.get_vector(form), False, notes)
    if model.ngrams is None or " " in word:
        raise EngineError(_unknown(model, word))
    return _composed(model, word.lower())


def _composed(model: WordVectors, word: str) -> Found:
    """FastText's answer to an unknown word: the mean of its n-grams' vectors."""
    import numpy as np
    from gensim.models.fasttext import ft_ngram_hashes

    assert model.ngrams is not None
    settings = model.config["ngrams"]
    places = ft_ngram_hashes(word, settings["min"], settings["max"], settings["buckets"])
    known = [place for place in places if place in model.seen]
    if not known:
        raise EngineError(_unknown(model, word, ", and none of its n-grams was seen either"))
    vector = np.mean(model.ngrams[places], axis=0)
    note = (
        f"{word} is not in the vocabulary: its vector is composed of {len(places)} n-grams, "
        f"{len(known)} of which occur in words that are."
    )
    return Found(word, vector, True, (note,))


def _unknown(model: WordVectors, word: str, more: str = "") -> str:
    near = near_spellings(word, model.keyed.index_to_key)
    spelled = f" Near spellings: {', '.join(near)}." if near else ""
    ask = "Ask for one of those" if near else "Ask for another word"
    compose = "" if model.ngrams is not None else ", or train kind=fasttext, which composes words"
    return (
        f"{word!r} is not among the {len(model.keyed):,} words of {model.name}{more}.{spelled} "
        f"{ask}, train on texts that have it{compose}."
    )


def near_spellings(word: str, words: Sequence[str]) -> list[str]:
    """The words spelled most alike, by letters; a Hangul syllable counts as its letters (NFD)."""

    def letters(text: str) -> str:
        return unicodedata.normalize("NFD", text.lower())

    wanted = letters(word)
    by_letters = {
        spelled: each
        for each in reversed(words)  # frequent words stand first, and shall win
        if abs(len(spelled := letters(each)) - len(wanted)) <= 1 + len(wanted) // 3
    }
    found = difflib.get_close_matches(wanted, by_letters, n=_SPELLINGS, cutoff=0.6)
    return [by_letters[each] for each in found]


def nearest(model: WordVectors, asked: str, n: int) -> Nearest:
    """The n words whose vectors point most alike. Raises `EngineError`."""
    found = look_up(model, asked)
    notes = list(found.notes)
    if (read := model.config["words_read"]) < _ENOUGH_FOR_NEIGHBOURS:
        notes.append(f"These vectors saw only {read:,} words of text: neighbours are chancy.")
    return {
        "word": found.word,
        "composed": found.composed,
        "neighbours": _neighbours(model, found.vector, n, {found.word}),
        "model": model.name,
        "notes": notes,
    }


def analogy(model: WordVectors, a: str, b: str, c: str, n: int) -> Analogy:
    """a is to b as c is to what? Cosines to b - a + c of unit vectors, the three left out."""
    import numpy as np

    given = [look_up(model, word) for word in (a, b, c)]
    notes = [note for each in given for note in each.notes]
    if model.config["words_read"] < _ENOUGH_FOR_ANALOGIES:
        notes.append(
            f"These vectors saw {model.config['words_read']:,} words; analogies come out right "
            "from tens of millions on."
        )
    first, second, third = (
        each.vector / max(float(np.linalg.norm(each.vector)), 1e-9) for each in given
    )
    return {
        "question": " : ".join(each.word for each in given[:2]) + f" = {given[2].word} : ?",
        "answers": _neighbours(model, second - first + third, n, {each.word for each in given}),
        "model": model.name,
        "notes": notes,
    }


def _neighbours(model: WordVectors, vector: Array, n: int, but: set[str]) -> list[Neighbour]:
    if not 1 <= n <= MAX_NEIGHBOURS:
        raise EngineError(f"n is {n}. Pass 1 to {MAX_NEIGHBOURS}.")
    found = model.keyed.similar_by_vector(vector, topn=n + len(but))
    neighbours: list[Neighbour] = [
        {
            "word": word,
            "similarity": round(float(similarity), 4),
            "count": int(model.keyed.get_vecattr(word, "count")),
        }
        for word, similarity in found
        if word not in but
    ]
    return neighbours[:n]


def load(name: str) -> WordVectors:
    """Word vectors by name. Raises `EngineError` that says how to train them."""
    config = config_of("words", name, f"There are no word vectors {name!r}", HOW_TO_TRAIN)
    return _loaded(str(config.parent), config.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _loaded(folder: str, _written: int) -> WordVectors:
    from gensim.models import KeyedVectors
    from safetensors.numpy import load_file

    path = Path(folder)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        held = load_file(path / "vectors.safetensors")
        keyed = KeyedVectors(held["vectors"].shape[1])
        words = list(config["counts"])
        keyed.add_vectors(words, held["vectors"])
        for word, count in config["counts"].items():
            keyed.set_vecattr(word, "count", count)
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise EngineError(
            f"The word vectors in {path} are damaged ({error}). Train them again."
        ) from None
    seen = frozenset(held["seen"].tolist()) if "seen" in held else frozenset()
    return WordVectors(path.name, keyed, held.get("ngrams"), seen, config)


def save(name: str, trained: Any, settings: dict[str, Any]) -> Path:
    """Write gensim's vectors aside, then rename: a reader finds the old ones or the new ones."""
    import numpy as np
    from safetensors.numpy import save_file

    words = trained.index_to_key
    counts = {word: int(trained.get_vecattr(word, "count")) for word in words}
    config = {**settings, "counts": counts}
    held = {"vectors": np.ascontiguousarray(trained.vectors, dtype=np.float32)}
    if settings["kind"].startswith("fasttext"):
        held["ngrams"] = np.ascontiguousarray(trained.vectors_ngrams, dtype=np.float32)
        held["seen"] = np.unique(np.concatenate(trained.buckets_word)).astype(np.int64)
        config["ngrams"] = {
            "min": trained.min_n,
            "max": trained.max_n,
            "buckets": trained.bucket,
        }
    folder = folder_of("words", name)
    with replaced(folder) as aside:
        save_file(held, aside / "vectors.safetensors")
        (aside / "config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    return folder
