"""Which of eight topics a text of 32 words is about: embeddings, averaged by an attention that is learned.

It stands for text classifiers, whose rare words have a gradient in few steps only, and for several labels at once.
"""

import numpy as np
import torch
from torch import nn

BATCH_SIZE = 32
SAMPLES, WORDS, LENGTH, TOPICS, WIDTH = 6000, 400, 32, 8, 32
COMMON = 0.7  # share of the words that belong to no topic


class Attentive(nn.Module):
    """Embeddings, weights for them from a small network, and another one for the topics."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.attention = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1))
        self.hidden = nn.Linear(WIDTH, 64)
        self.topics = nn.Linear(64, TOPICS)

    def forward(self, words):
        """Logits of every topic from words of shape (samples, length)."""
        embedded = self.words(words)
        mean = (self.attention(embedded).softmax(dim=1) * embedded).sum(dim=1)
        return self.topics(self.hidden(mean).relu())


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Attentive()


def data(seed: int):
    """Texts of one to three topics, each with 40 words of its own, of which some are far more usual than others."""
    random = np.random.RandomState(16)
    usual = 1 / np.arange(1, 41)
    texts, labels = [], []
    for _ in range(SAMPLES):
        present = random.permutation(TOPICS)[: random.randint(1, 4)]
        place = random.choice(40, LENGTH, p=usual / usual.sum())
        own = TOPICS * place + random.choice(present, LENGTH)
        common = random.randint(40 * TOPICS, WORDS, LENGTH)
        texts.append(np.where(random.uniform(size=LENGTH) < COMMON, common, own))
        labels.append(np.isin(np.arange(TOPICS), present))
    words, topics = np.array(texts, np.int64), np.array(labels, np.float32)
    return tuple(zip(np.split(words, [4800, 5400]), np.split(topics, [4800, 5400]), strict=True))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Binary cross-entropy, the mean over topics."""
    words, topics = batch
    return nn.functional.binary_cross_entropy_with_logits(model(words), topics)
