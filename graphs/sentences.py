"""The sentence that a request about attention or translation is about, and what is asked of it.

It is quoted, or follows a colon, or stands between the words of the instruction; then it is taken
whole, whatever words it has. What is left when it is cut out asks for something.
"""

from __future__ import annotations

import re

from graphs.quoted import quotes_in

_LONGEST = 1_200  # characters of an instruction with its sentence; the server takes 1,000
_FILE = re.compile(r"[^\s.]\S*\.[A-Za-z]\w{1,4}")
_COLON = re.compile(r"(?<=\S)\s*[:：](?!//|\d|\\)\s*(?P<text>[^\n]+?)\s*$")

# English
_TRANSLATE = re.compile(
    r"^\s*(?:please\s+|(?:can|could|would) you\s+(?:please\s+)?)?translate\s+"
    r"(?:(?:the|this) sentence\s+)?(?P<text>.+?)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_MEANS = r"(?:translator|transformer|beam|greedy)"
_TRANSLATE_TAILS = (
    re.compile(r"(?:\s+from (?:Korean|English))?\s+(?:in)?to (?:Korean|English)[.!?]*$", re.I),
    re.compile(
        rf"\s+(?:with|using|by) (?:(?:the|our|my)\b(?:(?!\b(?:with|using|by)\b)[^.!?])*?"
        rf"\b{_MEANS}\b|{_MEANS} search\b).*$",
        re.IGNORECASE,
    ),
)
_ONLY_MEANS = re.compile(rf"(?:with|using|by)\b.*\b(?:{_MEANS}|model)\b", re.IGNORECASE)
_ATTENTION = re.compile(
    r"\b(?:attention|weights|scores|softmax\b.*|mask|Q,? K,? (?:and )?V)\b.*?"
    r"\b(?:(?:for|of|on|in)(?:\s+(?:the|this) sentence)?|(?:with|using) (?:the|this) sentence)"
    r"\s+(?P<text>[A-Za-z].*?)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_WHERE = re.compile(
    r"(?:,?\s*\b(?:and|for|of|in|at|on|from|with))*\s*(?:\bthe )?"
    r"(?:\b(?:encoder|decoder)(?:'s)? )?"
    r"(?:\b(?:layer|head)s?(?: number)? ?\d+\b"
    r"|\b(?:first|second|third|fourth|last) (?:layer|head)\b)"
    r"|\s*\b(?:in|of|for|at) the (?:encoder|decoder|transformer|translator|model)(?:'s)?\b",
    re.IGNORECASE,
)
_ATTENTION_TAILS = (
    re.compile(
        r",?\s+(?:step by step|head by head|in detail|with (?:the |their )?(?:numbers|shapes)"
        r"|as (?:a )?(?:heat ?map|picture)s?|in (?:Korean|English))[.!?]*$",
        re.IGNORECASE,
    ),
    re.compile(r",\s*please[.!?]*$", re.IGNORECASE),
)

# Korean
_MAKERS = (
    r"(?:우리|내|제|(?:방금 )?학습한|(?:방금 |직접 |밑바닥부터 |처음부터 )?(?:만든|학습시킨))\s*"
)
_TOOLS = r"(?:번역기|번역 모델|모델|트랜스포머|transformer|빔 ?서치|그리디(?: ?서치)?|탐욕 ?탐색)"
_BY = r"(?:으로|로|를 써서|를 사용해서?|를 이용해서?)"
_KO_TRANSLATE = re.compile(
    rf"^\s*(?:(?:{_MAKERS}){{0,3}}{_TOOLS}{_BY},?\s+){{0,3}}(?:(?:이|다음|아래)\s*문장[을,]?\s+)?(?P<text>.*?)"
    r"(?:\s*(?:이?라는|이란)(?=\s))?(?:\s*문장)?\s*(?:을|를)?\s*"
    rf"(?:(?:한국어|영어|한글|영문|우리말)로\s*)?(?:(?:{_MAKERS}){{0,3}}{_TOOLS}{_BY}\s*){{0,3}}"
    r"번역\s*(?:해|하)\s*\S{0,4}(?:\s*(?:줘|봐|봐줘|주세요|줄래|볼래|줘요))?\s*[.!?~]*$",
    re.IGNORECASE | re.DOTALL,
)
_KO_CUE = re.compile(
    r"어텐션|attention|인코더|디코더|encoder|decoder|크로스|교차|셀프|자기|멀티|룩어헤드|스케일드"
    r"|softmax|소프트맥스|쿼리|마스크|마스킹|히트 ?맵|위치 ?인코딩|(?<![A-Za-z])Q, ?K"
    r"|layer ?\d|head ?\d|\d+ ?(?:번째? ?)?(?:층|레이어|헤드)"
    r"|(?:첫|두|세|네|마지막) ?번?째? ?(?:층|레이어|헤드)|단계별|숫자로",
    re.IGNORECASE,
)
_KO_AFTER = re.compile(
    r"(?:\s*(?:이?라는|이란))?(?:\s*문장)?(?:에 대한|에 대해|에서|으로|로|의|을|를|에)?[\s,]*$"
)
_KO_ASKS = re.compile(r"(?:줘|봐|주세요|줄래|볼래|줘요)[.!?~]*$")

_NO_SENTENCE = re.compile(
    r"(?:(?:this|that|the|my|a|an|our|one|example|following|it|me|them|next|new|scratch) ?)*"
    r"(?:sentences?|pairs?|examples?|textbook|model|transformers?|translators?|general|practice"
    r"|attention|detail|translation|numbers|work|action|nlp|decoder|encoder|english|korean)?"
    r"|.*\b(?:textbook|example)\b.*"
    r"|(?:(?:이|그|저|다음|아래|위|한|예시?|예제|교재|책|내|우리)(?:의|에)?\s*)*"
    r"(?:문장|글|것|거|예시?|예제|예문|교재|트랜스포머|번역기|번역 모델|모델|영어|한국어)?"
    r"(?:을|를|의|에|에서|로|으로)?|(?:방금|아까|앞)\s.*",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(
    r"(?:please|me|us|to|explain|show|display|draw|compute"
    r"|calculate|work|out|walk|through|go|over|give|how|what|is|are|does|do|works?|computed|attention"
    r"|self|cross|multi|encoder|decoder|scaled|dot|product|weights?|scores?|computation|calculation"
    r"|steps?|by|in|of|for|at|on|the|a|an|and|with|as|it|this|that|its|their|each|all|every|one"
    r"|heat|map|heatmap|picture|numbers?|shapes?|matrix|matrices|q|k|v|qk|d|t|sqrt|softmax|look"
    r"|ahead|masks?|masking|positional|encodings?|layers?|heads?|first|second|third|last|detail"
    r"|textbook|example|sentence|transformers?|translators?|models?|trained|again|now|using|from"
    r"|queries|keys|values|query|key|value|s|\d+)",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^\s*(?:please|(?:can|could|would|will) you|can i see|let me see|i(?:'d| would) like to see"
    r"|i want to see|i want you to)\b",
    re.IGNORECASE,
)
_KO_GOES_ON = re.compile(r"(?:줘|봐|주세요)[.,!]?\s+\S+\s+\S")


def sentences_in(request: str, tool: str) -> list[str]:
    """The sentences that a request quotes, or else the one that it names without marks."""
    if quoted := [text for _, text in quotes_in(request)]:
        return quoted
    request = _single_spaced(request)
    if len(request) > _LONGEST:
        return []
    named = _translated(request) if tool == "translate" else _attended(request)
    return [named] if named else []


def commands_in(request: str) -> str:
    """The request with what is quoted, and what follows a colon, cut out: that commands nothing."""
    return _COLON.sub(" …", without_quotes(request))


def without_quotes(request: str) -> str:
    """The request with its quotations cut out but for file names."""
    request = _single_spaced(request)
    for match, text in reversed(quotes_in(request)):
        if not _FILE.fullmatch(text):
            request = f"{request[: match.start()]}…{request[match.end() :]}"
    return request


def without_sentences(request: str, sentences: list[str]) -> str:
    """The request with these sentences of it cut out; what stands beside them stays."""
    request = _single_spaced(request)
    for sentence in sentences:
        request = request.replace(sentence, "…", 1)
    return request


def is_only_instruction(request: str) -> bool:
    """Whether a request about attention has no words left that might be a sentence."""
    words = re.findall(r"[A-Za-z]+|\d+", _POLITE.sub("", request))
    left = sum(not _INSTRUCTION.fullmatch(word) for word in words)
    return left < 2 and not _KO_GOES_ON.search(request)


def _single_spaced(request: str) -> str:
    return re.sub(r"(?: ?\n)+ ?", "\n", re.sub(r"[^\S\n]+", " ", request)).strip()


def _translated(request: str) -> str | None:
    if after := _after_colon(request):
        match = _KO_TRANSLATE.match(after)
        return (_sentence(match["text"]) if match else None) or after
    if match := _KO_TRANSLATE.match(request):
        return _sentence(match["text"])
    if match := _TRANSLATE.search(request):
        text = _without_tails(match["text"], _TRANSLATE_TAILS)
        return None if _ONLY_MEANS.match(text) else _sentence(text)
    return None


def _attended(request: str) -> str | None:
    if after := _after_colon(request):
        return (_ko_attended(after) if _KO_ASKS.search(after) else None) or after
    if re.search("[가-힣]", _KO_CUE.sub(" ", request)):
        return _ko_attended(request)
    plain = _without_tails(_WHERE.sub("", request), _ATTENTION_TAILS)
    match = _ATTENTION.search(plain)
    if not match:
        return None
    text = match["text"]
    return _sentence(text if text.endswith((".", "?", "!")) and " " in text else text.rstrip(".?!"))


def _ko_attended(request: str) -> str | None:
    cue = _KO_CUE.search(request)
    return _sentence(_KO_AFTER.sub("", request[: cue.start()])) if cue else None


def _after_colon(request: str) -> str | None:
    match = _COLON.search(request)
    return _sentence(match["text"]) if match else None


def _without_tails(text: str, tails: tuple[re.Pattern[str], ...]) -> str:
    before = None
    while before != text:
        before = text
        for tail in tails:
            text = tail.sub("", text)
    return text


def _sentence(text: str) -> str | None:
    text = text.strip().strip(",").strip()
    return None if _NO_SENTENCE.fullmatch(text.rstrip(".?!~ ")) else text
