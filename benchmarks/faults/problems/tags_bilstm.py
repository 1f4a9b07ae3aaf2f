"""A recurrent network that reads both ways says of every word in a sentence what part of speech it is.

It stands for taggers, where most words may be several things, and only their neighbours tell which.
"""

import numpy as np
import torch
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
SAMPLES, LENGTH, WORDS, TAGS = 6000, 14, 150, 7


class Tagger(nn.Module):
    """Embeddings, an LSTM of 32 units in each direction, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, 24)
        self.recurrent = nn.LSTM(24, 32, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(64, TAGS)

    def forward(self, words):
        """Logits of shape (samples, length, tags) from words of shape (samples, length)."""
        return self.tags(self.recurrent(self.words(words))[0])


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Tagger()


def data(seed: int):
    """Tags of which each allows few others after it, and words of which each may have several tags."""
    random = np.random.RandomState(32)
    following = random.dirichlet(np.full(TAGS, 0.3), TAGS).cumsum(axis=1)
    meant = random.dirichlet(np.full(WORDS, 0.15), TAGS).cumsum(axis=1)
    tags = random.randint(0, TAGS, (SAMPLES, LENGTH))
    for place in range(1, LENGTH):
        tags[:, place] = drawn(following[tags[:, place - 1]], random)
    words = drawn(meant[tags], random)
    return tuple(zip(np.split(words, [4800, 5400]), np.split(tags, [4800, 5400]), strict=True))


def drawn(chances: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A number for each row of chances, which are summed up."""
    return (random.uniform(size=(*chances.shape[:-1], 1)) > chances[..., :-1]).sum(axis=-1)


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy, the mean over words."""
    words, tags = batch
    return nn.functional.cross_entropy(model(words).flatten(0, 1), tags.flatten())


def metric(model: nn.Module, batch) -> torch.Tensor:
    """The share of the words that are tagged rightly."""
    words, tags = batch
    return (model(words).argmax(dim=2) == tags).double().mean()
