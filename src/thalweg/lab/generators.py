"""Random generators that are put back to what they were: those of torch, NumPy, Python and of loaders."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader


@contextmanager
def generators_kept() -> Iterator[None]:
    """Torch's random generators, those of the CPU and of all GPUs, are put back to what they were.

    A GPU that is not in use yet is not touched: its generator will start at the seed that the CPU's had, as it would
    have.
    """
    plain, seed, begun = torch.get_rng_state(), torch.initial_seed(), torch.cuda.is_initialized()
    states = torch.cuda.get_rng_state_all() if begun else []
    try:
        yield
    finally:
        torch.set_rng_state(plain)
        if begun:
            torch.cuda.set_rng_state_all(states)
        else:
            torch.cuda.manual_seed_all(seed)


@contextmanager
def undisturbed(*parts: Any) -> Iterator[None]:
    """Leave every generator as it was: torch's, also of GPUs in use, NumPy's, Python's and those of loaders."""
    numpys, pythons = np.random.get_state(), random.getstate()
    loaders = [(generator, generator.get_state()) for generator in generators_of(parts)]
    try:
        with generators_kept(), torch.enable_grad():
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)
        for generator, state in loaders:
            generator.set_state(state)


def generators_of(parts: Iterable[Any]) -> Iterator[torch.Generator]:
    """The generators of those parts that are loaders."""
    for part in parts:
        if isinstance(part, DataLoader):
            found = (part.generator, getattr(part.sampler, "generator", None))
            yield from (generator for generator in found if generator is not None)
