"""Adapters and models as GGUF: llama.cpp computes with them what PEFT and transformers compute."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.llama import Llama
from mcp_servers.errors import EngineError
from mcp_servers.training import gguf_layout
from mcp_servers.training.bases import Base
from mcp_servers.training.gguf_adapters import convert_adapter
from mcp_servers.training.gguf_models import convert_model
from tests import toy_models

PROMPTS = ([3, 300, 301, 65, 420], [457, 70, 71, 72, 10, 290, 291], [333])

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "hidden_size": 8,
    "tie_word_embeddings": True,
}


def lora(folder: Path, module: str = "self_attn.q_proj", **settings: Any) -> Path:
    """An adapter's folder with one pair of matrices, of rank 2."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    key = f"base_model.model.model.layers.0.{module}"
    b = torch.arange(16, dtype=torch.float32).reshape(8, 2).contiguous()
    pair = {f"{key}.lora_A.weight": torch.ones(2, 8), f"{key}.lora_B.weight": b}
    save_file(pair, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Base:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    return Base("toy", str(folder), None)


def tensors(path: Path) -> dict[str, Any]:
    import gguf

    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


class TestAdapterFile:
    def test_it_says_what_llama_cpp_looks_for(self, base: Base, tmp_path: Path) -> None:
        import gguf

        path = convert_adapter(lora(tmp_path / "a"), base)
        fields = gguf.GGUFReader(path).fields
        assert path == tmp_path / "a" / "adapter.gguf"
        assert {
            key: fields[key].contents()
            for key in ("general.type", "general.architecture", "adapter.type")
        } == {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
        assert fields["adapter.lora.alpha"].contents() == 4.0
        assert sorted(tensors(path)) == ["blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"]

    def test_rows_of_queries_are_interleaved_in_a_llama_head_by_head(
        self, base: Base, tmp_path: Path
    ) -> None:
        found = tensors(convert_adapter(lora(tmp_path / "a"), base))
        assert found["blk.0.attn_q.weight.lora_b"][:, 0].tolist() == [0, 4, 2, 6, 8, 12, 10, 14]
        assert found["blk.0.attn_q.weight.lora_a"].shape == (2, 8)
        kept = tensors(convert_adapter(lora(tmp_path / "v", "self_attn.v_proj"), base))
        assert kept["blk.0.attn_v.weight.lora_b"][:, 0].tolist() == list(range(0, 16, 2))

    def test_rows_stay_in_a_qwen(self, base: Base, tmp_path: Path) -> None:
        told = json.dumps({**LLAMA, "architectures": ["Qwen2ForCausalLM"]})
        (Path(base.folder) / "config.json").write_text(told, encoding="utf-8")
        found = tensors(convert_adapter(lora(tmp_path / "a"), base))
        assert found["blk.0.attn_q.weight.lora_b"][:, 0].tolist() == list(range(0, 16, 2))

    def test_the_scale_of_rslora_goes_into_b(self, base: Base, tmp_path: Path) -> None:
        plain = tensors(convert_adapter(lora(tmp_path / "a", "mlp.up_proj"), base))
        scaled = tensors(
            convert_adapter(lora(tmp_path / "b", "mlp.up_proj", use_rslora=True), base)
        )
        name = "blk.0.ffn_up.weight.lora_b"
        np.testing.assert_allclose(scaled[name], plain[name] * np.sqrt(2), rtol=1e-6)


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"use_dora": True}, "DoRA.*Merge it"),
            ({"modules_to_save": ["lm_head"]}, "whole modules.*Merge it"),
            ({"bias": "lora_only"}, "biases.*Merge it"),
            ({"lora_bias": True}, "B has a bias.*Merge it"),
            ({"trainable_token_indices": [1]}, "embeddings of tokens.*Merge it"),
            ({"init_lora_weights": "pissa_niter_4"}, "changed the base.*Merge it"),
            ({"peft_type": "PREFIX_TUNING"}, "PREFIX_TUNING.*method lora"),
        ],
    )
    def test_what_llama_cpp_cannot_follow(
        self, settings: dict[str, Any], reason: str, base: Base, tmp_path: Path
    ) -> None:
        folder = lora(tmp_path / "a", **settings)
        with pytest.raises(EngineError, match=reason):
            convert_adapter(folder, base)
        assert not list(folder.glob("*.gguf*")) and not list(folder.glob(".*"))

    def test_a_pickle(self, base: Base, tmp_path: Path) -> None:
        folder = lora(tmp_path / "a")
        (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
        with pytest.raises(EngineError, match=r"pickle.*any code"):
            convert_adapter(folder, base)

    def test_broken_folders(self, base: Base, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"no adapter_config.json"):
            convert_adapter(tmp_path / "nothing", base)
        folder = lora(tmp_path / "a")
        (folder / "adapter_model.safetensors").write_bytes(b"half of it")
        with pytest.raises(EngineError, match=r"broken"):
            convert_adapter(folder, base)
        (folder / "adapter_model.safetensors").unlink()
        with pytest.raises(EngineError, match=r"no adapter_model.safetensors"):
            convert_adapter(folder, base)
        (folder / "adapter_config.json").write_text("{", encoding="utf-8")
        with pytest.raises(EngineError, match=r"not JSON"):
            convert_adapter(folder, base)

    def test_an_embedding_or_an_output_that_is_one(self, base: Base, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        folder = lora(tmp_path / "a")
        file = folder / "adapter_model.safetensors"
        key = "base_model.model.lm_head.lora_"
        save_file({f"{key}A.weight": torch.ones(2, 8), f"{key}B.weight": torch.ones(9, 2)}, file)
        with pytest.raises(EngineError, match=r"lm_head.*Merge"):
            convert_adapter(folder, base)
        key = "base_model.model.model.embed_tokens.lora_embedding_"
        save_file({f"{key}A": torch.ones(2, 8), f"{key}B": torch.ones(8, 2)}, file)
        with pytest.raises(EngineError, match=r"not LoRA of a layer.*Merge"):
            convert_adapter(folder, base)

    def test_an_unknown_architecture_names_llama_cpps_own_scripts(self) -> None:
        with pytest.raises(EngineError, match=r"BloomForCausalLM.*convert_hf_to_gguf\.py"):
            gguf_layout.of_config({**LLAMA, "architectures": ["BloomForCausalLM"]})

    def test_an_unknown_kind_and_a_folder_without_passport(
        self, base: Base, tmp_path: Path
    ) -> None:
        with pytest.raises(EngineError, match=r"no kind 'q2'.*f32, f16, bf16, q8_0"):
            convert_model(Path(base.folder), tmp_path / "m.gguf", "q2")
        with pytest.raises(EngineError, match=r"no passport"):
            convert_model(Path(base.folder), tmp_path / "m.gguf")


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(base, transformers model) of one architecture."""
    folder = tmp_path_factory.mktemp(request.param)
    made = toy_models.model(folder / "model", request.param)
    yield Base("toy", str(folder / "model"), toy_models.base_gguf(made, folder / "toy.gguf")), made


Chances = dict[int, float]
"""Log-probabilities of the likeliest next tokens."""


def by_torch(model: Any, prompt: list[int], tokens: Chances) -> Chances:
    """What a transformers model gives these next tokens."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1].double()
    chances = logits.log_softmax(-1)
    return {token: float(chances[token]) for token in tokens}


def by_llama(llama: Llama, prompt: list[int], scale: float | None = None) -> Chances:
    """The ten next tokens that llama.cpp finds likeliest."""
    body: dict[str, Any] = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": 10}
    if scale is not None:
        body["lora"] = [{"id": 0, "scale": scale}]
    request = urllib.request.Request(
        f"{llama.address}/completion",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {llama.key}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        (first,) = json.load(answer)["completion_probabilities"]
    return {option["id"]: option["logprob"] for option in first["top_logprobs"]}


def difference(llama: Llama, model: Any, scale: float | None = None) -> float:
    """The largest difference of a log-probability between the two, over the prompts."""
    found = 0.0
    for prompt in PROMPTS:
        said = by_llama(llama, prompt, scale)
        meant = by_torch(model, prompt, said)
        found = max(found, *(abs(said[token] - meant[token]) for token in said))
    return found


@pytest.mark.slow
class TestSameAnswers:
    """llama.cpp and transformers agree on the next token, on random models of both layouts."""

    @pytest.mark.parametrize(
        ("kind", "rounding"), [("f32", 0.02), ("f16", 0.02), ("bf16", 0.1), ("q8_0", 0.3)]
    )
    def test_a_model(self, kind: str, rounding: float, toy: Any, tmp_path: Path) -> None:
        base, made = toy
        path = convert_model(Path(base.folder), tmp_path / f"{kind}.gguf", kind, base)
        llama = Llama(path, context=512, threads=1)
        assert difference(llama, made) < rounding
        llama.close()

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"use_rslora": True, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"up_proj": 16}},
            {"target_modules": ["q_proj", "k_proj"], "layers_to_transform": [1]},
        ],
        ids=["plain", "rslora-patterns", "one-layer"],
    )
    def test_an_adapter(self, settings: dict[str, Any], toy: Any, tmp_path: Path) -> None:
        base, made = toy
        adapted = toy_models.adapter(made, tmp_path / "a", {"base": "toy"}, **settings)
        path = convert_adapter(tmp_path / "a", base)
        llama = Llama(base.gguf, context=512, threads=1, adapters=[path])
        try:
            assert difference(llama, adapted, 1.0) < 0.02
            assert difference(llama, adapted, 0.0) > 0.1
        finally:
            adapted.unload()
        assert difference(llama, made, 0.0) < 0.02
        llama.close()

    def test_other_tokens_than_the_bases_are_refused(self, toy: Any, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file, save_file

        base, _ = toy
        folder = tmp_path / "grown"
        folder.mkdir()
        source = Path(base.folder)
        (folder / "config.json").write_bytes((source / "config.json").read_bytes())
        weights = load_file(source / "model.safetensors")
        weights["model.embed_tokens.weight"] = torch.zeros(500, 64)
        save_file(weights, folder / "model.safetensors")
        with pytest.raises(EngineError, match=r"token_embd\.weight.*changed"):
            convert_model(folder, tmp_path / "m.gguf", "f16", base)
        assert not list(tmp_path.glob("*m.gguf*"))
