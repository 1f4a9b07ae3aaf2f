"""A small network that is trained while it is watched, and everything that happened in it, recorded by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import thalweg.watch
from thalweg.watch.watcher import Watcher


def network(dtype: torch.dtype = torch.float32, width: int = 6) -> torch.nn.Module:
    """Three layers of which the middle one has no bias, always the same."""
    torch.manual_seed(0)
    layers = torch.nn.Linear(8, width), torch.nn.Tanh(), torch.nn.Linear(width, width, bias=False), torch.nn.Tanh()
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 3)).to(dtype)


def batches(steps: int, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
    """Batches of a task that can be learned, with noise."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(steps, 16, 8, generator=generator)
    labels = (inputs[..., :3] + 0.5 * torch.randn(steps, 16, 3, generator=generator)).argmax(-1)
    return [(x.to(dtype), y) for x, y in zip(inputs, labels, strict=True)]


@dataclass
class Recorded:
    """What happened: for each step, for each parameter, the arrays around it."""

    x: list[list[np.ndarray]] = field(default_factory=list)
    g: list[list[np.ndarray]] = field(default_factory=list)
    x_after: list[list[np.ndarray]] = field(default_factory=list)
    states: list[list[dict[str, np.ndarray]]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def rows(self, name: str, layer: int | None) -> np.ndarray:
        """An array of a layer, or of all, as (steps, coordinates)."""
        found = getattr(self, name)
        return np.stack([np.concatenate(step) if layer is None else step[layer] for step in found])


def flat(x: Tensor | None) -> np.ndarray:
    """A tensor's numbers as float64."""
    assert x is not None
    return x.detach().reshape(-1).to(torch.float64).numpy().copy()


def trained(
    make: Callable[[Any], Any], steps: int, every: int = 1, watch: bool = True, model: Any = None, **options: Any
) -> tuple[Watcher | None, Recorded, torch.nn.Module]:
    """Train the network, watched or not; the watcher is closed then."""
    model = network() if model is None else model
    optimizer = make(model.parameters())
    watcher = thalweg.watch.attach(optimizer, every=every, model=model, to=(), **options) if watch else None
    recorded = Recorded()
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    for inputs, labels in batches(steps, parameters[0].dtype):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs).float(), labels)
        loss.backward()
        recorded.losses.append(loss.item())
        if watcher is not None:
            watcher.loss(loss)
        recorded.x.append([flat(x) for x in parameters])
        recorded.g.append([flat(x.grad) for x in parameters])
        optimizer.step()
        recorded.x_after.append([flat(x) for x in parameters])
        recorded.states.append([arrays_of(optimizer, x) for x in parameters])
    if watcher is not None:
        watcher.close()
    return watcher, recorded, model


def arrays_of(optimizer: Any, x: Tensor) -> dict[str, np.ndarray]:
    """The arrays of a parameter's state, read so that nobody notices."""
    entry = dict.get(optimizer.state, x) or {}
    return {key: flat(value) for key, value in entry.items() if isinstance(value, Tensor) and value.shape == x.shape}


def norm(rows: np.ndarray) -> np.ndarray:
    """Of each row."""
    return np.sqrt((rows**2).sum(axis=-1))
