"""`Raw`: a block of readings of the sample in one stretch of memory, and the products of its rows.

An array has a row for each measurement of the block, a row a number for each coordinate of the sample.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from thalweg.sweep.gather import Products, Sample
from thalweg.watch.sources import STATES

Pair = tuple[tuple[str, int], tuple[str, int]]  # two rows, each by its array and measurement


class Raw:
    """Readings, by the names of their arrays.

    Arrays: `x` and `g`, weights and gradients before the step; `state K`, states behind it; `x after`; `before K`,
    states before it; `x past` and `g past`, of the step before; `update`, `past update`, `zero` (1 where a gradient is
    zero), `first` and `second` (moments), which `derive` works out; and with one row each `ones`, `last g` and
    `last update`, of the measurement before the block.
    """

    def __init__(self, sample: Sample, states: int, slots: int) -> None:
        many = ["x", "g", *(f"state {k}" for k in range(states)), "x after", *(f"before {k}" for k in range(states))]
        many += ["x past", "g past", "update", "past update", "zero", "first", "second"]
        single = ["ones", "last g", "last update"]
        self.sample, self.slots, self.states = sample, slots, states
        self.table = np.full((len(many) * slots + len(single), sample.length), np.nan)
        self.array = {name: k for k, name in enumerate(many)}
        self._row = {name: k * slots for name, k in self.array.items()}
        self._row |= {name: len(many) * slots + k for k, name in enumerate(single)}
        self.blocks = self.table[: len(many) * slots].reshape(len(many), slots, sample.length)
        self.table[self._row["ones"]] = 1.0

    def __getitem__(self, name: str) -> np.ndarray:
        """An array, of shape (slots, coordinates), or a single row."""
        row = self._row[name]
        return self.table[row : row + self.slots] if name in self.array else self.table[row]

    def after(self, slot: int) -> np.ndarray:
        """The states behind a step, of shape (states, coordinates)."""
        return self.blocks[STATES : STATES + self.states, slot]

    def before(self, slot: int) -> np.ndarray:
        """The states before a step."""
        first = STATES + self.states + 1
        return self.blocks[first : first + self.states, slot]

    def keep_last(self, count: int) -> None:
        """Remember the last measurement of a block for the first of the next one."""
        self["last g"][:] = self["g"][count - 1]
        self["last update"][:] = self["update"][count - 1]

    def rows_of(self, names: tuple[str, ...], slot: int) -> np.ndarray:
        """Copies of some arrays' rows at a measurement; `earlier X` is X at the measurement before."""
        return self.table[[self._at(name, slot) for name in names]]

    def products(
        self, count: int, wanted: Mapping[str, tuple[str, str]], lags: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Products of arrays, row by row, summed over each layer's coordinates.

        Args:
            count: How many measurements.
            wanted: By name two arrays; where one is `past g` or `past update` of a block of successive steps, its row
                is that of the measurement before.
            lags: For each a further result: the sum over all pairs of updates that are so many steps apart.

        Returns:
            An array of shape (names, count, layers), and one of shape (lags, layers).
        """
        found = self._prepared(count, tuple(wanted.items()), lags)()
        cut = len(wanted) * count
        return found[:cut].reshape(len(wanted), count, -1), found[cut:]

    @functools.lru_cache(maxsize=4)  # noqa: B019 - as long as the block
    def _prepared(self, count: int, wanted: tuple, lags: tuple[int, ...]) -> Products:
        pairs = [
            (self._at(a, slot), self._at(b, slot), k * count + slot)
            for k, (_, (a, b)) in enumerate(wanted)
            for slot in range(count)
        ]
        start = self._row["update"]
        for k, lag in enumerate(lags):
            pairs += [(start + i, start + i + lag, len(wanted) * count + k) for i in range(count - lag)]
        return Products(self.sample, self.table, pairs)

    def _at(self, name: str, slot: int) -> int:
        """The row of an array at a measurement; `earlier X` is X at the measurement before."""
        if name.startswith("earlier "):
            name = name.removeprefix("earlier ")
            return self._row[name] + slot - 1 if slot else self._row[f"last {name}"]
        return self._row[name] + (slot if name in self.array else 0)
