"""An encoder learns, without labels, which two views show the same of scikit-learn's 8 x 8 digits.

It stands for learning by contrast: what belongs together is drawn together, and all others in the batch apart.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 64
TEMPERATURE, VIEWS = 0.2, 8


def model(seed: int) -> nn.Module:
    """An encoder and a head that projects, two layers each, with torch's own initial weights."""
    return nn.Sequential(
        nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()),
        nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32)),
    )


def data(seed: int):
    """Pairs of views, drawn beforehand: eight of every digit to train on, one of every other."""
    random = np.random.RandomState(36)
    images = load_digits().images / 16
    train, validation, test = np.split(images[random.permutation(len(images))], [1200, 1500])
    parts = (train.repeat(VIEWS, axis=0), validation, test)
    return tuple((views(part, random), views(part, random)) for part in parts)


def views(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """The images shifted by up to a pixel, lighter or darker, with noise."""
    down, right = random.randint(-1, 2, (2, len(images), 1, 1))
    rows, columns = np.arange(8)[:, None] - down, np.arange(8) - right
    shifted = images[np.arange(len(images))[:, None, None], rows % 8, columns % 8]
    changed = shifted * random.uniform(0.6, 1.4, (len(images), 1, 1)) + 0.05 * random.normal(size=images.shape)
    return changed.reshape(-1, 64).astype(np.float32)


def similarities(model: nn.Module, batch) -> torch.Tensor:
    """Cosines between all first and all second views, over the temperature."""
    first, second = nn.functional.normalize(model(torch.cat(batch)), dim=1).chunk(2)
    return first @ second.T / TEMPERATURE


def loss(model: nn.Module, batch) -> torch.Tensor:
    """InfoNCE: cross-entropy of every view's partner among all, both ways."""
    logits = similarities(model, batch)
    partners = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, partners) + nn.functional.cross_entropy(logits.T, partners)) / 2


def metric(model: nn.Module, batch) -> torch.Tensor:
    """The share of the first views that are nearest to their partner."""
    logits = similarities(model, batch)
    return (logits.argmax(dim=1) == torch.arange(len(logits))).double().mean()
