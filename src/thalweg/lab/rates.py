"""`--lr auto`: every contender at the learning rate that the finder chooses, which is looked for once and then kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab import store
from thalweg.lab.contender import Contender, with_hyper
from thalweg.lab.device import PLAIN, is_here, let_go, repeatable
from thalweg.lab.document import from_plain, to_plain
from thalweg.lab.engines.worker import settled
from thalweg.lab.rate import FoundRate, find_rate
from thalweg.lab.spec import digest_of, file_digest
from thalweg.lab.study import TUNING_SEED, Study, rate_key

# What turns a key into a rate, besides what turns a spec into numbers.
DECIDING = ("rate.py", "finder.py", "sprint.py")


def rated(study: Study, path: Path, tell: Callable[[str], None]) -> Study:
    """The study with every contender at the rate that the finder chooses for it on the tuning data.

    Args:
        study: What was planned.
        path: The prepared store, which keeps what was found.
        tell: Called with a sentence per contender; where the finder is not sure, with its curve.

    Raises:
        InputError: If a contender switches its optimizer or has no learning rate, or the device is only elsewhere.
    """
    if not is_here(study.common["device"]):
        raise InputError(
            f"expected --device {study.common['device']} on this machine for --lr auto, which looks here, got none: "
            "leave --lr auto out, or start the study on a machine with a GPU"
        )
    for contender in study.contenders:
        if len(contender.stages) > 1:
            raise InputError(
                f"expected optimizers that do not change with --lr auto, got '{contender.label}': "
                "leave the switch out, or write its learning rates"
            )
    found = [_found(study, place, path) for place in range(len(study.contenders))]
    for contender, rate in zip(study.contenders, found, strict=True):
        tell(f"{contender.label}: {rate if not rate.sure else str(rate).splitlines()[0]}")
    return replace(
        study,
        contenders=tuple(_at(c, rate) for c, rate in zip(study.contenders, found, strict=True)),
        in_trials=tuple(_at(c, rate) for c, rate in zip(study.in_trials, found, strict=True)),
    )


def _at(contender: Contender, rate: FoundRate) -> Contender:
    lr = float(f"{rate.lr:.3g}")
    remark = f"lr {lr:g} found in {rate.steps} steps, {'sure' if rate.sure else 'not sure'}: {rate.reason}"
    return replace(with_hyper(contender, {"lr": lr}), remarks=(remark,))


def _found(study: Study, place: int, path: Path) -> FoundRate:
    files = "".join(file_digest(Path(__file__).with_name(name)) for name in DECIDING)
    key = digest_of(rate_key(study, place) + files)
    if (kept := store.kept(path, key)) is not None:
        return restored(kept)
    setting = study.in_trials[place].stages[0].setting
    device = study.common["device"]
    settings = nullcontext() if device == PLAIN else repeatable(device, strict=False)
    with settled(TUNING_SEED, study.common["threads"]), settings:
        rate = find_rate(
            study.problem,
            study.problem.load(study.common["source"], TUNING_SEED),
            setting.rule,
            setting.hyper,
            setting.initial,
            TUNING_SEED,
            study.batch_size,
            study.epochs,
            device=device,
        )
    let_go(device)
    store.keep(path, key, to_plain(rate))
    return rate


def restored(kept: Any) -> FoundRate:
    """What was found, out of what the store keeps of it, which holds None where training diverged.

    Args:
        kept: As `thalweg.lab.document.to_plain` made it.
    """
    found = from_plain(FoundRate, kept)
    return replace(found, curve=tuple(replace(tried, scores=_with_infinity(tried.scores)) for tried in found.curve))


def _with_infinity(scores: Mapping[int, float | None]) -> dict[int, float]:
    return {steps: math.inf if score is None else score for steps, score in scores.items()}
