"""A cross-encoder from a folder judges pairs; what is none is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval.reranking import reranked

pytestmark = pytest.mark.slow

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "dog", "train", "sleeps", "runs"]


def encoder(folder: Path, labels: int, *, safe: bool = True) -> Path:
    """A real, tiny BERT cross-encoder with random weights, in the Hugging Face folder format."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=labels,
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    if not safe:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def test_scores_are_each_pairs_own_sigmoid(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = encoder(tmp_path / "reranker", 1)
    texts = ["cat sleeps", "train runs", "dog"]
    scores = reranked(str(folder), "cat", texts)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        for text, score in zip(texts, scores, strict=True):
            logit = model(**tokenizer("cat", text, return_tensors="pt")).logits.item()
            assert score == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    # Not a share of the candidates: without the others the score stays.
    assert reranked(str(folder), "cat", texts[:1]) == pytest.approx(scores[:1], abs=1e-4)


def test_what_is_no_reranker_is_refused_with_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="gives 3 outputs; a reranker gives one"):
        reranked(str(encoder(tmp_path / "classifier", 3)), "cat", ["dog"])
    with pytest.raises(EngineError, match=r"does not load.*safetensors"):
        reranked(str(encoder(tmp_path / "pickled", 1, safe=False)), "cat", ["dog"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="does not load"):
        reranked(str(tmp_path / "empty"), "cat", ["dog"])
