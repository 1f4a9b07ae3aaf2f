"""Every rule on the device against the reference in NumPy, each step from the same numbers, and whole trainings.

The reference's arithmetic is given the device's own per-step values, which come of its own powers and logarithms; these
are compared by themselves. The exact form must then give the reference's bits, on gradients of every size that there
is, infinities among the results; the fast form must be as near as its operations are.
"""

from __future__ import annotations

import functools
import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch

import thalweg.torch
from gpu_parts.device import Device, Tell
from gpu_parts.items import Check, Errors, Item
from gpu_parts.limits import sentence
from gpu_parts.options import Options
from gpu_parts.stored import Reference, held, roundings, with_state
from gpu_parts.trainings import trainings
from thalweg.compile.stored import read
from thalweg.sweep.cpu import keys, step_values

TITLE = "distance from the reference in NumPy"
SEED = 7
# Of every rule. `exact` is in roundings; `share` is of `thalweg.compile.deviation`'s bound on the fast form;
# `values` is relative, and below half a rounding of float32: a device's power has 15 digits, of which 1 - 0.999 ** t
# loses three, and RAdam's rectification then as many again.
BOUNDS = {"exact": 0, "share": 1.0, "values": 1e-8}
# Parameters and the frame's arguments. A size that is no multiple of 16 takes another kernel, compiled for itself.
KINDS: dict[str, tuple[torch.dtype, dict[str, Any], tuple[int, ...]]] = {
    "f32": (torch.float32, {}, (1024, 37)),
    "f64": (torch.float64, {}, (512,)),
    "bf16": (torch.bfloat16, {"state_dtype": "float32", "rounding": "stochastic"}, (1024,)),
    "bf16 kahan": (torch.bfloat16, {"rounding": "kahan"}, (1024,)),
    "fp16": (torch.float16, {"state_dtype": "float32"}, (1024,)),
}
EVERY = ("f32", "f64", "bf16")  # kinds of which every rule is checked; of the others these:
SOME = ("adam", "momentum", "adadelta", "irprop_minus")


class Off(NamedTuple):
    """How far one rule is off in one kind of storage: see `Errors`."""

    exact: int = 0
    ulps: float = 0.0
    share: float = 0.0
    values: float = 0.0

    def and_(self, other: Off) -> Off:
        """The worse of both, number by number; a NaN stays one."""
        return Off(*(np.maximum(a, b).item() for a, b in zip(self, other, strict=True)))


def correctness(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line for each rule, then some trainings."""
    for number, found in enumerate(_each(device, options), 1):
        tell(f"{number} of {len(options.rules)} rules")
        yield found
    tell("trainings")
    yield from trainings(device)


def _each(device: Device, options: Options) -> Iterator[Errors | Check]:
    check = functools.partial(checked, device=device, steps=options.checked)
    if options.processes == 1:
        yield from map(check, options.rules)
        return
    # Fresh processes: a GPU does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        yield from pool.map(check, options.rules)


def checked(rule: str, device: Device, steps: tuple[int, ...]) -> Errors | Check:
    """The line of one rule; one that cannot even be stepped has failed."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*lost to rounding")  # so it is in float16, and no news here
            return errors(rule, device, steps)
    except Exception as error:
        return Check(rule, float("inf"), 0, "roundings", sentence(error))


def errors(rule: str, device: Device, steps: tuple[int, ...]) -> Errors:
    """The line of one rule."""
    kinds = [*EVERY, *(kind for kind in KINDS if kind not in EVERY and rule in SOME)]
    exact = {kind: _off(rule, kind, True, device, steps) for kind in kinds}
    fast = {kind: _off(rule, kind, False, device, steps) for kind in kinds}
    return Errors(
        rule,
        {kind: off.exact for kind, off in exact.items()},
        {kind: off.ulps for kind, off in fast.items()},
        {kind: off.share for kind, off in fast.items()},
        functools.reduce(Off.and_, (*exact.values(), *fast.values())).values,
        BOUNDS,
    )


def _off(rule: str, kind: str, exact: bool, device: Device, steps: tuple[int, ...]) -> Off:
    """Some steps of one form."""
    dtype, frame, sizes = KINDS[kind]
    rng = np.random.default_rng(3)
    xs = [torch.from_numpy(rng.standard_normal(size)).to(dtype).to(device.name).requires_grad_() for size in sizes]
    optimizer = thalweg.torch.Optimizer(xs, rule=rule, exact=exact, seed=SEED, **frame)
    with_state(optimizer)
    found = Off()
    for t in steps:
        for x in xs:
            gradient = hard(rng, x.numel(), dtype) if exact else easy(rng, x.numel())
            x.grad = torch.from_numpy(gradient).to(dtype).to(device.name)
            optimizer.state[x]["step"].fill_(t - 1)
        found = found.and_(_one_step(optimizer, xs, t, exact, device))
    return found


def _one_step(optimizer: Any, xs: list[torch.Tensor], t: int, exact: bool, device: Device) -> Off:
    (plan,) = optimizer.plans()
    before = [held(optimizer, x, plan.recipe.program) for x in xs]
    with device.stepping():
        optimizer.step()
    (batch,) = optimizer._book.batches
    reference = Reference(batch.recipe.program, batch.storage)
    given = batch.sweep._values.cpu().numpy()
    drawn = keys(SEED, np.arange(len(xs)), np.full(len(xs), t))
    found = Off()
    for k, x in enumerate(xs):
        after = held(optimizer, x, reference.program)
        found = found.and_(_values_off(reference, plan.hyper, t, before[k], after, given[k]))
        values = dict(zip(reference.program.used_scalars, given[k].tolist(), strict=False))
        expected = reference.step(before[k], values, int(drawn[k]))
        for name in reference.types:
            off = _exactly if exact else functools.partial(_nearly, reference.slack(before[k], expected, values))
            found = found.and_(off(reference, name, before[k], after[name], expected[name]))
    return found


def _exactly(reference: Reference, name: str, _: dict[str, Any], found: np.ndarray, expected: np.ndarray) -> Off:
    return Off(exact=roundings(found, expected, reference.types[name]))


def _nearly(
    slack: dict[str, Any],
    reference: Reference,
    name: str,
    before: dict[str, Any],
    found: np.ndarray,
    expected: np.ndarray,
) -> Off:
    """In ulps of the larger of a number before the step and after it, and as a share of the slack."""
    kind = reference.types[name]
    a, b = (read(array, kind).astype(np.float64) for array in (found, expected))
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    ulps = np.maximum(reference.ulps(name, before[name]), reference.ulps(name, expected))
    allowed = slack.get(name, np.zeros(len(apart)))
    share = np.where(apart == 0, 0.0, apart / np.where(allowed > 0, allowed, 5e-324))
    return Off(ulps=float(np.max(apart / ulps)), share=float(np.max(share)))


def _values_off(
    reference: Reference, hyper: dict[str, float], t: int, before: dict, after: dict, given: np.ndarray
) -> Off:
    """The per-step values, and the scalar states that came of them."""
    program = reference.program
    expected, new = step_values(program, t, hyper, [before[name] for name in program.scalar_state])
    pairs = [*zip(given.tolist(), expected, strict=False)]
    pairs += [(after[name], value) for name, value in zip(program.scalar_state, new, strict=True)]
    off = [0.0 if a == b or (a != a and b != b) else abs(a - b) / max(abs(a), abs(b)) for a, b in pairs]
    return Off(values=float(np.max(off, initial=0.0)))


def easy(rng: np.random.Generator, size: int) -> np.ndarray:
    """Gradients from thousandths to tens."""
    return rng.standard_normal(size) * 10.0 ** rng.uniform(-3, 1, size)


def hard(rng: np.random.Generator, size: int, dtype: torch.dtype) -> np.ndarray:
    """Gradients of every size: ordinary ones, zeros of both signs, subnormal and huge ones."""
    info = torch.finfo(dtype)
    special = [0.0, -0.0, info.tiny / 2, -info.tiny / 3, info.tiny, info.max, -info.max / 2]
    ordinary = rng.standard_normal(size) * 10.0 ** rng.uniform(-8, 4, size)
    return np.where(rng.random(size) < 0.2, rng.choice(special, size), ordinary)
