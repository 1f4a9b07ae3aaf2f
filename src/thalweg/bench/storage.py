"""What the numbers are: bfloat16 weights against float32 ones, subnormal second moments against normal ones."""

from __future__ import annotations

import functools

import torch

import thalweg.torch
from thalweg.bench.job import Group, Job, Sizes, millions
from thalweg.bench.pairs import Question, Side, compared
from thalweg.bench.table import Row
from thalweg.bench.tensors import large

SHORT_TARGET, SUBNORMAL_TARGET = 1.1, 0.95
TINY = 1e-20  # its square is below float32's smallest normal number


def _short(elements: int, pairs: int) -> list[Row]:
    short = thalweg.torch.Adam(large(elements, torch.bfloat16), state_dtype="float32", rounding="stochastic")
    full = thalweg.torch.Adam(large(elements))
    question = Question("storage", "bfloat16, stochastic", "float32, ours", SHORT_TARGET)
    return [compared(question, Side(short.step), Side(full.step), pairs)]


def _subnormal(elements: int, pairs: int) -> list[Row]:
    tiny, normal = (thalweg.torch.Adam(large(elements, gradient=size)) for size in (TINY, 1.0))
    question = Question("storage", "subnormal second moments", "normal, ours", SUBNORMAL_TARGET)
    return [compared(question, Side(tiny.step), Side(normal.step), pairs)]


def _torchs_subnormal(elements: int, pairs: int) -> list[Row]:
    tiny, normal = (torch.optim.Adam(large(elements, gradient=size), fused=True) for size in (TINY, 1.0))
    question = Question("storage", "the same, torch fused", "normal, torch")
    return [compared(question, Side(tiny.step), Side(normal.step), pairs)]


def _jobs(sizes: Sizes) -> list[Job]:
    measured = {"bfloat16": _short, "subnormal numbers": _subnormal, "subnormal numbers, torch": _torchs_subnormal}
    return [Job(label, functools.partial(call, sizes.elements)) for label, call in measured.items()]


def _title(sizes: Sizes) -> str:
    return f"Adam, {millions(sizes.elements)}: times as fast as on ordinary float32 numbers"


GROUP = Group("storage", _title, _jobs)
