"""The estimate against the real thing: parameters counted, memory and a step's time measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import settings as options
from tests.conftest import ROOT, environment
from tests.mcp_servers.training_parts import make_base, run_here, write_jsonl, write_rows

pytestmark = pytest.mark.slow

# A base large enough that its memory stands out from that of the libraries, made and trained for
# two steps; prints the growth of the peak from before the weights, the seconds of the last step,
# and the speed that a probe of a run's estimate finds.
_MEASURED = """
import json, re, sys, time
from pathlib import Path
from mcp_servers.training import estimating
from mcp_servers.torch_runtime import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl import SFTConfig
from mcp_servers.training import bases, methods, settings as options, trainers
settings = options.of("lora", json.loads(sys.argv[1]))
size = json.loads(sys.argv[2])
def most():  # getrusage's figure begins with that of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = most()
model = LlamaForCausalLM(LlamaConfig(**size))
ready = methods.attach(model, settings, bases.Base("x", "x", None)).model
shape = (settings.batch_size, settings.max_length)
ids = torch.randint(3, size["vocab_size"], shape)
optimizer = torch.optim.AdamW([p for p in ready.parameters() if p.requires_grad])
for _ in range(2):
    began = time.perf_counter()
    ready(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print("grown", most() - before)
print("step", time.perf_counter() - began)
print("speed", estimating._speed(estimating.Shape(*json.loads(sys.argv[3])), settings))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("llama"))


def estimated(data: Path, base: Path, method: str = "lora", **given: Any) -> Any:
    from mcp_servers.training import estimating

    return estimating.estimate([str(data)], str(base), method, given, probe=False)


@pytest.mark.parametrize(
    ("method", "given"), [("lora", {"rank": 4, "targets": ["q_proj"]}), ("full", {})]
)
def test_parameters_steps_and_tokens_are_those_of_the_run(
    method: str, given: dict[str, Any], base: Path, tmp_path: Path, dure_home: Path
) -> None:
    data = write_rows(tmp_path)
    told = estimated(data, base, method, epochs=1, **given)
    folder, result = run_here(data, base, method, epochs=1, logging_steps=1, **given)
    assert told["trainable"] == result["trainable"]
    assert told["steps"] == result["steps"]
    assert told["rows"] == result["rows"]
    from mcp_servers.training.runs import figures

    in_all = figures(folder)["tokens"]
    assert told["tokens_per_step"] * told["steps"] == pytest.approx(in_all, rel=0.1)


@pytest.mark.timed
def test_memory_and_time_are_those_of_measured_steps(tmp_path: Path) -> None:
    from mcp_servers.training import estimating

    size = {
        "vocab_size": 2000,
        "hidden_size": 384,
        "intermediate_size": 1024,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    }
    inner, hidden, layers = 1024, 384, 12
    linear = layers * (2 * hidden * hidden + hidden * hidden + 3 * hidden * inner)
    whole = linear + 2000 * hidden
    ranks = layers * 16 * (4 * hidden + 2 * (hidden + hidden // 2) + 3 * (hidden + inner))
    numbers = (whole, ranks, linear, whole, hidden, inner, layers, 2000)
    given = {"batch_size": 8, "max_length": 256, "dtype": "fp32"}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *map(json.dumps, (given, size, numbers))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(tmp_path, OMP_NUM_THREADS="1"),
        check=True,
    )
    measured = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    shape, settings = estimating.Shape(*numbers), options.of("lora", given)
    parts = estimating.parts(shape, settings, 8 * 256)
    told = sum(part["bytes"] for part in parts if part["part"] != "libraries")
    assert told == pytest.approx(int(measured["grown"]), rel=0.35)
    rate = float(measured["speed"]) * estimating._EFFICIENCY["cpu"]
    seconds = 8 * 256 * estimating.work(shape, settings) / rate
    # Within a factor of three: others may use the machine in one of the two measurements.
    assert float(measured["step"]) / 3 < seconds < 3 * float(measured["step"])


def test_less_is_estimated_where_less_is_taken() -> None:
    from mcp_servers.training import estimating

    shape = estimating.Shape(10**9, 10**7, 9 * 10**8, 10**9, 2048, 8192, 24, 32000)

    def total(method: str = "lora", **given: Any) -> int:
        learnt = replace(shape, trainable=shape.parameters) if method == "full" else shape
        return sum(p["bytes"] for p in estimating.parts(learnt, options.of(method, given), 2048))

    assert total(quantize="nf4") < total(quantize="int8") < total(dtype="fp32")
    assert total(gradient_checkpointing=True) < 0.7 * total()
    assert total("lora") < total("full")


def test_what_does_not_fit_says_what_would(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dure_home: Path
) -> None:
    from mcp_servers.training import estimating

    monkeypatch.setattr(estimating, "_free", lambda: 100 << 20)
    told = estimated(write_rows(tmp_path), base)
    assert not told["fits"]
    advice = " ".join(told["advice"])
    for word in ("batch_size=1", "gradient_checkpointing", "quantize=nf4", "smaller base"):
        assert word in advice


def test_epochs_beside_max_steps_are_said_to_do_nothing(
    base: Path, tmp_path: Path, dure_home: Path
) -> None:
    told = "epochs has no effect beside max_steps=3"
    data = write_rows(tmp_path)
    assert told in estimated(data, base, max_steps=3, epochs=2.0)["advice"]
    assert told not in estimated(data, base, max_steps=3)["advice"]


def test_rows_of_the_wrong_shape_are_refused(base: Path, tmp_path: Path, dure_home: Path) -> None:
    data = write_jsonl(tmp_path / "labels.jsonl", [{"text": "a", "label": "b"}])
    with pytest.raises(EngineError):
        estimated(data, base)
    with pytest.raises(EngineError, match="no base"):
        estimated(write_rows(tmp_path), Path("embedded:huge"))
