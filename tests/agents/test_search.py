"""`dure search`: what was found, and why."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Dure
from tests.mcp_servers.pictured import report

pytestmark = pytest.mark.slow


def test_search_shows_passages_and_their_scores(dure: Dure) -> None:
    nothing = dure("search", "수도")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "dure call retrieval.add" in nothing.stderr
    (dure.cwd / "서울.md").write_text("서울은 대한민국의 수도이다.", encoding="utf-8")
    (dure.cwd / "cat.txt").write_text("A cat sleeps on the mat.", encoding="utf-8")
    assert dure("call", "retrieval.add", "paths=.").returncode == 0
    found = dure("search", "대한민국의 수도는?", "--explain", "-k", "1")
    assert found.returncode == 0
    first, scores, text = found.stdout.splitlines()
    assert first.startswith("1. 서울.md  (")
    assert scores.split()[::3] == ["lexical", "dense", "sentence", "feedback", "fused", "coverage"]
    assert text.strip() == "서울은 대한민국의 수도이다."
    assert found.stderr.strip() == "2 documents, 2 passages"
    long = "\n\n".join(f"{n}번 역은 새벽 다섯 시에 문을 연다." for n in range(40))
    (dure.cwd / "역.md").write_text(f"# 지하철\n\n## 부산\n\n{long}", encoding="utf-8")
    assert dure("call", "retrieval.add", "paths=.").returncode == 0
    found = dure("search", "부산에서 35번 역은 언제 문을 여나요?", "-k", "1")
    assert found.stdout.startswith("1. 역.md, 지하철 > 부산  (")
    told = json.loads(dure("search", "cat", "--json", "--mode", "lexical").stdout)
    assert [passage["title"] for passage in told["passages"]] == ["cat.txt"]
    wrong = dure("search", "cat", "--diversity", "7")
    assert wrong.returncode == 1 and "choose from 0 to 1" in wrong.stderr


def test_search_shows_pictures_beside_passages(dure: Dure) -> None:
    report(dure.cwd / "report.pdf")
    assert dure("call", "retrieval.add", "paths=.").returncode == 0
    found = dure(
        "search", "그림 1 마을의 표식인 별", "--modality", "pictures", "--explain", "-k", "1"
    )
    assert found.returncode == 0, found.stderr
    first, scores, caption, path = found.stdout.splitlines()
    assert first.startswith("1. report.pdf, p. 1  [picture, 0.0")
    assert scores.split()[:2] == ["words_rank", "1"]
    assert caption.strip() == "그림 1. 마을의 표식인 별"
    assert path.strip().endswith(".png")
    both = dure("search", "The second page is about water")
    assert both.stdout.startswith("1. report.pdf, p. 2")
    assert "3 passages, " in both.stderr and "pictures found" in both.stderr
