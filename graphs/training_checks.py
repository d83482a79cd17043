"""Whether a training row holds: what can be checked without a model or a search (chapter 12).

A row of a set is read by nobody before a model is trained on it, so each check would rather lose
a good row than keep a bad one.
"""

from __future__ import annotations

import re
import unicodedata

from graphs import tokens
from graphs.language import language_of

REASONS = {
    "no_text": "the model wrote nothing",
    "not_a_question": "what it wrote asks nothing",
    "not_standalone": "it points at a text that its reader does not see",
    "other_language": "question or answer is not in the passage's language",
    "answer_in_question": "the question gives its answer away",
    "answer_not_in_passage": "the answer does not stand in the passage word for word",
    "answer_too_long": "the answer is a passage rather than a span",
    "not_answered": "reading the passage for this question gives another answer",
    "duplicate": "the question was asked before",
    "not_retrieved": "searching with the question does not find its passage",
    "hypothetical_misses": "searching with the hypothetical passage does not find the real one",
    "hypothetical_copies": "the hypothetical passage is a copy of the real one",
    "reasoning_unfounded": "the reasoning says what neither the passage nor the question says",
    "too_few_distractors": "the split has too few other passages",
}
"""Why a draft is rejected."""

LONGEST_SPAN = 220  # characters of an answer: a sentence
_NEW = 0.34  # share of an answer's content that its question must not tell
_SAME = 0.5  # F1 of a read answer and the expected one, in what the question does not say
_NAMED = 0.5  # share of a subject's content that names it
_FOUNDED = 0.5  # share of a reasoning's content that its sources must have
_AGREES = 0.6  # share of a re-read answer's content that must be in the expected one

_POINTING = re.compile(
    r"(^|[\s\"'“‘(])("
    r"(이|그|저|본|위|아래|다음|해당|앞|상기)의? ?"
    r"(지문|본문|문장|문서|단락|문단|내용|교안|자료|그림|코드|예시|예제|섹션|설명|질문"
    r"|방식|방법|모델|과정|기법|함수|단계|구조|경우|기술|도구|개념|알고리즘|설정|정보)"
    # Without the space these make other words: 저장, 위장, 이식.
    r"|(이|그|저|본|위|아래|다음|해당|앞|상기)의? (글|표|장|절|식|값)"
    r"|이것|그것|저것|이는|이를|이와|여기|위에서|아래에서|앞에서|다음 중|이러한|그러한|이런|해당"
    r"|지문(에|에서|의|을|은) "
    r")|^(주어진|제시된|언급된|이|그) |(주어진|제시된|언급된) (글|지문|문장|내용|정보|텍스트)"
    r"|\b(this|these|(of|in|for|about|by) (that|those)|the (above|following|given|provided))\b"
    r"|\b(the|in the) (passage|text|document|sentence|paragraph|section|article|author|excerpt"
    r"|example|code|figure|table|lesson|chapter|statement)\b"
    r"|\b(according to|mentioned|described|stated|listed) (here|above|below|it)\b"
    r"|^(what|who|when|where|why|how|which)?\s*(is|are|was|were|does|do|did|can|has|have)?\s*"
    r"(it|its|they|their|he|she|them)\b",
    re.IGNORECASE,
)
_ASKS_KO = re.compile(
    r"(무엇|무슨|뭐|어떤|어떻게|어느|어디|언제|왜|얼마|몇|누가|누구).*"
    r"(나요|가요|까요|인가|는가|은가|한가|을까|니까|니|까)[?.\s]*$"
)
_ASKS_EN = re.compile(
    r"\b(what|who|whom|whose|when|where|why|how|which)\b"
    r"|^(is|are|was|were|do|does|did|can|could|has|have|should|will|name|explain|describe)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[{}`<>\\#]|__+")
_STATEMENT_INSIDE = re.compile(r"[가-힣]다\.\s*\S")
_OTHER_SCRIPTS = re.compile(r"[\u0400-\u04ff\u3040-\u30ff\u3400-\u9fff\u0600-\u06ff\u0e00-\u0e7f]")


def normalised(text: str) -> str:
    """The text in composed form with single spaces, as spans are compared."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def stands_in(span: str, text: str) -> bool:
    """Whether a span stands in a text word for word, white space aside."""
    return bool(span.strip()) and normalised(span) in normalised(text)


def question_key(question: str) -> str:
    """What makes two questions the same: their letters and digits."""
    return "".join(char for char in normalised(question).casefold() if char.isalnum())


def content(text: str) -> set[str]:
    """Latin words, numbers and Hangul bigrams: particles and endings then weigh little."""
    lowered = normalised(text).casefold()
    found = set(re.findall(r"[a-z0-9]+(?:[.,'-][a-z0-9]+)*", lowered))
    for word in re.findall(r"[가-힣]+", lowered):
        found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
    return found


def agrees(read: str, expected: str) -> bool:
    """Whether an answer read from the passage is, for the most part, what was expected."""
    words = content(read)
    return bool(words) and len(words & content(expected)) >= _AGREES * len(words)


def reads(read: str, expected: str, question: str) -> bool:
    """Whether what a reader answers, beyond what the question says, is what was expected."""
    said, wanted = (tokens.content(text) - tokens.content(question) for text in (read, expected))
    shared = len(said & wanted)
    exact = not tokens.numbers(expected) - tokens.numbers(read)
    return exact and shared > 0 and 2 * shared >= _SAME * (len(said) + len(wanted))


def names_subject(question: str, subject: str) -> bool:
    """Whether a question names a subject, for the most part."""
    words = content(subject)
    return len(words & content(question)) >= _NAMED * len(words)


def points(text: str) -> bool:
    """Whether a text points at another that its reader does not see."""
    return bool(_POINTING.search(normalised(text)))


def gives_away(question: str, answer: str) -> bool:
    """Whether a question contains its answer, or so much of it that nothing is left to say."""
    if question_key(answer) in question_key(question):
        return True
    words = content(answer)
    return len(words - content(question)) < _NEW * len(words)


def is_unfounded(reasoning: str, *sources: str) -> bool:
    """Whether a reasoning has words, numbers or a language that its sources do not have."""
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", reasoning))
    known = set(re.findall(r"\d+(?:[.,]\d+)*", " ".join(sources)))
    words = content(reasoning)
    said = words & content(" ".join(sources))
    return (
        "##" in reasoning
        or not words
        or len(said) < _FOUNDED * len(words)
        or bool(numbers - known)
        or is_foreign(reasoning, sources[0])
    )


def wrong_span(answer: str, question: str, quote: str, passage: str) -> str | None:
    """The reason why an answer is no good as a span of the quote in the passage, or None."""
    if not question_key(answer):
        return "no_text"
    if not stands_in(answer, passage):
        return "answer_not_in_passage"
    if len(answer) > LONGEST_SPAN:
        return "answer_too_long"
    if not stands_in(answer, quote):
        return "not_answered"
    return "answer_in_question" if gives_away(question, answer) else None


def asks(question: str) -> bool:
    """Whether a text is phrased as a question; a statement with a question mark is not.

    In Korean the ending tells it, in English the words.
    """
    text = question.strip()
    if re.search("[가-힣]", text):
        return bool(_ASKS_KO.search(text))
    return bool(_ASKS_EN.search(text))


def is_foreign(text: str, passage: str) -> bool:
    """Whether a text is in another language or script than its passage."""
    strange = set(_OTHER_SCRIPTS.findall(text)) - set(passage)
    return bool(strange) or language_of(text) != language_of(passage)


def wrong_question(question: str, passage: str) -> str | None:
    """The reason why a question is no good by itself, or None."""
    if not question_key(question):
        return "no_text"
    debris = set(_MARKUP.findall(question)) - set(passage)
    if not asks(question) or debris or _STATEMENT_INSIDE.search(question):
        return "not_a_question"
    if points(question):
        return "not_standalone"
    return "other_language" if is_foreign(question, passage) else None
