"""Handwritten digits and a small convolutional network: the comparison that most articles print a table of."""

from __future__ import annotations

from torch import Tensor, nn

from thalweg.lab import digits
from thalweg.lab.problem import Problem


def model() -> nn.Sequential:
    """One convolution, one hidden layer, dropout after each; logits for ten digits.

    Returns:
        The network, with Glorot-uniform weights and zero biases as in Keras.

    Example:
        >>> import torch
        >>> model()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(32 * 13 * 13, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.get_parameter("bias"))
    return network


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of samples whose largest logit is the target's.

    Args:
        logits: One row per sample.
        targets: The classes.

    Returns:
        A scalar between 0 and 1.

    Example:
        >>> import torch
        >>> accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0]))
        tensor(0.7500, dtype=torch.float64)
    """
    return (logits.argmax(dim=1) == targets).double().mean()


PROBLEM = Problem(
    name="mnist-cnn",
    summary="a small convolutional network learns handwritten digits",
    load=digits.load,
    model=model,
    loss=nn.functional.cross_entropy,
    metric=accuracy,
    metric_name="accuracy",
    optimizers=(
        ("AdaDelta", "adadelta:dialect=keras"),
        ("AdaGrad", "adagrad:dialect=keras"),
        ("Adam", "adam:dialect=keras"),
        ("RMSprop", "rmsprop:dialect=keras"),
        ("SGD with momentum", "sgd:dialect=keras,momentum=0.9"),
        ("SGD", "sgd:dialect=keras"),
    ),
    epochs=10,
    batch_size=64,
)
