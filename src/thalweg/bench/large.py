"""Rules on the large model against torch: fused where torch's kernel is at memory's limit, else its best setting."""

from __future__ import annotations

import functools

from thalweg.bench.job import Group, Job, Sizes, millions
from thalweg.bench.pairs import Question, compared
from thalweg.bench.peers import ours, peer_of, torchs, torchs_best
from thalweg.bench.table import Row
from thalweg.bench.tensors import large

AGAINST_FUSED = {"adam": 0.97, "adamw": 0.97, "sgd": 0.97, "nesterov": 0.97, "adagrad": 0.97, "momentum": 1.2}
AGAINST_BEST = {"rmsprop": 3.0, "adadelta": 5.0, "nadam": 5.0, "irprop_minus": 10.0}


def _fused(rule: str, elements: int, pairs: int) -> list[Row]:
    peer = peer_of(rule)
    assert peer is not None  # the rules above were chosen so
    question = Question("large", rule, "torch fused", AGAINST_FUSED[rule])
    theirs = torchs(rule, peer, "fused", large(elements))
    return [compared(question, ours(rule, peer, large(elements)), theirs, pairs)]


def _best(rule: str, elements: int, pairs: int) -> list[Row]:
    peer = peer_of(rule)
    assert peer is not None
    models = {setting: large(elements) for setting in ("loop", "foreach")}
    best, theirs = torchs_best(rule, peer, dict(models))
    question = Question("large", rule, "torch's best", AGAINST_BEST[rule], best=best)
    return [compared(question, ours(rule, peer, large(elements)), theirs, pairs)]


def _jobs(sizes: Sizes) -> list[Job]:
    measured = {**dict.fromkeys(AGAINST_FUSED, _fused), **dict.fromkeys(AGAINST_BEST, _best)}
    return [Job(f"{rule}, large", functools.partial(call, rule, sizes.elements)) for rule, call in measured.items()]


def _title(sizes: Sizes) -> str:
    return f"{millions(sizes.elements)} float32 in 10 tensors: times as fast as torch"


GROUP = Group("large", _title, _jobs)
