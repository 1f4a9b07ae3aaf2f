"""The printer of a whole descent: rule, point and gradient of a surface as one kernel, all steps of all runs in a call.

Runs come in blocks, and what a block holds stays in the CPU's first cache: the steps are the outer loop, the runs of a
block the inner one, which LLVM turns into vector instructions. Every quantity of a block is a row with one number for
each of its runs. What is the same for all runs in a step is a column of a table that Python makes. Lines once per step
that depend on a hyperparameter with a number for each run are a loop of their own, without flushing, as in Python.

A line of the programs becomes a line of the kernel, under its name and a suffix between underscores, as no name of an
author ends: `1` and `2` for the two coordinates, `p1` and `p2` for those of the rule's point, `r` and `p` for what rule
and point read once per step, `h` for what differs between runs from the start, `f` for the surface, `n` for the noise.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Mapping

from thalweg.compile import numba
from thalweg.compile.noise import trace_normal
from thalweg.compile.plan import BLOCK, NOISE, RUN_KEY, WORDS, Descent, Part
from thalweg.compile.program import Argument, Line

ELEMENTARY = {name: f"math.{name}({{}})" for name in ("exp", "log", "sin", "cos")}
# Lines once per step are what Python makes of them, to the last bit.
APART = numba.SPELLING | ELEMENTARY | {"pow": "power({}, {})"}
# In the body the C library's functions may give subnormal numbers whatever the CPU's flushing is.
BODY = numba.SPELLING | ELEMENTARY | {"pow": "flush(math.pow({}, {}))", "exp": "flush(math.exp({}))"}
NOISES = ("of_x_n_", "of_y_n_")  # what is added to the gradient

Name = Callable[[Argument], str]


@functools.lru_cache(maxsize=512)
def compiled(descent: Descent) -> numba.Kernel:
    """The kernel of a descent, from the cache on disk or compiled."""
    return numba.kernel_of(descent.name, source(descent))


def source(descent: Descent) -> str:
    """The kernel's source, a module that compiles as it stands.

    Example:
        >>> from thalweg.compile.gradient import trace_gradient
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> from thalweg.surfaces import SURFACES
        >>> from thalweg.compile.plan import planned
        >>> plan = planned(trace(RULES["sgd"]), None, trace_gradient(SURFACES["saddle"]), frozenset({"lr"}))
        >>> "x_new_2_ = x_2_ - a1_2_" in source(plan)
        True
    """
    apart = _apart(descent)
    step = [
        f"row_ = step_ * {len(descent.columns)}",
        *(f"{name} = table_[row_ + {k}]" for k, name in enumerate(descent.columns)),
        *(["end_flushing(before_)", *_for_every_run(apart), "begin_flushing()"] if apart else []),
        *(f"{name} = flush({name})" for name in descent.columns),
        *_for_every_run(_body(descent)),
        "now_ = taken_ + step_ + 1",
        "if every_ > 0 and now_ % every_ == 0:",
        *_indented(_RECORD),
    ]
    blocks = [
        f"p_ = to_float64(memory_at_ + block_ * {8 * BLOCK * len(descent.rows)})",
        "for step_ in range(steps_):",
        *_indented(step),
        "block_ = take_chunk(job_)",
    ]
    lines = [*_BEGIN, "while block_ < blocks_:", *_indented(blocks), "end_flushing(before_)"]
    return "\n".join([*_HEAD, f"def {descent.name}(job_):", *_indented(lines)]) + "\n"


_HEAD = (
    "import math",
    "",
    "from numba import cfunc, float64",
    "",
    "from thalweg.compile import job",
    "from thalweg.compile.job import begin_flushing, end_flushing, job_type, take_chunk",
    "from thalweg.compile.intrinsics import power, random_whole",
    "",
    'real, flush, to_float64 = float64, job.flush_of("float64"), job.pointer_to("float64")',
    "",
    "",
    '@cfunc(job_type, nopython=True, error_model="numpy")',
)
_BEGIN = (
    "before_ = begin_flushing()",
    *(f"{word}_ = job_[{place}]" for place, word in enumerate(WORDS) if place),
    "table_, path_ = to_float64(table_at_), to_float64(path_at_)",
    "block_ = take_chunk(job_)",
)
_RECORD = (
    f"at_ = now_ // every_ * runs_ + block_ * {BLOCK}",
    f"left_ = runs_ - block_ * {BLOCK}",
    f"for i in range({BLOCK} if left_ > {BLOCK} else left_):",
    "    path_[2 * (at_ + i)] = p_[i]",
    f"    path_[2 * (at_ + i) + 1] = p_[{BLOCK} + i]",
)


def _apart(descent: Descent) -> list[str]:
    """Lines once per step that differ between runs: what the body reads of them, then the new scalar states."""
    rule = descent.parts[0]
    states = [(state, output) for state, output in rule.program.scalar_stores if state in rule.given]
    if not states and not any(part.differing for part in descent.parts):
        return []
    lines = [_load(descent, name) for name in descent.rows if name.endswith("_h_")]
    for part in descent.parts:
        name = _or_number(part.name_apart, _constant)
        lines += _spelled(part.differing, APART, part.suffix, name)
        lines += [_store(descent, kept + part.suffix, part.name_apart(kept)) for kept in part.rows]
    name = _or_number(rule.name_apart, _constant)
    return lines + [_store(descent, f"{state}_h_", name(output)) for state, output in states]


def _body(descent: Descent) -> list[str]:
    """One step of one run: the point, the gradient there, the noise, then the rule for both coordinates."""
    rule, *point = descent.parts
    read = [name for name in descent.rows if name.endswith(("_r_", "_p_", "_h_"))]
    lines = [_load(descent, name, "flush({})") for name in read]
    lines += [_load(descent, f"{name}_{c}_") for name in rule.program.inputs if name != "g" for c in (1, 2)]
    at = {"x": "x_1_", "y": "x_2_"}
    for part, (c, axis) in itertools.product(point, enumerate("xy", start=1)):
        name = _named(part, f"_{c}_", f"_p{c}_")
        lines += _spelled(part.program.body, BODY, f"_p{c}_", name)
        at[axis] = name(part.program.outputs[0])
    of_surface = _looked_up(at, "_f_")
    lines += _spelled(descent.gradient.body, BODY, "_f_", of_surface)
    slopes = [of_surface(output) for output in descent.gradient.outputs[1:]]
    if descent.noisy:
        lines += [_load(descent, RUN_KEY), *_noise()]
        slopes = [f"{slope} + {noise}" for slope, noise in zip(slopes, NOISES, strict=True)]
    for c, slope in enumerate(slopes, start=1):
        name = _named(rule, f"_{c}_", f"_{c}_")
        lines += [f"g_{c}_ = {slope}", *_spelled(rule.program.body, BODY, f"_{c}_", name)]
        lines += [_store(descent, f"{target}_{c}_", name(output)) for target, output in rule.program.stores]
    return lines


def _noise() -> list[str]:
    """The noise of both components."""
    program, name = trace_normal(), _looked_up({}, "_n_")
    first, second, deviation = NOISE
    drawn = [f"{word}_n_ = random_whole({RUN_KEY}, {key})" for word, key in zip("ab", (first, second), strict=True)]
    made = [f"{n} = {deviation} * {name(output)}" for n, output in zip(NOISES, program.outputs, strict=True)]
    return [*drawn, *_spelled(program.body, BODY, "_n_", name), *made]


def _place(descent: Descent, row: str) -> str:
    return f"p_[{descent.rows.index(row) * BLOCK} + i]"


def _load(descent: Descent, row: str, read: str = "{}") -> str:
    return f"{row} = {read.format(_place(descent, row))}"


def _store(descent: Descent, row: str, value: str) -> str:
    return f"{_place(descent, row)} = {value}"


def _spelled(lines: Iterable[Line], spelling: Mapping[str, str], suffix: str, name: Name) -> list[str]:
    """Lines of a program, their results named with the suffix, their arguments by `name`."""
    return [f"{line.name}{suffix} = {spelling[line.op].format(*map(name, line.args))}" for line in lines]


def _named(part: Part, given: str, made: str) -> Name:
    """What the body calls an argument, for one coordinate: with a suffix for arrays given, and one for lines."""
    suffixes = dict.fromkeys(part.program.inputs, given) | {line.name: made for line in part.program.body}
    return _or_number(lambda name: name + suffixes[name] if name in suffixes else part.name(name), _flushed)


def _looked_up(given: Mapping[str, str], suffix: str) -> Name:
    """What the body calls an argument of a program without lines once per step."""
    return _or_number(lambda name: given.get(name, name + suffix), _flushed)


def _or_number(name: Callable[[str], str], number: Callable[[float], str]) -> Name:
    return lambda argument: name(argument) if isinstance(argument, str) else number(argument)


def _flushed(number: float) -> str:
    return _constant(math.copysign(0.0, number) if abs(number) < sys.float_info.min else number)


def _constant(number: float) -> str:
    return (
        repr(number) if math.isfinite(number) else f"({number!r})".replace("inf", "math.inf").replace("nan", "math.nan")
    )


def _for_every_run(lines: list[str]) -> list[str]:
    return [f"for i in range({BLOCK}):", *_indented(lines)]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
