"""A variational autoencoder learns to write digits: eight numbers per image, from which the image comes back.

It stands for generative models and for losses that are noisy in themselves: the gradient depends on noise that the
network draws. The data are the handwritten digits of `mnist-cnn` (`thalweg.lab.digits`), each pixel black or white, so
that the loss is a bound on a likelihood.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.lab import digits
from thalweg.lab.batches import of_arrays
from thalweg.lab.problem import Data, Problem

_PIXELS = 784
_HIDDEN = 256
_LATENT = 8


class Autoencoder(nn.Module):
    """From an image to a normal distribution over eight numbers, and from such numbers to an image's logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(_PIXELS, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 2 * _LATENT))
        self.decoder = nn.Sequential(nn.Linear(_LATENT, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _PIXELS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the pixels for one draw, and the mean and the logarithm of the variance that it came from.

        Training draws from torch's generator. An evaluation draws the same noise every time, from a generator of its
        own: so it is a function of the weights alone, and the training goes on as if there had been none.
        """
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        generator = None if self.training else torch.Generator(images.device).manual_seed(0)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return self.decoder(mean + noise * (log_variance / 2).exp()), mean, log_variance


def load(source: str | None, seed: int = 0) -> Data:
    """Digits of 784 pixels, 0 or 1 each.

    Args:
        source: As for `mnist-cnn`: None for the digits that come with the install, "openml", or a folder.
        seed: Of the run; the data is the same for all.

    Raises:
        InputError: If the source cannot be used.

    Example:
        >>> [part[0].shape for part in load(None).tuning]
        [(3200, 784), (800, 784)]
    """
    data = digits.load(source)
    train, test, kept, out = (_black_or_white(part[0]) for part in (data.train, data.test, *data.tuning))
    return of_arrays(f"{data.name}, in black and white", (train,), (test,), ((kept,), (out,)))


def _black_or_white(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), _PIXELS) >= 0.5).astype(np.float32)


def model(seed: int) -> Autoencoder:
    """The network, with torch's own initial weights.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> model(0)(torch.zeros(2, 784))[0].shape
        torch.Size([2, 784])
    """
    return Autoencoder()


def negative_elbo(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """The mean negative evidence lower bound in nats per image: what the pixels cost, and what the eight numbers cost.

    Args:
        model: An `Autoencoder`.
        batch: Images of shape (samples, 784), each pixel 0 or 1.

    Returns:
        A scalar.
    """
    images = batch[0]
    logits, mean, log_variance = model(images)
    pixels = nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    return (pixels + divergence) / len(images)


PROBLEM = Problem(
    name="digits-vae",
    summary="a variational autoencoder learns to write digits",
    load=load,
    model=model,
    loss=negative_elbo,
    metric_name="negative ELBO in nats",
    epochs=20,
    target=125.0,
)
