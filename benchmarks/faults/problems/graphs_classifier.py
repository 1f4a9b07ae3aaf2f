"""Graph convolutions tell four families of random graphs apart: even, with communities, with hubs, along a ring.

It stands for classifiers of graphs, whose layers take the mean over neighbours, and in the end over all nodes.
"""

import numpy as np
import torch
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
SAMPLES, NODES, WIDTH = 3000, 20, 48


class Convolutions(nn.Module):
    """Three layers along the edges, the mean over nodes, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)])
        self.families = nn.Linear(WIDTH, 4)

    def forward(self, nodes, edges):
        """Logits of every family from features of nodes and matrices of edges."""
        for layer in self.layers:
            nodes = layer(edges @ nodes).relu()
        return self.families(nodes.mean(dim=1))


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Convolutions()


def data(seed: int):
    """Graphs of about five edges per node; of every node its edges and its triangles; edges scaled by degrees."""
    random = np.random.RandomState(35)
    families = random.randint(0, 4, SAMPLES)
    linked = np.triu(random.uniform(size=(SAMPLES, NODES, NODES)) < chances()[families], 1).astype(np.float32)
    linked += linked.transpose(0, 2, 1)
    degrees = linked.sum(axis=2)
    triangles = np.einsum("nij,njk,nki->ni", linked, linked, linked, optimize=True)
    nodes = np.stack([degrees, triangles], axis=2)
    nodes = (nodes - nodes.mean(axis=(0, 1))) / nodes.std(axis=(0, 1))
    scale = 1 / np.sqrt(1 + degrees)
    edges = scale[:, :, None] * (linked + np.eye(NODES, dtype=np.float32)) * scale[:, None]
    return tuple(zip(*(np.split(array, [2200, 2600]) for array in (nodes, edges, families)), strict=True))


def chances() -> np.ndarray:
    """Of each family: how likely every pair of nodes is linked."""
    places = np.arange(NODES)
    apart = abs(places[:, None] - places)
    even = np.full((NODES, NODES), 0.26)
    communities = np.where(apart % 2 == 0, 0.5, 0.05)
    hubs = np.minimum(1, 1.9 / np.sqrt(np.outer(1 + places, 1 + places)))
    ring = np.where(np.minimum(apart, NODES - apart) <= 3, 0.78, 0.03)
    return np.stack([even, communities, hubs, ring])


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy."""
    nodes, edges, families = batch
    return nn.functional.cross_entropy(model(nodes, edges), families)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    nodes, edges, families = batch
    return (model(nodes, edges).argmax(dim=1) == families).double().mean()
