"""A small U-Net with group norms says of every pixel whether it belongs to a disc, to a square, or to neither.

It stands for segmentation: down to few pixels and up again, with connections that skip what is below.
"""

import numpy as np
import torch
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
SAMPLES, SIZE, NOISE = 2400, 16, 0.4


class UNet(nn.Module):
    """Three scales of 8, 16 and 32 channels."""

    def __init__(self):
        super().__init__()
        self.fine = block(1, 8)
        self.middle = block(8, 16)
        self.coarse = block(16, 32)
        self.to_middle = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.middle_again = block(32, 16)
        self.to_fine = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.fine_again = block(16, 8)
        self.classes = nn.Conv2d(8, 3, 1)

    def forward(self, images):
        """Logits of the three classes at every pixel."""
        fine = self.fine(images)
        middle = self.middle(nn.functional.max_pool2d(fine, 2))
        coarse = self.coarse(nn.functional.max_pool2d(middle, 2))
        middle = self.middle_again(torch.cat([middle, self.to_middle(coarse)], dim=1))
        return self.classes(self.fine_again(torch.cat([fine, self.to_fine(middle)], dim=1)))


def block(inputs: int, outputs: int) -> nn.Module:
    """A convolution, a norm of groups of four channels, and rectified units."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // 4, outputs), nn.ReLU()
    )


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return UNet()


def data(seed: int):
    """Four shapes per image, drawn one over the other at random places, and noise."""
    random = np.random.RandomState(34)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    classes = np.zeros((SAMPLES, SIZE, SIZE), np.int64)
    images = NOISE * random.normal(size=classes.shape).astype(np.float32)
    for image, pixels in zip(images, classes, strict=True):
        for kind in (1, 2, 1, 2):
            row, column, radius = *random.randint(0, SIZE, 2), random.uniform(2, 4)
            down, right = abs(rows - row), abs(columns - column)
            inside = np.hypot(down, right) < radius if kind == 1 else np.maximum(down, right) < radius
            image[inside], pixels[inside] = image[inside] + random.uniform(0.5, 1.5), kind
    return tuple(zip(np.split(images[:, None], [1700, 2000]), np.split(classes, [1700, 2000]), strict=True))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy, the mean over pixels."""
    images, classes = batch
    return nn.functional.cross_entropy(model(images), classes)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """The share of the pixels that are classed rightly."""
    images, classes = batch
    return (model(images).argmax(dim=1) == classes).double().mean()
