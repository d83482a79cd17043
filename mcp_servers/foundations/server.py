"""The foundations server: attention, a translator and word vectors from their parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server.fastmcp import Context
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers import checkpoints, folders, jobs, model_folders, pictures
from mcp_servers.errors import EngineError
from mcp_servers.foundations.listing import trained_models
from mcp_servers.foundations.results import (
    Analogy,
    Explanation,
    Method,
    Model,
    Nearest,
    Plot,
    Removed,
    Started,
    Translation,
)
from mcp_servers.foundations.settings import TranslatorSettings, WordKind, WordSettings
from mcp_servers.foundations.stages import Language, Which
from mcp_servers.roots import allowed_path
from mcp_servers.serving import Engine, run, tool, with_picture

DEFAULT_TRANSLATOR, DEFAULT_WORDS = "en-ko", "words"

TranslatorName = Annotated[str, Field(description="The translator's name")]
WordsName = Annotated[str, Field(description="The word vectors' name")]
Replace = Annotated[bool, Field(description="Train again in place of one of the same name")]
In = Annotated[Language, Field(description="Language of the texts")]
JobId = Annotated[str, Field(description="Id from a train tool")]
Ask = Annotated[str, Field(description="One word")]
Seed = Annotated[int, Field(description="The same seed gives the same model")]


@tool("Train a translator", read_only=False)
def train_translator(
    context: Context[Any, Any, Any],
    data: Annotated[
        str | None,
        Field(description="TSV, CSV or JSONL of sentence pairs; null: the packaged English-Korean"),
    ] = None,
    name: TranslatorName = DEFAULT_TRANSLATOR,
    epochs: Annotated[int, Field(description="Passes over the pairs")] = 15,
    batch_size: Annotated[int, Field(description="Pairs a step")] = 64,
    learning_rate: Annotated[float, Field(description="The highest, after the warm-up")] = 1e-3,
    d_model: Annotated[int, Field(description="Dimensions of a token's vector")] = 128,
    heads: Annotated[int, Field(description="Attention heads")] = 4,
    layers: Annotated[int, Field(description="Encoder layers, and as many decoder layers")] = 2,
    hidden: Annotated[int, Field(description="Dimensions inside the feed-forward network")] = 256,
    dropout: Annotated[float, Field(description="Share of values dropped in training")] = 0.1,
    vocabulary: Annotated[int, Field(description="Most word pieces of a language")] = 1200,
    longest: Annotated[int, Field(description="Most tokens of a sentence")] = 64,
    seed: Seed = 65,
    replace: Replace = False,
) -> Started:
    """Train an encoder-decoder Transformer to translate, and score it with BLEU on held-out pairs.

    Returns a job id; ask job about it. The same call goes on where a killed one stopped.
    """
    path = allowed_path(data, context) if data else None
    if path and not path.is_file():
        raise EngineError(f"There is no file {path}. Name a TSV, CSV or JSONL file of pairs.")
    spec = TranslatorSettings(
        name=name,
        data=str(path) if path else None,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        d_model=d_model,
        heads=heads,
        layers=layers,
        hidden=hidden,
        dropout=dropout,
        vocabulary=vocabulary,
        longest=longest,
        seed=seed,
    ).checked()
    model_folders.must_be_free("translators", name, replace)
    started = jobs.start("translator", "mcp_servers.foundations.learning", spec)
    return {"job": started["job"], "name": name, "status": started["status"]}


@tool("Translate")
def translate(
    source: Annotated[str, Field(description="One sentence")],
    method: Annotated[Method, Field(description="Search for the best translation")] = "beam",
    beam_width: Annotated[int, Field(description="Sentences kept in a beam")] = 4,
    length_penalty: Annotated[float, Field(description="0 favours short ones")] = 0.6,
    translator: TranslatorName = DEFAULT_TRANSLATOR,
) -> Translation:
    """Translate a sentence with a trained translator; lists the alternatives."""
    from mcp_servers.foundations import translator as translators

    model = translators.load(translator)
    return translators.translate(model, source, method, beam_width, length_penalty)


@tool("Explain attention", read_only=False)
def explain_attention(
    source: Annotated[str, Field(description="A sentence, such as I love you.")],
    target: Annotated[
        str | None, Field(description="Its translation; null: what the translator says")
    ] = None,
    attention: Annotated[
        Which, Field(description="cross: target looks at source; encoder, decoder: at itself")
    ] = "cross",
    layer: Annotated[int | None, Field(description="From 1; null: the last")] = None,
    head: Annotated[int | None, Field(description="From 1; null: the first")] = None,
    padding: Annotated[
        int, Field(description="Padding tokens after the source, or as many as fit")
    ] = 2,
    language: In = "en",
    translator: TranslatorName = DEFAULT_TRANSLATOR,
) -> Annotated[CallToolResult, Explanation]:
    """Show attention step by step for a sentence pair: Q K V, scores, mask, softmax, loss."""
    from mcp_servers.foundations import explanation, heat_map, stages
    from mcp_servers.foundations import translator as translators

    trained = model_folders.is_there("translators", translator)
    if not trained and translator != DEFAULT_TRANSLATOR:
        translators.load(translator)  # which says how to train it
    model = translators.load(translator) if trained else explanation.untrained(source, target)
    request = explanation.Request(source, target, attention, layer, head, padding, language)
    found = explanation.explain(model, request)
    png = heat_map.draw(found, attention, trained, language)
    result: Explanation = {
        "source": found.source,
        "target": found.target,
        "translator": model.name,
        "trained": trained,
        "attention": attention,
        "layer": found.layer,
        "head": found.head,
        "sizes": found.sizes,
        "stages": found.stages,
        "predictions": found.predictions,
        "picture": str(pictures.save(png, "attention")),
        "markdown": stages.markdown(found.stages, found.predictions, found.heading, language),
        "notes": [] if trained else [stages.words_of(language).untrained],
    }
    return with_picture(result, png)


@tool("Train word vectors", read_only=False)
def train_word_vectors(
    context: Context[Any, Any, Any],
    data: Annotated[list[str], Field(description="Text files, documents or folders")],
    kind: Annotated[
        WordKind,
        Field(description="Word2Vec (skipgram, cbow), or FastText, which knows parts of words"),
    ] = "skipgram",
    name: WordsName = DEFAULT_WORDS,
    vector_size: Annotated[int, Field(description="Dimensions")] = 100,
    window: Annotated[int, Field(description="Words of context on each side")] = 5,
    min_count: Annotated[int, Field(description="Rarer words are left out")] = 5,
    epochs: Annotated[int, Field(description="Passes over the texts")] = 15,
    seed: Seed = 1,
    replace: Replace = False,
) -> Started:
    """Learn Word2Vec or FastText vectors from texts, Korean by morphemes. Returns a job id."""
    from mcp_servers.retrieval.files import found_files

    if not data:
        raise EngineError("No text is given. Name at least one file or folder.")
    files: dict[str, None] = {}
    reasons: list[str] = []
    for given in data:
        found, reason = found_files(allowed_path(given, context))
        files.update((str(path), None) for path in found)
        if reason:
            reasons.append(f"{given}: {reason}")
    if not files:
        raise EngineError(" ".join(reasons[:3]))
    spec = WordSettings(
        name=name,
        kind=kind,
        files=list(files),
        vector_size=vector_size,
        window=window,
        min_count=min_count,
        epochs=epochs,
        seed=seed,
    ).checked()
    model_folders.must_be_free("words", name, replace)
    started = jobs.start("words", "mcp_servers.foundations.word_learning", spec)
    return {"job": started["job"], "name": name, "status": started["status"]}


@tool("Nearest words")
def nearest_words(
    word: Ask,
    n: Annotated[int, Field(description="How many")] = 10,
    model: WordsName = DEFAULT_WORDS,
) -> Nearest:
    """The words whose vectors are nearest to a word's; FastText composes a word it never saw."""
    from mcp_servers.foundations import word_vectors

    return word_vectors.nearest(word_vectors.load(model), word, n)


@tool("Analogy")
def analogy(
    a: Ask,
    b: Ask,
    c: Ask,
    n: Annotated[int, Field(description="How many answers")] = 5,
    model: WordsName = DEFAULT_WORDS,
) -> Analogy:
    """a is to b as c is to what? The words nearest to b - a + c."""
    from mcp_servers.foundations import word_vectors

    return word_vectors.analogy(word_vectors.load(model), a, b, c, n)


@tool("Plot words", read_only=False)
def plot_words(
    words: Annotated[
        list[str] | None, Field(description="Words to draw; null: the most frequent")
    ] = None,
    neighbours: Annotated[int, Field(description="Draw so many nearest words of each")] = 6,
    method: Annotated[
        Literal["pca", "tsne"], Field(description="How dimensions are reduced to two")
    ] = "pca",
    language: In = "en",
    model: WordsName = DEFAULT_WORDS,
) -> Annotated[CallToolResult, Plot]:
    """Draw word vectors in two dimensions, by PCA or t-SNE, as a picture."""
    from mcp_servers.foundations import word_plot, word_vectors

    vectors = word_vectors.load(model)
    points, notes = word_plot.points_of(vectors, words or [], neighbours, method)
    title = f"{model}: {vectors.kind}, {'t-SNE' if method == 'tsne' else 'PCA'}"
    png = word_plot.draw(points, title, language)
    result: Plot = {
        "model": model,
        "method": method,
        "points": points,
        "picture": str(pictures.save(png, "words")),
        "notes": notes,
    }
    return with_picture(result, png)


@tool("List trained models")
def list_models() -> list[Model]:
    """The translators and word vectors that were trained, with their data and figures."""
    return trained_models()


@tool("Delete a trained model", read_only=False, destructive=True)
def delete_model(
    name: Annotated[str, Field(description="Its name")],
    kind: Annotated[Literal["translator", "words"], Field(description="Which kind it is")],
) -> Removed:
    """Delete a translator or word vectors. They cannot be had back but by training."""
    where: model_folders.Kind = "translators" if kind == "translator" else "words"
    there = model_folders.is_there(where, name)
    begun = checkpoints.forget("translators", name) if kind == "translator" else 0
    if not there and not begun:
        known = ", ".join(model_folders.names(where)) or "none"
        raise EngineError(f"There is no {kind} {name!r}. There are: {known}.")
    folders.remove(model_folders.folder_of(where, name))
    return {"removed": name, "kind": kind}


@tool("Job state")
def job(job: JobId) -> jobs.JobState:
    """How far a training job is: status, steps done of total, and its result or error."""
    return jobs.state(job)


@tool("Cancel a job", read_only=False)
def cancel(job: JobId) -> jobs.JobState:
    """Stop a training job. A translator's training goes on when the same call is made again."""
    return jobs.cancel(job)


ENGINE = Engine(
    name="foundations",
    summary="How Transformers and word vectors work: attention explained with numbers, a "
    "translator trained from scratch, Word2Vec and FastText.",
    tools=(
        explain_attention,
        train_translator,
        translate,
        train_word_vectors,
        nearest_words,
        analogy,
        plot_words,
        list_models,
        delete_model,
        job,
        cancel,
    ),
)

if __name__ == "__main__":
    run(ENGINE)
