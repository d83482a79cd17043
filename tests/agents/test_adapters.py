"""Adapters in the chat: found, checked against the running model, put on and taken out.

The model is a random one of two layers; it is loaded, adapted and asked like any other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agents import adapters
from agents.adapted import adapted
from agents.chat_template import ChatTemplate
from agents.embedded import EmbeddedChatModel
from agents.errors import DureError, UsageError
from agents.models import ChosenModel, choose, made_here
from agents.settings import load_settings
from mcp_servers import weights
from mcp_servers.training.bases import Base
from mcp_servers.training.gguf_adapters import convert_adapter
from tests import toy_models
from tests.agents.terminal import CTRL_D, ENTER, terminal
from tests.conftest import Dure

PASSPORT = {"base": "embedded:tiny", "base_sha256": weights.find("embedded:tiny").sha256}


def publish(home: Path, name: str, **passport: str) -> Path:
    """A published adapter as far as it is listed and checked; llama.cpp could not load it."""
    folder = home / "adapters" / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    (folder / "passport.json").write_text(json.dumps({**PASSPORT, **passport}), encoding="utf-8")
    return folder


def embedded(home: Path, spec: str, file: Path | None = None) -> ChosenModel:
    return ChosenModel(spec, EmbeddedChatModel(spec=spec, home=home, file=file), "", small=True)


class TestFinding:
    def test_they_are_listed_with_what_is_known_of_them(self, tmp_path: Path) -> None:
        publish(tmp_path, "bare")
        folder = publish(tmp_path, "faq")
        run = {"method": "dpo", "figures": {"eval_loss": 2.5}}
        (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
        publish(tmp_path, ".faq.12.tmp")
        found = {adapter.name: adapter for adapter in adapters.listing(tmp_path)}
        assert set(found) == {"bare", "faq"}
        assert (found["faq"].base, found["faq"].method) == ("embedded:tiny", "dpo")
        assert found["faq"].figures == {"eval_loss": 2.5}
        assert (found["bare"].method, found["bare"].figures) == ("lora", {})

    def test_an_unknown_one_names_the_nearest(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"none was trained yet.*dure train"):
            adapters.find("faq", tmp_path)
        for name in ("faq-ko", "faq-en", "poems"):
            publish(tmp_path, name)
        with pytest.raises(UsageError, match=r"no adapter 'faqen'. Did you mean: faq-en, faq-ko\?"):
            adapters.find("faqen", tmp_path)
        with pytest.raises(UsageError, match=r"no adapter '없는것'. The latest: "):
            adapters.find("없는것", tmp_path)
        for outside in ("../adapters/poems", "", ".", ".."):
            with pytest.raises(UsageError):
                adapters.find(outside, tmp_path)

    def test_a_broken_folder(self, tmp_path: Path) -> None:
        (publish(tmp_path, "faq") / "adapter_config.json").unlink()
        with pytest.raises(UsageError, match=r"broken.*adapter_config.json.*Train it again"):
            adapters.find("faq", tmp_path)


class TestPassport:
    def test_the_base_itself_takes_it(self, tmp_path: Path) -> None:
        publish(tmp_path, "faq")
        adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, "embedded:tiny"))

    def test_another_model_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        publish(tmp_path, "faq")
        change = r"Change the model first: /model embedded:tiny, then /adapter faq "
        with pytest.raises(UsageError, match=rf"trained on embedded:tiny, and embedded .*{change}"):
            adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, "embedded"))
        other: Any = object()
        ollama = ChosenModel("ollama:qwen3", other, "", small=False)
        with pytest.raises(UsageError, match=rf"ollama:qwen3 answers, and only.*{change}"):
            adapters.check(adapters.find("faq", tmp_path), ollama)

    def test_other_weights_of_the_same_base_are_refused(self, tmp_path: Path) -> None:
        publish(tmp_path, "faq", base_sha256="0" * 64)
        with pytest.raises(UsageError, match=r"other weights of embedded:tiny.*Train it again"):
            adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, "embedded:tiny"))

    def test_a_file_with_the_same_hash_takes_it(self, tmp_path: Path) -> None:
        file = tmp_path / "copy.gguf"
        file.write_bytes(b"abc")
        publish(
            tmp_path,
            "faq",
            base_sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        )
        adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, f"gguf:{file}", file))
        file.write_bytes(b"abd")
        with pytest.raises(UsageError, match=r"mean nothing there"):
            adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, f"gguf:{file}", file))

    @pytest.mark.slow
    def test_one_on_a_model_made_here_runs_on_the_weights_that_it_was_trained_on(
        self, dure_home: Path
    ) -> None:
        from mcp_servers.training import bases, gguf_models

        folder = dure_home / "models" / "mine"
        made = toy_models.model(folder)
        base = Base("toy", str(folder), toy_models.base_gguf(made, dure_home / "toy.gguf"))
        publish(dure_home, "faq", **bases.passport(bases.resolve("mine")))
        adapter = adapters.find("faq", dure_home)
        mine = gguf_models.convert_beside(folder, "f32", base)
        adapters.check(adapter, embedded(dure_home, "gguf:mine", mine))
        renamed = mine.with_name("other.gguf")
        shutil.copy(mine, renamed)
        with pytest.raises(UsageError, match=r"/model gguf:mine, then /adapter faq"):
            adapters.check(adapter, embedded(dure_home, "gguf:other", renamed))
        again = r"other weights of mine than its GGUF was made from\. Export or merge"
        mine.write_bytes(mine.read_bytes() + b" ")  # no longer what the record tells of
        with pytest.raises(UsageError, match=again):
            adapters.check(adapter, embedded(dure_home, "gguf:mine", mine))
        made.model.norm.weight.data += 1
        made.save_pretrained(folder)  # trained anew under the same name
        mine = gguf_models.convert_beside(folder, "f32", base)
        with pytest.raises(UsageError, match=again):
            adapters.check(adapter, embedded(dure_home, "gguf:mine", mine))

    def test_one_on_a_base_that_does_not_run_here_is_to_be_merged(self, tmp_path: Path) -> None:
        publish(tmp_path, "faq", base="google/gemma-2b")
        with pytest.raises(UsageError, match=r"does not run inside Dure.*dure train merge faq$"):
            adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, "embedded:tiny"))

    def test_one_without_a_passport_is_refused(self, tmp_path: Path) -> None:
        (publish(tmp_path, "faq") / "passport.json").unlink()
        with pytest.raises(UsageError, match=r"no passport.*dure train"):
            adapters.check(adapters.find("faq", tmp_path), embedded(tmp_path, "embedded:tiny"))


class TestTemplate:
    TOY = ChatTemplate(toy_models.TEMPLATE)

    def test_the_prompt_is_what_training_saw(self) -> None:
        said = [{"role": "user", "content": "안녕"}]
        assert self.TOY.prompt(said) == "<|im_start|>user\n안녕<|im_end|>\n<|im_start|>assistant\n"

    def test_an_answer_ends_where_training_ended_it(self) -> None:
        assert self.TOY.end_of_turn() == "<|im_end|>"
        plain = "{% for m in messages %}{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
        assert ChatTemplate(plain, eos_token="</s>").end_of_turn() == ""  # a token ends it
        gemma = "{{ messages[-1]['content'] }}\n\n<end_of_turn>{{ eos_token }}\n\n"
        assert ChatTemplate(gemma, eos_token="</s>").end_of_turn() == "<end_of_turn>"
        assert ChatTemplate("{{ messages[-1]['content'] }}").end_of_turn() == ""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "end"),
        [
            ("gemma", "<end_of_turn>"),
            ("llama3", "<|eot_id|>"),
            ("chatml", "<|im_end|>"),
            ("plain", ""),
        ],
    )
    def test_every_template_of_training_is_rendered_as_training_renders_it(
        self, name: str, end: str
    ) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from transformers import PreTrainedTokenizerFast

        from mcp_servers.training import templates

        backend = Tokenizer(BPE({"a": 0, "</s>": 1}, []))
        kind: Any = PreTrainedTokenizerFast
        tokenizer = kind(tokenizer_object=backend, eos_token="</s>")
        tokenizer.chat_template = templates.chat_template(tokenizer, name)  # type: ignore[arg-type]
        ours = ChatTemplate(tokenizer.chat_template, eos_token="</s>")
        system = {"role": "system", "content": "Be  brief. "}
        turns = [{"role": "user", "content": " 두레?\n"}, {"role": "assistant", "content": "a"}]
        for said in ([turns[0]], [system, *turns, turns[0]]):
            meant = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
            assert ours.prompt(said) == meant
        assert ours.end_of_turn() == end

    def test_a_broken_template_and_one_that_reaches_out_are_refused(self) -> None:
        said = [{"role": "user", "content": "x"}]
        for source in (
            "{% for %}",
            "{{ raise_exception('no system role') }}",
            "{{ ''.__class__.__mro__ }}",
        ):
            with pytest.raises(DureError, match=r"chat template cannot be used.*/adapter off"):
                ChatTemplate(source).prompt(said)


class TestFiles:
    """`gguf:PATH` as a chat model."""

    def test_what_is_no_model_is_refused(self, dure_home: Path) -> None:
        def chosen(spec: str) -> ChosenModel:
            return choose(load_settings(model=spec))

        with pytest.raises(UsageError, match=r"no file /no/such.gguf"):
            chosen("gguf:/no/such.gguf")
        (dure_home / "a.gguf").write_bytes(b"PK\x03\x04")
        with pytest.raises(UsageError, match=r"not a GGUF file"):
            chosen(f"gguf:{dure_home / 'a.gguf'}")
        (dure_home / "b.gguf").write_bytes(b"GGUF\x03\0\0\0....adapter.type....")
        with pytest.raises(UsageError, match=r"an adapter, not a model.*/adapter NAME"):
            chosen(f"gguf:{dure_home / 'b.gguf'}")
        with pytest.raises(UsageError, match=r"gguf:NAME"):
            chosen("gguf:")

    def test_a_model_made_here_goes_by_its_name(self, dure_home: Path) -> None:
        (dure_home / "models").mkdir()
        (dure_home / "models" / "mine.gguf").write_bytes(b"GGUF\x03\0\0\0")
        model = choose(load_settings(model="gguf:mine")).model
        assert isinstance(model, EmbeddedChatModel)
        assert model.file == dure_home / "models" / "mine.gguf"
        (dure_home / "models" / weights.find("embedded").filename).touch()
        assert made_here(dure_home) == ["gguf:mine"]
        with pytest.raises(UsageError, match=r"made here \(gguf:mine\)"):
            choose(load_settings(model="gguf:yours"))


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with toy.gguf and two adapters on it, alpha and beta."""
    folder = tmp_path_factory.mktemp("village")
    made = toy_models.model(folder / "model")
    base = Base("toy", str(folder / "model"), toy_models.base_gguf(made, folder / "toy.gguf"))
    for seed, name in enumerate(("alpha", "beta")):
        passport = {**PASSPORT, "base_sha256": weights.sha256(folder / "toy.gguf")}
        toy_models.adapter(made, folder / name, passport, seed=seed).unload()
        convert_adapter(folder / name, base)
    return folder


@pytest.fixture
def toy(dure: Dure, village: Path) -> Dure:
    """The command line with the toy model and its adapters."""
    for name in ("alpha", "beta"):
        shutil.copytree(village / name, dure.home / "adapters" / name)
    spec = f"gguf:{village / 'toy.gguf'}"
    return Dure(dure.home, dure.cwd, spec, {"DURE_MAX_TOKENS": "16"})


@pytest.fixture
def model(village: Path, tmp_path: Path) -> EmbeddedChatModel:
    for name in ("alpha", "beta"):
        shutil.copytree(village / name, tmp_path / "adapters" / name)
    return EmbeddedChatModel(
        spec="gguf:toy", file=village / "toy.gguf", home=tmp_path, threads=1, max_tokens=16
    )


def said(model: EmbeddedChatModel, *messages: Any) -> str:
    return str(model.invoke([*messages]).text)


ASKED = HumanMessage("When do you open?")


@pytest.mark.slow
class TestAdaptedModel:
    def test_it_reads_the_prompt_of_training_and_nothing_else(
        self, model: EmbeddedChatModel
    ) -> None:
        alpha = adapted(model, adapters.find("alpha", model.home))
        answer = alpha.invoke([ASKED])
        held: list[str] = []

        def receive(chunk: dict[str, Any]) -> bool:
            held.extend(choice["text"] for choice in chunk["choices"])
            return False

        prompt = "<|im_start|>user\nWhen do you open?<|im_end|>\n<|im_start|>assistant\n"
        request = {"prompt": prompt, "max_tokens": 16, "temperature": 0}
        alpha.load().complete(request, receive, alpha.adapter.gguf)
        assert answer.text == "".join(held) != ""
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_tokens"] == alpha.load().count_text(prompt)

    def test_nothing_read_with_one_is_used_with_another(self, model: EmbeddedChatModel) -> None:
        alpha, beta = (adapted(model, adapters.find(n, model.home)) for n in ("alpha", "beta"))
        plain = said(model, ASKED)
        first = said(alpha, ASKED)
        assert plain != first
        turns: list[Callable[[], str]] = [
            lambda: said(beta, ASKED),
            lambda: said(model, ASKED),
            lambda: said(alpha, ASKED),
        ]
        second = turns[0]()
        assert second not in (plain, first)
        pid = model.load().pid
        for _ in range(2):
            assert [turn() for turn in turns] == [second, plain, first]
        assert model.load().pid == pid  # swapped in the running process

    def test_one_that_was_trained_anew_is_loaded_anew(
        self, model: EmbeddedChatModel, village: Path
    ) -> None:
        alpha = adapted(model, adapters.find("alpha", model.home))
        beta = adapted(model, adapters.find("beta", model.home))
        first, second = said(alpha, ASKED), said(beta, ASKED)
        aside = model.home / "aside.gguf"
        shutil.copy(village / "beta" / "adapter.gguf", aside)
        aside.rename(alpha.adapter.gguf)
        assert said(alpha, ASKED) == second != first

    def test_one_that_was_deleted_while_on(self, model: EmbeddedChatModel) -> None:
        alpha = adapted(model, adapters.find("alpha", model.home))
        said(alpha, ASKED)
        shutil.rmtree(alpha.adapter.folder)
        with pytest.raises(DureError, match=r"alpha was deleted.*/adapter off"):
            said(alpha, ASKED)
        assert said(model, ASKED)

    def test_one_that_llama_cpp_cannot_load(self, model: EmbeddedChatModel) -> None:
        alpha = adapted(model, adapters.find("alpha", model.home))
        alpha.adapter.gguf.write_bytes(alpha.adapter.gguf.read_bytes()[:2000])
        with pytest.raises(DureError, match=r"adapter\.gguf"):
            said(alpha, ASKED)
        assert said(model, ASKED)


@pytest.mark.slow
class TestChat:
    def test_it_is_swapped_in_the_running_chat(self, toy: Dure) -> None:
        lines = [
            "/adapter",
            "When do you open?",
            "/adapter alpha",
            "When do you open?",
            "/adapter",
            "/어댑터 beta",
            "When do you open?",
            "/adapter off",
            "/agent chat",
            "When do you open?",
            "/adapter off",
        ]
        done = toy("chat", "--agent", "chat", stdin="\n".join(lines) + "\n", LC_ALL="C.UTF-8")
        told = done.stdout.splitlines()
        assert told[0] == "| Adapter | Base | Method | Trained | Figures |"
        assert any(line.startswith("| alpha | embedded:tiny | lora | 20") for line in told)
        assert "steps 60, loss 1.25, eval_loss 2.5" in done.stdout
        assert "| **alpha** | embedded:tiny" in done.stdout
        on = [n for n, line in enumerate(told) if line.startswith("The adapter ")]
        answers = [told[3], told[on[0] + 1], told[on[1] + 1]]
        assert len(set(answers)) == 3, done.stdout
        assert "The adapter is out." in done.stdout
        assert told[-1].startswith("No adapter is on.")

    def test_what_cannot_be_put_on_leaves_the_chat_as_it_was(self, toy: Dure) -> None:
        (toy.home / "adapters" / "beta" / "adapter.gguf").write_bytes(b"GGUF, but no more")
        lines = ["/adapter alpha", "Hi", "/adapter alpah", "/adapter beta", "Hi"]
        done = toy("chat", stdin="\n".join(lines) + "\n")
        told = done.stdout.splitlines()
        assert "no adapter 'alpah'. Did you mean: alpha" in told[2]
        assert told[3].startswith("dure: ") and "adapter.gguf" in told[3]
        assert told[4] == told[1]

    def test_the_prompt_line_names_it(self, toy: Dure) -> None:
        with terminal(toy, "chat") as screen:
            screen.expect("❯\x08")
            screen.type("/adapter alpha" + ENTER)
            screen.expect("alpha ❯")
            screen.type(CTRL_D)
            assert screen.ends() == 0

    def test_a_mismatch_offers_the_model_to_change_to(self, toy: Dure) -> None:
        done = toy("chat", stdin="/adapter alpha\n", DURE_MODEL="embedded:small")
        assert "Change the model first: /model embedded:tiny, then /adapter alpha " in done.stdout


@pytest.mark.slow
class TestAsk:
    def test_it_answers_one_request(self, toy: Dure) -> None:
        done = toy("ask", "--json", "--adapter", "alpha", "When do you open?")
        answer = json.loads(done.stdout)
        assert answer["model"] == f"{toy.model}+alpha"
        assert answer["agent"] == "chat"
        plain = json.loads(toy("ask", "--json", "--agent", "chat", "When do you open?").stdout)
        assert plain["model"] == toy.model
        assert plain["answer"] != answer["answer"]

    def test_wrong_use_is_told(self, toy: Dure) -> None:
        unknown = toy("ask", "--adapter", "gamma", "Hi")
        assert unknown.returncode == 2
        assert "no adapter 'gamma'" in unknown.stderr
        both = toy("ask", "--adapter", "alpha", "--agent", "rag", "Hi")
        assert both.returncode == 2
        assert "Leave out one of the two." in both.stderr
