"""A small vision transformer reads scikit-learn's 8 x 8 digits, cut into sixteen patches.

It stands for transformers that see: patches as words, norms before attention and dense layers, a mean in the end.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
PATCH, WIDTH, HEADS = 2, 32, 4


class Transformer(nn.Module):
    """Embeddings of patches and places, two blocks, a norm, the mean over patches, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, stride=PATCH)
        self.places = nn.Parameter(0.02 * torch.randn((8 // PATCH) ** 2, WIDTH))
        self.blocks = nn.Sequential(block(), block())
        self.norm = nn.LayerNorm(WIDTH)
        self.digits = nn.Linear(WIDTH, 10)

    def forward(self, images):
        """Logits of every digit."""
        stream = self.patches(images).flatten(2).transpose(1, 2) + self.places
        return self.digits(self.norm(self.blocks(stream)).mean(dim=1))


def block() -> nn.Module:
    """Attention and two dense layers, each behind a norm and beside the residual stream."""
    return nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Transformer()


def data(seed: int):
    """1,200 digits to train on, 300 to validate on, 297 to test on."""
    inputs, targets = load_digits(return_X_y=True)
    inputs = (inputs / 8 - 1).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.RandomState(33).permutation(len(inputs))
    return tuple((inputs[part], targets[part].astype(np.int64)) for part in np.split(order, [1200, 1500]))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
