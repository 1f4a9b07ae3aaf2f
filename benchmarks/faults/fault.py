"""The planted faults, declared: what is changed, with which rules, and the alarms that name the fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from faults import planting
from faults.grounds import Ground
from faults.planting import Batch
from faults.trial import Trial

Change = Callable[[Trial, Ground], Trial]


def unchanged(trial: Trial, ground: Ground) -> Trial:
    """The trial as it is."""
    return trial


@dataclass(frozen=True)
class Fault:
    """A way to do it wrong.

    Attributes:
        name: In files and programs.
        title: In tables.
        alarms: The alarms of `thalweg.watch` that name this fault; all others are other alarms.
        rules: The rules that the runs go through.
        faulty: Changes the settings of a good run into those of a bad one.
        healthy: Changes the settings of the healthy twin, where the good one has another rule or length.
        model: Plants the fault in the model; returns the layers in which it is, none where it is in no layer.
        batch: Plants it in the batch of one step.
        loss: Plants it in the loss of one step.
        once: Whether it comes in one step in the midst of the run; else it is there from the start.
        suits: Whether a problem is one for this fault.
    """

    name: str
    title: str
    alarms: tuple[str, ...]
    rules: tuple[str, ...]
    faulty: Change = unchanged
    healthy: Change = unchanged
    model: Callable[[nn.Module, Trial, Ground], tuple[str, ...]] = planting.nowhere
    batch: Callable[[Batch, Trial], Batch] = planting.as_it_is
    loss: Callable[[Tensor], Tensor] = planting.loss_as_it_is
    once: bool = False
    suits: Callable[[Ground], bool] = lambda ground: True


def _times(factor: float) -> Change:
    return lambda trial, ground: replace(trial, lr=factor * trial.lr)


def _epsilon(trial: Trial, ground: Ground) -> Trial:
    return replace(trial, given=(("eps", 1.0),))


def _adagrad_for_long(trial: Trial, ground: Ground) -> Trial:
    """At torch's default, which most users leave as it is, give or take what varies from run to run."""
    return replace(trial, lr=ADAGRAD * trial.lr / ground.rates["adagrad"], steps=ground.long)


def _short_or_forgetting(trial: Trial, ground: Ground) -> Trial:
    """What is healthy instead: AdaGrad at a good rate and of usual length, or RMSProp as long."""
    if trial.variant % 2 == 0:
        return trial
    scale = trial.lr / ground.rates["adagrad"]
    return replace(trial, rule="rmsprop", lr=scale * ground.rates["rmsprop"], steps=ground.long)


def _much_momentum(trial: Trial, ground: Ground) -> Trial:
    """The rate that is good without any momentum, which is what a user has who then adds some."""
    lr = trial.lr * ground.rates["sgd"] / ground.rates["momentum"]
    return replace(trial, lr=lr, given=(("momentum", 0.99),))


def _l2(trial: Trial, ground: Ground) -> Trial:
    return replace(trial, given=(("weight_decay", DECAYS[trial.variant % len(DECAYS)]),))


def _decoupled(trial: Trial, ground: Ground) -> Trial:
    given = _l2(trial, ground).given
    if trial.rule == "adam":
        return replace(trial, rule="adamw", given=given)
    return replace(trial, given=(*given, ("decoupled_weight_decay", True)))


def _bf16(trial: Trial, ground: Ground) -> Trial:
    """At a tenth of the good rate, as towards the end of a schedule: steps of less than half an ulp."""
    return replace(_times(0.1)(trial, ground), dtype="bfloat16")


ADAGRAD = 0.01
DECAYS = (1e-3, 1e-2, 1e-1)
COMMON = ("sgd", "momentum", "adam", "rmsprop", "adamw")
ADAPTIVE = ("adam", "rmsprop", "adamw")

FAULTS: tuple[Fault, ...] = (
    Fault("lr-high", "lr 100 times too high", ("lr_high", "divergence"), COMMON, _times(100)),
    Fault("lr-low", "lr 100 times too low", ("lr_low",), COMMON, _times(0.01)),
    Fault("epsilon", "eps 1", ("epsilon",), ADAPTIVE, _epsilon),
    Fault(
        "adagrad",
        "AdaGrad over a long run",
        ("adagrad",),
        ("adagrad",),
        _adagrad_for_long,
        _short_or_forgetting,
        suits=lambda ground: ground.long > 0,
    ),
    Fault("momentum", "momentum .99, large lr", ("oscillation",), ("momentum",), _much_momentum),
    Fault("l2", "L2 with Adam", ("l2",), ("adam", "nadam"), _l2, _decoupled),
    Fault("dead", "a dead layer", ("dead",), COMMON, model=planting.dead),
    Fault("small-gradients", "gradients 1e-6 of others'", ("small",), COMMON, model=planting.small_gradients),
    Fault("bf16", "bf16 weights", ("rounding",), ("sgd", "momentum", "adam", "adamw"), _bf16),
    Fault("spike", "a spike in the data", ("spike",), COMMON, batch=planting.spike, once=True),
    Fault(
        "nan",
        "NaN in one batch",
        ("nonfinite",),
        COMMON,
        batch=planting.not_a_number,
        loss=planting.not_a_loss,
        once=True,
    ),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
