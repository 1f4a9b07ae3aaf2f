"""The figures that only a rule's own formula can tell, over all layers of an optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.watch.behaviour import Behaviour, behaviour
from thalweg.watch.columns import Columns
from thalweg.watch.effect import Moment, effect
from thalweg.watch.raw import Raw
from thalweg.watch.reading import Reader
from thalweg.watch.sources import STATES
from thalweg.watch.target import Target, number

NORM_OFFSET = 1e-6  # as thalweg.frameworks.torch.step adds it to the norm that it divides by


class Read(NamedTuple):
    """The sample at a step, float64.

    Attributes:
        x: Its weights before the step.
        g: Its gradients.
        before: Its array states before the step, of shape (states, coordinates).
        after: Its array states behind it.
        x_after: Its weights behind it.
    """

    x: np.ndarray
    g: np.ndarray
    before: np.ndarray
    after: np.ndarray
    x_after: np.ndarray


class Formula:
    """What the rules of an optimizer's groups are, and what they say of the sample.

    Attributes:
        accumulates: Whether some group's rule sums squared gradients for ever.
        coordinates: What `figures` found last for each coordinate, by the figure that it goes into.
        accumulating_parts: Which parts those are.
        first: The array of the first moments,
        sign: and what makes it point uphill.
        second: Two arrays whose product is the second moment, as it is for squares.
    """

    def __init__(self, target: Target, reader: Reader, columns: Columns) -> None:
        self._target, self._reader, self._columns = target, reader, columns
        plans, self._rates = target.plans(), target.learning_rates()
        self._plans = plans
        self._recipes = _recipes_of(plans)
        self._known: list[Behaviour | None] = [None if plan is None else behaviour(plan.recipe.rule) for plan in plans]
        self._keys = [{} if plan is None else _rows(plan) for plan in plans]
        marks = np.array([known is not None and bool(known.accumulating) for known in self._known], bool)
        self.accumulates = bool(marks.any())
        self.coordinates: dict[str, np.ndarray] = {}
        self.accumulating_parts = np.concatenate([marks[columns.group], marks])
        self._mixed = len(set(map(_moments_of, self._known, self._keys))) > 1
        self.sign: np.ndarray | float = 1.0
        self.first, self.second = "first", ("second", "ones")
        if not self._mixed and self._known and self._known[0] is not None:
            self._choose(self._known[0])

    def _choose(self, known: Behaviour) -> None:
        """Where the moments are, if that is the same for all coordinates."""
        rows = self._keys[0]
        if known.first is not None:
            self.first, self.sign = f"state {rows[known.first] - STATES}", known.first_sign
        if known.second is not None:
            name = f"state {rows[known.second] - STATES}"
            self.second = (name, "ones" if known.second_degree == 2 else name)

    def derive(self, raw: Raw, count: int) -> None:
        """Where groups differ, write their moments into arrays of their own: the first uphill, the second squared."""
        if not self._mixed:
            return
        group = self._columns.group[self._columns.layer_of]
        for k, (known, rows) in enumerate(zip(self._known, self._keys, strict=True)):
            where = group == k
            if known is not None and known.first is not None:
                state = raw[f"state {rows[known.first] - STATES}"][:count, where]
                raw["first"][:count, where] = state * known.first_sign
            if known is not None and known.second is not None:
                state = raw[f"state {rows[known.second] - STATES}"][:count, where]
                raw["second"][:count, where] = state if known.second_degree == 2 else state * state

    def figures(
        self, read: Read, step: int, late: int, squares: np.ndarray | None, lr: Sequence[float]
    ) -> dict[str, np.ndarray]:
        """What the formula says at one step.

        Args:
            read: What was read of the sample.
            step: The number of the step, for optimizers that do not count.
            late: How many steps there have been since.
            squares: For each layer the sum of its squared gradients; None where these are not clipped.
            lr: For each group the learning rate that it had; a schedule may have moved it since.
        """
        x, g, before, after, x_after = read
        effective, epsilon, lost, stale = np.full((4, len(x)), np.nan)
        used = self._as_used(g, squares)
        self._keep_up()
        plans, now = self._plans, self._rates
        for group, t, numbers, where in self._alike(step, late):
            plan = plans[group]
            if plan is None:
                with np.errstate(all="ignore"):
                    effective[where] = np.where(g[where] == 0, np.nan, np.abs((x_after - x)[where] / g[where]))
                continue
            rows = {s: row - STATES for s, row in self._keys[group].items()}
            hyper = {name: number(value) for name, value in plan.hyper.items()}
            if hyper.get("lr") == now[group]:
                hyper["lr"] = lr[group]
            earlier, later = ({s: values[row][where] for s, row in rows.items()} for values in (before, after))
            names = dict(zip(plan.recipe.program.scalar_state, numbers, strict=True))
            seen = x[where], used[where], earlier, later, x_after[where]
            found = effect(Moment(plan.recipe.rule, t, hyper, names, *seen))
            effective[where], epsilon[where] = found.effective_lr, found.epsilon
            if not self._is_mended():
                lost[where], stale[where] = found.lost, found.stale
        middle, low, high = self._columns.quantiles(effective)
        shares = self._columns.shares(np.array([epsilon, lost, stale]))
        names = ("effective_lr", "effective_lr_low", "effective_lr_high", "epsilon_share", "lost_share", "stale_share")
        self.coordinates = {
            "effective_lr": effective,
            "epsilon_share": epsilon,
            "lost_share": lost,
            "stale_share": stale,
        }
        return dict(zip(names, (middle, low, high, *shares), strict=True))

    def has_its_rules(self) -> bool:
        """Whether all groups still follow the rules that they followed when this began."""
        return _recipes_of(self._target.plans()) == self._recipes

    def _keep_up(self) -> None:
        """Take the numbers that the rules have now."""
        if self._target.optimizer is None:  # these are the last words of one that is gone
            return
        plans = self._target.plans()
        if _recipes_of(plans) == self._recipes:  # else a flag was changed within the block
            self._plans, self._rates = plans, self._target.learning_rates()

    def _alike(self, step: int, late: int) -> list[tuple[int, float, tuple[float, ...], Any]]:
        """Coordinates by group, step number and scalar states: those that one evaluation serves."""
        kinds: dict[tuple, list[int]] = defaultdict(list)
        for k, layer in enumerate(self._reader.layers):
            if self._reader.sample.counts[k]:
                kinds[layer.group, *self._numbers(k, step, late)].append(k)
        found = []
        for (group, t, *numbers), layers in kinds.items():
            all_of_them = len(layers) == np.count_nonzero(self._reader.sample.counts)
            where = slice(None) if all_of_them else np.isin(self._columns.layer_of, layers)
            found.append((group, t, tuple(numbers), where))
        return found

    def _numbers(self, k: int, step: int, late: int) -> tuple[float, ...]:
        """A layer's step number and scalar states."""
        layer = self._reader.layers[k]
        recipe = self._recipes[layer.group]
        if recipe is None:
            return (float(step),)
        entry = dict.get(self._target.state, layer.x) or {}
        t = number(entry.get("step")) - late if recipe.counted else float(step)
        return (max(t, 1.0) if t == t else float(step), *(number(entry.get(key)) for key in recipe.scalar_keys))

    def _as_used(self, g: np.ndarray, squares: np.ndarray | None) -> np.ndarray:
        """Gradients as Thalweg's frame hands them to the rule: clipped."""
        frame = self._target.frame
        if frame is None:
            return g
        if frame.clip_norm is not None and squares is not None:
            g = g * min(1.0, frame.clip_norm / (float(np.sqrt(np.nansum(squares))) + NORM_OFFSET))
        return g if frame.clip_value is None else np.clip(g, -frame.clip_value, frame.clip_value)

    def _is_mended(self) -> bool:
        """Whether the frame makes up for rounding."""
        return self._target.frame is not None and self._target.frame.rounding != "nearest"


def _recipes_of(plans: Sequence[Plan | None]) -> list[Recipe | None]:
    return [None if plan is None else plan.recipe for plan in plans]


def _moments_of(known: Behaviour | None, rows: dict[str, int]) -> tuple | None:
    """Which arrays a group's moments are, and how they are to be read."""
    if known is None:
        return None
    first, second = (None if state is None else rows[state] for state in (known.first, known.second))
    return first, known.first_sign, second, known.second_degree


def _rows(plan: Plan) -> dict[str, int]:
    """For each array state of a rule its array."""
    return {state: STATES + k for k, state in enumerate(plan.recipe.program.inputs[2:])}
