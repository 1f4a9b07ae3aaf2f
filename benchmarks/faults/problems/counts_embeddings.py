"""Counts of sales out of a table: three columns of categories, which have embeddings, and four of numbers.

It stands for regression on tables as shops and insurers have them, with counts as answers and Poisson's loss.
"""

import numpy as np
import torch
from torch import nn

BATCH_SIZE = 64
SAMPLES, NUMBERS = 12000, 4
CATEGORIES, WIDTHS = (50, 12, 7), (8, 6, 4)  # shops, kinds of goods, days of the week


class Sales(nn.Module):
    """An embedding per column of categories, beside the numbers, and a network of rectified units."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleList(map(nn.Embedding, CATEGORIES, WIDTHS))
        self.network = nn.Sequential(
            nn.Linear(NUMBERS + sum(WIDTHS), 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        )

    def forward(self, categories, numbers):
        """The logarithm of every sample's rate."""
        columns = zip(self.embeddings, categories.unbind(dim=1), strict=True)
        embedded = [embedding(column) for embedding, column in columns]
        return self.network(torch.cat([numbers, *embedded], dim=1)).squeeze(1)


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Sales()


def data(seed: int):
    """Categories of which some are far more usual than others, numbers, and counts of a rate that both decide."""
    random = np.random.RandomState(31)
    numbers = random.normal(size=(SAMPLES, NUMBERS)).astype(np.float32)
    usual = [1 / np.arange(1, size + 1) ** 0.7 for size in CATEGORIES]
    columns = [random.choice(len(each), SAMPLES, p=each / each.sum()) for each in usual]
    shop, kind, day = (random.normal(size=size)[column] for size, column in zip(CATEGORIES, columns, strict=True))
    logarithm = 0.8 + 0.6 * shop + 0.5 * kind * numbers[:, 0] + 0.4 * day + 0.4 * np.sin(2 * numbers[:, 1])
    counts = random.poisson(np.exp(np.minimum(logarithm, 4))).astype(np.float32)
    arrays = (np.stack(columns, axis=1), numbers, counts)
    return tuple(zip(*(np.split(array, [10000, 11000]) for array in arrays), strict=True))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """The negative logarithm of Poisson's probability."""
    categories, numbers, counts = batch
    return nn.functional.poisson_nll_loss(model(categories, numbers), counts, full=True)
