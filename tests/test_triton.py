"""Every rule's Triton kernel against the NumPy reference: the exact one to the last bit, the fast one within bounds."""

import ast
from collections.abc import Sequence

import numpy as np
import pytest

import triton_runs as runs
from catalogue import AROUND, EVERY_RULE, assert_same_bits, hard_gradients
from test_storage import start_of
from thalweg.compile.deviation import deviations
from thalweg.compile.numpy import step
from thalweg.compile.program import Line, Program
from thalweg.compile.storage import ROUNDINGS, Storage, uniform
from thalweg.compile.trace import trace
from thalweg.compile.triton import source
from thalweg.compile.triton_parts import NAMES
from thalweg.errors import FormulaError
from thalweg.formula import Rule, maximum, minimum, rule, sign, sqrt, where
from thalweg.formula.rule import RESERVED
from thalweg.rules import RULES
from triton_runs import Cut, stepped

SIZES = (0, 1, 31, 1000)  # the last in two rows
STEPS = 2
FLUSH = pytest.mark.parametrize("flush", [True, False], ids=["flush", "no-flush"])
FLOAT = pytest.mark.parametrize("dtype", ["float32", "float64"])
EXACT = pytest.mark.parametrize("exact", [True, False], ids=["exact", "fast"])
RULE = pytest.mark.parametrize("rule", (*EVERY_RULE, *AROUND), ids=lambda r: r.name)
# How far the fast float64 kernel may be from NumPy on a device, in units of the last place of an array's largest
# number: only products that are merged with a sum differ. In the interpreter nothing is rough and nothing merged.
ULPS = 0 if runs.INTERPRETED else 64


def after(rule: Rule, held: dict, t: float, hyper: dict, flush: bool) -> dict:
    """What the reference makes of a tensor."""
    program = trace(rule)
    new = step(program, held, t, hyper, flush)
    return held | {
        name: value if isinstance(value, float) else np.ascontiguousarray(value)
        for name, value in zip(program.targets, new, strict=True)
    }


def assert_same(program: Program, expected: dict, found: dict, what: str) -> None:
    for name in program.inputs:
        assert_same_bits(expected[name], found[name], f"{program.name}, {what}, {name}")


def assert_exact(rule: Rule, dtype: str, flush: bool, sizes: tuple[int, ...] = SIZES, steps: int = STEPS) -> None:
    """Tensors of several sizes, each at another step and another rate, in one launch."""
    program, rng = trace(rule), np.random.default_rng(0)
    storage = uniform(program, dtype, flush)
    tensors = [start_of(rule, storage, size) for size in sizes]
    for t in range(1, steps + 1):
        for tensor in tensors:
            tensor["g"] = hard_gradients(rng, tensor["x"].size, dtype)
        rates = [{"lr": rule.hyper["lr"] / (k + 1)} if "lr" in rule.hyper else {} for k in range(len(sizes))]
        asked = [(float(t + k), {**rule.hyper, **rate}) for k, rate in enumerate(rates)]
        expected = [after(rule, *pair, flush) for pair in [(a, *b) for a, b in zip(tensors, asked, strict=True)]]
        stepped(program, storage, tensors, asked)
        for mine, theirs in zip(expected, tensors, strict=True):
            assert_same(program, mine, theirs, f"{dtype}, step {t}, size {mine['x'].size}")


@FLOAT
@RULE
def test_exact_equals_numpy_to_the_last_bit(rule: Rule, dtype: str) -> None:
    assert_exact(rule, dtype, flush=True)


@FLOAT
@RULE
def test_exact_equals_numpy_without_flushing(rule: Rule, dtype: str) -> None:
    assert_exact(rule, dtype, flush=False, sizes=(31,))


@pytest.mark.slow
@FLUSH
@FLOAT
@RULE
def test_exact_equals_numpy_in_many_rows_and_steps(rule: Rule, dtype: str, flush: bool) -> None:
    assert_exact(rule, dtype, flush, sizes=(*SIZES, 2003), steps=5)


def anything(rng: np.random.Generator, size: int, dtype: str) -> np.ndarray:
    """Numbers of every kind, infinities and NaN among them."""
    info = np.finfo(dtype)
    special = [np.inf, -np.inf, np.nan, 1.0, -1.0, info.eps, info.smallest_normal, -2 * info.smallest_normal]
    return np.where(rng.random(size) < 0.3, rng.choice(special, size), hard_gradients(rng, size, dtype)).astype(dtype)


@FLUSH
@FLOAT
def test_exact_equals_numpy_on_any_numbers(dtype: str, flush: bool) -> None:
    rng = np.random.default_rng(0)
    for each in EVERY_RULE:
        program = trace(each)
        held = {name: anything(rng, 300, dtype) for name in program.inputs}
        held |= dict(zip(program.scalar_state, rng.random(5), strict=False))
        expected = after(each, held, 3.0, dict(each.hyper), flush)
        stepped(program, uniform(program, dtype, flush), [held], [(3.0, dict(each.hyper))])
        assert_same(program, expected, held, "any numbers")


@FLOAT
@RULE
def test_fast_is_near_numpy(rule: Rule, dtype: str) -> None:
    program, rng = trace(rule), np.random.default_rng(1)
    held = start_of(rule, uniform(program, dtype), 300)
    for t in range(1, STEPS + 1):
        held["g"] = rng.standard_normal(300).astype(dtype)
        expected = after(rule, held, float(t), dict(rule.hyper), flush=True)
        before, found = dict(held), dict(held)
        stepped(program, uniform(program, dtype), [found], [(float(t), dict(rule.hyper))], exact=False)
        for name in program.inputs:
            apart = ULPS * np.spacing(max(np.abs(expected[name]).max(), np.abs(before[name]).max()))
            if dtype == "float32" and not runs.INTERPRETED and name != "g":
                apart = deviations(program, before, float(t), rule.hyper, {s: before[s] for s in program.scalar_state})[
                    name
                ].apart
            assert (np.abs(expected[name] - found[name]) <= apart).all(), f"{rule.name}, {name}, step {t}"
        held = expected


def test_fast_flushes_what_it_stores() -> None:
    program, tiny = trace(RULES["momentum"]), np.float32(1e-39)
    held = {"x": np.full(3, tiny), "g": np.full(3, -tiny), "v": np.zeros(3, "float32")}
    stepped(program, uniform(program, "float32"), [held], [(1.0, dict(RULES["momentum"].hyper))], exact=False)
    assert_same_bits(held["x"], np.zeros(3, "float32"), "x")
    assert_same_bits(held["v"], np.full(3, -0.0, "float32"), "v")


# -- the language's corners --


@rule("Nobody")
def odd_constants(x, g, t, u, v, w):
    """Numbers that float32 does not have, too large and too small ones, zeros of both signs, and a minus."""
    u = where(u > 0.1, 0.1, 0.3) + 1e-40 * g + 1e300 * (g - g)
    v = where(v < -0.0, -(v * 0.0), -0.0) - where(g >= 1 / 3, where(x == 0.7, 1.0, 1e-310), v)
    return -g, u, v, 0.1


@rule("Nobody")
def odd_choices(x, g, t, u, v, w, *, lr=0.1):
    u = maximum(u, 0.1) + minimum(0.3, g) + maximum(-0.0, u * 0.0)
    v = sign(v) + where(t > 2, sign(g), abs(g)) + sqrt(abs(x)) / where(u != g, 1 / 3, 0.1)
    return x - lr * 1 / g, u, v, lr


@rule("Nobody")
def quotients(x, g, t, u, v, *, lr=3.0):
    """What may lie just below the smallest normal number."""
    return g * lr, u / lr, v / g


@FLUSH
@FLOAT
@pytest.mark.parametrize("t", [1, 5])
@pytest.mark.parametrize("rule", [odd_constants, odd_choices], ids=lambda r: r.name)
def test_corners_of_the_language(rule: Rule, t: int, dtype: str, flush: bool) -> None:
    program, rng = trace(rule), np.random.default_rng(t)
    held = {name: anything(rng, 500, dtype) for name in program.inputs}
    held["u"][:4] = [np.float32(0.1), 0.1, -0.0, 0.0]
    expected = after(rule, held, float(t), dict(rule.hyper), flush)
    stepped(program, uniform(program, dtype, flush), [held], [(float(t), dict(rule.hyper))])
    assert_same(program, expected, held, dtype)


@FLOAT
def test_a_result_is_subnormal_by_its_size_after_rounding_with_any_exponent(dtype: str) -> None:
    program, rng, smallest = trace(quotients), np.random.default_rng(0), np.finfo(dtype).smallest_normal
    disputed = 0
    for lr in (*rng.uniform(0.5, 2, 20).astype(dtype), 4.0, 0.5):
        nearby = smallest * (1 + np.arange(-6, 7) * np.finfo(dtype).eps / 2).astype(dtype) * 4
        held = {"x": nearby, "g": (nearby / lr / 4).astype(dtype), "u": (nearby * lr / 4).astype(dtype)}
        held |= {"g": np.nextafter(held["g"], 0 * nearby), "v": (nearby * held["g"][::-1]).astype(dtype)}
        expected = after(quotients, held, 1.0, {"lr": float(lr)}, flush=True)
        disputed += int(((held["g"] * held["x"].dtype.type(lr) == smallest) & (expected["x"] == 0)).sum())
        stepped(program, uniform(program, dtype), [held], [(1.0, {"lr": float(lr)})])
        assert_same(program, expected, held, f"lr {lr}")
    assert disputed > 5, "no product was where the two part"


def test_an_operation_without_a_spelling_is_refused() -> None:
    body = (Line("x_new", "exp", ("x",)),)
    program = Program("odd", ("x", "g"), (), (), body, ("x_new",), ("x",), frozenset())
    with pytest.raises(FormulaError, match=r"rule 'odd' uses 'exp', which the backend 'triton' cannot spell"):
        source(program)


# -- tables, blocks, addresses --


@EXACT
@pytest.mark.parametrize("block", [128, 2048])
@pytest.mark.parametrize("row", [96, 4096])
def test_how_the_work_is_cut_changes_nothing(row: int, block: int, exact: bool) -> None:
    chosen, program = RULES["adam"], trace(RULES["adam"])
    storage = uniform(program, "float32")
    tensors = [start_of(chosen, storage, size) for size in (700, 1, 96)]
    others = [dict(tensor) for tensor in tensors]
    asked = [(1.0, dict(chosen.hyper))] * 3
    stepped(program, storage, tensors, asked, exact)
    stepped(program, storage, others, asked, exact, cut=Cut(row, block))
    for mine, theirs in zip(tensors, others, strict=True):
        assert_same(program, mine, theirs, f"rows of {row} in blocks of {block}")


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_arrays_may_begin_anywhere(dtype: str, shift: int) -> None:
    chosen, program = RULES["amsgrad"], trace(RULES["amsgrad"])
    storage, asked = uniform(program, dtype), [(1.0, dict(RULES["amsgrad"].hyper))]
    first, second = start_of(chosen, storage, 333), start_of(chosen, storage, 333)
    stepped(program, storage, [first], asked)
    stepped(program, storage, [second], asked, cut=Cut(shift=shift))
    assert all((first[name] == second[name]).all() for name in program.inputs)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_a_promise_of_alignment_changes_nothing(dtype: str) -> None:
    chosen, program = RULES["adam"], trace(RULES["adam"])
    storage, asked = uniform(program, dtype), [(1.0, dict(RULES["adam"].hyper))]
    first, second = start_of(chosen, storage, 1600), start_of(chosen, storage, 1600)
    stepped(program, storage, [first], asked)
    stepped(program, storage, [second], asked, cut=Cut(aligned=True))
    assert all((first[name] == second[name]).all() for name in program.inputs)


# -- the text --


@RULE
def test_no_rule_can_take_a_name_that_a_kernel_uses(rule: Rule) -> None:
    program = trace(rule)
    own = {*program.inputs, *program.used_scalars, *(line.name for line in program.body)}
    for rounding in ROUNDINGS:
        types = ("bfloat16", "float16", *["float32"] * (len(program.inputs) - 2))
        for exact in (True, False):
            text = source(program, Storage(types, rounding, zero=True, tally=True, sums=True), exact)
            kernel = next(n for n in ast.parse(text).body[::-1] if isinstance(n, ast.FunctionDef))
            assert kernel.name == program.identifier
            used = {node.id for node in ast.walk(kernel) if isinstance(node, ast.Name)}
            assert {name for name in used if not name.endswith("_")} <= {*own, *RESERVED, *NAMES}


def test_kernel_keeps_the_authors_names() -> None:
    program = trace(RULES["adam"])
    assert "m_hat = m_new / s4" in source(program)
    assert "m_hat = quotient_(m_new, s4)" in source(program, exact=True)
    assert "m_hat = tl.div_rn(m_new, s4)" in source(program, uniform(program, "float32", flush=False), exact=True)
    assert "m_hat = m_new / s4" in source(program, uniform(program, "float64", flush=False), exact=True)


# -- machine code for an H100, which needs no device --

MERGED, ROUGH = "fma", ("div.full.", "div.approx.", "rcp.approx.", "sqrt.approx.", "rsqrt.approx.")


def assert_as_exact_as_asked(program: Program, found: set[str], exact: bool, what: str) -> None:
    merged = {name for name in found if name.startswith(MERGED)}
    rough = {name for name in found if name.startswith(ROUGH)}
    ops = {line.op for line in program.body}
    if exact:
        assert not merged and not rough, f"{what}: {merged | rough}"
        assert "div" not in ops or any(name.startswith("div.rn.") for name in found), what
        assert "sqrt" not in ops or any(name.startswith("sqrt.rn.") for name in found), what
    elif "float64" not in what:
        assert rough or not ops & {"div", "sqrt"}, what


def machine_code(chosen: Sequence[Rule], dtypes: tuple[str, ...]) -> list[set[str]]:
    """The instructions of rules in types, exact and fast, once they have been looked at."""
    asked = [(r, d, exact) for r in chosen for d in dtypes for exact in (True, False)]
    texts = [(source(trace(r), uniform(trace(r), d), exact), exact) for r, d, exact in asked]
    found = [runs.instructions(ptx) for ptx in runs.assembled(texts)]
    for (r, d, exact), each in zip(asked, found, strict=True):
        assert_as_exact_as_asked(trace(r), each, exact, f"{r.name}, {d}, exact {exact}")
    return found


def test_machine_code_of_a_rule_is_as_exact_as_asked_merges_and_reads_wide() -> None:
    exact, fast = machine_code([RULES["adam"]], ("bfloat16",))
    assert {"fma.rn.f32", "div.full.f32"} <= fast
    assert {"ld.global.v4.b32", "st.global.v4.b32"} <= exact & fast


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_machine_code_of_every_rule_is_as_exact_as_asked(dtype: str) -> None:
    machine_code([*EVERY_RULE, *AROUND], (dtype,))


@pytest.mark.slow
def test_machine_code_in_other_types_is_as_exact_as_asked() -> None:
    machine_code([RULES[name] for name in ("adam", "yogi", "adadelta", "rprop_plus")], ("float64", "float16"))
