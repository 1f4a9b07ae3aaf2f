"""Initial weights that several problems share."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def glorot(network: Network) -> Network:
    """Start linear layers and convolutions as Keras does: weights Glorot-uniform from torch's generator, biases zero.

    Args:
        network: Is changed in place.

    Returns:
        The same network.

    Example:
        >>> glorot(nn.Linear(3, 2)).bias.tolist()
        [0.0, 0.0]
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.get_parameter("bias"))
    return network
