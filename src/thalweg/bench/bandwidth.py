"""Every rule on the large model: the bytes that it must move per second, against this machine's in-place scale.

The scaled array is as large as all arrays of the rule together. A smaller one may stay in a cache that the rule's do
not fit in: with 480 MB of third-level cache, scaling 100 MB over and over runs at 1.5 times the speed of memory.
"""

from __future__ import annotations

import functools

import torch

from thalweg.bench.job import Group, Job, Sizes, millions
from thalweg.bench.pairs import Question, Side, compared
from thalweg.bench.peers import TRAINABLE, ours
from thalweg.bench.table import Row
from thalweg.bench.tensors import large
from thalweg.formula import Rule
from thalweg.rules import RULES

TARGET = 0.9
FLOAT = 4  # bytes
SCALED = 2 * FLOAT  # bytes of an element that is read, multiplied and written


def bytes_moved(rule: Rule) -> int:
    """Bytes per float32 parameter that a step cannot avoid: x and g read, x written, each state read and written.

    Example:
        >>> bytes_moved(RULES["adam"]), bytes_moved(RULES["sgd"])
        (28, 12)
    """
    return FLOAT * (3 + 2 * len(rule.arrays))


def _row(rule: str, elements: int, pairs: int) -> list[Row]:
    arrays = 2 + len(RULES[rule].arrays)
    array = torch.ones(elements * arrays)
    scale = Side(lambda: array.mul_(0.999))
    weight = bytes_moved(RULES[rule]) / (SCALED * arrays)
    question = Question("bandwidth", rule, "a.mul_(c)", TARGET, weight)
    return [compared(question, ours(rule, None, large(elements)), scale, pairs)]


def _jobs(sizes: Sizes) -> list[Job]:
    return [Job(f"{rule}, bandwidth", functools.partial(_row, rule, sizes.elements)) for rule in TRAINABLE]


def _title(sizes: Sizes) -> str:
    return f"{millions(sizes.elements)} float32 in 10 tensors: share of a.mul_(c)'s bandwidth"


GROUP = Group("bandwidth", _title, _jobs)
