"""BLEU and chrF by sacrebleu (textbook 3.7 and 3.8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.metrics.derivation import derive
from mcp_servers.metrics.tokens import comparable, comparable_all, has_hangul

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU, BLEUScore

Tokenize = Literal["auto", "words", "characters", "ko-mecab"]
Language = Literal["ko", "en"]

MAX_SENTENCES = 20_000

_SACREBLEU_NAMES = {"words": "13a", "characters": "char", "ko-mecab": "ko-mecab"}
# Han, kana, Thai, Lao, Myanmar and Khmer are written without spaces between words.
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)


class Precision(TypedDict):
    """One n-gram order: clipped matches, n-grams in the candidate, and their ratio."""

    n: int
    matches: int
    total: int
    precision: float


class UsedPrecision(Precision):
    """`used` is what entered the mean: smoothed where nothing matched, null where left out."""

    used: float | None


class Lengths(TypedDict):
    """In tokens; the reference's is that of the one closest in length to the candidate."""

    candidate: int
    reference: int


class SentenceBleu(TypedDict):
    """`score` and `unsmoothed` run from 0 to 1; `unsmoothed` is textbook 3.8's plain BLEU."""

    score: float
    score_100: float
    unsmoothed: float
    brevity_penalty: float
    precisions: list[UsedPrecision]
    lengths: Lengths
    tokenize: str
    signature: str
    notes: list[str]
    derivation: list[str] | None


class CorpusBleu(TypedDict):
    """`score` runs from 0 to 1; `signature` names the settings, as papers quote them."""

    score: float
    score_100: float
    brevity_penalty: float
    precisions: list[Precision]
    lengths: Lengths
    sentences: int
    tokenize: str
    signature: str


class Chrf(TypedDict):
    """`score` runs from 0 to 1; `name` is chrF2, or chrF2++ with `word_order=2`."""

    score: float
    score_100: float
    name: str
    signature: str


def bleu(
    candidate: str, references: Sequence[str], tokenize: Tokenize, explain: bool, language: Language
) -> SentenceBleu:
    """BLEU of one sentence, up to 4-grams, as `sacrebleu.sentence_bleu` computes it.

    Plain BLEU (textbook 3.8) is 0 as soon as one order has no match, which is the rule for
    single sentences and tells bad from worse no more. So `score` follows sacrebleu's sentence
    default, the one that papers report: "exp" smoothing of empty orders, and effective order
    (orders longer than the candidate are left out). `unsmoothed` is the plain value; the two
    agree wherever every order has a match, as in the example of 3.8 (0.579). 3.7 gives that
    example's unigram precision as 4/5; it is 5/5, as 3.8.3 has it.
    """
    from sacrebleu.metrics.bleu import BLEU

    candidate = comparable(candidate, "candidate")
    references = comparable_all(references, "references")
    chosen = chosen_tokenize(tokenize, references)
    metric = _metric(chosen, effective_order=True)
    found = metric.sentence_score(candidate, references)
    plain = BLEU.compute_bleu(found.counts, found.totals, found.sys_len, found.ref_len)
    precisions: list[UsedPrecision] = [
        {**row, "used": used / 100 if row["total"] else None}
        for row, used in zip(_precisions(found), found.precisions, strict=True)
    ]
    result: SentenceBleu = {
        "score": found.score / 100,
        "score_100": found.score,
        "unsmoothed": plain.score / 100,
        "brevity_penalty": found.bp,
        "precisions": precisions,
        "lengths": {"candidate": found.sys_len, "reference": found.ref_len},
        "tokenize": chosen,
        "signature": str(metric.get_signature()),
        "notes": _notes(precisions, chosen, references, language),
        "derivation": None,
    }
    if explain:
        tokens = [metric.tokenizer(text.rstrip()).split() for text in (candidate, *references)]
        used = [row["used"] for row in precisions if row["used"] is not None]
        result["derivation"] = derive(tokens[0], tokens[1:], used, found.ref_len, language)
    return result


def corpus_bleu(
    candidates: Sequence[str], references: Sequence[str | Sequence[str]], tokenize: Tokenize
) -> CorpusBleu:
    """BLEU of a corpus, equal to `sacrebleu.corpus_bleu`: counts are summed, then divided.

    `references[i]` is the reference, or the list of references, of `candidates[i]` (sacrebleu
    itself wants the transpose); the lists may differ in length. A candidate may be empty, as a
    system's output may be: it matches nothing.
    """
    if len(candidates) != len(references):
        raise EngineError(
            f"There are {len(candidates):,} candidates and {len(references):,} references. "
            "Pass one reference, or one list of references, for each candidate."
        )
    if not candidates:
        raise EngineError("candidates is empty. Pass at least one sentence.")
    if len(candidates) > MAX_SENTENCES:
        raise EngineError(
            f"There are {len(candidates):,} sentences; the limit is {MAX_SENTENCES:,}. "
            "Score the corpus in parts."
        )
    texts = [
        comparable(text, f"candidates[{index}]") if text.strip() else ""
        for index, text in enumerate(candidates)
    ]
    by_sentence = [
        comparable_all([one] if isinstance(one, str) else one, f"references[{index}]")
        for index, one in enumerate(references)
    ]
    widest = max(map(len, by_sentence))
    streams = [
        [own[column] if column < len(own) else None for own in by_sentence]
        for column in range(widest)
    ]
    chosen = chosen_tokenize(tokenize, [text for own in by_sentence for text in own])
    metric = _metric(chosen, effective_order=False)
    found = metric.corpus_score(texts, streams)  # type: ignore[arg-type]  # None pads a stream
    return {
        "score": found.score / 100,
        "score_100": found.score,
        "brevity_penalty": found.bp,
        "precisions": _precisions(found),
        "lengths": {"candidate": found.sys_len, "reference": found.ref_len},
        "sentences": len(texts),
        "tokenize": chosen,
        "signature": str(metric.get_signature()),
    }


def chrf(candidate: str, references: Sequence[str], word_order: int) -> Chrf:
    """chrF (Popović 2015): F2 over character 1- to 6-grams, spaces left out; equal to sacrebleu.

    `word_order=2` is chrF++ (Popović 2017). With several references, the best one counts.
    """
    if word_order not in (0, 1, 2):
        raise EngineError(f"word_order is {word_order}. Pass 0 for chrF or 2 for chrF++.")
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF(word_order=word_order)
    found = metric.sentence_score(
        comparable(candidate, "candidate"), comparable_all(references, "references")
    )
    return {
        "score": found.score / 100,
        "score_100": found.score,
        "name": found.name,
        "signature": str(metric.get_signature()),
    }


def chosen_tokenize(tokenize: Tokenize, references: Sequence[str]) -> str:
    """What "auto" means for these references; any other choice is returned as it is.

    "auto" is "words" (sacrebleu's 13a: spaces and punctuation) wherever a script puts spaces
    between words, Korean included, so that scores compare with sacrebleu's and NLTK's defaults;
    it is "characters" where most letters are of a script without spaces (Chinese, Japanese,
    Thai), whose sentences 13a would take for single words. It depends on the references alone,
    so that all systems scored on one test set share it, and never on what is installed.
    """
    if tokenize != "auto":
        return tokenize
    text = "".join(references)
    letters = sum(map(str.isalpha, text))
    return "characters" if 2 * len(_UNSPACED.findall(text)) > letters else "words"


def _metric(tokenize: str, *, effective_order: bool) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    name = _SACREBLEU_NAMES[tokenize]
    try:
        return BLEU(tokenize=name, effective_order=effective_order, force=True)
    except RuntimeError:
        raise EngineError(
            "tokenize='ko-mecab' needs two packages that are not installed. Run "
            "pip install 'sacrebleu[ko]', or pass tokenize='characters'."
        ) from None


def _precisions(found: BLEUScore) -> list[Precision]:
    return [
        {"n": n, "matches": matches, "total": total, "precision": matches / total if total else 0.0}
        for n, (matches, total) in enumerate(zip(found.counts, found.totals, strict=True), start=1)
    ]


def _notes(
    precisions: Sequence[UsedPrecision],
    tokenize: str,
    references: Sequence[str],
    language: Language,
) -> list[str]:
    korean = language == "ko"
    left_out = [str(row["n"]) for row in precisions if row["used"] is None]
    empty = [str(row["n"]) for row in precisions if row["total"] and not row["matches"]]
    notes = []
    if not any(row["matches"] for row in precisions):
        notes.append(
            "일치하는 토큰이 없어 BLEU는 0입니다." if korean else "No token matches: BLEU is 0."
        )
    elif empty:
        orders = ", ".join(empty)
        notes.append(
            f"일치가 없는 {orders}-gram의 정밀도는 exp 방식으로 평활화했습니다. "
            "평활화하지 않은 BLEU는 0입니다."
            if korean
            else f"No n-gram of order {orders} matches, so that precision was smoothed (exp). "
            "Without smoothing BLEU is 0."
        )
    if left_out:
        orders = ", ".join(left_out)
        notes.append(
            f"후보 문장이 짧아 {orders}-gram은 계산에서 뺐습니다(effective order)."
            if korean
            else f"The candidate is too short for order {orders}: left out (effective order)."
        )
    if tokenize == "words" and has_hangul("".join(references)):
        notes.append(
            "조사가 붙은 어절이 한 단어이므로 '고양이가'와 '고양이는'은 일치하지 않습니다. "
            "음절 단위로 재려면 tokenize='characters'를 쓰세요."
            if korean
            else "Particles stay on Korean words, so 고양이가 and 고양이는 do not match. "
            "tokenize='characters' compares syllables."
        )
    return notes
