"""What is read at which step: every measured one, the one before it, and now and then many in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from thalweg.compile.measured import SUMS
from thalweg.frameworks.torch.book import Book
from thalweg.sweep.gather import Products
from thalweg.watch import working
from thalweg.watch.blocks import Blocks
from thalweg.watch.changes import Changes
from thalweg.watch.columns import Columns
from thalweg.watch.reading import Reader, Reading
from thalweg.watch.sources import GRADIENT, WEIGHTS
from thalweg.watch.target import Target
from thalweg.watch.working import REFERENCE, WINDOW

BURSTS = 2048  # steps between the starts of two bursts of readings in successive steps

Done = Callable[[Sequence[int], dict[str, np.ndarray]], None]


class Measuring:
    """Reads at each step what that step calls for; told of steps as `thalweg.frameworks.torch.observer` says.

    Attributes:
        target: What is watched.
        step: How many steps there were, those that were skipped included.
        reader: What reads.
        columns: Which coordinates belong to which part.
        blocks: What was read.
    """

    def __init__(self, target: Target, every: int, step: int, done: Done) -> None:
        """Prepare.

        Args:
            target: What is watched.
            every: Every how many steps there is a measurement.
            step: How many steps there were before.
            done: Is given the steps and the figures of measurements that have been worked out.
        """
        self.target, self.step, self._every, self._done = target, step, every, done
        self.reader = Reader(target.state, target.layers)
        self.columns = Columns(self.reader.sample, [layer.group for layer in target.layers], len(target.groups))
        self.blocks = Blocks(target, self.reader, self.columns, every)
        self._changes = None if target.sums_itself else Changes(self.reader, every == 1, target.may_write_gradients)
        self._book: Book | None = None
        self._begun, self._burst_start = step, step + 1
        self._path = np.full((1, WINDOW + 1, self.reader.sample.length), np.nan)
        self._read_path = Reading(self.reader, ((WEIGHTS, 0),), self._path)
        self._wanted = self._in_burst = self._refers = self._unfit = False
        self._zeros = np.zeros((self.columns.layers, len(SUMS)))
        self._next = step + 1  # at which something is to be read

    def is_current(self) -> bool:
        """Whether the optimizer has what it had; one of Thalweg's has just looked, and keeps its book if so."""
        if self._changes is not None:
            every, next_one = self._every, self.step + 1
            asked = self.blocks.slot == 0 if every == 1 else next_one % every == 0
            return self.target.is_current() and (not asked or self.blocks.has_its_rules())
        book = self.target.book
        if book is self._book and book is not None:
            return True
        self._book = book
        if not self.target.is_current() or not self.blocks.has_its_rules():
            return False
        if book is not None:
            self.reader.follow(book)
        return True

    @property
    def idle(self) -> int:
        """How many steps are to come before one of which something is to be read."""
        return max(0, self._next - self.step - 1)

    def before(self) -> bool:
        """A step begins, of which something is to be read; gives whether its sums are wanted."""
        now, every = self.step + 1, self._every
        wanted = self._wanted = now % every == 0
        if wanted:
            self._read(self.blocks.read_before)
            if self._changes is not None:
                self._changes.before(every == 1 and self.blocks.are_weights_as_left)
        self._refers = self.blocks.wants_reference and now - self._begun >= REFERENCE
        if every > 1:
            self._between(now)
        return wanted or self._refers

    def _between(self, now: int) -> None:
        """Read what is wanted of steps that are not measured."""
        blocks = self.blocks
        if (now + 1) % self._every == 0:
            self._read(blocks.read_past)
        if self._refers and not self._wanted:
            self._read(blocks.read_before)
        self._in_burst = 0 <= now - self._burst_start <= WINDOW
        if self._in_burst:
            if now == self._burst_start:
                self._path.fill(np.nan)
            self._read_path(now - self._burst_start)

    def after(self, sums: np.ndarray | None) -> None:
        """The step has been taken."""
        self.step += 1
        if self.step < self._next:
            return
        if self._in_burst and self.step - self._burst_start == WINDOW:
            self.blocks.oscillation = oscillation(self._path[0], self.columns)
            self._burst_start += -(-max(BURSTS, self._every) // self._every) * self._every
        if self._wanted or self._refers:
            self.blocks.read_after(self.blocks.slot)
        if self._wanted and self._changes is not None:
            sums = self._changes.after()
        if self._refers:
            self.blocks.refer(self.step, sums, self.target.learning_rates())
        if self._wanted:
            self._wanted = False
            self._measured(sums)
        for source in self.reader.sources:
            source.let_go()
        self._next = self.step + 1 if self._every == 1 else self._after(self.step)

    def _after(self, step: int) -> int:
        """The next step of which something is to be read."""
        following = step + 1
        measured = -(-following // self._every) * self._every
        wanted = measured if measured == following else measured - 1  # the step before a measured one is read, too
        if self.blocks.wants_reference:
            wanted = min(wanted, max(following, self._begun + REFERENCE))
        if following > self._burst_start + WINDOW:  # it was missed
            self._burst_start = following
        return min(wanted, max(self._burst_start, following))

    def _measured(self, sums: np.ndarray | None) -> None:
        blocks, unfit, found = self.blocks, None, False
        assert sums is not None
        if np.vdot(sums, self._zeros) != 0:  # NaN if one of them is not finite, as with an absent gradient, too
            unfit = np.zeros(len(sums))
            bad = np.flatnonzero(~np.isfinite(sums[:, 0]))
            unfit[bad] = [self._count_unfit(int(k), blocks.gradients) for k in bad]
            found = bool(np.nansum(unfit) > 0)
        blocks.take(self.step, sums, unfit, self.target.learning_rates())
        if blocks.is_full or (found and not self._unfit):
            self.work_out()
        self._unfit = found

    def skipped(self) -> None:
        """The step is left out because of infinite or NaN gradients."""
        self.work_out()
        self.step += 1
        unfit = np.array([self._count_unfit(k, None) for k in range(self.columns.layers)], np.float64)
        lr = np.array(self.target.learning_rates())
        values = {"lr": np.concatenate([lr[self.columns.group], lr]), "nonfinite": self.columns.pooled(unfit)}
        self._done([self.step], {name: numbers[None] for name, numbers in values.items()})
        self._resume()

    def _resume(self) -> None:
        """After a step that was left out: what has to be read in a row begins anew."""
        if 0 <= self.step - self._burst_start <= WINDOW:
            self._burst_start = self.step + 1
        self._in_burst = self._wanted = self._refers = False
        self.blocks.forget_past()
        self._next = self.step + 1

    def work_out(self) -> None:
        """Work out what has been read, and hand it over."""
        steps = self.blocks.steps
        if steps:
            self._done(steps, self.blocks.work_out(self.step))

    def _read(self, reading: Reading) -> None:
        reading(self.blocks.slot)
        if self.target.is_scaled:
            factor = self.target.gradient_factor()
            name = "g past" if reading is self.blocks.read_past else "g"
            self.blocks.raw[name][self.blocks.slot] *= factor

    def _count_unfit(self, k: int, sampled: np.ndarray | None) -> float:
        """How many numbers of a layer's gradient are not finite; estimated if the step has zeroed it; NaN for none."""
        gradient = self.reader.tensor(k, GRADIENT)
        if gradient is None:
            return np.nan
        values = gradient if gradient.layout == torch.strided else gradient.coalesce().values()
        counted = float((torch.view_as_real(values) if values.is_complex() else values).isfinite().logical_not().sum())
        if counted or sampled is None or not self.target.zeroes_gradients:
            return counted
        sample = self.reader.sample
        seen = sampled[sample.starts[k] : sample.starts[k] + sample.counts[k]]
        return max(1.0, round(float(np.mean(~np.isfinite(seen))) * int(sample.sizes[k])))


def oscillation(path: np.ndarray, columns: Columns) -> np.ndarray:
    """The oscillation of a path through successive weights of the sample, of shape (steps + 1, coordinates)."""
    updates = np.ascontiguousarray(np.diff(path, axis=0))
    steps = len(updates)
    pairs = [(i, i, i) for i in range(steps)]
    for k, lag in enumerate(working.lags(steps)):
        pairs += [(i, i + lag, steps + k) for i in range(steps - lag)]
    found = columns.spread(Products(columns.sample, updates, pairs)())
    return working.oscillation(found[:steps], found[steps:])
