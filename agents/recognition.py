"""What the tools of CLIP give, as the user sees it: labels, fits, pictures found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.rendering import noted
from graphs.language import Language
from graphs.specialist import Render
from prompts import say

_LABELS = 5  # of a picture; the likeliest
_ROWS = 10  # of a list


def _classified(result: Any, language: Language) -> str:
    head = "라벨 | 몫 | 코사인" if language == "ko" else "Label | Share | Cosine"
    lines: list[str] = []
    for each in result["pictures"]:
        best = each["labels"][0]
        lines += [f"**{best['label']}** {best['probability']:.1%} (`{each['picture']}`)", ""]
        rows = [
            f"{label['label']} | {label['probability']:.1%} | {label['cosine']:.3f}"
            for label in each["labels"][:_LABELS]
        ]
        lines += [head, "--- | ---: | ---:", *rows, ""]
    return _noted([*lines, f"({result['model']})"], result)


def _compared(result: Any, language: Language) -> str:
    return _noted([result["markdown"].rstrip(), "", f"({result['model']})"], result)


def _noted(lines: list[str], result: Mapping[str, Any]) -> str:
    """The lines, files that could not be read, and notes."""
    skipped = [f"`{each['picture']}`: {each['reason']}" for each in result["skipped"][:_ROWS]]
    return noted(lines, [*skipped, *result["notes"]])


def indexed(result: Any, language: Language) -> str:
    """A finished index: what came in, what left, and what could not be opened."""
    told = [f"- {key}: {value}" for key, value in result.items() if isinstance(value, int | str)]
    unusable = result.get("unusable")
    broken = unusable if isinstance(unusable, list) else []
    rows = [f"`{each['picture']}`: {each['reason']}" for each in broken[:_ROWS]]
    return noted(told, [*rows, *result.get("notes", [])])


def _indexing(result: Any, language: Language) -> str:
    return noted([say("pictures_started", language, **result)], result["notes"])


def _found(result: Any, language: Language) -> str:
    if not result["results"]:
        return noted([say("no_picture_found", language, index=result["index"])], result["notes"])
    head = "그림 | 코사인" if language == "ko" else "Picture | Cosine"
    rows = [
        f"`{each['picture']}`{_copies(each['copies'])} | {each['score']:.3f}"
        for each in result["results"]
    ]
    title = f"**{result['query']}** ({result['index']}, {result['pictures']}, {result['model']})"
    return noted([title, "", head, "--- | ---:", *rows], result["notes"])


def _copies(files: list[str]) -> str:
    return "".join(f" = `{file}`" for file in files)


def _texts(result: Any, language: Language) -> str:
    head = "글 | 코사인" if language == "ko" else "Text | Cosine"
    rows = [f"{each['text']} | {each['score']:.3f}" for each in result["results"]]
    return noted([f"`{result['picture']}`", "", head, "--- | ---:", *rows], result["notes"])


def _duplicates(result: Any, language: Language) -> str:
    if not result["groups"]:
        return noted([say("no_duplicates", language, index=result["index"])], result["notes"])
    lines = [say("duplicates_found", language, **result), ""]
    for group in result["groups"][:_ROWS]:
        lines.append(
            f"- {group['similarity']:.3f}: " + " = ".join(f"`{f}`" for f in group["files"])
        )
    return noted(lines, result["notes"])


def _listed(result: Any, language: Language) -> str:
    lines = [f"**{result['index']}** ({result['total']}, {result['model']})", ""]
    lines += [f"- `{path}`" for path in result["pictures"][:_ROWS]]
    lines += ["- …"] if result["total"] > _ROWS else []
    unusable = [f"`{each['picture']}`: {each['reason']}" for each in result["unusable"][:_ROWS]]
    return noted(lines, unusable)


def _indexes(result: Any, language: Language) -> str:
    rows = [
        f"{each['index']} | {each['pictures']} | {each['model']} | {', '.join(each['folders'])}"
        for each in result["result"]
    ]
    if not rows:
        return say("no_picture_indexes", language)
    head = "색인 | 그림 | 모델 | 폴더" if language == "ko" else "Index | Pictures | Model | Folders"
    return "\n".join([head, "--- | ---: | --- | ---", *rows])


def _removed(result: Any, language: Language) -> str:
    return say("picture_index_removed", language, **result)


def tuned(result: Any, language: Language) -> str:
    """A finished fine-tuning: accuracy before and after, on what was learnt and in general."""
    told = {"accuracy": ("정확도", "accuracy"), "loss": ("손실", "loss")}
    at = 0 if language == "ko" else 1
    lines = [f"**{result['model']}** (`{result['folder']}`)", ""]
    for judge in result["before"]:
        for figure, words in told.items():
            before, after = (result[when][judge].get(figure) for when in ("before", "after"))
            if before is not None and after is not None:
                lines.append(f"- {judge}, {words[at]}: {before:.4g} → {after:.4g}")
    return noted(lines, result["notes"])


def _tuning(result: Any, language: Language) -> str:
    started = say("vae_started", language, name=result["name"], job=result["job"])
    return noted([started], result["notes"])


RENDERERS: dict[str, Render] = {
    "finetune": _tuning,
    "classify": _classified,
    "similarity": _compared,
    "index_pictures": _indexing,
    "search": _found,
    "search_texts": _texts,
    "duplicates": _duplicates,
    "list_pictures": _listed,
    "indexes": _indexes,
    "remove_index": _removed,
}
