"""Triton's kernels on tensors, for the tests: on a GPU where there is one, else in Triton's interpreter on the CPU.

`TRITON_INTERPRET` is read when Triton is imported; whoever wants the interpreter beside a GPU sets it to 1 before.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

os.environ.setdefault("TRITON_INTERPRET", "0" if torch.cuda.is_available() else "1")
triton = pytest.importorskip("triton", reason="Triton is not installed")

from thalweg.compile.measured import SUMS  # noqa: E402
from thalweg.compile.numba import FIELDS  # noqa: E402
from thalweg.compile.program import Program  # noqa: E402
from thalweg.compile.storage import Storage  # noqa: E402
from thalweg.compile.triton import kernel, source  # noqa: E402
from thalweg.compile.triton_once import values_source  # noqa: E402
from thalweg.sweep.cpu import step_values  # noqa: E402

INTERPRETED = os.environ["TRITON_INTERPRET"] == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
if INTERPRETED and type(triton.language.sum).__name__ != "InterpretedFunction":
    pytest.skip("Triton was imported for a GPU before: run these tests alone", allow_module_level=True)


def on_device(numbers: np.ndarray, shift: int = 0) -> torch.Tensor:
    """A copy; with a shift it begins so many elements behind a wide address."""
    given = torch.from_numpy(np.array(numbers).ravel())
    room = torch.empty(numbers.size + shift, dtype=given.dtype, device=DEVICE)
    return room[shift:].copy_(given)


def launched(text: str, programs: int, *arguments: torch.Tensor | int, exact: bool = True, **fixed: int) -> None:
    """One launch of a module's kernel."""
    if programs:
        with np.errstate(all="ignore"):
            kernel(text)[(programs,)](*arguments, **fixed, enable_fp_fusion=not exact)


def table_of(
    tensors: Sequence[dict[str, torch.Tensor]],
    values: Sequence[torch.Tensor],
    keys: Sequence[int] = (),
    row: int = 65536,
) -> torch.Tensor:
    """The table of tensors, of shape (rows, words): for each its arrays, its per-step values and its key."""
    rows = []
    for k, arrays in enumerate(tensors):
        size = next(iter(arrays.values())).numel()
        for start in range(0, size, row):
            addresses = [array.data_ptr() + start * array.element_size() for array in arrays.values()]
            key = keys[k] if keys else 0
            rows.append([*addresses, min(row, size - start), values[k].data_ptr(), start, key, 0, 0])
    width = len(tensors[0]) + len(FIELDS)
    return torch.tensor(rows, dtype=torch.int64, device=DEVICE).reshape(len(rows), width)


class Cut(NamedTuple):
    """How the work is cut, and where arrays lie.

    Attributes:
        row: The most elements of a row.
        block: Of elements.
        shift: How many elements behind a wide address the arrays begin.
        aligned: What the kernel is promised.
    """

    row: int = 640
    block: int = 1024
    shift: int = 0
    aligned: bool = False


CUT = Cut()


def stepped(
    program: Program,
    storage: Storage,
    tensors: Sequence[dict],
    steps: Sequence[tuple[float, dict]],
    exact: bool = True,
    *,
    keys: Sequence[int] = (),
    skip: float = 0.0,
    cut: Cut = CUT,
) -> tuple[np.ndarray, np.ndarray]:
    """One step of tensors in one launch, in place.

    Args:
        program: A traced rule.
        storage: How its arrays are stored.
        tensors: For each an array for every name, and a number for every scalar state.
        steps: For each the step number and the hyperparameters.
        exact: Which spelling.
        keys: For each the key of its random bits.
        skip: The number that says whether the step is left out.
        cut: How the work is cut.

    Returns:
        What the kernel wrote into the table's last two columns, and the sums.
    """
    names = storage.arrays(program)
    held = [{name: on_device(tensor[name], cut.shift) for name in names} for tensor in tensors]
    made = [
        step_values(program, t, hyper, [tensor[name] for name in program.scalar_state])
        for tensor, (t, hyper) in zip(tensors, steps, strict=True)
    ]
    values = [float64s(*numbers) for numbers, _ in made]
    table = table_of(held, values, keys, cut.row)
    sums = torch.full((len(table), len(SUMS)), np.nan, dtype=torch.float64, device=DEVICE)
    told = [table, float64s(skip), *([sums] if storage.sums else [])]
    launched(source(program, storage, exact), len(table), *told, exact=exact, BLOCK=cut.block, ALIGNED=cut.aligned)
    for tensor, arrays, (_, new) in zip(tensors, held, made, strict=True):
        tensor.update({name: array.cpu().numpy() for name, array in arrays.items()})
        tensor.update(zip(program.scalar_state, new, strict=True))
    return table[:, -2:].cpu().numpy(), sums.cpu().numpy()


def float64s(*numbers: float) -> torch.Tensor:
    """Numbers on the device."""
    return torch.tensor(numbers, dtype=torch.float64, device=DEVICE)


def valued(program: Program, sets: Sequence[tuple[float, dict, Sequence[float]]], skip: float = 0.0) -> list[tuple]:
    """What the device makes once per step.

    Args:
        program: A traced rule.
        sets: For each t before the step, the hyperparameters and the scalar states.
        skip: The number that says whether the step is left out.

    Returns:
        For each set t, the per-step values and the scalar states, NaN where nothing was written.
    """
    given = [float64s(t, *(hyper[name] for name in program.hyper), *state) for t, hyper, state in sets]
    values = [float64s(*[np.nan] * len(program.used_scalars)) for _ in sets]
    rows = [
        [*(numbers.data_ptr() + 8 * k for k in range(len(numbers))), made.data_ptr()]
        for numbers, made in zip(given, values, strict=True)
    ]
    launched(values_source(program), len(sets), torch.tensor(rows, device=DEVICE), float64s(skip))
    told = [numbers.tolist() for numbers in given]
    return [(t, made.tolist(), rest[len(program.hyper) :]) for (t, *rest), made in zip(told, values, strict=True)]


# -- machine code, without a device --

POINTERS = {"skip_": "fp64", "sums_": "fp64", "squares_": "fp64", "unfits_": "fp64", "given_": "fp64", "told_": "fp64"}


def assembled(requests: Sequence[tuple[str, bool]]) -> list[str]:
    """The PTX code of modules for an H100, each with whether it is exact; made by a process that does not interpret."""
    known = os.environ.get("TRITON_CACHE_DIR") or str(Path(__file__).parents[1] / ".pytest_cache" / "triton")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": known}
    run = subprocess.run(
        [sys.executable, "-c", "import triton_runs; triton_runs.assemble()"],
        input=json.dumps(list(requests)),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
        env=environment,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def assemble() -> None:
    """From standard input to standard output: what `assembled` asks for."""
    print(json.dumps([_ptx(text, exact) for text, exact in json.load(sys.stdin)]))


def _ptx(text: str, exact: bool) -> str:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function = kernel(text)
    fixed = {"BLOCK": 1024, "ALIGNED": True}
    signature = {name: f"*{POINTERS.get(name, 'i64')}" for name in function.arg_names}
    signature |= {"rows_": "i32"} if "rows_" in signature else {}
    constants = {name: value for name, value in fixed.items() if name in signature}
    asked = ASTSource(function, signature | dict.fromkeys(constants, "constexpr"), constexprs=constants)
    made = triton.compile(asked, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": not exact})
    return made.asm["ptx"]


def instructions(ptx: str) -> set[str]:
    """The instructions in PTX code, with their types."""
    return set(re.findall(r"^\s*(?:@!?%p\d+\s+)?([a-z][\w.]*)", ptx, re.MULTILINE))
