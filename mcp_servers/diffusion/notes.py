"""What the user should know of a picture, in the language of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_servers.diffusion.settings import Settings
from mcp_servers.drawings.known_words import unknown_words
from mcp_servers.morphemes import HANGUL
from mcp_servers.two_languages import say

_FAR_LARGER = 1.5  # times the side that a model learnt


def of_the_prompt(prompt: str, embedded: bool, tokenizer: Any) -> list[str]:
    """What the model will not understand of a prompt, or not read."""
    found = []
    if embedded:
        if unknown := unknown_words(prompt):
            found.append(_world(prompt, unknown))
    elif HANGUL.search(prompt):
        found.append("많은 모델은 영어만 배웠습니다. 그림이 다르면 영어로 다시 적어 보십시오.")
    if lost := _beyond(prompt, tokenizer):
        found.append(
            say(
                prompt,
                f"The model reads no further than here; ignored: {lost!r}.",
                f"모델이 읽는 길이를 넘어 다음 부분은 쓰이지 않았습니다: {lost!r}",
            )
        )
    return found


def of_the_controls(
    asked: Settings,
    guidance: float,
    size: tuple[int | None, int | None],
    native: int | None,
) -> list[str]:
    """Which controls do nothing, or nothing good."""
    found = []
    if asked.negative_prompt and guidance <= 1:
        found.append(
            say(
                asked.prompt,
                "negative_prompt acts only with a guidance_scale above 1.",
                "negative_prompt는 guidance_scale이 1보다 클 때만 작용합니다.",
            )
        )
    if native and max(side or 0 for side in size) > _FAR_LARGER * native:
        found.append(
            say(
                asked.prompt,
                f"The model learnt {native} x {native} pixels: larger pictures tend to repeat "
                "things.",
                f"모델은 {native} x {native} 픽셀로 배웠습니다. 더 크면 같은 것이 되풀이됩니다.",
            )
        )
    return found


def blocked(prompt: str, seed: int) -> str:
    """That the model's own safety checker took a picture away."""
    return say(
        prompt,
        f"Seed {seed}: the model's safety checker blacked the picture out. Try another seed.",
        f"시드 {seed}: 모델의 안전 검사가 그림을 검게 지웠습니다. 다른 시드를 써 보십시오.",
    )


def _world(prompt: str, unknown: Sequence[str]) -> str:
    words = ", ".join(unknown[:8])
    return say(
        prompt,
        f"The embedded model draws coloured shapes (circle, square, triangle, star, heart, cross) "
        f"with sizes, places and backgrounds; it does not know: {words}. Name a model of the hub "
        "or a folder for other pictures.",
        f"내장 모델은 색이 있는 도형(원, 정사각형, 삼각형, 별, 하트, 십자가)과 크기, 위치, 배경만 "
        f"그립니다. 모르는 말: {words}. 다른 그림은 model에 허브 이름이나 폴더를 주십시오.",
    )


def _beyond(prompt: str, tokenizer: Any) -> str:
    """What of a prompt the text encoder does not read."""
    longest = getattr(tokenizer, "model_max_length", None)
    if not longest or longest > 100_000:
        return ""
    ids = tokenizer(prompt, truncation=False, verbose=False).input_ids
    if len(ids) <= longest:
        return ""
    return str(tokenizer.decode(ids[longest - 1 : -1]))
