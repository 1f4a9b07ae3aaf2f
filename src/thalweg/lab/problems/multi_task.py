"""Two tasks on one network, with losses of different scale: which digit is it, and how much ink does it take?

It stands for networks with several heads, whose losses are added though one is thousands of times the other. Here the
cross-entropy of the digit starts at about 2.3, and the squared error of the ink, in whole pixels, at about 11,000:
the gradient of the shared layer is that of the ink at first. What is reported is how many digits are read
nonetheless. The digits are those of `mnist-cnn` (`thalweg.lab.digits`), and their ink is the sum of their pixels.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from thalweg.lab import digits
from thalweg.lab.batches import of_arrays
from thalweg.lab.initial import glorot
from thalweg.lab.problem import Data, Problem


class TwoHeads(nn.Module):
    """One hidden layer of 128 rectified units that both tasks share, and a linear head for each."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU())
        self.digit = nn.Linear(128, 10)
        self.ink = nn.Linear(128, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (images, 10), and the ink of shape (images, 1)."""
        hidden = self.shared(images)
        return self.digit(hidden), self.ink(hidden)


def load(source: str | None, seed: int = 0) -> Data:
    """Digits with their ink; the seed changes nothing.

    Args:
        source: As for `mnist-cnn`: None, "openml", or a folder with MNIST's four IDX files.
        seed: Of the run.

    Returns:
        Images of shape (N, 1, 28, 28), digits of shape (N,), and ink of shape (N, 1).

    Raises:
        InputError: If the source cannot be used.

    Example:
        >>> [array.shape for array in load(None).test]
        [(1000, 1, 28, 28), (1000,), (1000, 1)]
    """
    plain = digits.load(source, seed)
    train, test, less, validation = (_with_ink(*part) for part in (plain.train, plain.test, *plain.tuning))
    return of_arrays(plain.name, train, test, (less, validation))


def _with_ink(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
    return images, labels, images.sum(axis=(1, 2, 3), dtype=np.float64).astype(np.float32)[:, None]


def model(seed: int) -> TwoHeads:
    """The network, with Glorot-uniform weights and zero biases as in Keras.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> import torch
        >>> [output.shape for output in model(0)(torch.zeros(2, 1, 28, 28))]
        [torch.Size([2, 10]), torch.Size([2, 1])]
    """
    return glorot(TwoHeads())


def loss(model: TwoHeads, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The sum of both losses as they are: the mean cross-entropy of the digits, the mean squared error of the ink."""
    images, labels, ink = batch
    logits, guess = model(images)
    return nn.functional.cross_entropy(logits, labels) + nn.functional.mse_loss(guess, ink)


def metric(model: TwoHeads, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The share of digits that are read right."""
    images, labels, _ = batch
    return (model(images)[0].argmax(dim=1) == labels).double().mean()


PROBLEM = Problem(
    name="multi-task",
    summary="one network learns digits and their ink, from losses a thousand times apart",
    load=load,
    model=model,
    loss=loss,
    metric=metric,
    metric_name="accuracy",
    maximize=True,
    optimizers=(
        ("AdaDelta", "adadelta:lr=1.0"),
        ("AdaGrad", "adagrad:lr=0.1"),
        ("Adam", "adam:lr=0.01"),
        ("RMSprop", "rmsprop:lr=0.001"),
        ("SGD with momentum", "sgd:lr=0.0002,momentum=0.9"),
        ("SGD", "sgd:lr=0.001"),
    ),
    epochs=20,
    target=0.8,
)
