"""Autoencoders from their parts, and what their tools say to what cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mcp_servers import jobs
from mcp_servers.diffusion import vae_server
from mcp_servers.diffusion.vae_settings import VaeSettings
from mcp_servers.errors import EngineError
from tests.mcp_servers.calling import said
from tests.mcp_servers.diffusion_parts import called


@pytest.fixture(autouse=True)
def allowed(dure_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    monkeypatch.setenv("DURE_ALLOW", str(folder))
    return folder


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("train_vae", {"folder": "/etc"}, "outside the folders"),
        ("train_vae", {"folder": "{allowed}/absent"}, "There is no folder"),
        ("train_vae", {"folder": "{allowed}", "name": "../up"}, "is not a name"),
        ("train_vae", {"folder": "{allowed}", "side": 48}, "32, 64 or 128"),
        ("train_vae", {"folder": "{allowed}", "beta": -1}, "beta is -1. Pass 0 to 100"),
        ("train_vae", {"folder": "{allowed}", "steps": 0}, "steps is 0. Pass 1 to"),
        ("train_vae", {"folder": "{allowed}", "latent_dim": 0}, "latent_dim is 0"),
        ("vae_sample", {"vae": "absent"}, "Train one with train_vae"),
        ("vae_sample", {"vae": "a/b"}, "is not a name"),
        ("vae_reconstruct", {"pictures": ["/etc/hosts"]}, "outside the folders"),
        ("vae_outliers", {"pictures": ["{allowed}"]}, "No autoencoder 'vae' is trained"),
        ("delete_vae", {"name": "absent"}, "There are: none"),
    ],
)
async def test_what_cannot_be_done_says_what_to_do(
    allowed: Path, tool: str, arguments: dict[str, Any], words: str
) -> None:
    named = {
        key: value.replace("{allowed}", str(allowed)) if isinstance(value, str) else value
        for key, value in arguments.items()
    }
    if "pictures" in named:
        named["pictures"] = [each.replace("{allowed}", str(allowed)) for each in named["pictures"]]
    result = await called(tool, **named)
    assert result.isError
    assert words in said(result)
    assert jobs.listing() == []


async def test_nothing_is_trained_yet() -> None:
    assert (await called("vaes")).structuredContent == {"result": []}


def picture(path: Path, level: int = 200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), (level, 0, 0)).save(path)
    return path


@pytest.mark.slow  # torch
def test_pictures_of_a_folder_are_found_and_read(tmp_path: Path) -> None:
    from mcp_servers.diffusion import vae_pictures

    folder = tmp_path / "pictures"
    wanted = [picture(folder / name) for name in ("A.PNG", "b.jpg", "deep/c.webp")]
    picture(folder / ".hidden.png")
    picture(folder / ".git" / "d.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "out.png").symlink_to(picture(tmp_path / "elsewhere.png"))
    found = vae_pictures.found(folder)
    assert found == sorted(wanted)
    broken = folder / "z.png"
    broken.write_bytes(wanted[0].read_bytes()[:40])
    read = vae_pictures.read([*found, broken], 32, 3, lambda done, total: None)
    assert read.pixels.shape == (3, 3, 32, 32)
    assert abs(read.numbers()[0].amax() - 200 / 255) < 0.01
    assert [each["path"] for each in read.skipped] == [str(broken)]
    grey = vae_pictures.read(found, 32, 1, lambda done, total: None)
    assert grey.pixels.shape == (3, 1, 32, 32)
    with pytest.raises(EngineError, match=r"No picture can be read\. z\.png: The "):
        vae_pictures.read([broken], 32, 3, lambda done, total: None)
    with pytest.raises(EngineError, match="holds no picture"):
        vae_pictures.found(empty(tmp_path))
    with pytest.raises(EngineError, match="There is no file or folder"):
        vae_pictures.found(tmp_path / "absent")


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def learnt(folder: Path, unchecked: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a very small run in this process answers."""
    from mcp_servers.diffusion import vae_learning

    asked: dict[str, Any] = {
        **{"name": "a", "folder": str(folder), "side": 32, "grey": True, "latent_dim": 2},
        **{"beta": 1.0, "steps": 2, "batch_size": 4, "learning_rate": 0.01, "noise": 0.0},
        "seed": 1,
    }
    spec = {**VaeSettings(**asked).checked(), **(unchecked or {})}
    return vae_learning.learn(jobs.Worker(jobs.create(vae_server.KIND, spec)))


@pytest.mark.slow  # torch
def test_pictures_that_nothing_can_be_learnt_from_are_refused(tmp_path: Path) -> None:
    for copies in range(12):
        picture(tmp_path / f"{copies}.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(EngineError, match=r"1 different pictures \(1 could not be read\).*Add"):
        learnt(tmp_path)
    for level in range(11):
        picture(tmp_path / f"{level}.png", 20 * level)
    result = learnt(tmp_path)
    assert result["data"]["train"] + result["data"]["held_out"] == 11
    assert result["data"]["duplicates"] == 1 and result["data"]["skipped"] == 1
    with pytest.raises(EngineError, match=r"no number any more.*learning_rate"):
        learnt(tmp_path, {"learning_rate": 1e30, "steps": 4})


@pytest.mark.slow  # torch
def test_a_checkpoint_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    from mcp_servers.torch_runtime import torch  # isort: skip
    from mcp_servers import checkpoints

    model = torch.nn.Linear(2, 2)
    adam = torch.optim.AdamW(model.parameters())
    with pytest.raises(EngineError, match=r"cannot be written to .*absent .*Make room there"):
        checkpoints.keep(tmp_path / "absent" / "a.safetensors", model, adam, 1)
    model(torch.ones(1, 2)).sum().backward()
    adam.step()
    checkpoints.keep(tmp_path / "a.safetensors", model, adam, 1)
    other = torch.nn.Linear(2, 2)
    again = torch.optim.AdamW(other.parameters())
    assert checkpoints.restore(tmp_path / "a.safetensors", other, again) == 1
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(again.state[other.weight]["exp_avg"], adam.state[model.weight]["exp_avg"])
    assert checkpoints.restore(tmp_path / "b.safetensors", other, again) == 0


@pytest.mark.slow  # torch
def test_kl_is_its_closed_form_and_what_sampling_estimates() -> None:
    from mcp_servers.diffusion.vae_network import kl_divergence, reparameterised
    from mcp_servers.torch_runtime import torch

    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 8), torch.randn(5, 8)
    found = kl_divergence(mean, log_variance)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.tensor(0.0), torch.tensor(1.0))
    exact = torch.distributions.kl_divergence(posterior, prior).sum(dim=1)
    assert torch.allclose(found, exact, atol=1e-5)
    many = reparameterised(mean.expand(200_000, 5, 8), log_variance.expand(200_000, 5, 8))
    estimate = (posterior.log_prob(many) - prior.log_prob(many)).sum(dim=2).mean(dim=0)
    assert torch.allclose(found, estimate, rtol=0.01)
    assert kl_divergence(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0
    by_hand = 0.5 * (4 + torch.tensor(1.0).exp() - 1 - 1)  # 6.4.2 with mean 2, variance e
    one = kl_divergence(torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    assert torch.allclose(one, by_hand)


@pytest.mark.slow  # torch
def test_gradients_pass_through_the_sample_and_sizes_fit() -> None:
    from mcp_servers.diffusion.vae_network import Shape, Vae, reparameterised, squared_error
    from mcp_servers.torch_runtime import torch

    for side, channels in ((32, 1), (64, 3), (128, 3)):
        model = Vae(Shape(side, channels, 5))
        pictures = torch.rand(2, channels, side, side)
        mean, log_variance = model.encode(pictures)
        assert mean.shape == log_variance.shape == (2, 5)
        again = model.decode(reparameterised(mean, log_variance))
        assert again.shape == pictures.shape and again.min() >= 0 and again.max() <= 1
        errors = squared_error(again, pictures)
        sums = torch.nn.functional.mse_loss(again, pictures, reduction="sum")
        assert torch.allclose(errors.sum(), sums)
    errors.sum().backward()
    assert all(each.grad is not None for each in model.encoder.parameters())
