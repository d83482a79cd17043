"""Embedders by name: those that pip brings, and a real (if tiny) Sentence Transformers model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import embedding
from mcp_servers.retrieval.chunking import chunk_spans
from mcp_servers.retrieval.sentence_models import SentenceModel
from mcp_servers.retrieval.store import Store


def test_the_default_is_the_multilingual_one() -> None:
    default = embedding.of(embedding.DEFAULT)
    assert default.identity() == embedding.identity()
    assert default.languages is None
    assert (default.query_vector("x") == embedding.query_vector("x")).all()
    assert embedding.of(embedding.DEFAULT) is default


@pytest.mark.parametrize("name", embedding.BUILT_IN)
def test_built_in_embedders_give_unit_vectors_and_count_tokens(name: str) -> None:
    embedder = embedding.of(name)
    vectors = embedder.passage_vectors(["The cat sleeps.", "A train runs fast."])
    assert vectors.shape == (2, embedding.DIMENSION)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    assert (vectors @ embedder.query_vector("sleeping cats")).argmax() == 0
    assert embedder.tokens("cat") < embedder.tokens("cat dog") <= embedder.max_tokens
    assert embedder.fits("cat " * 100) and not embedder.fits("cat " * 600)


def test_the_english_one_equals_the_default_on_english_and_cannot_tell_korean_apart() -> None:
    both = [embedding.of(name) for name in embedding.BUILT_IN]
    english = [e.passage_vectors(["Seoul is the capital."])[0] for e in both]
    assert english[0] @ english[1] > 0.99
    texts = ["고양이는 잠을 잔다.", "서울은 대한민국의 수도이다."]
    scores = [e.passage_vectors(texts) @ e.query_vector("한국의 수도") for e in both]
    assert scores[0].argmax() == 1 and scores[1].argmax() == 0


@pytest.mark.parametrize(
    ("text", "korean"),
    [
        ("서울은 대한민국의 수도이다.", True),
        ("Seoul 서울", True),
        ("The city of Seoul (서울) is the capital of the Republic of Korea.", False),
        ("", False),
        ("12 + 3 = 15", False),
    ],
)
def test_korean_is_told_from_quoted_korean(text: str, korean: bool) -> None:
    assert bool(embedding.unread(embedding.of("e5-small-en-pt"), text)) is korean
    assert embedding.unread(embedding.of(embedding.DEFAULT), text) is None


def test_an_index_is_searched_with_its_own_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    english = embedding.of("e5-small-en-pt")
    Store("english").create(english.identity(), english.name)
    assert embedding.of_index(Store("english")) is english
    Store("older").create("another version, 384 dimensions", english.name)
    with pytest.raises(EngineError, match="Rebuild it"):
        embedding.of_index(Store("older"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Sentence Transformers model of two small layers with a vocabulary of letters."""
    pytest.importorskip("sentence_transformers", reason="pip install 'dure[embedders]'")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    at = tmp_path_factory.mktemp("bert")
    letters = [chr(letter) for letter in range(ord("!"), ord("~"))]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    (at / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(at / "vocab.txt")).save_pretrained(at)
    size = {"hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 64}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(words), **size, **layers)).save_pretrained(at)
    encoder = Transformer(str(at), max_seq_length=64)
    prompts = {"query": "query: ", "document": "passage: "}
    model = SentenceTransformer(modules=[encoder, Pooling(16)], prompts=prompts)
    model.save(str(at / "model"))
    return at / "model"


@pytest.mark.slow
def test_a_sentence_transformers_model_embeds_whole_texts_with_its_prompts(folder: Path) -> None:
    embedder = SentenceModel(str(folder))
    assert embedder.max_tokens == 64
    assert embedder.tokens("cat") - embedder.tokens("") == 3
    assert embedder.tokens("") == len("passage:") + 2  # the prompt and two specials
    assert embedder.languages == {"en"}
    vectors = embedder.passage_vectors(["cat", "dog"])
    assert vectors.dtype == np.float32 and vectors.shape == (2, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(vectors[0], embedder.query_vector("cat"))
    text = "The quick brown fox jumps over the lazy dog. " * 20 + "x" * 300
    spans = chunk_spans(text, embedder.fits)
    assert len(spans) > 10 and all(embedder.tokens(text[a:b]) <= 64 for a, b in spans)
    assert sum(b - a for a, b in spans) >= len(text.replace(" ", ""))


@pytest.mark.slow
def test_other_weights_are_another_identity(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    before = SentenceModel(str(folder)).identity()
    assert SentenceModel(str(folder)).identity() == before
    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    weights = load_file(str(other / "model.safetensors"))
    save_file({k: v * 1.01 for k, v in weights.items()}, str(other / "model.safetensors"))
    assert SentenceModel(str(other)).identity() != before
    with pytest.raises(EngineError, match="does not load"):
        SentenceModel(str(tmp_path)).identity()
