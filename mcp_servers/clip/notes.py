"""What the user should know of a result, in the language of the texts."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_servers.clip.models import Clip
from mcp_servers.drawings.known_words import unknown_words
from mcp_servers.morphemes import HANGUL
from mcp_servers.two_languages import say

_SHOWN = 8  # words
_KOREAN = "서울은 대한민국의 수도이다"
_TOKENS_A_SYLLABLE = 1.5


def probabilities_mean(texts: Sequence[str]) -> str:
    """What a probability of `similarity` says, and what it does not."""
    return say(
        " ".join(texts),
        "A probability is the softmax of cosine x logit_scale over the given texts: how likely "
        "each is if one of them is true. They add up to 1 even where none fits; then all cosines "
        "are low.",
        "확률은 주어진 텍스트들에 대한 코사인 x logit_scale의 소프트맥스로, 그중 하나가 맞을 때 "
        "각각의 가능성입니다. 맞는 텍스트가 없어도 합은 1이며, 그때는 코사인이 모두 낮습니다.",
    )


def of_texts(clip: Clip, texts: Sequence[str]) -> list[str]:
    """What the model will not understand of texts, or not read."""
    found = []
    together = " ".join(texts)
    if clip.source.embedded:
        if unknown := unknown_words(together):
            words = ", ".join(unknown[:_SHOWN])
            found.append(
                say(
                    together,
                    f"The embedded CLIP knows drawings of coloured shapes alone, not: {words}. "
                    "Name a model of the hub or a folder for other pictures.",
                    f"내장 CLIP은 색이 있는 도형 그림만 압니다. 모르는 말: {words}. 다른 그림은 "
                    "model에 허브 이름이나 폴더를 주십시오.",
                )
            )
    elif HANGUL.search(together) and not _learnt_korean(clip):
        found.append("이 모델은 한국어를 배우지 않은 듯합니다. 영어로 다시 물어 보십시오.")
    if lost := next(filter(None, map(clip.unread, texts)), ""):
        found.append(
            say(
                lost,
                f"The model reads no further than here; ignored: {lost!r}.",
                f"모델이 읽는 길이를 넘어 다음 부분은 쓰이지 않았습니다: {lost!r}",
            )
        )
    return found


def _learnt_korean(clip: Clip) -> bool:
    """Whether the tokenizer was made for Korean too: others take a syllable apart into bytes."""
    return len(clip.ids(_KOREAN)) <= _TOKENS_A_SYLLABLE * len(_KOREAN.replace(" ", ""))
