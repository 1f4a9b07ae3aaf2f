"""What a step of somebody else's optimizer changed: a copy of the weights before, and sums over every coordinate after.

Thalweg's own optimizers add up the same sums in the sweep that they make anyway.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.gather import summing
from thalweg.compile.measured import SUMS
from thalweg.frameworks.torch import others
from thalweg.frameworks.torch.memory import KERNEL_DTYPES
from thalweg.frameworks.torch.step import team
from thalweg.sweep.cpu import run
from thalweg.sweep.table import Table
from thalweg.watch.reading import Reader
from thalweg.watch.sources import GRADIENT, WEIGHTS, Bundle

LARGE = 1 << 24  # bytes of weights whose copies are not kept
VERSION = attrgetter("_version")


class Changes:
    """Weights before a step, and the sums after it.

    The copy takes as much memory as the weights; if that is much, it is given back after each measured step, unless
    every step is one.
    """

    def __init__(self, reader: Reader, keep: bool, gradients: bool) -> None:
        """Prepare.

        Args:
            reader: Knows where the layers lie.
            keep: Whether the copies stay between measured steps.
            gradients: Whether gradients are copied too, for an optimizer that may write into them.
        """
        self._reader, self._keep = reader, keep
        self._bundles = reader.bundle()
        self._copied = [Copied(bundle, gradients) for bundle in self._bundles]
        self._seen: dict[int, others.Seen] = {}

    def before(self, as_left: bool) -> None:
        """Copy the weights; gradients must have been located by the reader in this step.

        Args:
            as_left: Whether the sample of the weights is as the step before has left it. If torch, too, knows of no
                change, the copy that the sums of that step have left is as good.
        """
        for copied in self._copied:
            copied.copy(as_left)
        self._seen = {}
        for k in self._strange():
            x, gradient = self._reader.tensor(k, WEIGHTS), self._reader.tensor(k, GRADIENT)
            if x is not None and gradient is not None and _comparable(x, gradient):
                self._seen[k] = others.seen(x, gradient)

    def after(self) -> np.ndarray:
        """The sums, for each layer those of `thalweg.compile.measured.SUMS`; NaN where it had no gradient."""
        sums = np.empty((len(self._reader.layers), len(SUMS)))
        sums.fill(np.nan)
        for copied in self._copied:
            copied.add_up(sums)
            if not self._keep and copied.is_large:
                copied.forget()
        for k, kept in self._seen.items():
            x = self._reader.tensor(k, WEIGHTS)
            if x is not None:
                sums[k] = others.moved(x, kept)
        self._seen = {}
        return sums

    def _strange(self) -> list[int]:
        return [*self._reader.others, *(k for bundle in self._bundles for k, _ in bundle.strange.get(GRADIENT, ()))]


def _comparable(x: Tensor, gradient: Tensor) -> bool:
    layouts = (torch.strided, torch.sparse_coo)
    return x.shape == gradient.shape and gradient.layout in layouts and x.device == gradient.device


class Copied:
    """A bundle's weights, and gradients if these are wanted too, as they were.

    Attributes:
        is_large: Whether they take much memory.
    """

    def __init__(self, bundle: Bundle, gradients: bool) -> None:
        self._bundle, self._gradients = bundle, gradients
        self._olds: list[Tensor] | None = None
        self._used: list[Tensor] | None = None
        self._places = np.zeros(0, np.int64)
        self._left: tuple[Any, ...] | None = None  # which weights the copy is of
        self._which = np.array(bundle.which)
        self.is_large = sum(x.nbytes for x in bundle.xs) > LARGE
        self._there: np.ndarray | None = None  # layers that are added up; None for all
        self._table: Table | None = None

    def copy(self, as_left: bool) -> None:
        """Copy the weights; nothing has to be done if they, and what torch says of them, are as they were left."""
        if not (as_left and self._left is not None and self._left == self._state()):
            self._copy()
        self._places = self._bundle.addresses[GRADIENT]
        if self._gradients:
            self._places = self._places.copy()
            there = np.flatnonzero(self._places)
            held = self._bundle.located(GRADIENT)
            self._used = [held[k].detach().clone(memory_format=torch.preserve_format) for k in there]
            self._places[there] = _addresses(self._used)

    def _state(self) -> tuple[Any, ...] | None:
        """Where the weights are, and how often torch has changed them; None where it does not count."""
        try:
            return (self._bundle.addresses[WEIGHTS].tobytes(), *map(VERSION, self._bundle.xs))
        except RuntimeError:  # made in inference mode
            return None

    @torch.no_grad()
    def _copy(self) -> None:
        xs, self._left = [x.detach() for x in self._bundle.xs], None
        if self._olds is None or any(a.shape != b.shape for a, b in zip(xs, self._olds, strict=True)):
            self._olds = [torch.empty_like(x) for x in xs]
            if self._table is not None:
                self._table.point(1, _addresses(self._olds))
        torch._foreach_copy_(self._olds, xs)  # type: ignore[reportPrivateImportUsage]

    def add_up(self, sums: np.ndarray) -> None:
        """Write the sums of the layers that had a gradient when they were copied."""
        if self._olds is None:
            return
        table = self._made()
        self._point(table, self._bundle.addresses[WEIGHTS], self._places)
        run(table, torch.get_num_threads(), team())
        self._left = self._state() if self._there is None else None
        if self._there is not None:
            sums[self._which[self._there]] = table.sums()[self._there]
        elif len(sums) == len(self._which):
            table.sums(sums)
        else:
            sums[self._which] = table.sums()
        self._used = None

    def _point(self, table: Table, weights: np.ndarray, gradients: np.ndarray) -> None:
        moved = table.point(0, weights) | table.point(2, gradients)
        if moved and not (self._there is None and weights.all() and gradients.all()):
            there = ((gradients != 0) & (weights != 0)) | (table.counts == 0)
            self._there = None if there.all() else there
            table.present(None if self._there is None else there.astype(np.int64))

    def forget(self) -> None:
        """Give the copy's memory back."""
        self._olds = self._used = self._left = None

    def _made(self) -> Table:
        if self._table is None:
            dtype = KERNEL_DTYPES[self._bundle.dtype]
            counts = [x.numel() * (2 if x.is_complex() else 1) for x in self._bundle.xs]
            self._table = Table(summing(dtype, dtype), counts)
            self._table.collect()
            self._table.point(1, _addresses(self._olds or []))
        return self._table


def _addresses(tensors: Any) -> np.ndarray:
    return np.array([tensor.data_ptr() for tensor in tensors], np.int64)
