"""The options of a run: defaults by method, what does not go together, and what tools show."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import server
from mcp_servers.training import settings as options
from mcp_servers.training.settings import METHODS, OPTIMIZERS, Settings
from tests.conftest import ROOT


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_defaults_that_hold_together(method: str) -> None:
    found = options.of(method, {})
    assert found.method == method
    assert found.seed == 65
    assert found.test_size == 0.1
    assert found.eval_steps == 0.2


def test_adapters_learn_faster_than_whole_models() -> None:
    rates = {method: options.of(method, {}).learning_rate for method in METHODS}
    assert rates["full"] < rates["lora"] < rates["prefix"]


def test_what_is_given_wins_and_none_is_not_given() -> None:
    found = options.of("full", {"learning_rate": 1e-3, "rank": None, "packing": True})
    assert found.learning_rate == 1e-3
    assert found.rank == 16
    assert found.packing


def test_the_options_of_the_textbook_are_all_there() -> None:
    textbook = {
        "batch_size": 1,
        "gradient_accumulation": 2,
        "optimizer": "paged_adamw_32bit",
        "eval_steps": 0.2,
        "group_by_length": True,
        "packing": False,
        "max_steps": 100,
        "learning_rate": 2e-4,
        "rank": 64,
        "alpha": 32,
        "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        "dropout": 0.05,
        "bias": "none",
        "task_type": "CAUSAL_LM",
        "quantize": "nf4",
        "double_quant": True,
        "compute_dtype": "bf16",
        "report_to": ["wandb"],
    }
    found = options.of("lora", textbook)
    assert found.model_dump(include=set(textbook)) == textbook


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("lorra", {}, "no method 'lorra'. Choose from: lora"),
        ("lora", {"lr": 1}, "no setting lr. Choose from: .*learning_rate"),
        ("lora", {"rank": 0}, "rank: .*greater than or equal to 1"),
        ("lora", {"epochs": -1, "seed": -2}, "epochs: .*; seed: "),
        ("lora", {"targets": []}, "targets is empty"),
        ("lora", {"dora": True, "quantize": "int8"}, "dora works with nf4 or fp4"),
        ("lora", {"optimizer": "adam"}, "optimizer: .*adamw_torch"),
        ("lora", {"save_steps": 2.5}, "save_steps: .*whole number"),
        ("full", {"quantize": "nf4"}, "quantize needs an adapter"),
        ("full", {"dora": True}, "belong to LoRA"),
        ("dpo", {"task_type": "SEQ_CLS"}, "chosen and rejected"),
        ("prompt", {"packing": True}, "one prefix"),
        ("prefix", {"gradient_checkpointing": True}, "cache"),
        ("lora", {"task_type": "SEQ_CLS", "packing": True}, "labels each by itself"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(
    method: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        options.of(method, given)


@pytest.mark.parametrize("tool", [server.train, server.estimate])
def test_tools_take_every_setting_and_show_its_default(tool: object) -> None:
    parameters = inspect.signature(tool).parameters  # type: ignore[arg-type]
    assert set(Settings.model_fields) <= set(parameters)
    assert "settings" not in parameters
    (told,) = parameters["learning_rate"].annotation.__metadata__
    assert "default 0.001" in told.description
    assert "full 2e-05" in told.description


@pytest.mark.slow
def test_the_optimizers_are_those_of_transformers() -> None:
    import mcp_servers.torch_runtime  # noqa: F401  # isort: skip
    from transformers.training_args import OptimizerNames

    assert set(OPTIMIZERS) <= {name.value for name in OptimizerNames}


def test_settings_load_no_engine() -> None:
    code = (
        "import sys, mcp_servers.training.settings, mcp_servers.training.starting; "
        "print(sorted({'torch', 'transformers', 'datasets', 'numpy', 'trl'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
