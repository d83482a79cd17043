"""The foundations agent: attention, a translator and word vectors from their parts, made visible.

An agent of its own beside finetune: it is about another server, its users want to see rather than
to use, and both servers have tools that train and cancel.
"""

from __future__ import annotations

from typing import Any

from agents.registry import Agent
from agents.rendering import job_state, listed, noted
from graphs.language import Language
from prompts import say

_KINDS: dict[str, dict[Language, str]] = {
    "translator": {"ko": "번역기", "en": "translator"},
    "words": {"ko": "단어 벡터", "en": "word vectors"},
}


def _explained(result: Any, language: Language) -> str:
    return noted([result["markdown"].rstrip(), "", _picture(result, language)], result["notes"])


def _translated(result: Any, language: Language) -> str:
    lines = [f"**{result['translation']}** ({result['method']})", ""]
    for candidate in result["candidates"][1:]:
        lines.append(f"- {candidate['text']} ({candidate['score']:.3f})")
    if unknown := result["unknown"]:
        told = "배운 적 없는 말" if language == "ko" else "never seen in training"
        lines += ["", f"> {told}: {', '.join(unknown)}"]
    return noted(lines, result["notes"])


def _near(result: Any, language: Language) -> str:
    head = f"**{result['word']}** ({result['model']})"
    return noted([head, "", *_neighbours(result["neighbours"], language)], result["notes"])


def _answered(result: Any, language: Language) -> str:
    return noted(
        [f"**{result['question']}**", "", *_neighbours(result["answers"], language)],
        result["notes"],
    )


def _neighbours(rows: Any, language: Language) -> list[str]:
    head = "단어 | 코사인 | 횟수" if language == "ko" else "Word | Cosine | Count"
    cells = [f"{row['word']} | {row['similarity']:.3f} | {row['count']}" for row in rows]
    return [head, "--- | ---: | ---:", *cells]


def _plotted(result: Any, language: Language) -> str:
    words = ", ".join(dict.fromkeys(point["group"] for point in result["points"]))
    return noted([f"{words} ({result['method']})", "", _picture(result, language)], result["notes"])


def _started(result: Any, language: Language) -> str:
    return say("lesson_started", language, name=result["name"], job=result["job"])


def _job(result: Any, language: Language) -> str:
    def finished(head: str) -> str:
        told = {key: value for key, value in result["result"].items() if value}
        return "\n".join([head, "", *listed(told)])

    return job_state(result, finished)


def _models(result: Any, language: Language) -> str:
    rows = result["result"]
    lines = [f"- **{row['name']}** ({_KINDS[row['kind']][language]})" for row in rows]
    return "\n".join(lines) or say("no_lessons", language)


def _removed(result: Any, language: Language) -> str:
    what = f"{_KINDS[result['kind']][language]} `{result['removed']}`"
    return f"{what} 을(를) 지웠습니다." if language == "ko" else f"Deleted {what}."


def _picture(result: Any, language: Language) -> str:
    return f"{'그림' if language == 'ko' else 'Picture'}: `{result['picture']}`"


AGENT = Agent(
    name="foundations",
    servers=("foundations",),
    titles={
        "ko": "어텐션, 번역기, 단어 벡터를 밑바닥부터 보기",
        "en": "attention, a translator and word vectors from scratch",
    },
    purpose="show attention of a sentence step by step with numbers; train and use the small "
    "translator from scratch; train word2vec or FastText, nearest words, analogies",
    prompt="foundations",
    tools=(
        "explain_attention",
        "train_translator",
        "translate",
        "train_word_vectors",
        "nearest_words",
        "analogy",
        "plot_words",
        "list_models",
        "delete_model",
        "job",
        "cancel",
    ),
    renderers={
        "explain_attention": _explained,
        "train_translator": _started,
        "translate": _translated,
        "train_word_vectors": _started,
        "nearest_words": _near,
        "analogy": _answered,
        "plot_words": _plotted,
        "list_models": _models,
        "delete_model": _removed,
        "job": _job,
        "watch": _job,
        "cancel": _job,
    },
)
