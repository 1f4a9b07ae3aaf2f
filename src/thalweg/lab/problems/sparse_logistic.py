"""Logistic regression on words: does a paragraph come from Python's language reference or from its standard library?

It stands for problems with sparse features, of which most are rare: text, click logs, shopping baskets. A few words
stand in a third of the paragraphs or more, most in one or two, so that their weights have a gradient once or twice
per epoch. The text comes with Python (`thalweg.lab.data.words`).
"""

from __future__ import annotations

from torch import Tensor, nn

from thalweg.lab.data import only_own, words
from thalweg.lab.measures import binary_accuracy, binary_cross_entropy
from thalweg.lab.problem import Data, Problem


class WordWeights(nn.Linear):
    """A weight per word; their sum over the words of a paragraph is its logit."""

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of shape (paragraphs, 1) from rows of bytes, which take a quarter of the memory of floats."""
        return super().forward(rows.float())


def load(source: str | None, seed: int = 0) -> Data:
    """The paragraphs that come with Python; the seed changes nothing.

    Args:
        source: None, for there is no other data.
        seed: Of the run.

    Returns:
        Rows of bytes, 1 for every word that the paragraph holds, and labels of shape (N, 1): 1 for the language
        reference, 0 for the standard library.

    Raises:
        InputError: If a source is named, or this Python comes without those texts.
    """
    only_own(source, "sparse-logistic")
    return words.paragraphs()


def model(seed: int) -> WordWeights:
    """A weight per word and a bias, all zero: the problem is convex, so that the start does not matter.

    Args:
        seed: Changes nothing.

    Example:
        >>> set(model(0).weight.flatten().tolist())
        {0.0}
    """
    weights = WordWeights(words.paragraphs().train[0].shape[1], 1)
    for parameter in weights.parameters():
        nn.init.zeros_(parameter)
    return weights


PROBLEM = Problem(
    name="sparse-logistic",
    summary="a logistic regression tells two kinds of documentation apart by rare words",
    load=load,
    model=model,
    loss=binary_cross_entropy,
    metric=binary_accuracy,
    metric_name="accuracy",
    maximize=True,
    epochs=20,
    batch_size=32,
    target=0.85,
)
