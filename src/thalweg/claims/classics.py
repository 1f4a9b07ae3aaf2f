"""The six classic rules on eight problems, tuned alike: trainings that claims share, and how they are judged."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import finals, lost_in
from thalweg.claims.table import Contrast
from thalweg.lab.table import Comparison

RULES = ("sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam")


@dataclass(frozen=True)
class Ground:
    """A problem, and what a number on it means.

    Attributes:
        study: The training.
        maximize: Whether more of the metric is better: an accuracy, which is compared by difference; losses are
            compared by factor.
        lost: What a run counts as that diverged: chance, or the loss of a network that was never trained.
        none: An accuracy's difference, or a loss's factor, within which two runs count as equally good.
    """

    study: Trained
    maximize: bool
    lost: float
    none: float

    @property
    def name(self) -> str:
        """The problem's name, which is the setting's."""
        return self.study.name

    @property
    def measure(self) -> str:
        """What is compared."""
        return "test accuracy" if self.maximize else "test loss"


def _ground(problem: str, epochs: int, seconds: float, lost: float, none: float, maximize: bool = True) -> Ground:
    return Ground(Trained(problem, problem, RULES, epochs, seconds, tune=9), maximize, lost, none)


GROUNDS: tuple[Ground, ...] = (
    _ground("linear-regression", 50, 0.7, 18.2, 1.05, maximize=False),
    _ground("noisy-quadratic", 100, 0.7, 353.4, 1.01, maximize=False),
    _ground("binary-classifier", 10, 0.1, 0.5, 0.01),
    _ground("sparse-logistic", 20, 1.6, 0.5, 0.01),
    _ground("matrix-factorisation", 10, 1.8, 1.67, 1.05, maximize=False),
    _ground("mnist-mlp", 10, 1.2, 0.1, 0.01),
    _ground("multi-task", 20, 2.2, 0.1, 0.01),
    _ground("fine-tune", 30, 2.3, 0.2, 0.01),
)
STUDIES: tuple[Trained, ...] = tuple(ground.study for ground in GROUNDS)
METHOD = (
    "Eight problems: two regressions, three classifications of digits and of paragraphs by rare words, a "
    "recommender's matrix, two losses of very different scale, and a small transformer that is fine-tuned. The six "
    "classic rules, each at the default of its paper or of torch, and at the best of the same nine learning rates; the "
    "range grows where the best lies at its end. Five fresh seeds for each."
)
MARGIN = (
    "Within .01 of accuracy, 5 % of a loss (1 % on the noisy quadratic, whose noise leaves 87 of 353), two runs count "
    "as equally good; a run that diverges counts as chance, or as a network that was never trained."
)


def table_of(ground: Ground, evidence: Evidence) -> Comparison:
    """The comparison of a ground's training."""
    return evidence.tables[ground.study.name]


def scores(ground: Ground, evidence: Evidence, optimizer: str, kind: str) -> dict[int, float]:
    """By seed what the runs of a row ended with."""
    return finals(table_of(ground, evidence), optimizer, kind, lost=ground.lost)


def best_of(ground: Ground, evidence: Evidence, optimizers: tuple[str, ...], kind: str) -> str:
    """The optimizer with the best mean: a chosen opponent, and so a strong one."""
    choose = max if ground.maximize else min
    return choose(optimizers, key=lambda one: statistics.fmean(scores(ground, evidence, one, kind).values()))


def against(
    ground: Ground, evidence: Evidence, claimed: tuple[str, str], other: tuple[str, str], *, allowance: bool = False
) -> Contrast:
    """One row against another on a ground.

    Args:
        ground: The problem.
        evidence: What was found.
        claimed: Optimizer and kind of the row that the claim prefers.
        other: The same of the row that it is compared with.
        allowance: Whether it is enough not to be worse by more than the margin: then "supports" says no worse than
            that, and "opposes" worse than that.
    """
    table = table_of(ground, evidence)
    named = [(f"{name}, {kind}", scores(ground, evidence, name, kind)) for name, kind in (claimed, other)]
    lost = (lost_in(table, *claimed), lost_in(table, *other))
    if ground.maximize:
        return difference(
            ground.name,
            *named,
            measure=ground.measure,
            more_is_better=True,
            none=0.0 if allowance else ground.none,
            threshold=-ground.none if allowance else 0.0,
            lost=lost,
        )
    return factor(
        ground.name,
        *named,
        measure=ground.measure,
        more_is_better=False,
        none=1.0 if allowance else ground.none,
        threshold=1.0 / ground.none if allowance else 1.0,
        lost=lost,
    )
