"""A matrix of which few entries are known, as the product of two thin ones: which word follows which how often.

It stands for recommender systems, where rows are users, columns are items and entries are ratings, and for embeddings
of words. The matrix here is real: entry (a, b) is the logarithm of how often word b stands up to ten words after word
a in Python's language reference (`thalweg.lab.data.words`). As among users and items, a few rows and columns have
most of the entries. Entries to test are held out at random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from thalweg.lab.data import only_own, words
from thalweg.lab.measures import squared_error
from thalweg.lab.problem import Data, Problem

WORDS = 400
RANK = 4


class Factors(nn.Module):
    """Mean, biases of rows and columns, and four factors of each, as recommender systems have them."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(()))
        self.row_bias = nn.Parameter(torch.zeros(WORDS))
        self.column_bias = nn.Parameter(torch.zeros(WORDS))
        self.row_factors = nn.Parameter(0.1 * torch.randn(WORDS, RANK))
        self.column_factors = nn.Parameter(0.1 * torch.randn(WORDS, RANK))

    def forward(self, pairs: Tensor) -> Tensor:
        """Predictions of shape (pairs,) from rows' and columns' numbers of shape (pairs, 2)."""
        rows, columns = pairs.unbind(dim=1)
        product = (self.row_factors[rows] * self.column_factors[columns]).sum(dim=1)
        return self.mean + self.row_bias[rows] + self.column_bias[columns] + product


def load(source: str | None, seed: int = 0) -> Data:
    """The known entries; the seed changes nothing.

    Args:
        source: None, for there is no other data.
        seed: Of the run.

    Returns:
        Pairs of row and column, of shape (N, 2), and the entries, of shape (N,).

    Raises:
        InputError: If a source is named, or this Python comes without the text.
    """
    only_own(source, "matrix-factorisation")
    return words.neighbours()


def model(seed: int) -> Factors:
    """The factors, small and random: were they zero, so would be their gradients.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> model(0)(torch.tensor([[0, 1], [2, 399]])).shape
        torch.Size([2])
    """
    return Factors()


PROBLEM = Problem(
    name="matrix-factorisation",
    summary="embeddings of rows and columns learn the known entries of a matrix",
    load=load,
    model=model,
    loss=squared_error,
    metric_name="mean squared error",
    epochs=10,
    batch_size=128,
    target=0.42,
)
