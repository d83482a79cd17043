"""The words in which patterns are explained, in English and Korean.

Both languages put a piece and what is said of it side by side, separated by commas: so Korean
needs no particles, whose form would depend on the piece before.
"""

from __future__ import annotations

from mcp_servers.regex.results import Language

# key: (English, Korean)
_WORDS: dict[str, tuple[str, str]] = {
    # characters
    "text": ('the text "{0}"', '글자 그대로 "{0}"'),
    "one": ('the character "{0}"', '글자 "{0}"'),
    "range": ('a character from "{0}" to "{1}"', '"{0}"부터 "{1}"까지의 글자'),
    "any": ("any character except a line break", "줄바꿈을 뺀 아무 글자 하나"),
    "any_s": ("any character, line breaks too", "줄바꿈까지 포함한 아무 글자 하나"),
    r"\d": ("a digit", "숫자 하나"),
    r"\D": ("a character that is not a digit", "숫자가 아닌 글자 하나"),
    r"\s": ("a white-space character", "공백 문자 하나"),
    r"\S": ("a character that is not white space", "공백이 아닌 글자 하나"),
    r"\w": ("a word character (letter, digit or _)", "단어 문자 하나(글자·숫자·_)"),
    r"\W": ("a character that is not a word character", "단어 문자가 아닌 글자 하나"),
    "ascii": (" (ASCII only)", "(ASCII만)"),
    "of": ("one of {0}", "다음 중 한 글자: {0}"),
    "not_of": ("one character other than {0}", "다음을 뺀 한 글자: {0}"),
    # ranges that have a name
    "가-힣": ("a Hangul syllable (가-힣)", "한글 음절(가-힣)"),
    "ㄱ-ㅎ": ("a single Hangul consonant (ㄱ-ㅎ)", "한글 자음 낱자(ㄱ-ㅎ)"),
    "ㅏ-ㅣ": ("a single Hangul vowel (ㅏ-ㅣ)", "한글 모음 낱자(ㅏ-ㅣ)"),
    "ㄱ-ㅣ": ("a single Hangul letter (ㄱ-ㅣ)", "한글 낱자(ㄱ-ㅣ)"),
    "syllables": ('a Hangul syllable from "{0}" to "{1}"', '"{0}"부터 "{1}"까지의 한글 음절'),
    "ᄀ-ᇿ": ("a conjoining Hangul jamo (as in NFD text)", "한글 자모(NFD 조합형)"),
    "hanja": ("a Chinese character", "한자"),
    "kana": ("a Japanese kana", "일본어 가나"),
    "a-z": ("a lower-case letter (a-z)", "영문 소문자(a-z)"),
    "A-Z": ("an upper-case letter (A-Z)", "영문 대문자(A-Z)"),
    "0-9": ("a digit (0-9)", "숫자(0-9)"),
    "digits": ("a digit from {0} to {1}", "{0}부터 {1}까지의 숫자"),
    # characters that cannot be seen
    "\x00": ("NUL", "널 문자"),
    "\x07": ("the bell character", "벨 문자"),
    "\b": ("a backspace", "백스페이스"),
    "\t": ("a tab", "탭"),
    "\n": ("a line feed", "줄바꿈(LF)"),
    "\v": ("a vertical tab", "수직 탭"),
    "\f": ("a form feed", "폼 피드"),
    "\r": ("a carriage return", "캐리지 리턴(CR)"),
    " ": ("a space", "빈칸"),
    "code": ("the character {0}", "문자 {0}"),
    # anchors
    "^": ("the start of the text", "문자열의 시작"),
    "^m": ("the start of a line", "줄의 시작"),
    "$": (
        "the end of the text (or just before its last line break)",
        "문자열의 끝(마지막 줄바꿈 바로 앞도 됨)",
    ),
    "$m": ("the end of a line", "줄의 끝"),
    r"\A": ("the very start of the text", "문자열의 맨 처음"),
    r"\Z": ("the very end of the text", "문자열의 맨 끝"),
    r"\b": ("a word boundary", "단어 경계"),
    r"\B": ("not a word boundary", "단어 경계가 아닌 자리"),
    # repetition
    "?": ("optional", "없어도 됨"),
    "*": ("zero or more times", "0번 이상 반복"),
    "+": ("one or more times", "1번 이상 반복"),
    "exactly": ("exactly {0} times", "정확히 {0}번"),
    "once": ("exactly once", "정확히 1번"),
    "at_least": ("{0} or more times", "{0}번 이상 반복"),
    "at_most": ("at most {0} times", "많아야 {0}번"),
    "between": ("{0} to {1} times", "{0}~{1}번 반복"),
    "greedy": ("as many as possible", "되도록 많이"),
    "lazy": ("as few as possible", "되도록 적게"),
    "possessive": ("as many as possible, never giving any back", "되도록 많이, 되돌려주지 않음"),
    # groups
    "capture": ("group {0}", "그룹 {0}"),
    "named": ('group {0}, named "{1}"', '그룹 {0}, 이름 "{1}"'),
    "group": ("a group that is not captured", "캡처하지 않는 그룹"),
    "atomic": (
        "an atomic group (once matched, never retried)",
        "원자 그룹(한번 맞으면 다시 시도하지 않음)",
    ),
    "lookahead": ("only if this follows (look-ahead)", "바로 뒤에 다음이 올 때만(전방 탐색)"),
    "not_lookahead": (
        "only if this does not follow (negative look-ahead)",
        "바로 뒤에 다음이 오지 않을 때만(부정 전방 탐색)",
    ),
    "lookbehind": (
        "only if this comes before (look-behind)",
        "바로 앞에 다음이 있을 때만(후방 탐색)",
    ),
    "not_lookbehind": (
        "only if this does not come before (negative look-behind)",
        "바로 앞에 다음이 없을 때만(부정 후방 탐색)",
    ),
    "condition": (
        "if group {0} matched, the first alternative, otherwise the second (or nothing)",
        "그룹 {0} 일치 시 첫째 대안, 아니면 둘째 대안(없으면 빈 문자열)",
    ),
    "scoped": ("a group with its own settings: {0}", "따로 설정한 그룹: {0}"),
    "flags": ("a setting for the whole pattern: {0}", "패턴 전체의 설정: {0}"),
    "backreference": ("the same text as group {0} matched", "그룹 {0}에서 찾은 것과 같은 글자"),
    "bar": ("or", "또는"),
    "ignored": ("ignored (comment or layout)", "무시됨(주석이나 여백)"),
    "empty": ("the empty text", "빈 문자열"),
    # flags
    "flag_a": ("ASCII classes", "ASCII 문자만"),
    "flag_i": ("upper and lower case alike", "대소문자 구분 없음"),
    "flag_m": ("^ and $ at every line", "^와 $가 줄마다 적용"),
    "flag_s": (". matches line breaks too", ".이 줄바꿈에도 맞음"),
    "flag_u": ("Unicode classes", "유니코드 문자"),
    "flag_x": ("white space and comments ignored", "여백과 주석 무시"),
    "off": ("no longer: {0}", "해제: {0}"),
    # the sentence
    "summary": ("Matches {0}.", "찾는 것: {0}."),
    "then": (", then ", " → "),
    "either": (" or ", " 또는 "),
    "with": (" Settings: {0}.", " 설정: {0}."),
    "repeated": ("{0} ({1})", "{0}({1})"),
}  # fmt: skip


class Words:
    """One language's words."""

    def __init__(self, language: Language) -> None:
        self._column = 1 if language == "ko" else 0

    def __call__(self, key: str, *values: object) -> str:
        """The words under a key, with `{0}`, `{1}` filled in."""
        text = _WORDS[key][self._column]
        return text.format(*values) if values else text

    def __contains__(self, key: str) -> bool:
        return key in _WORDS
