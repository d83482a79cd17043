"""Text into terms by script, and which of a question's terms say what it is about.

Korean glues particles and endings to its words, so that words split at spaces miss each other
(수도는, 수도가). Morphemes undo that as a dictionary knows them; overlapping pairs of syllables
find what no dictionary has. Together they beat either: nDCG@10 on KorQuAD 0.964, morphemes alone
0.961, pairs alone 0.957, words split at spaces 0.852 (`dure eval retrieval`).
"""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import Any, NamedTuple

from mcp_servers.morphemes import content_morphemes
from mcp_servers.retrieval.cleaning import composed

_RUN = re.compile(r"([가-힣]+)|([぀-ヿ㐀-䶿一-鿿豈-﫿]+)|([^\W_가-힣぀-ヿ㐀-䶿一-鿿豈-﫿]+)")
_ENDING = re.compile(  # what turns a noun into a question, then a particle
    r"(?:(?:하|되)(?:나요?|는가요?|는지)|(?:했|됐|였|었)(?:나요?|는가요?|는지|습니까)"
    r"|합니까|됩니까|입니까|인가요?|인지|할까요?|될까요?|란|이란|에서는|에서|에게|으로|로|부터|까지|보다|처럼"
    r"|이나|이며|이고|와의|과의|에는|에도|은|는|이|가|을|를|의|에|와|과|도|만)$"
)
# A word of Hangul that is one of these alone follows Latin script (BM25의) or says nothing.
_ALONE = frozenset("은는이가을를의에와과도만로")
# Words that ask or request, and say nothing about what is asked for.
_ASKING_KO = re.compile(
    r"(?:무엇|무슨|뭐|뭘|뭔|어디|언제|누구|누가|어느|어떤|어떻|어떠|어째|얼마|몇|알려|말해|가르쳐|보여|찾아"
    r"|있나|있습|있어|있는|있다|입니|합니|됩니|하나요|하는|하려|하면|할까|하시|해줘|해주|주세|되나|되는)"
    r"[가-힣]*"
    r"|(?:설명|정리|요약|소개|비교)(?:해|하|좀)[가-힣]*"
    r"|(?:대해|대하여|대한|관해|관하여|관한|위해|위한|통해|따라|때문)(?:서)?[에은는의]?"
    r"|[가-힣]{1,2}나요"  # 쓰나요, 만드나요: what is done is in the nouns
    r"|왜|인가|인가요|인지|것|것은|것이|수|때|등|및|중|그|저|나|좀|더|줘|그리고|또는"
)
_ASKING_EN = re.compile(
    "what|which|whom?|whose|when|where|why|how|do(?:es)?|did|can|could|should|would|is|are|was|were"
    "|many|much|tell|explain|describe|show|find|give|list|please|me|about|according|mean(?:s|t)?"
)
_ASKING_MORPHEMES = frozenset(
    re.findall(r"\w+", "무엇 뭐 어디 언제 누구 어느 어떤 몇 얼마 어떻 이 그 것 수 때 하 되 있 인")
)
_MARK = "m:"  # keeps a morpheme of two syllables apart from the pair of the same letters


class Terms(NamedTuple):
    """What BM25 counts, repeats kept: `hangul` holds pairs of syllables and morphemes (Han and
    kana as pairs), `words` the stems of other words, and numbers.
    """

    hangul: list[str]
    words: list[str]


def terms(text: str) -> Terms:
    """The terms of a passage. English stop words are left out; stems are Snowball's."""
    text = composed(text).lower()
    hangul, words = _split(text)
    return Terms(hangul + [_MARK + form for form in content_morphemes(text)], words)


def question_terms(query: str) -> Terms:
    """The distinct terms of a question that say what it is about; all, where none does."""
    content = content_tokens(query)
    if not content:
        found = terms(query)
        return Terms(sorted(set(found.hangul)), sorted(set(found.words)))
    forms = dict.fromkeys(content_morphemes(composed(query).lower()))
    morphemes = [_MARK + form for form in forms if form not in _ASKING_MORPHEMES]
    pairs = sorted(token for token in content if not _is_word(token))
    return Terms(pairs + morphemes, sorted(token for token in content if _is_word(token)))


def surface(term: str) -> str:
    """A term as it stands in a text, to look for it there."""
    return term.removeprefix(_MARK)


def tokens(text: str) -> list[str]:
    """Tokens in order, repeats kept: Hangul, Han and kana as pairs, other words as stems."""
    stem, stop_words = _english()
    found: list[str] = []
    for hangul, han, word in _RUN.findall(composed(text).lower()):
        if hangul or han:
            if hangul not in _ALONE:
                found.extend(_pairs(hangul or han))
        elif word not in stop_words:
            found.append(stem(word))
    return found


def content_tokens(query: str) -> set[str]:
    """The tokens that say what a question is about: no particles, no words that merely ask."""
    stem, stop_words = _english()
    found: set[str] = set()
    for hangul, han, word in _RUN.findall(composed(query).lower()):
        if hangul:
            if hangul not in _ALONE and not _ASKING_KO.fullmatch(hangul):
                bare = _ENDING.sub("", hangul)
                # One syllable left (나이 less 이) was hardly a word; none (MMR에서) certainly not.
                found.update(_pairs(bare if len(bare) > 1 else hangul) if bare else [])
        elif han:
            found.update(_pairs(han))
        elif word not in stop_words and not _ASKING_EN.fullmatch(word):
            found.add(stem(word))
    return found


def _split(text: str) -> tuple[list[str], list[str]]:
    pairs: list[str] = []
    words: list[str] = []
    for token in tokens(text):
        (words if _is_word(token) else pairs).append(token)
    return pairs, words


def _is_word(token: str) -> bool:
    found = _RUN.match(token)
    return bool(found and found[3])


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@cache
def _english() -> tuple[Any, frozenset[str]]:
    import Stemmer
    from bm25s.stopwords import STOPWORDS_EN

    stemmer = Stemmer.Stemmer("english")
    lock = threading.Lock()  # a stemmer keeps state between its C calls

    @cache
    def stem(word: str) -> str:
        with lock:
            stemmed: str = stemmer.stemWord(word)
        return stemmed

    return stem, frozenset(STOPWORDS_EN)
