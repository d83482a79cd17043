"""A convolutional variational autoencoder with one flat latent vector a picture (chapter 6).

The chapter calls reconstruction minus KL what is minimised (6.4.4): that is the lower bound of
log p(x), which is maximised; training minimises its negative, as the chapter's own code does.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcp_servers.torch_runtime import torch

Tensor = torch.Tensor
nn = torch.nn

_SMALLEST = 4  # the side of the last feature map
_WIDTH, _WIDEST = 32, 128  # channels of the first feature map, and of the last at most
_LOG_VARIANCES = (-12.0, 8.0)  # beyond these exp() gains nothing but overflow


@dataclass(frozen=True)
class Shape:
    """Pictures of `channels` x `side` x `side`, and `latent_dim` numbers for each."""

    side: int
    channels: int
    latent_dim: int

    @property
    def values(self) -> int:
        """Numbers in a picture."""
        return self.channels * self.side * self.side


class Vae(nn.Module):
    """Encoder, reparameterisation and decoder; pictures are (n, channels, side, side), 0 to 1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        halvings = (shape.side // _SMALLEST).bit_length() - 1
        widths = [min(_WIDEST, _WIDTH * 2**at) for at in range(halvings)]
        self._last = (widths[-1], _SMALLEST, _SMALLEST)
        flat = widths[-1] * _SMALLEST**2
        down: list[nn.Module] = []
        for before, after in zip([shape.channels, *widths], widths, strict=False):
            down += [nn.Conv2d(before, after, 3, stride=2, padding=1), *_normed(after)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, 2 * shape.latent_dim))
        up: list[nn.Module] = [nn.Linear(shape.latent_dim, flat), nn.Unflatten(1, self._last)]
        for before, after in zip(widths[::-1], widths[-2::-1], strict=False):
            up += [*_normed(before), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        up += [*_normed(widths[0]), nn.ConvTranspose2d(widths[0], shape.channels, 4, 2, 1)]
        self.decoder = nn.Sequential(*up, nn.Sigmoid())

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), each (n, latent_dim)."""
        mean, log_variance = self.encoder(pictures).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCES)

    def decode(self, latents: Tensor) -> Tensor:
        """The mean of p(x|z): pictures for latents of (n, latent_dim)."""
        decoded: Tensor = self.decoder(latents)
        return decoded.float()


def _normed(channels: int) -> list[nn.Module]:
    """Normalised over the batch: over one picture alone, flat colours would be lost."""
    return [nn.BatchNorm2d(channels), nn.SiLU()]


def reparameterised(mean: Tensor, log_variance: Tensor) -> Tensor:
    """z = mean + sigma * epsilon with epsilon from N(0, 1): a sample that gradients pass (6.3)."""
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """D_KL(q(z|x) || N(0, 1)) of each picture in nats, (n,): the closed form of 6.4.2."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1)


def squared_error(reconstructed: Tensor, pictures: Tensor) -> Tensor:
    """The sum of squared errors of each picture, (n,).

    It is -log p(x|z) but for a constant where p(x|z) is normal with variance 1/2: the chapter's
    reconstruction loss (6.4.5), there summed over the batch too.
    """
    return (reconstructed - pictures).square().flatten(1).sum(dim=1)
