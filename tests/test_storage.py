"""Storage types, roundings, the tally and the norm kernel, against NumPy to the last bit."""

import numpy as np
import pytest

from catalogue import AROUND, EVERY_RULE, assert_same_bits, first_state, hard_gradients, kernel_step
from thalweg.compile.numba import compiled
from thalweg.compile.storage import ITEMSIZE, KAHAN, ROUNDINGS, Storage
from thalweg.compile.stored import LOST, MOVED, SALT, noise_at, read, rounded, scattered, stored_step
from thalweg.compile.trace import trace
from thalweg.formula import Rule, rule
from thalweg.rules import RULES
from thalweg.sweep.cpu import norm_table, squared_norm, step_values, sweep, table_of

# Of weights, gradients and state.
TYPES = {
    "bfloat16": ("bfloat16", "bfloat16", "bfloat16"),
    "bfloat16, float32 state": ("bfloat16", "bfloat16", "float32"),
    "float16": ("float16", "float16", "float16"),
    "float16, float32 state": ("float16", "float16", "float32"),
    "mixed": ("bfloat16", "float32", "float16"),
    "float32, short state": ("float32", "float16", "bfloat16"),
    "float64, short gradient": ("float64", "bfloat16", "float32"),
}
FOUR = tuple(ITEMSIZE)
SGD = RULES["sgd"]


def storage_of(rule: Rule, types: tuple[str, str, str], rounding: str = "nearest", **options: bool) -> Storage:
    return Storage((*types[:2], *types[2:] * (len(rule.arrays))), rounding, **options)


def held_in(numbers: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return rounded(np.ascontiguousarray(numbers, "float64" if name == "float64" else "float32"), name)


def start_of(rule: Rule, storage: Storage, size: int) -> dict:
    x = np.random.default_rng(size).standard_normal(size)
    state = first_state(rule, x)
    names = zip(storage.arrays(trace(rule)), (*storage.types, storage.types[0]), strict=False)
    held = {name: held_in({"x": x, **state}.get(name, 0 * x), kind) for name, kind in names}
    return held | {name: state[name] for name in rule.scalars}


def assert_same_numbers(rule: Rule, storage: Storage, expected: dict, held: dict, what: str) -> None:
    for name, kind in zip(storage.arrays(trace(rule)), (*storage.types, storage.types[0]), strict=False):
        assert_same_bits(read(expected[name], kind), read(held[name], kind), f"{rule.name}, {storage}, {name}, {what}")


def assert_kernel_agrees(rule: Rule, storage: Storage, size: int = 1003, steps: int = 20) -> None:
    """To the last bit, every array of every step, and the tally."""
    program, rng = trace(rule), np.random.default_rng(3)
    wide = "float64" if storage.types[1] == "float64" else "float32"
    held = start_of(rule, storage, size)
    for t in range(1, steps + 1):
        held["g"] = held_in(hard_gradients(rng, size, wide), storage.types[1])
        key = int(rng.integers(-(2**63), 2**63))
        expected = stored_step(program, storage, held, t, rule.hyper, key)
        table = kernel_step(program, storage, held, t, dict(rule.hyper), key=key)
        assert_same_numbers(rule, storage, expected, held, f"step {t}")
        if storage.tally:
            counted = (table.result("first").sum(), table.result("second").sum())
            assert counted == (expected[MOVED], expected[LOST])


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("rule", (*EVERY_RULE, *AROUND), ids=lambda r: r.name)
def test_every_rule_in_every_storage_to_the_last_bit(rule: Rule, types: tuple[str, str, str]) -> None:
    assert_kernel_agrees(rule, storage_of(rule, types))
    if "bfloat16" in (types[0], types[2]):
        assert_kernel_agrees(rule, storage_of(rule, types, "stochastic"))
    if types[0].endswith("16"):
        assert_kernel_agrees(rule, storage_of(rule, types, "kahan"))


@pytest.mark.parametrize("x", FOUR)
@pytest.mark.parametrize("g", ["float64", "bfloat16"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_mixtures_with_tally_and_zero_to_the_last_bit(x: str, g: str, rounding: str) -> None:
    for state in FOUR:
        for flush in (True, False):
            storage = storage_of(RULES["rmsprop"], (x, g, state), rounding, flush=flush, tally=True, zero=True)
            assert_kernel_agrees(RULES["rmsprop"], storage, size=200, steps=8)


@rule("Nobody")
def copy(x, g, t, u):
    return g, g


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_every_short_number_is_read(name: str) -> None:
    every = np.arange(2**16, dtype=np.uint16)
    held = {"x": every.astype("float32"), "g": every, "u": every.astype("float32")}
    kernel_step(trace(copy), Storage(("float32", name, "float32"), flush=False), held, 1, {})
    assert_same_bits(read(every, name), held["u"], name)


@pytest.mark.parametrize("flush", [True, False], ids=["flush", "no-flush"])
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_any_number_is_rounded_to_the_nearest(name: str, flush: bool) -> None:
    rng = np.random.default_rng(0)
    middle = read(rng.integers(0, 2**16, 100_000, dtype=np.uint16), name)
    middle = (middle.view(np.uint32) ^ np.uint32(0x8000 if name == "bfloat16" else 0x1000)).view(np.float32)
    g = np.concatenate([rng.integers(0, 2**32, 400_000, dtype=np.uint32).view(np.float32), middle])
    held = {"x": g.copy(), "g": g, "u": np.zeros(g.size, np.uint16)}
    storage = Storage(("float32", "float32", name), flush=flush)
    expected = stored_step(trace(copy), storage, held, 1, {})
    kernel_step(trace(copy), storage, held, 1, {})
    assert_same_bits(read(expected["u"], name), read(held["u"], name), name)


def test_bfloat16_is_rounded_to_the_nearest_by_arithmetic() -> None:
    """The reference itself: half the distance to both neighbours at most, ties to the even one."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal(100_000).astype("float32")
    bits = rounded(numbers, "bfloat16")
    gap = [
        np.abs(read((bits + k).astype(np.uint16), "bfloat16").astype("float64") - numbers) for k in (0, 1, 2**16 - 1)
    ]
    assert (gap[0] <= gap[1]).all() and (gap[0] <= gap[2]).all()
    ties = np.float32(1) + np.arange(1, 256, 2, dtype="float32") * np.float32(2**-8)
    assert (rounded(ties, "bfloat16") % 2 == 0).all()


def drawn(key: int, size: int = 1_000_000) -> tuple[np.ndarray, np.float32]:
    """Weights of 1 after a step of 0.001, rounded at random, and what they are before rounding."""
    storage = Storage(("bfloat16", "float32"), "stochastic")
    held = {"x": held_in(np.ones(size), "bfloat16"), "g": np.full(size, 0.1, "float32")}
    kernel_step(trace(SGD), storage, held, 1, {"lr": 0.01}, threads=2, key=key)
    return read(held["x"], "bfloat16"), np.float32(1) - np.float32(0.01) * np.float32(0.1)


def test_stochastic_rounding_is_right_in_the_mean() -> None:
    for key in (0, 1, -1, 1234567890123456789):
        x, exact = drawn(key)
        assert set(np.unique(x)) == {1 - 2.0**-8, 1.0}
        share = (1 - float(exact)) * 2**8
        sigma = 2.0**-8 * np.sqrt(share * (1 - share) / x.size)
        assert abs(x.mean(dtype="float64") - exact) < 5 * sigma


def test_stochastic_rounding_differs_between_keys_elements_and_arrays() -> None:
    first, again, other = (drawn(key, 100_000)[0] == 1 for key in (5, 5, 6))
    share = first.mean()
    assert (first == again).all()
    alike = share**2 + (1 - share) ** 2
    assert abs((first == other).mean() - alike) < 0.01
    assert abs((first[1:] == first[:-1]).mean() - alike) < 0.01
    index = np.arange(100_000)
    one, two = (noise_at(index, key) / 2**16 for key in (5, 5 + SALT))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_an_infinity_stays_one_and_the_largest_number_may_become_one() -> None:
    largest = np.finfo("float32").max
    numbers = np.array([np.inf, -np.inf, np.nan, largest, -largest], "float32")
    for noise, expected in (
        (0, [np.inf, -np.inf, np.nan, 1, -1]),
        (0xFFFF, [np.inf, -np.inf, np.nan, np.inf, -np.inf]),
    ):
        found = read(scattered(numbers, np.full(5, noise, np.uint32)), "bfloat16")
        found[np.isfinite(found)] = np.sign(found[np.isfinite(found)])
        assert_same_bits(found, np.array(expected, "float32"), f"noise {noise}")


def test_stochastic_rounding_does_not_depend_on_threads_or_on_how_the_work_is_cut() -> None:
    chosen, rng = RULES["momentum"], np.random.default_rng(0)
    program, storage = trace(chosen), Storage(("bfloat16",) * 3, "stochastic")
    sizes, keys = (200_000, 70_001, 5), np.array([7, -8, 2**62])
    tensors = [{name: held_in(rng.random(n), "bfloat16") for name in program.inputs} for n in sizes]
    expected = [stored_step(program, storage, a, 1, chosen.hyper, int(k)) for a, k in zip(tensors, keys, strict=True)]
    kernel = compiled(program, storage)
    for threads in (1, 2, 7):
        mine = [{name: array.copy() for name, array in tensor.items()} for tensor in tensors]
        table = table_of(kernel, [[a[name].ctypes.data for name in kernel.arrays] for a in mine], sizes)
        table.draw(keys)
        sweep(table, np.array(step_values(program, 1, chosen.hyper)[0]), threads=threads)
        for a, b in zip(mine, expected, strict=True):
            assert_same_numbers(chosen, storage, b, a, f"{threads} threads")


def after_many_small_steps(rounding: str, name: str, steps: int = 1000) -> np.ndarray:
    """Weights around 1 after steps of about 1e-4, less than half of bfloat16's last bit."""
    rng, held = np.random.default_rng(0), start_of(SGD, Storage((name, name), rounding), 1000)
    held["x"] = held_in(np.ones(1000), name)
    for t in range(1, steps + 1):
        held["g"] = held_in(1 + 0.5 * rng.standard_normal(1000), name)
        kernel_step(trace(SGD), Storage((name, name), rounding), held, t, {"lr": 1e-4}, key=t)
    return read(held["x"], name) + (read(held[KAHAN], name) if KAHAN in held else 0)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_kahan_follows_the_float32_weights(name: str) -> None:
    exact = after_many_small_steps("nearest", "float32")
    errors = {r: np.abs(after_many_small_steps(r, name) - exact).mean() for r in ROUNDINGS}
    print(name, errors)
    assert errors["nearest"] > 0.05, "nearest loses the steps"
    assert errors["kahan"] < errors["nearest"] / 100
    if name == "bfloat16":
        assert errors["kahan"] < errors["stochastic"] / 10 < errors["nearest"] / 20


@pytest.mark.parametrize("name", FOUR)
def test_tally_counts_what_should_move_and_what_does_not(name: str) -> None:
    storage, size = Storage((name, "float32"), tally=True), 150_000
    rng = np.random.default_rng(0)
    g = (rng.standard_normal(size) * 10.0 ** rng.uniform(-8, 0, size) * (rng.random(size) < 0.9)).astype("float32")
    held = {"x": held_in(rng.standard_normal(size), name), "g": g}
    before = read(held["x"], name).copy()
    table = kernel_step(trace(SGD), storage, held, 1, {"lr": 0.1}, threads=2)
    new = before - before.dtype.type(0.1) * g
    moved, lost = new != before, (new != before) & (read(held["x"], name) == before)
    assert (table.result("first").sum(), table.result("second").sum()) == (moved.sum(), lost.sum())
    assert 0 < moved.sum() < size
    assert (lost.sum() > 0) == name.endswith("16")


@pytest.mark.parametrize("name", FOUR)
def test_zeroed_gradients_are_zero_and_nothing_else_changes(name: str) -> None:
    chosen, rng = RULES["momentum"], np.random.default_rng(0)
    held = start_of(chosen, Storage((name,) * 3), 20_000)
    held["g"] = held_in(hard_gradients(rng, 20_000, "float32"), name)
    kept = {key: array.copy() for key, array in held.items()}
    kernel_step(trace(chosen), Storage((name,) * 3, zero=True), held, 1, dict(chosen.hyper), threads=2)
    kernel_step(trace(chosen), Storage((name,) * 3), kept, 1, dict(chosen.hyper))
    assert not held["g"].view(np.uint8).any() and kept["g"].any()
    assert_same_numbers(chosen, Storage((name,) * 3), kept | {"g": held["g"]}, held, "zero")


def norm_of(gradients: list[np.ndarray], name: str, threads: int = 1) -> tuple[float, int]:
    table = norm_table(name, [g.size for g in gradients])
    table.point(0, np.array([g.ctypes.data for g in gradients]))
    return squared_norm(table, name, threads=threads)


@pytest.mark.parametrize("name", FOUR)
def test_norm_is_numpys_and_does_not_depend_on_threads(name: str) -> None:
    rng = np.random.default_rng(0)
    gradients = [held_in(rng.standard_normal(n) * 10.0 ** rng.uniform(-9, 3, n), name) for n in (0, 1, 7, 200_003, 999)]
    exact = sum(np.sum(read(g, name).astype("float64") ** 2) for g in gradients)
    found = norm_of(gradients, name)
    assert found == (pytest.approx(exact, rel=1e-13), 0)
    assert {norm_of(gradients, name, threads) for threads in (2, 3, 7)} == {found}


@pytest.mark.parametrize("name", FOUR)
def test_norm_counts_infinities_and_nans(name: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(100_000)
    numbers[[5, 70_000]], numbers[[0, 99_999]], numbers[33] = np.inf, np.nan, -np.inf
    total, unfit = norm_of([held_in(numbers, name)], name, threads=2)
    assert unfit == 5 and np.isnan(total)
    numbers[~np.isfinite(numbers)] = 0
    assert norm_of([held_in(numbers, name)], name)[1] == 0


def test_norm_flushes_nothing_and_may_overflow() -> None:
    tiny = np.full(1000, 1e-42, "float32")
    assert norm_of([tiny], "float32")[0] == pytest.approx(1000 * float(tiny[0]) ** 2, rel=1e-13)
    assert norm_of([np.full(3, 1e200)], "float64") == (np.inf, 0)
