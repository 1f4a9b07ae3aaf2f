"""A torch optimizer's arrays as the reference wants them, and one step of the reference on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import thalweg.torch
from thalweg.compile.deviation import deviations
from thalweg.compile.numpy import FLUSHING, converted
from thalweg.compile.program import Program
from thalweg.compile.storage import KAHAN, Storage
from thalweg.compile.stored import read, stored_step
from thalweg.frameworks.torch.state import fill, missing

# Bits of the fraction of a type's numbers, the leading one not counted.
FRACTION = {"float64": 52, "float32": 23, "bfloat16": 7, "float16": 10}
SMALLEST = {"float64": -1022, "float32": -126, "bfloat16": -126, "float16": -14}  # exponents of normal numbers


def with_state(optimizer: thalweg.torch.Optimizer) -> None:
    """Have the state made that the first step would make, so that it can be read before."""
    for group, plan in zip(optimizer.param_groups, optimizer.plans(), strict=True):
        recipe = plan.recipe.framed(optimizer.frame, with_scale=False)
        for x in group["params"]:
            entries: dict[str, Any] = {}
            fill(recipe, x, optimizer.frame, entries, missing(recipe, x, optimizer.frame, {}), {**group, **plan.hyper})
            optimizer.state[x] = entries


def bits(x: Tensor) -> np.ndarray:
    """A tensor's numbers as the reference holds them: those with 16 bits as these."""
    flat = x.detach().reshape(-1).cpu()
    return (flat.view(torch.int16) if flat.dtype.itemsize == 2 else flat).numpy().view(_held(flat.dtype)).copy()


def _held(dtype: torch.dtype) -> Any:
    return np.uint16 if dtype.itemsize == 2 else np.dtype(str(dtype).removeprefix("torch."))


def held(optimizer: thalweg.torch.Optimizer, x: Tensor, program: Program) -> dict[str, Any]:
    """A copy of everything of a parameter that a step reads: an array for each name, and numbers of scalar state."""
    state = optimizer.state[x]
    arrays = {"x": bits(x), "g": bits(x.grad)} | {name: bits(state[name]) for name in program.inputs[2:]}  # type: ignore[arg-type]
    arrays |= {KAHAN: bits(state[KAHAN])} if KAHAN in state else {}
    return arrays | {name: state[name].item() for name in program.scalar_state}


@dataclass(frozen=True)
class Reference:
    """Steps a program on the host, with per-step values from outside.

    Attributes:
        program: Of a rule.
        storage: How its arrays are stored.
    """

    program: Program
    storage: Storage

    def step(self, before: dict[str, Any], values: dict[str, float], key: int) -> dict[str, Any]:
        """The arrays after a step."""
        program = self._given_values
        return stored_step(program, replace(self.storage, tally=False), before, 0.0, values, key)

    @property
    def _given_values(self) -> Program:
        """The program with its per-step values as hyperparameters."""
        stores = self.program.stores
        return replace(
            self.program,
            hyper=self.program.used_scalars,
            scalars=(),
            scalar_state=(),
            targets=tuple(name for name, _ in stores),
            outputs=tuple(output for _, output in stores),
        )

    def slack(self, before: dict[str, Any], after: dict[str, Any], values: dict[str, float]) -> dict[str, Any]:
        """How far the fast form may lie from each array after a step."""
        real = self.storage.real
        numbers = {name: converted(read(before[name], kind), real) for name, kind in self.types.items()}
        if KAHAN in numbers:
            numbers["x"] = FLUSHING["add"](numbers["x"], numbers.pop(KAHAN))
        rounded = {name: float(converted(np.float64(value), real)) for name, value in values.items()}
        found = deviations(self.program, numbers, rounded)
        return self._as_stored({name: near.apart for name, near in found.items()}, after)

    def _as_stored(self, found: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """What lies a little apart may be rounded to neighbours; what rounding takes away is then off by that."""
        last = {name: self.ulps(name, after[name]) for name in (*found, *([KAHAN] if KAHAN in self.types else []))}
        short = {name: self.types[name].endswith("16") for name in last}
        whole = {name: apart + (last[name] if short[name] else 0.0) for name, apart in found.items()}
        return whole | ({KAHAN: whole["x"] + last[KAHAN]} if KAHAN in last else {})

    @property
    def types(self) -> dict[str, str]:
        """How each array is stored."""
        return dict(zip(self.storage.arrays(self.program), (*self.storage.types, self.storage.types[0]), strict=False))

    def ulps(self, name: str, array: np.ndarray) -> np.ndarray:
        """The distance of neighbouring numbers of the array's type, about each of its elements."""
        kind = self.types[name]
        size = np.abs(read(array, kind).astype(np.float64))
        with np.errstate(all="ignore"):
            exponent = np.where(size > 0, np.floor(np.log2(size)), -2000)
        return 2.0 ** (np.maximum(exponent, SMALLEST[kind]) - FRACTION[kind])


def roundings(found: np.ndarray, expected: np.ndarray, kind: str) -> int:
    """The largest distance of two arrays' numbers, counted in numbers of their type; of NaNs with NaNs 0."""
    a, b = read(found, kind), read(expected, kind)
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not differ.any():
        return 0
    places = [_places(array[differ]) for array in (found, expected)]
    return int(np.abs(places[0] - places[1]).max())


def _places(array: np.ndarray) -> np.ndarray:
    """Where numbers stand among all of their type, as integers of any size."""
    signed = {2: np.int16, 4: np.int32, 8: np.int64}[array.itemsize]
    whole = array.view(signed)
    return np.where(whole < 0, -(whole & np.iinfo(signed).max), whole).astype(object)
