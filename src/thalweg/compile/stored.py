"""Arrays in their storage types, and a step on them: the NumPy reference for what a kernel reads and writes.

NumPy has no bfloat16, so numbers of both 16-bit types are held as uint16, the bits that lie in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.compile.numpy import FLUSHING, OPERATIONS, converted, step
from thalweg.compile.program import Program
from thalweg.compile.storage import KAHAN, Storage

QUIET_NAN = 0x7FC0  # the NaN that every NaN becomes in bfloat16
SALT = 0x632BE59B  # between the keys of two arrays of one program
MOVED, LOST = "moved_", "lost_"  # a rule's own names never end so


def read(array: np.ndarray, name: str) -> np.ndarray:
    """The numbers of an array that is held in a storage type, 16-bit ones as float32.

    Example:
        >>> read(np.array([0x3F80, 0xC000], np.uint16), "bfloat16")
        array([ 1., -2.], dtype=float32)
    """
    if name == "bfloat16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.view(np.float16).astype(np.float32) if name == "float16" else array


def rounded(numbers: np.ndarray, name: str) -> np.ndarray:
    """Numbers as they are held in a storage type, the nearest there is, ties to even.

    Example:
        >>> read(rounded(np.array([1.001, 3.3], np.float32), "bfloat16"), "bfloat16")
        array([1.      , 3.296875], dtype=float32)
    """
    if name == "bfloat16":
        bits = numbers.view(np.uint32)
        return _upper_half(numbers, bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))
    with np.errstate(over="ignore"):
        return numbers.astype(np.float16).view(np.uint16) if name == "float16" else numbers.astype(name)


def scattered(numbers: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Numbers as one of the two bfloat16 around each, chosen by 16 bits of noise."""
    bits = numbers.view(np.uint32)
    return _upper_half(numbers, np.where(np.isfinite(numbers), bits + noise, bits))


def noise_at(index: np.ndarray, key: int) -> np.ndarray:
    """16 random bits for each element, from its index and a key, as `thalweg.compile.job` draws them."""
    mixed = index.astype(np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key % 2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return mixed >> np.uint32(16)


def stored_step(
    program: Program, storage: Storage, held: Mapping[str, Any], t: float, hyper: Mapping[str, float], key: int = 0
) -> dict[str, Any]:
    """One step of a program on arrays that are held in their storage types.

    Args:
        program: A traced rule.
        storage: How its arrays are stored.
        held: An array for each of `storage.arrays(program)`, and a number for each scalar state.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.
        key: Of the random bits, as in the column `key` of a kernel's table.

    Returns:
        The same names with new arrays, new numbers for the scalar state, and where the storage asks for a tally
        `moved_`, the number of weights that should have moved, and `lost_`, of those that did not.
    """
    types = dict(zip(storage.arrays(program), (*storage.types, storage.types[0]), strict=False))
    operations = FLUSHING if storage.flush else OPERATIONS
    with np.errstate(all="ignore"):
        numbers = {name: converted(read(held[name], types[name]), storage.real, storage.flush) for name in types}
        if storage.rounding == "kahan":
            numbers["x"] = operations["add"](numbers["x"], numbers.pop(KAHAN))
        state = {name: held[name] for name in program.scalar_state}
        new = dict(zip(program.targets, step(program, numbers | state, t, hyper, storage.flush), strict=True))
        result = dict(held) | {name: new[name] for name in program.scalar_state}
        for salt, (name, _) in enumerate(program.stores):
            result[name] = _write(storage, new[name], types[name], key + salt * SALT)
        kept, stored = new["x"], converted(read(result["x"], types["x"]), storage.real, storage.flush)
        if storage.rounding == "kahan":
            left = operations["sub"](kept, stored)
            result[KAHAN] = rounded(converted(left, _wide(types[KAHAN]), storage.flush), types[KAHAN])
    if storage.zero:
        result["g"] = np.zeros_like(held["g"])
    if storage.tally:
        result[MOVED] = np.sum(kept != numbers["x"])
        result[LOST] = np.sum((kept != numbers["x"]) & (stored == numbers["x"]))
    return result


def _write(storage: Storage, numbers: np.ndarray, name: str, key: int) -> np.ndarray:
    numbers = np.ascontiguousarray(converted(numbers, _wide(name), storage.flush))
    if storage.rounding == "stochastic" and name == "bfloat16":
        return scattered(numbers, noise_at(np.arange(numbers.size), key).reshape(numbers.shape))
    return rounded(numbers, name)


def _wide(name: str) -> str:
    """The type in which a kernel holds numbers of a storage type when they are in a register."""
    return "float32" if name.endswith("16") else name


def _upper_half(numbers: np.ndarray, bits: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(numbers), QUIET_NAN, bits >> np.uint32(16)).astype(np.uint16)
