"""What a sweep says of itself: the sums are right, and whoever asks for them changes no bit of the training."""

import copy
import dataclasses
import re

import numpy as np
import pytest

from catalogue import AROUND, EVERY_RULE, first_state, hard_gradients
from thalweg.compile import numba
from thalweg.compile.storage import Storage
from thalweg.compile.stored import read, rounded
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.rules import RULES
from thalweg.sweep.cpu import step_values, sweep, table_of
from watch_sums import assert_sums

KINDS = [
    (("float32",) * 3, "nearest"),
    (("float64",) * 3, "nearest"),
    (("bfloat16", "bfloat16", "float32"), "stochastic"),
    (("float16",) * 3, "kahan"),
]
SIZES = (70_001, 5, 0)


def held_in(numbers: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return rounded(np.ascontiguousarray(numbers, "float64" if name == "float64" else "float32"), name)


def tensors(rule: Rule, storage: Storage, sizes: tuple[int, ...]) -> list[dict[str, np.ndarray]]:
    rng, names = np.random.default_rng(0), storage.arrays(trace(rule))
    types = (*storage.types, storage.types[0])
    made = []
    for size in sizes:
        x = rng.standard_normal(size)
        plain = {"x": x, "g": 0.1 * hard_gradients(rng, size, "float16").clip(-100, 100), **first_state(rule, x)}
        made.append({n: held_in(plain.get(n, 0 * x), t) for n, t in zip(names, types, strict=False)})
    return made


def swept(rule: Rule, storage: Storage, held: list[dict], with_sums: bool, threads: int) -> np.ndarray | None:
    """One step in place, and the sums where they are asked for."""
    program = trace(rule)
    kernel = numba.compiled(program, storage)
    table = table_of(kernel, [[a[n].ctypes.data for n in kernel.arrays] for a in held], [a["x"].size for a in held])
    table.draw(np.arange(len(held)))
    start = first_state(rule, np.zeros(1))
    values = np.array(step_values(program, 1, rule.hyper, [start[s] for s in program.scalar_state])[0])
    if not with_sums:
        sweep(table, values, threads=threads)
        return None
    table.collect()
    sweep(table, values, threads=threads, kernel=numba.compiled(program, dataclasses.replace(storage, sums=True)))
    return table.sums()


def expected(before: dict[str, np.ndarray], after: dict[str, np.ndarray], storage: Storage) -> list[float]:
    x, g, new = (
        read(held, kind).astype("float64")
        for held, kind in zip(
            (before["x"], before["g"], after["x"]), (*storage.types[:2], storage.types[0]), strict=True
        )
    )
    return [(g * g).sum(), (x * x).sum(), ((new - x) ** 2).sum(), ((new - x) * g).sum()]


def assert_same_memory(a: list[dict], b: list[dict], what: str) -> None:
    for one, other in zip(a, b, strict=True):
        for name, array in one.items():
            assert array.tobytes() == other[name].tobytes(), f"{what}, {name}"


def check(rule: Rule, storage: Storage, sizes: tuple[int, ...] = SIZES) -> None:
    """Same memory with sums and without, on one thread and on two, and sums that NumPy finds too."""
    start, plain = (tensors(rule, storage, sizes) for _ in range(2))
    swept(rule, storage, plain, False, 1)
    totals = []
    for threads in (1, 2):
        watched = copy.deepcopy(start)
        totals.append(swept(rule, storage, watched, True, threads))
        assert_same_memory(plain, watched, f"{rule.name}, {storage}")
    assert totals[0].tobytes() == totals[1].tobytes(), "sums depend on the threads"
    for found, before, after in zip(totals[0], start, plain, strict=True):
        assert_sums(found, expected(before, after, storage), f"{rule.name}, {storage}")
    assert not storage.zero or not any(held["g"].view(np.uint8).any() for held in plain)


QUICK = ("adam", "irprop_minus", "schedule_free_adamw")
RULE = pytest.mark.parametrize(
    "rule",
    [pytest.param(r, marks=[] if r.name in QUICK else pytest.mark.slow, id=r.name) for r in (*EVERY_RULE, *AROUND)],
)


@RULE
def test_every_rule_gives_its_sums_and_the_same_bits(rule: Rule) -> None:
    check(rule, Storage(("float32",) * len(trace(rule).inputs)), (1003, 5))


@pytest.mark.parametrize(("types", "rounding"), KINDS, ids=[f"{t[0]}-{r}" for t, r in KINDS])
def test_every_storage_gives_its_sums_and_the_same_bits(types: tuple[str, ...], rounding: str) -> None:
    check(RULES["momentum"], Storage(types, rounding, zero=True, tally=rounding == "nearest"))


@pytest.mark.slow
@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.name)
def test_every_rule_in_every_storage_gives_its_sums_and_the_same_bits(rule: Rule) -> None:
    for types, rounding in KINDS:
        full = (*types[:2], *types[2:] * len(rule.arrays))
        check(rule, Storage(full, rounding, flush=rounding != "nearest"), (1003, 5))


@pytest.mark.parametrize(("types", "rounding"), KINDS, ids=[f"{t[0]}-{r}" for t, r in KINDS])
def test_a_kernel_that_adds_up_is_vectorised(types: tuple[str, ...], rounding: str) -> None:
    program = trace(RULES["momentum"])
    text = numba.source(program, Storage(types, rounding, sums=True))
    assembly = numba._function(program.identifier, text)._library.get_asm_str()
    assert re.search(r"vfn?m\w*p[sd]\s+.*%[yz]mm|mulp[sd]|fmla\tv", assembly), "sums in vectors"
