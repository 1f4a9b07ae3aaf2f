"""A small transformer reads English, one character at a time, and says which comes next.

It stands for the networks of large language models: attention, layer normalisation, residual connections, and classes
of which few are frequent and most are rare. The text is Python's own language reference, which comes with Python
(`thalweg.lab.data.text`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from thalweg.lab.data import only_own, text
from thalweg.lab.measures import bits_per_symbol, nats_and_bits, next_symbol
from thalweg.lab.problem import Data, Problem

_WIDTH = 32
_HEADS = 2
_LAYERS = 2


class Block(nn.Module):
    """Causal self-attention and two dense layers, each behind a layer normalisation and beside the residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(_WIDTH)
        self.projections = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.mixed = nn.Linear(_WIDTH, _WIDTH)
        self.dense = nn.Sequential(
            nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH)
        )

    def forward(self, stream: Tensor) -> Tensor:
        """The residual stream of shape (samples, window, width) after the block."""
        stream = stream + self.mixed(self.attention(self.before_attention(stream)))
        return stream + self.dense(stream)

    def attention(self, stream: Tensor) -> Tensor:
        """Every place's mean of the values at and before it, per head."""
        samples, window, width = stream.shape
        heads = self.projections(stream).view(samples, window, 3, _HEADS, width // _HEADS)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(width // _HEADS)
        future = torch.ones(window, window, dtype=torch.bool, device=stream.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        return (weights @ values).transpose(1, 2).reshape(samples, window, width)


class Reader(nn.Module):
    """Embeddings of characters and places, the blocks, and logits for the next character at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.characters = nn.Embedding(text.SYMBOLS, _WIDTH)
        self.places = nn.Parameter(torch.empty(text.WINDOW, _WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(_LAYERS)))
        self.output = nn.Sequential(nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, text.SYMBOLS))

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (samples, window, symbols) from characters of shape (samples, window)."""
        stream = self.characters(characters) + self.places[: characters.shape[1]]
        return self.output(self.blocks(stream))


def load(source: str | None, seed: int = 0) -> Data:
    """The text that comes with Python, in windows of 64 characters; the seed changes nothing.

    Raises:
        InputError: If a source is named, or this Python comes without the text.
    """
    only_own(source, "text-transformer")
    return text.load()


def model(seed: int) -> Reader:
    """The network: weights normal with deviation .02 as in GPT-2, biases zero.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> model(0)(torch.zeros(2, 64, dtype=torch.int64)).shape
        torch.Size([2, 64, 97])
    """
    network = Reader()
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Embedding):
            nn.init.normal_(layer.weight, std=0.02)
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    nn.init.normal_(network.places, std=0.02)
    return network


PROBLEM = Problem(
    name="text-transformer",
    summary="a small transformer learns English character by character",
    load=load,
    model=model,
    loss=next_symbol,
    metric=bits_per_symbol,
    metric_name="bits per character",
    epochs=8,
    batch_size=16,
    target=2.5,
    both=nats_and_bits,
)
