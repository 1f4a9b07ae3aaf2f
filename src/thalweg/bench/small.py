"""Many small tensors, gathering included: every rule against torch's best setting for it, where torch has it."""

from __future__ import annotations

import functools

from thalweg.bench.job import Group, Job, Sizes
from thalweg.bench.pairs import Question, alone, compared
from thalweg.bench.peers import TRAINABLE, ours, peer_of, settings_of, torchs, torchs_best
from thalweg.bench.table import Row
from thalweg.bench.tensors import parameters
from thalweg.rules import RULES

ELEMENTS = 1000  # of each tensor
TARGET, TARGET_WITHOUT_STATE = 5.0, 3.0
TINY_ELEMENTS, TINY_TARGET = 64, 10.0


def _row(rule: str, tensors: int, pairs: int) -> list[Row]:
    peer, params = peer_of(rule), parameters(tensors, ELEMENTS)
    if peer is None:
        return [alone("small", rule, ours(rule, None, params), pairs)]
    best, theirs = torchs_best(rule, peer, {name: parameters(tensors, ELEMENTS) for name in settings_of(peer.name)})
    target = TARGET if RULES[rule].arrays else TARGET_WITHOUT_STATE
    question = Question("small", rule, "torch's best", target, best=best)
    return [compared(question, ours(rule, peer, params), theirs, pairs)]


def _tiny(tensors: int, pairs: int) -> list[Row]:
    peer = peer_of("adam")
    assert peer is not None
    question = Question("small", f"adam, {tensors} x {TINY_ELEMENTS}", "torch fused", TINY_TARGET)
    own = ours("adam", peer, parameters(tensors, TINY_ELEMENTS))
    return [compared(question, own, torchs("adam", peer, "fused", parameters(tensors, TINY_ELEMENTS)), pairs)]


def _jobs(sizes: Sizes) -> list[Job]:
    jobs = [Job(f"{rule}, small", functools.partial(_row, rule, sizes.tensors)) for rule in TRAINABLE]
    return [*jobs, Job("adam, tiny", functools.partial(_tiny, sizes.tensors // 2))]


def _title(sizes: Sizes) -> str:
    return f"{sizes.tensors:,} tensors of {ELEMENTS:,} float32: times as fast as torch's best"


GROUP = Group("small", _title, _jobs)
