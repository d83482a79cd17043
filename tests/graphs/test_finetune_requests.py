"""What a request about training writes out is read by code: tool, settings, data, runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agents.meta import _rules
from graphs.tool_rules import ruled_tool
from graphs.training_runs import Runs
from graphs.training_settings import data_in, settings_in
from mcp_servers import hub

SETTINGS: dict[str, Any] = {tool.__name__: tool for tool in hub.load("training").tools}[
    "train"
].__signature__.parameters


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("../data/bim.json으로 질문응답을 학습시켜줘", {"data": ["../data/bim.json"]}),
        (
            "train on faq.csv with LoRA rank 8 for 3 epochs",
            {"data": ["faq.csv"], "method": "lora", "rank": 8, "epochs": 3.0},
        ),
        ("epochs=5", {"epochs": 5.0}),
        ("rank 8로", {"rank": 8}),
        ("rank를 8로 바꿔줘", {"rank": 8}),
        (
            "에폭 5번, 학습률 2e-4, 배치 크기 2",
            {"epochs": 5.0, "learning_rate": 2e-4, "batch_size": 2},
        ),
        ("학습률 0.0001로 낮추고 10에폭으로", {"learning_rate": 1e-4, "epochs": 10.0}),
        ("3 epochs rank 8", {"rank": 8, "epochs": 3.0}),
        ("rank 8 epochs 3", {"rank": 8, "epochs": 3.0}),
        (
            "fine-tune embedded:small on ./data/qa with QLoRA, seed 7, name it bim-lora",
            {
                **{"base": "embedded:small", "data": ["./data/qa"], "method": "lora"},
                **{"quantize": "nf4", "seed": 7, "name": "bim-lora"},
            },
        ),
        (
            "faq.csv로 전체 미세조정 2에폭, 이름은 faq2",
            {"data": ["faq.csv"], "method": "full", "epochs": 2.0, "name": "faq2"},
        ),
        (
            "google/gemma-2b를 medical.json으로 학습 r=16 alpha=32",
            {"base": "google/gemma-2b", "data": ["medical.json"], "rank": 16, "alpha": 32.0},
        ),
        (
            "train google/gemma-2b on org/chats for two epochs, no packing",
            {
                **{"base": "google/gemma-2b", "data": ["org/chats"]},
                **{"epochs": 2.0, "packing": False},
            },
        ),
        (
            "a.jsonl, b.jsonl을 prefix tuning으로",
            {"data": ["a.jsonl", "b.jsonl"], "method": "prefix"},
        ),
        ("q_proj, v_proj만 학습", {"targets": ["q_proj", "v_proj"]}),
        ("세 번 반복해서 './my rows.csv'를 학습", {"data": ["./my rows.csv"], "epochs": 3.0}),
        (
            "라마 3 템플릿, 패킹 없이, 길이별로 묶어서",
            {"template": "llama3", "packing": False, "group_by_length": True},
        ),
        ("DPO on prefs.jsonl beta 0.2", {"data": ["prefs.jsonl"], "method": "dpo", "beta": 0.2}),
        ("eval_steps=0.2 max_steps=50 bf16", {"eval_steps": 0.2, "max_steps": 50, "dtype": "bf16"}),
        ("평가 간격 20%, wandb로 추적", {"eval_steps": 0.2, "report_to": ["wandb"]}),
        ("targets=[q_proj, k_proj]", {"targets": ["q_proj", "k_proj"]}),
        ("./자료/질문 폴더로 학습", {"data": ["./자료/질문"]}),
        (
            "gradient checkpointing, weight decay 0.01",
            {"gradient_checkpointing": True, "weight_decay": 0.01},
        ),
        ("base=./models/mine data=[a.csv]", {"base": "./models/mine", "data": ["a.csv"]}),
        ("what is it doing?", {}),
        ("Train on faq.csv.", {"data": ["faq.csv"]}),
        ("faq.csv로 학습해줘. 이름은 bim", {"data": ["faq.csv"], "name": "bim"}),
        ("Train on ./data/faq.jsonl.", {"data": ["./data/faq.jsonl"]}),
        ("Train on ./data/qa.", {"data": ["./data/qa"]}),
        ("Train on faq.csv. Save the output in results/run1", {"data": ["faq.csv"]}),
        ("faq.csv.gz", {}),
        ("faq.csv로 학습/평가 해줘", {"data": ["faq.csv"]}),
        (
            "faq.csv로 q_proj/v_proj 만 학습",
            {"data": ["faq.csv"], "targets": ["q_proj", "v_proj"]},
        ),
        (
            "train on faq.csv, lr 1e-4/step, 2026/11/25",
            {"data": ["faq.csv"], "learning_rate": 1e-4},
        ),
        ("train on qa/ for 2 epochs", {"data": ["qa/"], "epochs": 2.0}),
        ("~/자료/질문으로 학습", {"data": ["~/자료/질문"]}),
        ("org/chats로 학습해줘", {"data": ["org/chats"]}),
        ("org/chats 데이터로 학습해줘", {"data": ["org/chats"]}),
        ("don't use lora on faq.csv", {"data": ["faq.csv"], "method": "full"}),
        ("로라는 쓰지 말고 faq.csv로 학습", {"data": ["faq.csv"], "method": "full"}),
        ("LoRA 대신 bitfit으로 faq.csv 학습", {"data": ["faq.csv"], "method": "bitfit"}),
        ("train on faq.csv, do not use packing", {"data": ["faq.csv"], "packing": False}),
        ("train on faq.csv without qlora", {"data": ["faq.csv"]}),
    ],
)
def test_settings_are_read_as_they_are_written(request_: str, wanted: dict[str, Any]) -> None:
    assert settings_in(request_, SETTINGS) == wanted


def test_every_setting_can_be_written_by_its_own_name() -> None:
    for name in SETTINGS:
        if name not in ("context", "data", "weights"):
            assert settings_in(f"train on a.json {name}=1", SETTINGS).get(name) == 1, name


def test_a_bare_folder_is_data_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_in("자료/질문을 학습시켜줘") == []
    (tmp_path / "자료" / "질문").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert data_in("자료/질문을 학습시켜줘") == ["자료/질문"]


def test_a_number_serves_one_setting_and_a_name_that_is_not_taken_is_left_out() -> None:
    assert settings_in("rank 8 on a.csv for 3 epochs", {"epochs"}) == {"epochs": 3.0}
    assert data_in("handbook.pdf와 a.csv, a.csv") == ["a.csv"]


@pytest.mark.parametrize(
    ("request_", "tool"),
    [
        ("bim.json으로 학습시켜줘", "train"),
        ("faq.csv로 학습하고 진행 상황도 알려줘", "train"),
        ("train on faq.csv", "train"),
        ("teach it the answers in faq.jsonl", "train"),
        ("얼마나 됐어?", "status"),
        ("학습 얼마나 남았어?", "status"),
        ("how far is it?", "status"),
        ("is it done yet?", "status"),
        ("학습한 거 어떻게 써?", "status"),
        ("how do I use it?", "status"),
        ("지켜볼게", "watch"),
        ("watch", "watch"),
        ("멈춰줘", "pause"),
        ("pause it", "pause"),
        ("이어서 해줘", "resume"),
        ("resume", "resume"),
        ("취소해줘", "cancel"),
        ("cancel the run", "cancel"),
        ("곡선 보여줘", "curve"),
        ("plot the loss", "curve"),
        ("두 학습을 비교해줘", "compare"),
        ("compare a and b", "compare"),
        ("평가해줘", "evaluate"),
        ("how good is it now?", "evaluate"),
        ("전후 답변 보여줘", "samples"),
        ("show answers before and after", "samples"),
        ("병합해줘", "merge"),
        ("gguf로 내보내줘", "export"),
        ("bim 지워줘", "delete_run"),
        ("delete bim", "delete_run"),
        ("faq.csv 살펴봐줘", "inspect_dataset"),
        ("check the rows in faq.csv", "inspect_dataset"),
        ("faq.csv로 학습하면 얼마나 걸려?", "estimate"),
        ("how long would training on faq.csv take?", "estimate"),
        ("학습 목록", "runs"),
        ("list my runs", "runs"),
        ("왜 실패했어?", "logs"),
        ("허브에 올려줘 me/bim", "push"),
        ("faq 를 me/faq 에 올려줘", "push"),
        ("중복 행은 제거하고 faq.csv로 학습해줘", "train"),
        ("remove duplicates and train on faq.csv", "train"),
        ("remove the duplicates from faq.csv and train", "train"),
        ("faq.csv에서 빈 행을 지우고 학습", "train"),
        ("중복은 지우고 학습시켜줘", "train"),
        ("LoRA로 학습해줘\nfaq.csv, 중복은 제거하고", "train"),
        ("delete nothing, just train on ./faq.csv", "train"),
        ("publish date 열을 빼고 faq.csv로 학습", "train"),
        ("faq.csv로 메모리 아껴서 학습해줘", "train"),
        ("메모리 아껴서 학습해줘", "train"),
        ("문제없이 faq.csv로 학습해줘", "train"),
        ("시간이 오래 걸려도 되니 faq.csv로 학습해줘", "train"),
        ("faq.csv에서 중복 행을 지워줘", "inspect_dataset"),
        ("faq.csv로 학습하면 메모리에 들어갈까?", "estimate"),
        ("faq.csv로 학습한 것 지워줘", "delete_run"),
        ("faq.csv 학습을 지워줘", "delete_run"),
        ("delete the run trained on faq.csv", "delete_run"),
        ("delete the training on faq.csv", "delete_run"),
        ("push the model trained on faq.csv", "push"),
        ("faq.csv 학습 취소해줘", "cancel"),
        ("cancel the training on faq.csv", "cancel"),
        ("평가 얼마나 됐어?", "status"),
        ("how far is the evaluation of faq?", "status"),
        ("업로드는 어디까지 됐어?", "status"),
        ("faq 평가 취소해줘", "cancel"),
        ("cancel the upload", "cancel"),
        ("평가 지켜볼게", "watch"),
        ("그만 볼게", "stop_watching"),
        ("그만 지켜볼게", "stop_watching"),
        ("stop watching", "stop_watching"),
        ("그만해", "cancel"),
        ("stop it", "pause"),
    ],
)
def test_the_words_of_a_request_say_which_tool(request_: str, tool: str) -> None:
    assert ruled_tool("finetune", request_) == tool


@pytest.fixture
def runs() -> Runs:
    """Two runs that finished, the newer one judged since."""
    known = Runs({})
    known.known = [
        {"run": "evaluate-3", "name": "faq", "kind": "evaluate"},
        {"run": "train-2", "name": "faq", "kind": "train"},
        {"run": "train-1", "name": "bim-lora", "kind": "train"},
    ]
    return known


@pytest.mark.parametrize(
    ("tool", "request_", "wanted"),
    [
        ("status", "how far is it?", {}),
        ("status", "bim-lora는 얼마나 됐어?", {"run": "bim-lora"}),
        ("status", "평가 얼마나 됐어?", {"run": "evaluate-3"}),
        ("cancel", "faq 평가 취소해줘", {"run": "evaluate-3"}),
        ("cancel", "bim-lora 평가 취소해줘", {"run": "bim-lora"}),
        ("cancel", "faq 취소해줘", {"run": "faq"}),
        ("watch", "watch the evaluation", {"run": "evaluate-3"}),
        ("evaluate", "faq 평가해줘", {"run": "faq"}),
        ("status", "how far is train-1?", {"run": "train-1"}),
        ("pause", "pause the lora training", {}),
        ("delete_run", "bim-lora 지워줘", {"run": "bim-lora"}),
        (
            "delete_run",
            "delete the run faq but keep the adapter",
            {"run": "faq", "keep_result": True},
        ),
        ("delete_run", "지워줘", {}),
        ("delete_run", "delete it", {}),
        ("delete_run", "faq.csv로 학습한 것 지워줘", {}),
        ("delete_run", "delete faq.csv", {}),
        ("delete_run", "remove duplicates from faq.csv", {}),
        ("delete_run", "마지막 학습 지워줘", {"run": "faq"}),
        ("delete_run", "delete the latest run", {"run": "faq"}),
        ("push", "허브에 올려줘 me/bim", {"repo": "me/bim"}),
        ("push", "faq 를 me/faq 에 올려줘", {"run": "faq", "repo": "me/faq"}),
        ("push", "faq를 me/faq-lora에 올려줘", {"run": "faq", "repo": "me/faq-lora"}),
        ("push", "Push faq to me/faq.", {"run": "faq", "repo": "me/faq"}),
        ("merge", "병합해줘", {"run": "faq"}),
        ("delete_run", "delete the run old-one", {"run": "old-one"}),
        ("delete_run", "old-one 모델을 지워줘", {"run": "old-one"}),
        ("compare", "두 학습을 비교해줘", {"runs": ["faq", "bim-lora"]}),
        ("compare", "compare bim-lora and faq", {"runs": ["bim-lora", "faq"]}),
        ("merge", "bim-lora를 병합해줘, 이름은 bim-full", {"run": "bim-lora", "name": "bim-full"}),
        ("export", "faq를 q8_0으로 내보내줘", {"run": "faq", "kind": "q8_0"}),
        ("push", "push bim-lora to the hub as me/bim", {"run": "bim-lora", "repo": "me/bim"}),
        ("samples", "답변 3개만 전후로 보여줘", {"n": 3}),
        ("logs", "로그 마지막 20줄", {"lines": 20}),
    ],
)
def test_runs_are_meant_by_their_names_or_where_that_is_safe_the_latest(
    tool: str, request_: str, wanted: dict[str, Any], runs: Runs
) -> None:
    offered = {function.__name__: function for function in hub.load("training").tools}
    offered["watch"] = offered["status"]  # the chat's own, with the same arguments
    assert runs.settle(tool, offered[tool].__annotations__, request_) == wanted


@pytest.mark.parametrize(
    ("request_", "agent"),
    [
        ("../data/bim.json으로 질문응답을 학습시켜줘", "finetune"),
        ("fine-tune on faq.csv for 3 epochs", "finetune"),
        ("학습 얼마나 됐어?", "finetune"),
        ("pause the training", "finetune"),
        ("handbook.pdf로 학습 데이터 만들어줘", "rag"),
        ("make training data from handbook.pdf", "rag"),
        ("how far is the training data?", "rag"),
        ("what is LoRA?", None),
        ("LoRA가 뭐야?", None),
        ("train tickets to Busan, please", None),
    ],
)
def test_rules_send_a_request_to_the_right_agent_or_leave_it(
    request_: str, agent: str | None
) -> None:
    decided = [name for rule, name, _ in _rules() if re.search(rule, request_, re.IGNORECASE)]
    assert decided[:1] == ([agent] if agent else [])


@pytest.mark.parametrize(
    "request_",
    [
        "그만 볼게",
        "stop watching",
        "faq 지워줘",
        "delete faq",
        "faq 를 me/faq 에 올려줘",
        "push faq to me/faq",
    ],
)
def test_what_its_own_questions_suggest_goes_on_with_it(request_: str) -> None:
    agents = [name for rule, name, _ in _rules("follow_up") if re.search(rule, request_, re.I)]
    assert "finetune" in agents
