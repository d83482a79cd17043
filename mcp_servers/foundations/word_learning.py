"""The job of word vectors: `python -m mcp_servers.foundations.word_learning FOLDER`.

Word2Vec and FastText are gensim's, on one thread, so that a seed gives the same vectors each
time. The model appears whole at the end; a killed job leaves nothing behind.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from mcp_servers import jobs
from mcp_servers.decoding import Unreadable
from mcp_servers.errors import EngineError
from mcp_servers.foundations import word_vectors
from mcp_servers.foundations.corpus import sentences_of
from mcp_servers.foundations.settings import WordSettings

MIN_N, MAX_N = 2, 5  # characters of FastText's n-grams; Korean words are short
BUCKETS = 100_000  # places for n-grams: 40 MB at 100 dimensions
MAX_WORDS = 20_000_000
_ALPHA, _LEAST_ALPHA = 0.025, 0.0001  # gensim's own learning rates, first and last
_CHUNK = 50_000  # words between two looks at the cancel mark


def learn(worker: jobs.Worker) -> dict[str, Any]:
    """Read, count, train, publish. Raises `EngineError` and `jobs.Cancelled`."""
    asked = WordSettings(**worker.spec)
    began = time.monotonic()
    sentences, skipped = _read(worker, asked)
    counts = Counter(word for sentence in sentences for word in sentence)
    frequent = sum(count >= asked.min_count for count in counts.values())
    if frequent < 2:
        raise EngineError(_too_little(counts, asked, skipped))
    model = _model(asked)
    model.build_vocab(corpus_iterable=sentences)
    chunks = _chunks(sentences)
    total = len(chunks) * asked.epochs
    for epoch in range(asked.epochs):
        for number, chunk in enumerate(chunks):
            done = epoch * len(chunks) + number
            worker.step(done, total, f"epoch {epoch + 1} of {asked.epochs}: {frequent:,} words")
            model.train(
                corpus_iterable=chunk,
                total_examples=len(chunk),
                epochs=1,
                start_alpha=_alpha(done, total),
                end_alpha=_alpha(done + 1, total),
            )
    worker.step(total, total, "saving")
    folder = word_vectors.save(asked.name, model.wv, {**worker.spec, "words_read": counts.total()})
    return {
        "words": asked.name,
        "folder": str(folder),
        "kind": asked.kind,
        "vocabulary": len(model.wv.index_to_key),
        "words_read": counts.total(),
        "sentences": len(sentences),
        "files": len(asked.files) - len(skipped),
        "skipped": skipped[:20],
        "most_frequent": model.wv.index_to_key[:10],
        "seconds": round(time.monotonic() - began, 1),
    }


def _read(worker: jobs.Worker, asked: WordSettings) -> tuple[list[list[str]], list[dict[str, str]]]:
    sentences: list[list[str]] = []
    skipped: list[dict[str, str]] = []
    words = 0
    for number, name in enumerate(asked.files):
        path = Path(name)
        worker.step(number, len(asked.files), f"reading {path.name}")
        try:
            for at, sentence in enumerate(sentences_of(path)):
                sentences.append(sentence)
                words += len(sentence)
                if at % 500 == 499:
                    worker.step(number, len(asked.files), f"reading {path.name}")
        except Unreadable as reason:
            skipped.append({"path": name, "reason": str(reason)})
        if words > MAX_WORDS:
            raise EngineError(f"The texts have more than {MAX_WORDS:,} words. Name fewer files.")
    return sentences, skipped


def _too_little(counts: Counter[str], asked: WordSettings, skipped: list[dict[str, str]]) -> str:
    if not counts:
        reason = f" {Path(skipped[0]['path']).name}: {skipped[0]['reason']}" if skipped else ""
        return f"No sentence of two words was found.{reason} Name files with more text."
    often = max(counts.values())
    advice = (
        f" or pass min_count={max(1, min(often, asked.min_count // 2))}"
        if asked.min_count > 1 and len(counts) > 1
        else ""
    )
    return (
        f"The texts have {len(counts):,} different words, of which fewer than 2 occur "
        f"{asked.min_count} times. Name files with more text{advice}."
    )


def _model(asked: WordSettings) -> Any:
    from gensim.models import FastText, Word2Vec

    settings = {
        "vector_size": asked.vector_size,
        "window": asked.window,
        "min_count": asked.min_count,
        "seed": asked.seed,
        "workers": 1,
        "alpha": _ALPHA,
        "min_alpha": _LEAST_ALPHA,
        "sg": int(asked.kind in ("skipgram", "fasttext")),
    }
    if asked.kind.startswith("fasttext"):
        return FastText(**settings, min_n=MIN_N, max_n=MAX_N, bucket=BUCKETS)
    return Word2Vec(**settings)


def _chunks(sentences: list[list[str]]) -> list[list[list[str]]]:
    chunks: list[list[list[str]]] = [[]]
    size = 0
    for sentence in sentences:
        if size > _CHUNK:
            chunks.append([])
            size = 0
        chunks[-1].append(sentence)
        size += len(sentence)
    return chunks


def _alpha(done: int, total: int) -> float:
    """The learning rate falls straight from first to last over all chunks, as gensim's does."""
    return _ALPHA - (_ALPHA - _LEAST_ALPHA) * done / total


if __name__ == "__main__":
    jobs.work(learn)
