"""What Triton's kernels do around a rule, on the device alone: storage, rounding, counts, sums, values, keys, norms."""

import math

import numpy as np
import pytest
import torch

import triton_runs as runs
from catalogue import AROUND, EVERY_RULE, assert_same_bits, hard_gradients, kernel_step
from test_storage import FOUR, TYPES, assert_same_numbers, copy, held_in, start_of, storage_of
from thalweg.compile.measured import SUMS
from thalweg.compile.numba import FIELDS
from thalweg.compile.once import once
from thalweg.compile.storage import KAHAN, ROUNDINGS, Storage
from thalweg.compile.stored import LOST, MOVED, read, stored_step
from thalweg.compile.trace import trace
from thalweg.compile.triton_norm import GIVEN, TOLD, finish_source, norm_source
from thalweg.compile.triton_once import keys_source
from thalweg.formula import Rule, rule
from thalweg.rules import RULES
from thalweg.sweep.cpu import keys
from triton_runs import Cut, float64s, launched, on_device, stepped, table_of, valued

RULE = pytest.mark.parametrize("rule", (*EVERY_RULE, *AROUND), ids=lambda r: r.name)
EXACT = pytest.mark.parametrize("exact", [True, False], ids=["exact", "fast"])


def assert_kernel_agrees(rule: Rule, storage: Storage, size: int = 300, steps: int = 1, exact: bool = True) -> None:
    """With the reference to the last bit, every array of every step, and the tally; the fast one on easy numbers."""
    program, rng = trace(rule), np.random.default_rng(3)
    wide = "float64" if storage.types[1] == "float64" else "float32"
    held = start_of(rule, storage, size)
    for t in range(1, steps + 1):
        gradients = hard_gradients(rng, size, wide) if exact else rng.standard_normal(size)
        held["g"] = held_in(gradients, storage.types[1])
        key = int(rng.integers(-(2**63), 2**63))
        expected = stored_step(program, storage, held, t, rule.hyper, key)
        counted, _ = stepped(program, storage, [held], [(float(t), dict(rule.hyper))], exact, keys=[key])
        assert_same_numbers(rule, storage, expected, held, f"step {t}")
        if storage.tally:
            assert counted.sum(0).tolist() == [expected[MOVED], expected[LOST]]


@RULE
def test_every_rule_rounds_at_random_as_the_reference(rule: Rule) -> None:
    assert_kernel_agrees(rule, storage_of(rule, TYPES["bfloat16"], "stochastic", tally=True))


@RULE
def test_every_rule_with_compensation_in_other_types(rule: Rule) -> None:
    assert_kernel_agrees(rule, storage_of(rule, TYPES["mixed"], "kahan", flush=False, zero=True))


@pytest.mark.slow
@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
@RULE
def test_every_rule_in_every_storage_to_the_last_bit(rule: Rule, types: tuple[str, str, str]) -> None:
    for flush in (True, False):
        assert_kernel_agrees(rule, storage_of(rule, types, flush=flush), steps=4)
        if "bfloat16" in (types[0], types[2]):
            assert_kernel_agrees(rule, storage_of(rule, types, "stochastic", flush=flush), steps=4)
        if types[0].endswith("16"):
            assert_kernel_agrees(rule, storage_of(rule, types, "kahan", flush=flush), steps=4)


def assert_mixture_agrees(x: str, g: str, state: str, rounding: str) -> None:
    for flush in (True, False):
        storage = storage_of(RULES["rmsprop"], (x, g, state), rounding, flush=flush, tally=True, zero=True)
        assert_kernel_agrees(RULES["rmsprop"], storage, steps=2)


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_some_mixtures_with_tally_and_zero_to_the_last_bit(types: tuple[str, str, str], rounding: str) -> None:
    assert_mixture_agrees(*types, rounding)


@pytest.mark.slow
@pytest.mark.parametrize("x", FOUR)
@pytest.mark.parametrize("g", FOUR)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_mixture_with_tally_and_zero_to_the_last_bit(x: str, g: str, rounding: str) -> None:
    for state in FOUR:
        assert_mixture_agrees(x, g, state, rounding)


@pytest.mark.skipif(not runs.INTERPRETED, reason="on a device the fast kernel is near only, and rounding shows it")
@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_fast_kernel_has_the_same_frame(types: tuple[str, str, str], rounding: str) -> None:
    storage = storage_of(RULES["adam"], types, rounding, tally=True, zero=True)
    assert_kernel_agrees(RULES["adam"], storage, exact=False)


# -- 16-bit numbers --


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_every_short_number_is_read(name: str) -> None:
    every = np.arange(2**16, dtype=np.uint16)
    held = {"x": every.astype("float32"), "g": every, "u": every.astype("float32")}
    storage = Storage(("float32", name, "float32"), flush=False)
    stepped(trace(copy), storage, [held], [(1.0, {})], cut=Cut(2**16, 2**16))
    assert_same_bits(read(every, name), held["u"], name)


@EXACT
@pytest.mark.parametrize("flush", [True, False], ids=["flush", "no-flush"])
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_any_number_is_rounded_to_the_nearest(wide: str, name: str, flush: bool, exact: bool) -> None:
    rng = np.random.default_rng(0)
    middle = read(rng.integers(0, 2**16, 20_000, dtype=np.uint16), name)
    middle = (middle.view(np.uint32) ^ np.uint32(0x8000 if name == "bfloat16" else 0x1000)).view(np.float32)
    with np.errstate(invalid="ignore"):
        g = np.concatenate([rng.integers(0, 2**32, 40_000, dtype=np.uint32).view(np.float32), middle]).astype(wide)
        if wide == "float64":  # beside what a float32 can hold, too
            g *= 1 + rng.choice([-1, 0, 1], g.size) * float(np.finfo("float32").eps) / 2
    held = {"x": g.copy(), "g": g, "u": np.zeros(g.size, np.uint16)}
    storage = Storage((wide, wide, name), flush=flush)
    expected = stored_step(trace(copy), storage, held, 1, {})
    stepped(trace(copy), storage, [held], [(1.0, {})], exact, cut=Cut(2**16, 2**16))
    assert_same_bits(read(expected["u"], name), read(held["u"], name), name)


# -- random bits --


def test_random_bits_are_those_of_the_cpus_kernel_however_the_work_is_cut() -> None:
    chosen, rng = RULES["momentum"], np.random.default_rng(0)
    program, storage = trace(chosen), Storage(("bfloat16",) * 3, "stochastic")
    sizes, drawn = (2001, 701, 5), (7, -8, 2**62)
    tensors = [{name: held_in(rng.random(n), "bfloat16") for name in program.inputs} for n in sizes]
    others = [{name: array.copy() for name, array in tensor.items()} for tensor in tensors]
    for tensor, key in zip(tensors, drawn, strict=True):
        kernel_step(program, storage, tensor, 1, dict(chosen.hyper), key=key)
    for cut in (Cut(4096), Cut(192), Cut(640, 256)):
        found = [{name: array.copy() for name, array in tensor.items()} for tensor in others]
        stepped(program, storage, found, [(1.0, dict(chosen.hyper))] * 3, keys=drawn, cut=cut)
        for mine, theirs in zip(tensors, found, strict=True):
            assert_same_numbers(chosen, storage, mine, theirs, f"{cut}")


@pytest.mark.parametrize("seed", [0, 1, -5, 2**63 - 1])
def test_keys_are_the_cpus(seed: int) -> None:
    rng, arrays = np.random.default_rng(0), 3
    tensors, steps = np.array([0, 1, 1, 7, 2**40]), np.array([1, 3, 3, 10**6, 2**50])
    starts = np.array([0, 0, 65536, 2**32, 5 * 2**33 + 1])
    table = on_device(rng.integers(-9, 9, 5 * (arrays + len(FIELDS))).astype(np.int64)).reshape(5, -1)
    table[:, arrays + FIELDS.index("start")] = torch.from_numpy(starts)
    kept, counts = table.clone(), float64s(*steps)
    places = torch.tensor([counts.data_ptr() + 8 * k for k in range(5)], device=runs.DEVICE)
    given = (on_device(tensors), places, on_device(np.array([seed])), 5)
    launched(keys_source(arrays), 2, table, *given, BLOCK=4)
    expected = keys(seed, tensors, steps) + (starts >> 32) * 0x9E3779B9
    column = arrays + FIELDS.index("key")
    assert table[:, column].tolist() == expected.tolist()
    table[:, column] = kept[:, column]
    assert torch.equal(table, kept)


# -- leaving a step out, zeroing, sums --


@pytest.mark.parametrize("skip", [1.0, -2.0, math.nan])
def test_a_step_that_is_left_out_changes_nothing_but_zeroes_gradients(skip: float) -> None:
    chosen, rng = RULES["adam"], np.random.default_rng(0)
    for zero in (False, True):
        storage = Storage(("bfloat16",) * 4, "kahan", zero=zero, tally=True, sums=True)
        held = start_of(chosen, storage, 1000) | {"g": held_in(rng.standard_normal(1000), "bfloat16")}
        kept = {name: array.copy() for name, array in held.items()}
        counted, sums = stepped(trace(chosen), storage, [held], [(1.0, dict(chosen.hyper))], skip=skip)
        assert (held["g"] == (0 if zero else kept["g"])).all()
        assert all((held[name] == kept[name]).all() for name in ("x", "m", "v", KAHAN))
        assert not counted.any() and not sums.any()


@pytest.mark.parametrize("name", FOUR)
def test_zeroed_gradients_are_zero_and_nothing_else_changes(name: str) -> None:
    chosen, rng = RULES["momentum"], np.random.default_rng(0)
    program, asked = trace(chosen), [(1.0, dict(chosen.hyper))]
    held = start_of(chosen, Storage((name,) * 3), 2000)
    held["g"] = held_in(hard_gradients(rng, 2000, "float32"), name)
    kept = {key: array.copy() for key, array in held.items()}
    stepped(program, Storage((name,) * 3, zero=True), [held], asked)
    stepped(program, Storage((name,) * 3), [kept], asked)
    assert not held["g"].view(np.uint8).any() and kept["g"].any()
    assert_same_numbers(chosen, Storage((name,) * 3), kept | {"g": held["g"]}, held, "zero")


@EXACT
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", FOUR)
def test_sums_are_numpys_and_change_no_bit(name: str, rounding: str, exact: bool) -> None:
    chosen, rng = RULES["adam"], np.random.default_rng(0)
    program, asked = trace(chosen), [(1.0, dict(chosen.hyper))]
    storage, cut = Storage((name,) * 4, rounding, sums=True), Cut(640, 128)
    held = start_of(chosen, storage, 1500) | {"g": held_in(rng.standard_normal(1500), name)}
    before, other = dict(held), dict(held)
    _, sums = stepped(program, storage, [held], asked, exact, keys=[5], cut=cut)
    stepped(program, Storage((name,) * 4, rounding), [other], asked, exact, keys=[5], cut=cut)
    assert_same_numbers(chosen, storage, other, held, "sums")
    x, new, g = (read(a, name).astype("float64") for a in (before["x"], held["x"], before["g"]))
    expected = {"gg_": g * g, "xx_": x * x, "dd_": (new - x) ** 2, "dg_": (new - x) * g}
    for column, (which, *_) in zip(sums.T, SUMS, strict=True):
        rows = [expected[which][k : k + 640] for k in range(0, 1500, 640)]
        # Each element of a block adds up five products in the arithmetic's type, which round once each.
        bound = 20 * np.finfo("float64" if name == "float64" else "float32").eps
        for found, row in zip(column, rows, strict=True):
            assert abs(found - row.sum()) <= bound * np.abs(row).sum(), which


# -- once per step --

# How far a per-step value may be from the host's. Both compute the same lines, but the device's powers come from base 2
# and are off by some units in the last place, which is a 1e4 times as large part of 1 - b**t where that is 1e-4. In the
# interpreter logarithms and powers of 2 are NumPy's, which are nearer.
BOUND = 1e-15 if runs.INTERPRETED else 1e-11


@RULE
def test_values_are_the_hosts(rule: Rule) -> None:
    program, asked = trace(rule), (1.0, 2.0, 10.0, 1000.0, 100000.0)
    state = [0.75] * len(program.scalar_state)
    found = valued(program, [(t - 1, dict(rule.hyper), state) for t in asked])
    for t, (new_t, values, new_state) in zip(asked, found, strict=True):
        expected = once(program)(t, *rule.hyper.values(), *state)
        assert new_t == t
        for mine, theirs in zip(expected, (values, new_state), strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=BOUND, atol=0, err_msg=f"{rule.name}, t {t}")


def test_values_follow_a_scalar_state_through_many_steps() -> None:
    chosen, program = RULES["nadam"], trace(RULES["nadam"])
    state, found = [1.0], [1.0]
    for t in range(1, 51):
        _, state = once(program)(float(t), *chosen.hyper.values(), *state)
        ((_, _, found),) = valued(program, [(t - 1.0, dict(chosen.hyper), found)])
    np.testing.assert_allclose(found, list(state), rtol=50 * BOUND, atol=0)


def test_nothing_is_valued_where_the_step_is_left_out() -> None:
    program = trace(RULES["nadam"])
    ((t, values, state),) = valued(program, [(4.0, dict(RULES["nadam"].hyper), [0.5])], skip=1.0)
    assert t == 4.0 and state == [0.5] and np.isnan(values).all()


@rule("Nobody", scalars=("c",))
def powers(x, g, t, c, *, a=1.0, b=1.0):
    return x - a**b * g, c + t


NUMBERS = (0.0, 0.5, 1.0, -1.0, -2.0, 3.0, 0.1, -0.5, math.inf, -math.inf, math.nan)


def test_powers_are_cs() -> None:
    program = trace(powers)
    pairs = [{"a": a, "b": b} for a in NUMBERS for b in NUMBERS]
    found = valued(program, [(0.0, pair, [0.0]) for pair in pairs])
    for pair, (_, (power,), _) in zip(pairs, found, strict=True):
        ((expected,), _) = once(program)(1.0, pair["a"], pair["b"], 0.0)
        assert power == pytest.approx(expected, rel=BOUND, abs=0, nan_ok=True), pair


@rule("Nobody", scalars=("mixed",))
def like_the_frame(x, g, t, flushed, mixed, *, values=0.1, power=2.0, skip=3.0):
    flushed = flushed / (g - values)
    return x - flushed * mixed**power, flushed * skip, mixed + t


def test_a_rule_may_use_the_words_of_the_frame() -> None:
    chosen, program, rng = like_the_frame, trace(like_the_frame), np.random.default_rng(0)
    storage = Storage(("bfloat16",) * 3, "stochastic", zero=True, tally=True, sums=True)
    held = {name: held_in(rng.standard_normal(200), "bfloat16") for name in program.inputs} | {"mixed": 1.5}
    expected = stored_step(program, storage, held, 2.0, chosen.hyper, 5)
    stepped(program, storage, [held], [(2.0, dict(chosen.hyper))], keys=[5])
    assert_same_numbers(chosen, storage, expected, held, "names")
    ((_, values, state),) = valued(program, [(1.0, dict(chosen.hyper), [1.5])])
    assert (tuple(values), tuple(state)) == once(program)(2.0, *chosen.hyper.values(), 1.5)


# -- all gradients --


def norms(gradients: list[np.ndarray], name: str, cut: Cut = runs.CUT) -> tuple[torch.Tensor, torch.Tensor]:
    held = [{"g": on_device(g, cut.shift)} for g in gradients]
    table = table_of(held, [float64s(0.0)] * len(held), row=cut.row)
    squares, unfits = (float64s(*[math.nan] * len(table)) for _ in range(2))
    launched(norm_source(name), len(table), table, squares, unfits, BLOCK=cut.block, ALIGNED=cut.aligned)
    return squares, unfits


def finished(squares: torch.Tensor, unfits: torch.Tensor, **given: float) -> dict[str, float]:
    numbers = {"scale": 1.0, "most": math.inf, "offset": 1e-6, "skips": 0.0, "found": 0.0} | given
    told = float64s(*[math.nan] * len(TOLD))
    parts = (squares, unfits, squares.numel(), float64s(*(numbers[name] for name in GIVEN)), told)
    launched(finish_source(), 1, *parts, BLOCK=256)
    return dict(zip(TOLD, told.tolist(), strict=True))


@pytest.mark.parametrize("cut", [Cut(), Cut(192, 128), Cut(4096, 256, shift=1)], ids=["plain", "small", "shifted"])
@pytest.mark.parametrize("name", FOUR)
def test_the_norm_is_numpys(name: str, cut: Cut) -> None:
    rng = np.random.default_rng(0)
    gradients = [held_in(rng.standard_normal(n) * 10.0 ** rng.uniform(-9, 3, n), name) for n in (0, 1, 7, 5003, 999)]
    exact = sum(np.sum(read(g, name).astype("float64") ** 2) for g in gradients)
    told = finished(*norms(gradients, name, cut))
    assert told == {"norm": pytest.approx(math.sqrt(exact), rel=1e-13), "scale": 1.0, "skip": 0.0, "unfit": 0.0}
    assert finished(*norms(gradients, name, cut)) == told


@pytest.mark.parametrize("name", FOUR)
def test_infinities_and_nans_are_counted(name: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(2000)
    numbers[[5, 700]], numbers[[0, 1999]], numbers[33] = np.inf, np.nan, -np.inf
    squares, unfits = norms([held_in(numbers, name)], name)
    assert unfits.tolist() == [3.0, 1.0, 0.0, 1.0]
    told = finished(squares, unfits)
    assert told["unfit"] == 5 and told["skip"] == 0 and math.isnan(told["norm"]) and told["scale"] == 1.0
    assert finished(squares, unfits, skips=1.0)["skip"] == 1.0


def test_the_norm_flushes_nothing_and_may_overflow() -> None:
    tiny = np.full(1000, 1e-42, "float32")
    exact = 1000 * float(tiny[0]) ** 2
    assert float(norms([tiny], "float32")[0].sum()) == pytest.approx(exact, rel=1e-13)
    squares, unfits = norms([np.full(3, 1e200)], "float64")
    assert squares.tolist() == [math.inf] and unfits.tolist() == [0.0]


def clipped(scale: float, most: float, norm: float) -> float:
    """As the torch optimizers clip on the host: a NaN stays one."""
    factor = most / (norm * scale + 1e-6)
    return scale * (factor if not factor > 1.0 else 1.0)


@pytest.mark.parametrize("square", [0.0, 0.09, 2.0, 1e300, math.inf, math.nan])
@pytest.mark.parametrize("scale", [1.0, 0.125, 1e-3, math.inf])
def test_the_factor_clips_as_on_the_host(scale: float, square: float) -> None:
    parts = float64s(square), float64s(0.0)
    for most in (0.3, 1.0, 1e6):
        told = finished(*parts, scale=scale, most=most)
        assert told["scale"] == pytest.approx(clipped(scale, most, math.sqrt(square)), rel=0, abs=0, nan_ok=True)
    assert finished(*parts, scale=scale)["scale"] == scale


def test_the_step_is_left_out_where_a_scaler_found_something_or_as_asked() -> None:
    for unfit, skips, found, skip in ((0, 1, 0, 0), (2, 0, 0, 0), (2, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1)):
        told = finished(float64s(1.0, 1.0), float64s(0.0, unfit), skips=skips, found=found)
        assert told["skip"] == skip and told["unfit"] == unfit


def test_a_whole_step_asks_the_host_for_nothing() -> None:
    """Norm, factor, values and step, one launch after the other, as a CUDA graph would play them."""
    chosen, program = AROUND[0], trace(AROUND[0])
    assert "scale" in program.hyper
    storage, size = Storage(("float32",) * len(program.inputs), zero=True), 900
    start = start_of(chosen, storage, size)
    held = {name: on_device(array) for name, array in start.items()}
    expected = dict(start)
    hyper = float64s(0.0, *chosen.hyper.values())
    values, skip = float64s(*[math.nan] * len(program.used_scalars)), float64s(0.0)
    told, given = float64s(*[0.0] * len(TOLD)), float64s(0.5, 2.0, 1e-6, 1.0, 0.0)
    squares, unfits = float64s(0.0, 0.0), float64s(0.0, 0.0)
    table = table_of([held], [values])
    step_table, rng = table.clone(), np.random.default_rng(0)
    places = [hyper.data_ptr() + 8 * k for k in range(len(hyper))]
    places[1 + program.hyper.index("scale")] = told.data_ptr() + 8 * TOLD.index("scale")
    row = torch.tensor([[*places, values.data_ptr()]], device=runs.DEVICE)
    skip = told[TOLD.index("skip") :]
    t = 0
    for step in range(4):
        g = rng.standard_normal(size).astype("float32")
        g[step] = np.inf if step == 2 else g[step]
        held["g"].copy_(torch.from_numpy(g))
        arrays = tuple(storage.arrays(program))
        launched(norm_source("float32", arrays), len(table), table, squares, unfits, BLOCK=1024, ALIGNED=False)
        launched(finish_source(), 1, squares, unfits, len(table), given, told, BLOCK=256)
        launched(runs.values_source(program), 1, row, skip)
        launched(runs.source(program, storage, exact=True), len(table), step_table, skip, BLOCK=1024, ALIGNED=False)
        assert not held["g"].any()
        if step != 2:
            t += 1
            norm = float(np.sqrt((g.astype("float64") ** 2).sum()))
            scale = clipped(0.5, 2.0, norm)
            expected = stored_step(program, storage, expected | {"g": g}, t, {**chosen.hyper, "scale": scale})
        for name in program.inputs:
            np.testing.assert_allclose(held[name].cpu().numpy(), expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
    assert float(hyper[0]) == t == 3


# -- machine code for an H100, which needs no device --


def test_machine_code_of_what_stands_around_a_rule() -> None:
    storage = Storage(("bfloat16",) * 4, "stochastic", zero=True, tally=True, sums=True)
    texts = [
        *((norm_source(name), True) for name in FOUR),
        (finish_source(), True),
        (keys_source(4), True),
        (runs.values_source(trace(RULES["radam"])), True),
        (runs.source(trace(RULES["adam"]), storage), False),
    ]
    norms_of, (finish, drawn, made, whole) = (found := runs.assembled(texts))[:4], found[4:]
    assert all("ld.global.v4.b32" in each or "ld.global.v2.b64" in each for each in norms_of)
    assert "sqrt.rn.f64" in finish and "div.rn.f64" in finish
    assert "mul.lo.s64" in drawn and "sqrt.rn.f64" in made and "st.global.v4.b32" in whole


@pytest.mark.slow
def test_machine_code_of_every_rules_values() -> None:
    every = [*EVERY_RULE, *AROUND]
    found = runs.assembled([(runs.values_source(trace(each)), True) for each in every])
    assert all("st.global.b64" in each for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "fast"])
def test_machine_code_of_every_storage(exact: bool, rounding: str) -> None:
    chosen, options = RULES["rmsprop"], {"zero": True, "tally": True, "sums": True}
    storages = [storage_of(chosen, types, rounding, **options) for types in TYPES.values()]
    found = runs.assembled([(runs.source(trace(chosen), storage, exact), exact) for storage in storages])
    assert not any(name.startswith("fma") for ptx in found for name in runs.instructions(ptx) if exact)
