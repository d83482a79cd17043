"""Each method on a real, small model: what it trains, what it refuses, what it publishes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.errors import EngineError
from mcp_servers.training import settings as options
from tests.mcp_servers.training_parts import (
    judge_here,
    losses,
    make_base,
    run_here,
    write_jsonl,
    write_rows,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("qwen"), "qwen")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path)


def attached(folder: Path, method: str, **given: Any) -> Any:
    from mcp_servers.training import bases, methods

    settings = options.of(method, given)
    base = bases.resolve(str(folder))
    labels = ["a", "b"] if settings.task_type == "SEQ_CLS" else []
    return methods.attach(methods.load_model(base, settings, labels), settings, base)


def trained(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("lora", {"rslora": True, "bias": "all", "targets": ["q_proj", "v_proj"]}),
        ("lora", {"dora": True, "gradient_checkpointing": True, "group_by_length": True}),
        ("lora", {"modules_to_save": ["embed_tokens"], "quantize": "nf4"}),
        ("prefix", {"virtual_tokens": 4}),
        ("prompt", {"prompt_text": "Answer briefly", "virtual_tokens": 4}),
        ("bitfit", {"bitfit_terms": "norm"}),
        ("full", {"packing": True, "max_length": 128}),
    ],
)
def test_a_method_trains_and_publishes(
    method: str, given: dict[str, Any], base: Path, rows: Path, dure_home: Path
) -> None:
    folder, result = run_here(rows, base, method, max_steps=3, logging_steps=1, **given)
    assert result["steps"] == 3
    assert len(losses(folder)) == 3
    kind = "model" if method in ("full", "bitfit") else "adapter"
    published = Path(result[kind])
    assert published == dure_home / f"{kind}s" / "rows"
    told = json.loads((published / "run.json").read_text())
    assert told["method"] == method
    assert told["data"][0]["name"] == str(rows)
    assert json.loads((published / "passport.json").read_text())["base"] == str(base)
    assert not list(published.glob("*.bin"))
    assert (folder / "tensorboard").is_dir()
    assert not (folder / "checkpoints").exists()


def test_lora_falls_on_all_linear_layers_and_learns(
    base: Path, rows: Path, dure_home: Path
) -> None:
    from safetensors import safe_open

    _, result = run_here(
        rows, base, epochs=6, learning_rate=1e-2, batch_size=8, logging_steps=1, dtype="fp32"
    )
    assert result["eval_loss"] < 0.9 * result["eval_loss_before"]
    assert result["trainable"] < 0.3 * result["parameters"]
    with safe_open(Path(result["adapter"]) / "adapter_model.safetensors", "pt") as weights:
        names = set(weights.keys())
    for module in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
        assert any(f".{module}.lora_A" in name for name in names)
    assert not any("lm_head" in name for name in names)
    assert result["notes"] == []
    assert Path(result["gguf"]).stat().st_size > 1000


@pytest.mark.parametrize("template", ["gemma", "plain", "auto"])
def test_the_template_of_training_is_published(
    template: str, base: Path, rows: Path, tmp_path: Path, dure_home: Path
) -> None:
    from agents import adapters
    from mcp_servers.training import bases, templates

    bare = shutil.copytree(base, tmp_path / "bare")
    if template == "auto":  # a base without a template of its own
        (bare / "chat_template.jinja").unlink()
    run_here(rows, bare, max_steps=1, template=template)
    (adapter,) = adapters.listing(dure_home)
    published = adapter.template()
    assert published is not None
    tokenizer = bases.load_tokenizer(bases.resolve(str(bare)))
    asked: list[Any] = [{"role": "user", "content": "What is number 3?"}]
    seen = templates.prompt_ids(asked, tokenizer, template)  # type: ignore[arg-type]
    prompt = published.prompt(asked)
    assert tokenizer(prompt, add_special_tokens=False)["input_ids"] == seen
    assert ("<start_of_turn>user" in prompt) == (template == "gemma")


@pytest.mark.parametrize(
    ("method", "given"), [("lora", {}), ("full", {}), ("prompt", {"prompt_text": "Be brief"})]
)
def test_what_is_pushed_says_nothing_of_this_machines_folders(
    method: str, given: dict[str, Any], base: Path, rows: Path, tmp_path: Path, dure_home: Path
) -> None:
    from mcp_servers.training import pushing

    _, result = run_here(rows, base, method, max_steps=1, **given)
    published = Path(result["model" if method == "full" else "adapter"])
    before = {path.name: path.read_bytes() for path in published.iterdir()}
    assert any(str(base).encode() in content for content in before.values())
    copy = pushing.shareable(published, tmp_path / "upload", str(base))
    assert {path.name for path in copy.iterdir()} == before.keys()
    for path in copy.iterdir():
        for folder in (base, rows, dure_home):
            assert str(folder.parent).encode() not in path.read_bytes(), path.name
    assert {path.name: path.read_bytes() for path in published.iterdir()} == before
    told = json.loads((copy / "run.json").read_text())
    assert (told["base"], told["data"][0]["name"]) == (base.name, "rows.json")
    if method != "full":
        config = json.loads((copy / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == base.name
        copy = pushing.shareable(published, tmp_path / "upload", "embedded:tiny")
        config = json.loads((copy / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
        assert json.loads((copy / "passport.json").read_text())["base"] == "embedded:tiny"


def test_bitfit_trains_the_biases_alone(qwen: Path) -> None:
    found = attached(qwen, "bitfit")
    names = trained(found.model)
    assert names
    assert all(name.endswith(".bias") for name in names)
    assert found.trainable < 0.01 * found.parameters


def test_bitfit_on_a_base_without_biases_names_the_choice(base: Path) -> None:
    with pytest.raises(EngineError, match=r"no bias terms.*bitfit_terms=norm"):
        attached(base, "bitfit")


def test_a_target_that_the_base_lacks_is_named_with_those_it_has(base: Path) -> None:
    with pytest.raises(EngineError, match=r"no module 'c_attn'.*q_proj"):
        attached(base, "lora", targets=["q_proj", "c_attn"])
    with pytest.raises(EngineError, match="modules_to_save"):
        attached(base, "lora", targets=["lm_head"])


@pytest.mark.parametrize(
    ("quantize", "kind"), [("nf4", "Linear4bit"), ("fp4", "Linear4bit"), ("int8", "Linear8bitLt")]
)
def test_a_quantised_base_holds_its_linear_layers_in_few_bits(
    quantize: str, kind: str, base: Path
) -> None:
    found = attached(base, "lora", quantize=quantize, double_quant=True, compute_dtype="fp32")
    layer = found.model.base_model.model.model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == kind
    if quantize != "int8":
        assert layer.weight.quant_state.quant_type == quantize
        assert layer.weight.quant_state.nested
        assert layer.weight.numel() == 64 * 128 // 2  # two weights a byte
    assert all("lora_" in name for name in trained(found.model))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizer": "paged_adamw_32bit"}, "needs a CUDA GPU. Use adamw_torch"),
        ({"dtype": "fp16"}, "fp16 needs a CUDA GPU"),
        ({"report_to": ["wandb"]}, "pip install wandb"),
        ({"strategy": "deepspeed"}, "pip install deepspeed"),
    ],
)
def test_what_this_machine_cannot_do_is_refused_first(given: dict[str, Any], words: str) -> None:
    from importlib.util import find_spec

    from mcp_servers.torch_runtime import torch
    from mcp_servers.training import methods

    if torch.cuda.is_available() or any(find_spec(name) for name in ("wandb", "deepspeed")):
        pytest.fail("this test is for the tested set of packages on a machine without a GPU")
    with pytest.raises(EngineError, match=words):
        methods.check_machine(options.of("lora", given))


def test_quantising_is_refused_where_bitsandbytes_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    import bitsandbytes

    from mcp_servers.training import methods

    monkeypatch.setattr(bitsandbytes, "supported_torch_devices", {"cuda", "xpu"})
    with pytest.raises(EngineError, match=r"cannot quantise on cpu, only on cuda, xpu\. Leave"):
        methods.check_machine(options.of("lora", {"quantize": "nf4"}))


def test_a_classifier_learns_labels_and_is_judged(
    base: Path, tmp_path: Path, dure_home: Path
) -> None:
    base = shutil.copytree(base, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    del config["pad_token_id"]  # as in the bases of the hub that were made to talk
    (base / "config.json").write_text(json.dumps(config))
    data = write_jsonl(
        tmp_path / "labels.jsonl",
        [
            {"text": f"{word} thing {n}", "label": label}
            for n in range(24)
            for word, label in (("good", "yes"), ("bad", "no"))
        ],
    )
    folder, result = run_here(
        data, base, task_type="SEQ_CLS", epochs=8, learning_rate=1e-2, dtype="fp32"
    )
    from mcp_servers.training.runs import figures

    assert figures(folder)["eval_accuracy"] == 1.0
    assert result["eval_loss"] < result["eval_loss_before"]
    judged = judge_here(folder, 2)
    assert judged["held_out"]["after"] == {"rows": result["held_out_rows"], "accuracy": 1.0}
    assert judged["seen"]["after"]["rows"] == 2


def test_a_new_head_is_the_same_each_time(base: Path) -> None:
    from mcp_servers.torch_runtime import seed, torch
    from mcp_servers.training import bases, methods

    heads = []
    for before in (1, 2):
        seed(before)
        settings = options.of("lora", {"task_type": "SEQ_CLS"})
        heads.append(methods.load_model(bases.resolve(str(base)), settings, ["a", "b"]).score)
    assert torch.equal(heads[0].weight, heads[1].weight)


def test_the_loss_is_that_of_all_held_out_rows_whatever_is_answered(
    base: Path, rows: Path, dure_home: Path
) -> None:
    folder, result = run_here(rows, base, max_steps=2, dtype="fp32")
    held_out = judge_here(folder, 1)["held_out"]
    assert held_out["after"]["rows"] == result["held_out_rows"] > 1
    assert held_out["after"]["answered"] == 1
    assert held_out["before"]["loss"] == pytest.approx(result["eval_loss_before"], rel=0.02)
    samples = json.loads((folder / "samples.json").read_text())
    assert [sample["seen"] for sample in samples] == [False, True]


def test_no_loss_is_told_where_no_token_counts(base: Path, rows: Path) -> None:
    from mcp_servers.training import bases, data, judging

    tokenizer = bases.load_tokenizer(bases.resolve(str(base)))
    settings = options.of("lora", {"max_length": 8})
    found = judging.loss(None, data.load([str(rows)]).rows, tokenizer, settings, lambda _: None)
    assert found is None
    told = judging.scores(found, [], 40)
    assert told["loss"] is None and told["perplexity"] is None


def test_preferences_are_learnt(base: Path, tmp_path: Path, dure_home: Path) -> None:
    data = write_jsonl(
        tmp_path / "preferences.jsonl",
        [
            {"prompt": f"Count to {n}.", "chosen": "one two three", "rejected": "no"}
            for n in range(24)
        ],
    )
    folder, result = run_here(
        data, base, "dpo", epochs=3, learning_rate=1e-2, logging_steps=1, dtype="fp32"
    )
    from mcp_servers.training.runs import figures

    assert losses(folder)[0] == pytest.approx(0.693, abs=0.02)  # before it has learnt: log 2
    assert figures(folder)["eval_loss"] < 0.3
    assert figures(folder)["eval_rewards/accuracies"] == 1.0
    assert result["perplexity"] is None  # it is exp of no language model's loss
    assert Path(result["adapter"]).is_dir()
