"""A recurrent network reads English, one character at a time, and says which comes next.

It stands for language models and for recurrent networks, whose gradients pass through many steps of time. The text is
Python's own language reference, which comes with Python (`thalweg.lab.data.text`).
"""

from __future__ import annotations

from torch import Tensor, nn

from thalweg.lab.data import only_own, text
from thalweg.lab.measures import bits_per_symbol, nats_and_bits, next_symbol
from thalweg.lab.problem import Data, Problem


class Reader(nn.Module):
    """An embedding, one LSTM layer, and logits for the next character at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(text.SYMBOLS, 32)
        self.recurrent = nn.LSTM(32, 96, batch_first=True)
        self.output = nn.Linear(96, text.SYMBOLS)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (samples, window, symbols) from characters of shape (samples, window)."""
        return self.output(self.recurrent(self.embedding(characters))[0])


def load(source: str | None, seed: int = 0) -> Data:
    """The text that comes with Python, in windows of 64 characters; the seed changes nothing.

    Raises:
        InputError: If a source is named, or this Python comes without the text.
    """
    only_own(source, "text-lstm")
    return text.load()


def model(seed: int) -> Reader:
    """The network, with torch's own initial weights.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> import torch
        >>> model(0)(torch.zeros(2, 64, dtype=torch.int64)).shape
        torch.Size([2, 64, 97])
    """
    return Reader()


PROBLEM = Problem(
    name="text-lstm",
    summary="a recurrent network learns English character by character",
    load=load,
    model=model,
    loss=next_symbol,
    metric=bits_per_symbol,
    metric_name="bits per character",
    epochs=8,
    batch_size=16,
    target=2.2,
    both=nats_and_bits,
)
