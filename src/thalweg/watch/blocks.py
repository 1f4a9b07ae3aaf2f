"""`Blocks`: measurements as they were read, worked out a block at a time.

A block is full after 32 steps, or with four measurements where these lie further apart. What a window of 32 steps
tells is worked out once per block, at its last measurement, and stands in all its rows; so does what only the formula
can tell, but where every step is measured it stands, after the first few blocks, for the next one too.
"""

from __future__ import annotations

import numpy as np

from thalweg.watch import working
from thalweg.watch.columns import Columns
from thalweg.watch.formula import Formula, Read
from thalweg.watch.raw import Raw
from thalweg.watch.reading import Reader, Reading
from thalweg.watch.sources import GRADIENT, STATES, WEIGHTS, Wanted
from thalweg.watch.target import Target
from thalweg.watch.working import AT_FIRST, WINDOW

TINY = 1e-34  # a sum of squares below which single ones may have become zero in float32
ALONE = 16  # from this distance on each measurement ends a window of its own

Values = dict[str, np.ndarray]


class Blocks:
    """The readings of the present block, and what has to be remembered of earlier ones.

    Attributes:
        steps: Of the measurements that are in the block.
        oscillation: As it was found last, a number per part.
        last: Of the last measurement that was worked out, by name, a number per coordinate of the sample.
        slot: Where the next measurement goes.
        read_before: Reads what is wanted before a measured step into a slot.
        read_past: Reads what is wanted before the step before it.
        read_after: Reads what is wanted behind a measured step.
    """

    def __init__(self, target: Target, reader: Reader, columns: Columns, every: int) -> None:
        self._columns, self._successive, self._alone = columns, every == 1, every >= ALONE
        self._formula = Formula(target, reader, columns)
        slots, states = working.block_length(every), reader.arrays - STATES
        self.raw = Raw(reader.sample, states, slots)
        self.steps: list[int] = []
        self._sums: list[np.ndarray] = []
        self._lr: list[list[float]] = []
        self._unfit = np.zeros((slots, columns.layers))
        at = self.raw.array
        both: Wanted = ((WEIGHTS, at["x"]), (GRADIENT, at["g"]))
        kept = () if self._successive else tuple((STATES + k, at[f"before {k}"]) for k in range(states))
        moments = tuple((STATES + k, at[f"state {k}"]) for k in range(states))
        self.read_before = Reading(reader, (*both, *kept), self.raw.blocks)
        self.read_past = Reading(reader, ((WEIGHTS, at["x past"]), (GRADIENT, at["g past"])), self.raw.blocks)
        self.read_after = Reading(reader, ((WEIGHTS, at["x after"]), *moments), self.raw.blocks)
        self.slot = 0
        self._past = ("earlier g", "earlier update") if self._successive else ("g past", "past update")
        self._group_of_part = np.concatenate([columns.group, np.arange(columns.groups)])
        self._reference: np.ndarray | None = None
        self.oscillation = np.full(columns.parts, np.nan)
        self._places: list[np.ndarray] = []
        self._pairs = np.zeros((2, 0, columns.parts))
        self._effects: Values = {}
        self._number = 0  # of the block that was worked out last
        self.last: Values = {}

    # -- read --

    @property
    def is_full(self) -> bool:
        """Whether the block has to be worked out before another measurement."""
        return self.slot == self.raw.slots

    @property
    def gradients(self) -> np.ndarray:
        """The sample's gradients at the present measurement."""
        return self.raw["g"][self.slot]

    @property
    def are_weights_as_left(self) -> bool:
        """Whether the weights before this measurement are, in the sample, those behind the one before."""
        raw, slot = self.raw, self.slot
        return slot > 0 and bool((raw["x"][slot] == raw["x after"][slot - 1]).all())

    @property
    def wants_reference(self) -> bool:
        """Whether some rule sums squared gradients for ever, and what its fall is compared with is not known yet."""
        return self._formula.accumulates and self._reference is None

    def has_its_rules(self) -> bool:
        """Whether all groups follow the rules that they followed when this began: flags may have been changed."""
        return self._formula.has_its_rules()

    def take(self, step: int, sums: np.ndarray, unfit: np.ndarray | None, lr: list[float]) -> None:
        """Take a measurement, whose sample has been read into `slot`, into the block.

        Args:
            step: Its step.
            sums: For each layer the sums of `thalweg.compile.measured.SUMS`.
            unfit: For each layer how many numbers of its gradient are not finite; None if all are.
            lr: For each group its learning rate.
        """
        if unfit is not None:
            self._unfit[self.slot] = unfit
        self._sums.append(sums)
        self._lr.append(lr)
        self.steps.append(step)
        self.slot += 1

    def refer(self, step: int, sums: np.ndarray | None, lr: list[float]) -> None:
        """Take the reading in `slot`, with the step's sums and rates, as what a fall is compared with."""
        self._reference = self._by_itself(self._worked(self.slot, step, 0, sums, lr), lr)

    def forget_past(self) -> None:
        """The reading of the step before the next one, if there was one, is of an earlier step."""
        if not self._successive:
            for name in ("x past", "g past"):
                self.raw[name][self.slot] = np.nan

    # -- worked out --

    def work_out(self, step: int) -> Values:
        """The figures of the block's measurements, each of shape (measurements, parts); the block is empty then.

        Args:
            step: The present one, which may be later than the last measurement.
        """
        count = len(self.steps)
        with np.errstate(all="ignore"):
            block, lagged = self._block(count)
            figures = working.figures(block)
            figures["gradient_noise"] = self._noise(block)
            if len(lagged):
                self.oscillation = working.oscillation(block.products["uu"], lagged)
            slow = self._slow(count, step)
            figures["heading_cosine"] = self._headings(count)
        self.last = self._coordinates(count - 1)
        self.raw.keep_last(count)
        self.steps, self._sums, self._lr, self.slot = [], [], [], 0
        self._unfit.fill(0.0)
        repeated = np.repeat(np.array(list(slow.values()))[:, None], count, axis=1)
        return figures | dict(zip(slow, repeated, strict=True))

    def _slow(self, count: int, step: int) -> Values:
        """What is worked out once per block."""
        self._number += 1
        is_late = self._successive and self.is_full and self._number > AT_FIRST
        if not (is_late and self._number % 2):
            self._effects = self._formula_says(count, step)
        return self._effects | {"oscillation": self.oscillation}

    def _formula_says(self, count: int, step: int) -> Values:
        effects = self._worked(count - 1, self.steps[-1], step - self.steps[-1], self._sums[-1], self._lr[-1])
        fall = np.full(self._columns.parts, np.nan)
        if self._reference is not None:
            since = working.over(self._by_itself(effects, self._lr[-1]), self._reference)
            fall = np.where(self._formula.accumulating_parts, since, np.nan)
        return effects | {"fall": fall}

    def _by_itself(self, effects: Values, lr: list[float]) -> np.ndarray:
        """The effective learning rate, over the one that a schedule may move."""
        return working.over(effects["effective_lr"], np.array(lr)[self._group_of_part])

    def _worked(self, slot: int, step: int, late: int, sums: np.ndarray | None, lr: list[float]) -> Values:
        """What the formula says at a measurement of the block; the states before it are those behind the one before."""
        raw = self.raw
        before = raw.before(slot)
        if self._successive:
            before = raw.after(slot - 1) if slot else np.full_like(before, np.nan)
        read = Read(raw["x"][slot], raw["g"][slot], before, raw.after(slot), raw["x after"][slot])
        return self._formula.figures(read, step, late, None if sums is None else sums[:, 0], lr)

    def _block(self, count: int) -> tuple[working.Block, np.ndarray]:
        """The block's sums, and those of the lags if it is of successive steps."""
        raw, columns, formula = self.raw, self._columns, self._formula
        np.subtract(raw["x after"][:count], raw["x"][:count], out=raw["update"][:count])
        np.equal(raw["g"][:count], 0.0, out=raw["zero"][:count])
        if not self._successive:
            np.subtract(raw["x"][:count], raw["x past"][:count], out=raw["past update"][:count])
        past_g, past_update = self._past
        formula.derive(raw, count)
        pairs = {"uu": ("update", "update"), "up": ("update", past_update), "pp": (past_update, past_update)}
        pairs |= {"gg": ("g", "g"), "gq": ("g", past_g), "qq": (past_g, past_g), "zero": ("zero", "ones")}
        pairs |= {"ff": (formula.first, formula.first), "fg": (formula.first, "g"), "v": formula.second}
        lags = working.lags(count) if self._successive else ()
        found, lagged = raw.products(count, pairs, lags)
        names = tuple(pairs)
        found[names.index("fg")] *= formula.sign
        found[names.index("zero")][np.isnan(found[names.index("gg")])] = np.nan
        sampled, sums = found * columns.weight, np.array(self._sums).transpose(2, 0, 1)
        for name, total in (("gg", sums[0]), ("uu", sums[2])):
            _put_right(total, sampled[names.index(name)])
        every = sums, self._unfit[None, :count], sampled
        pooled = columns.pooled(
            np.concatenate(
                [*(part.reshape(len(part) * count, columns.layers) for part in every), lagged * columns.weight]
            )
        )
        by_name = pooled[: (5 + len(names)) * count].reshape(-1, count, columns.parts)
        block = working.Block(
            sums=by_name[:4],
            nonfinite=by_name[4],
            lr=np.array(self._lr)[:, self._group_of_part],
            count=columns.counted(found[[names.index(name) for name in ("ff", "v", "zero")]]),
            products=dict(zip(names, by_name[5:], strict=True)),
        )
        return block, pooled[len(by_name) * count :]

    def _coordinates(self, slot: int) -> Values:
        """What the errors of a measurement's figures depend on."""
        rows = self.raw.rows_of(
            ("g", self._past[0], "update", self._past[1], self._formula.first, *self._formula.second), slot
        )
        names = ("g", "past g", "update", "past update", "first", "second", "factor")
        return dict(zip(names, rows, strict=True)) | self._formula.coordinates

    def _noise(self, block: working.Block) -> np.ndarray:
        found = block.products
        kept = np.concatenate([self._pairs, np.array([2 * found["gq"], found["gg"] + found["qq"]])], axis=1)
        self._pairs = kept[:, -WINDOW:]
        return working.noise(kept)[-len(found["gg"]) :]

    def _headings(self, count: int) -> np.ndarray:
        """Of each measurement, or where a block is a window, of that."""
        after = self.raw["x after"][:count]
        if self._alone:
            return np.array([self._turned(place.copy()) for place in after])
        return np.repeat(self._turned(after[-1].copy())[None], count, axis=0)

    def _turned(self, place: np.ndarray) -> np.ndarray:
        """The cosine between the way in this window and in the one before."""
        self._places = [*self._places[-2:], place]
        if len(self._places) < 3:
            return np.full(self._columns.parts, np.nan)
        a, b = np.diff(np.array(self._places), axis=0)
        return working.cosine(*self._columns.sums(np.array([a * b, a * a, b * b])))


def _put_right(sums: np.ndarray, sampled: np.ndarray) -> None:
    """Where squares have left the range of float32, take what the sample says, which is read in float64."""
    least, most = np.fmin.reduce(sums, axis=None, initial=1.0), np.fmax.reduce(sums, axis=None, initial=1.0)
    if least >= TINY and most < np.inf:
        return
    wrong = np.isfinite(sampled) & ((sums == np.inf) | ((sums < TINY) & (sampled > 2 * sums)))
    sums[wrong] = sampled[wrong]
