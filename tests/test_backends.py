"""Every rule on every backend against the NumPy reference, which is what a program means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from catalogue import EVERY_RULE, assert_same_bits, first_state, hard_gradients
from thalweg.compile import numba
from thalweg.compile import numpy as reference
from thalweg.compile.program import Program
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.rules import RULES
from thalweg.sweep.cpu import sweep

SIZES = (0, 1, 7, 1003, 100003)
STEPS = 200


def kernel_step(program: Program, held: dict[str, np.ndarray], t: int, hyper: dict, flush: bool, threads: int) -> None:
    kernel = numba.compiled(program, str(held["x"].dtype))
    addresses = [tuple(held[name].ctypes.data for name in kernel.arrays)]
    sweep(kernel, addresses, [held["x"].size], t, hyper, flush=flush, threads=threads)


def assert_backends_agree(rule: Rule, dtype: str, flush: bool, size: int, steps: int) -> None:
    rng = np.random.default_rng(size)
    program = trace(rule)
    x = rng.standard_normal(size).astype(dtype)
    expected = {"x": x, **first_state(rule, x)}
    held = {name: array.copy() for name, array in expected.items()}
    for t in range(1, steps + 1):
        g = hard_gradients(rng, size, dtype)
        hyper = {**rule.hyper, "lr": rule.hyper.get("lr", 0.01) / t}
        hyper = {name: hyper[name] for name in rule.hyper}
        new = reference.step(program, {**expected, "g": g}, t, hyper, flush)
        expected = dict(zip(program.targets, new, strict=True))
        kernel_step(program, {**held, "g": g}, t, hyper, flush, threads=2)
    for name in program.targets:
        assert_same_bits(expected[name], held[name], f"{rule.name}, {dtype}, flush {flush}, size {size}, {name}")


@pytest.mark.parametrize("flush", [True, False], ids=["flush", "no-flush"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda r: r.name)
def test_numba_equals_numpy_to_the_last_bit(rule: Rule, dtype: str, flush: bool) -> None:
    for size in SIZES:
        assert_backends_agree(rule, dtype, flush, size, STEPS)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    rule=st.sampled_from(EVERY_RULE),
    dtype=st.sampled_from(["float32", "float64"]),
    flush=st.booleans(),
    t=st.integers(1, 10**6),
)
def test_numba_equals_numpy_on_any_numbers(data: st.DataObject, rule: Rule, dtype: str, flush: bool, t: int) -> None:
    """State, weights and gradients out of everything that the type can hold, infinities and NaN included."""
    program = trace(rule)
    size = data.draw(st.integers(1, 40))
    some = arrays.arrays(np.dtype(dtype), size, elements=st.floats(width=32 if dtype == "float32" else 64))
    held = {name: data.draw(some, label=name) for name in program.inputs}
    new = reference.step(program, held, t, rule.hyper, flush)
    kernel_step(program, held, t, dict(rule.hyper), flush, threads=1)
    for name, expected in zip(program.targets, new, strict=True):
        assert_same_bits(np.ascontiguousarray(expected), held[name], f"{rule.name} {name}")


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_result_does_not_depend_on_threads(threads: int) -> None:
    program, rng = trace(RULES["adam"]), np.random.default_rng(0)
    start = {name: rng.random(300_000).astype("float32") for name in program.inputs}
    one, many = ({k: v.copy() for k, v in start.items()} for _ in range(2))
    kernel_step(program, one, 1, RULES["adam"].hyper, True, threads=1)
    kernel_step(program, many, 1, RULES["adam"].hyper, True, threads=threads)
    for name in program.targets:
        assert_same_bits(one[name], many[name], name)


def test_many_tensors_in_one_call() -> None:
    program, rng = trace(RULES["momentum"]), np.random.default_rng(0)
    kernel = numba.compiled(program, "float64")
    tensors = [{name: rng.random(n) for name in program.inputs} for n in (0, 1, 70_000, 3, 200_000)]
    expected = [reference.step(program, t, 1, RULES["momentum"].hyper) for t in tensors]
    addresses = [tuple(t[name].ctypes.data for name in kernel.arrays) for t in tensors]
    sweep(kernel, addresses, [t["x"].size for t in tensors], 1, RULES["momentum"].hyper, threads=2)
    for tensor, new in zip(tensors, expected, strict=True):
        for name, array in zip(program.targets, new, strict=True):
            assert_same_bits(np.ascontiguousarray(array), tensor[name], name)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda r: r.name)
def test_printed_numpy_source_computes_the_same(rule: Rule) -> None:
    program, rng = trace(rule), np.random.default_rng(1)
    namespace: dict = {}
    exec(reference.source(program), namespace)
    held = {name: rng.standard_normal(50) for name in program.inputs}
    state = [held[s] for s in rule.state]
    with np.errstate(all="ignore"):
        new = namespace[program.identifier](held["x"], held["g"], 3, *state, **rule.hyper)
    expected = reference.step(program, held, 3, rule.hyper, flush=False)
    for a, b in zip(new if isinstance(new, tuple) else (new,), expected, strict=True):
        assert_same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b), rule.name)


def test_subnormal_state_is_flushed_and_weights_are_not() -> None:
    program, tiny = trace(RULES["momentum"]), np.float32(1e-40)
    held = {name: np.full(9, tiny) for name in program.inputs}
    kernel_step(program, held, 1, RULES["momentum"].hyper, True, threads=1)
    assert (held["v"] == 0).all()
    assert (held["x"] != 0).all()


def test_kernel_keeps_the_authors_names_and_is_vectorised() -> None:
    source = numba.source(trace(RULES["adam"]))
    assert "m_hat = m_new / s4" in source
    compiled = numba.compiled(trace(RULES["amsgrad"]), "float32")
    assembly = compiled.owner._library.get_asm_str()
    packed = ("vsqrtps", "sqrtps", "fsqrt\tv", "vfsqrt")
    assert any(name in assembly for name in packed), "five arrays must not keep LLVM from vectorising"
