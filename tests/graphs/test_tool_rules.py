"""Words of a request that settle a tool or an argument of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from graphs.tool_rules import ruled_arguments, ruled_tool


@pytest.mark.parametrize(
    ("agent", "asked", "tool"),
    [
        ("metrics", "What is the corpus-level BLEU of these?", "corpus_bleu"),
        ("metrics", "이 번역의 BLEU 점수는?", "bleu"),
        ("metrics", "모델 답과 정답의 EM이랑 F1 알려줘", "answer_match"),
        ("metrics", "혼동 행렬을 그려 줘", "confusion_matrix"),
        ("regex", "How many times does the whole word 'the' occur?", "findall"),
        ("regex", "does it begin with `TODO` - I mean at the start", "match"),
        ("regex", "what does `a+` mean?", "explain"),
        ("regex", "`^a+$` 는 안전해?", "check"),
        ("regex", "연속된 공백을 한 칸으로 줄여줘", "replace"),
        ("regex", "`a+` 를 검증해줘. 통과: aa / 걸리면 안 되는 것: b", "verify"),
        ("metrics", "어떤 걸 어떤 걸로 헷갈리는지 표로 보고 싶어요", "confusion_matrix"),
        ("metrics", "BLEU over the whole test set", "corpus_bleu"),
        ("regex", "hello", None),
        ("chat", "BLEU", None),
        ("regex", "Every line starts with a date. Does this one start that way?", "match"),
        ("regex", "find all words that start with a", "findall"),
        (
            "regex",
            "A tag: three numbers, dots between them, no zero in front, and then perhaps a "
            "hyphen. Would 2.01.0 pass validation?",
            "fullmatch",
        ),
    ],
)
def test_words_settle_the_tool(agent: str, asked: str, tool: str | None) -> None:
    assert ruled_tool(agent, asked) == tool


@pytest.mark.parametrize(
    ("tool", "asked", "settled"),
    [
        ("classification", "스팸을 양성으로. 실제 스팸,정상 예측 정상,스팸", {"positive": "스팸"}),
        ("classification", "spam as positive; true spam,ham", {"positive": "spam"}),
        ("classification", "positive class is fraud.\ntrue: fraud ok", {"positive": "fraud"}),
        ("classification", "무엇을 양성으로 볼까? 실제 1,0", {}),
        ("replace", "swap only the first one", {"count": 1, "flags": ""}),
        ("replace", "대소문자 상관없이 다 바꿔줘", {"count": 0, "flags": "i"}),
        ("findall", "the word, ignoring upper/lower case", {"flags": "i"}),
        ("findall", "each line that starts with #", {}),
        ("ngrams", "단어 바이그램", {"n": 2, "unit": "words"}),
        ("ngrams", "문자열을 3-gram으로", {"n": 3}),
        ("bleu", "BLEU, step by step", {"explain": True}),
        ("chrf", "chrF++ of these, not plain chrF", {"word_order": 2}),
        ("bleu", "음절 단위 BLEU", {"tokenize": "characters"}),
        ("classification", "양성 클래스는 '사기'로. 사기, 정상", {"positive": "사기"}),
        ("chrf", "chrF 점수는?", {"word_order": 0}),
        ("from_counts", "TP=1,042 FP=8, 위음성 13", {"tp": 1042, "fp": 8, "fn": 13}),
        ("split", "split at commas", {"maxsplit": 0, "flags": ""}),
        ("split", "split at the first comma only", {"flags": ""}),
        ("split", "쉼표에서 앞에서 두 번만 나눠줘", {"maxsplit": 2, "flags": ""}),
        ("split", "split at commas, only once", {"maxsplit": 1, "flags": ""}),
        (
            "from_counts",
            "120 alerts: 90 of them turned out to be real, the other 30 were false alarms, and "
            "we found 15 cases it never flagged",
            {"tp": 90, "fp": 30, "fn": 15},
        ),
        (
            "from_counts",
            "불량 90개 중 81개는 잡아냈고 9개는 놓쳤습니다. 멀쩡한 제품 12개를 불량이라고 잘못 "
            "판정했고, 나머지 정상 398개는 제대로 통과시켰어요.",
            {"tp": 81, "fn": 9, "fp": 12, "tn": 398},
        ),
        ("from_counts", "3개는 놓쳤고 오탐은 6개", {"fp": 6, "fn": 3}),
        ("from_counts", "missed 12 others, a false alarm on 20 legit ones", {"fp": 20, "fn": 12}),
    ],
)
def test_words_settle_arguments(tool: str, asked: str, settled: dict[str, Any]) -> None:
    assert ruled_arguments(tool, asked) == settled


def test_a_thing_known_by_name_gets_its_pattern_unless_the_user_gives_one() -> None:
    assert "pattern" in ruled_arguments("findall", "pull all the hex colours")
    assert "pattern" in ruled_arguments("search", "HH:MM:SS 형식 시각이 어디 있어?")
    assert "pattern" not in ruled_arguments("findall", "이메일을 `\\S+@\\S+` 로 찾아줘")


def test_a_known_change_gets_its_pattern_and_its_replacement() -> None:
    settled = ruled_arguments("replace", "전화번호 가운데 네 자리만 **** 로 가려줘: 010-4821-7730")
    assert re.sub(settled["pattern"], settled["replacement"], "010-4821-7730") == "010-****-7730"
    settled = ruled_arguments("split", "split the CSV row at commas, not inside quotes")
    assert re.split(settled["pattern"], 'a,"b, c",d') == ["a", '"b, c"', "d"]


@pytest.mark.parametrize(
    ("asked", "text", "found"),
    [
        (
            "휴대폰 번호를 전부 뽑아줘",
            "번호는 010-2847-1193이고 02-512-8890",
            ["010-2847-1193"],
        ),
        ("전화번호를 다 뽑아줘", "02-512-8890입니다, +82-10-1234는 아님", ["02-512-8890"]),
        ("이메일을 다 뽑아줘", "a.b@c.co.kr로, d@e.com으로", ["a.b@c.co.kr", "d@e.com"]),
        ("날짜를 다 뽑아줘", "2024-05-17은 금, 3월 5일은 화", ["2024-05-17", "3월 5일"]),
        ("IP 주소를 다 찾아줘", "서버 10.0.3.7에서 172.16.5.201로", ["10.0.3.7", "172.16.5.201"]),
        ("시각만 뽑아줘", "14:05에 시작, 09:30:15까지", ["14:05", "09:30:15"]),
        ("pull all hex colours", "#333 and #FAFAFA은 회색", ["#333", "#FAFAFA"]),
        ("멘션을 다 찾아줘", "@dure_bot, mail a@b.kr", ["@dure_bot"]),
        ("every dollar amount", "was $39.99, now $1,200 or 35", ["$39.99", "$1,200"]),
        ("extract all percentages", "3.5% 올라 12 %", ["3.5%", "12 %"]),
    ],
)
def test_things_known_by_name_are_found_also_before_a_particle(
    asked: str, text: str, found: list[str]
) -> None:
    pattern = ruled_arguments("findall", asked)["pattern"]
    assert [match[0] for match in re.finditer(pattern, text)] == found


def test_a_thing_at_the_beginning_is_still_known_by_name() -> None:
    asked = "does this line begin with a date in the form YYYY-MM-DD?"
    assert re.match(ruled_arguments("match", asked)["pattern"], "2024-09-30T22:10:04Z worker-3")
    assert "pattern" not in ruled_arguments("findall", asked)
