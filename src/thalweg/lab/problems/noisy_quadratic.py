"""A quadratic function of 100 parameters, of which every sample shows another minimum: DeepOBS' `quadratic_deep`.

It stands for the last stretch of the training of a deep network, where the loss is nearly quadratic, a tenth of the
directions are steep and the others nearly flat, and noise in the gradient sets how low the loss gets. It is drawn
here, the same as in Schneider, Balles & Hennig 2019 (DeepOBS): 90 eigenvalues between 0 and 1, ten between 30 and 60,
turned at random; 1,000 minima around 0 to train on, and as many to test on.

The benchmark drops the incomplete batch at the end of an epoch and, repeating one order, drops the same 104 minima in
every epoch of a run. So a run has 896 of the 1,000, drawn with its seed, and 896 of the others to test on. Repeating
one order (`order="repeated"`) gives the published losses; reshuffling gives honest ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.lab.batches import of_arrays
from thalweg.lab.data import only_own
from thalweg.lab.problem import Data, Problem

DIMENSIONS = 100
_MINIMA = 1000
_WHOLE = 896  # what seven whole batches of 128 hold
_NOISE = 0.6
_SEED = 42  # of the benchmark: curvature, training samples; test samples have the next one, validation that after


class Quadratic(nn.Module):
    """The distance of the parameters from a minimum, measured with the curvature."""

    curvature: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.ones(DIMENSIONS))
        self.register_buffer("curvature", torch.from_numpy(curvature().astype(np.float32)))

    def forward(self, minima: Tensor) -> Tensor:
        """The loss of each sample."""
        away = self.point - minima
        return 0.5 * ((away @ self.curvature) * away).sum(dim=1)


@cache
def curvature() -> np.ndarray:
    """The matrix of second derivatives, in float64.

    Example:
        >>> eigenvalues = np.linalg.eigvalsh(curvature())
        >>> int((eigenvalues < 1).sum()), int((eigenvalues > 30).sum())
        (90, 10)
    """
    random = np.random.RandomState(_SEED)
    eigenvalues = np.concatenate([random.uniform(0, 1, 90), random.uniform(30, 60, 10)])
    turned = rotation(random, DIMENSIONS)
    return turned.T @ np.diag(eigenvalues) @ turned


def rotation(random: np.random.RandomState, dimensions: int) -> np.ndarray:
    """A uniformly drawn rotation, by Diaconis & Shahshahani's subgroup algorithm.

    A rotation of the plane is carried to three dimensions by a reflection that takes the new axis to a random
    direction, then to four, and so on. The order of the draws decides the result, so it is the benchmark's.

    Example:
        >>> turned = rotation(np.random.RandomState(0), 5)
        >>> bool(np.allclose(turned @ turned.T, np.eye(5)))
        True
    """
    angle = 2 * np.pi * random.uniform()
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, dimensions + 1):
        direction = random.normal(size=size)
        mirror = np.eye(size)[0] - direction / np.linalg.norm(direction)
        mirror /= np.linalg.norm(mirror)
        larger = np.zeros((size, size))
        larger[0, 0], larger[1:, 1:] = 1, turned
        turned = larger - 2 * np.outer(mirror, mirror @ larger)
    return -turned


def load(source: str | None, seed: int = 0) -> Data:
    """The minima, drawn: the seed decides which 896 of the 1,000 a run trains on.

    Args:
        source: None, for there is no other data.
        seed: Of the run.

    Returns:
        Minima of shape (896, 100), others to test on, and to tune 1,000 further ones to validate on.

    Raises:
        InputError: If a source is named.

    Example:
        >>> [len(part[0]) for part in (load(None).train, load(None).test, *load(None).tuning)]
        [896, 896, 896, 1000]
    """
    only_own(source, "noisy-quadratic")
    train, test, validation = (_minima(_SEED + place) for place in range(3))
    chosen = np.sort(np.random.RandomState(seed).permutation(_MINIMA)[:_WHOLE])
    name = f"{_WHOLE} minima to train, {_WHOLE} to test, drawn as in DeepOBS"
    return of_arrays(name, (train[chosen],), (test[:_WHOLE],), ((train[chosen],), (validation,)))


def _minima(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).normal(0, _NOISE, (_MINIMA, DIMENSIONS)).astype(np.float32)


def model(seed: int) -> Quadratic:
    """The function, with all its parameters at 1.

    Args:
        seed: Changes nothing.

    Example:
        >>> round(model(0)(torch.ones(1, 100)).item(), 6)
        0.0
    """
    return Quadratic()


def loss(model: nn.Module, batch: tuple[Tensor]) -> Tensor:
    """The mean over a batch."""
    return model(batch[0]).mean()


PROBLEM = Problem(
    name="noisy-quadratic",
    summary="100 parameters near a minimum that every sample shows elsewhere, as DeepOBS has it",
    load=load,
    model=model,
    loss=loss,
    optimizers=(
        ("SGD", "sgd:lr=0.01585"),
        ("SGD with momentum", "sgd:lr=0.002512,momentum=0.99"),
        ("Adam", "adam:lr=0.03981"),
    ),
    epochs=100,
    batch_size=128,
    target=87.7032,
)
