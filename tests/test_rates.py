"""`--lr auto`: a rate is found once, with the study's threads, and kept with every number of its curve."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lab_runs import planned
from thalweg.lab import rates, store
from thalweg.lab.document import to_plain
from thalweg.lab.rate import FoundRate, Tried


def test_what_diverged_is_infinite_again_after_it_was_kept() -> None:
    curve = (Tried(0.1, {10: 1.5, 40: 0.9}), Tried(100.0, {10: math.inf, 40: math.inf}))
    found = FoundRate(0.1, True, "0.1 was best", curve, 2.0, 640, 60)
    kept = rates.restored(json.loads(json.dumps(to_plain(found), allow_nan=False)))
    assert kept == found
    assert str(kept) == str(found)
    assert str(kept).count("diverged") == 1


def test_a_rate_is_found_once_with_the_threads_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    find_rate = rates.find_rate

    def watched(*arguments: Any, **options: Any) -> FoundRate:
        threads.append(torch.get_num_threads())
        return find_rate(*arguments, **options)

    monkeypatch.setattr(rates, "find_rate", watched)
    before = torch.get_num_threads()
    study, told = planned("sgd", seeds=1, epochs=2, threads=2, lr="auto"), []
    store.prepare(tmp_path / "store.db")
    first, second = (rates.rated(study, tmp_path / "store.db", told.append) for _ in range(2))
    assert threads == [2]
    assert torch.get_num_threads() == before
    assert first.contenders == second.contenders != study.contenders
    assert told[0] == told[1]
    assert first.contenders[0].hyper["lr"] == first.in_trials[0].hyper["lr"] > 0
    assert "steps" in first.contenders[0].remarks[0]
