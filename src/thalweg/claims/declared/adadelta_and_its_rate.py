"""Claim 12: AdaDelta is insensitive to the learning rate, slow on smooth losses, and poor on MNIST."""

from __future__ import annotations

from thalweg.claims.claim import Claim, Part
from thalweg.claims.classics import GROUNDS, MARGIN, Ground, table_of
from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in, steps_to
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

PAPER, KERAS = "adadelta", "adadelta:lr=0.001"
TENTH, TENFOLD = "adadelta:lr=0.1", "adadelta:lr=10"
WIDE = tuple(
    g for g in GROUNDS if g.name in ("linear-regression", "sparse-logistic", "matrix-factorisation", "mnist-mlp")
)
SMOOTH = tuple(ground for ground in GROUNDS if ground.name in ("linear-regression", "noisy-quadratic"))
TARGETS = {"linear-regression": 0.27, "noisy-quadratic": 87.7032}  # the problems' own
NEVER = 2.0  # times the steps of the whole training: what a run counts as that never reached the target
POOR = 0.02  # of accuracy


def _at_rates(ground: Ground) -> Trained:
    study = ground.study
    return Trained(
        f"{study.name}, rates", study.problem, (PAPER, TENTH, TENFOLD, KERAS, "adam"), study.epochs, study.seconds
    )


RATES = {ground.name: _at_rates(ground) for ground in WIDE}


def insensitive(evidence: Evidence) -> list[Contrast]:
    """A rate ten times lower, or higher, against the paper's: no worse than the margin."""
    return [_against_paper(ground, evidence, other) for ground in WIDE for other in (TENTH, TENFOLD)]


def _against_paper(ground: Ground, evidence: Evidence, other: str) -> Contrast:
    table = evidence.tables[RATES[ground.name].name]
    setting = f"{ground.name}, {'a tenth' if other == TENTH else 'tenfold'}"
    named = [(label, finals(table, label, lost=ground.lost)) for label in (other, PAPER)]
    lost = (lost_in(table, other), lost_in(table, PAPER))
    if ground.maximize:
        return difference(
            setting, *named, measure=ground.measure, more_is_better=True, none=0.0, threshold=-ground.none, lost=lost
        )
    return factor(setting, *named, measure=ground.measure, more_is_better=False, threshold=1.0 / ground.none, lost=lost)


def slow(evidence: Evidence) -> list[Contrast]:
    """Steps to the problem's target, both tuned: AdaDelta's against Adam's."""
    return [_steps(ground, evidence) for ground in SMOOTH]


def _steps(ground: Ground, evidence: Evidence) -> Contrast:
    table = table_of(ground, evidence)
    every = sum(epoch["steps"] for epoch in table.runs[0]["epochs"])
    found = {
        rule: steps_to(table, rule, "tuned", target=TARGETS[ground.name], never=NEVER * every, maximize=ground.maximize)
        for rule in ("adadelta", "adam")
    }
    return factor(
        ground.name,
        ("adadelta, tuned", found["adadelta"]),
        ("adam, tuned", found["adam"]),
        measure="steps to the target",
        more_is_better=True,
        none=1.2,
    )


def poor_on_digits(evidence: Evidence) -> list[Contrast]:
    """Accuracy lost against Adam at its default, with the one default and with the other."""
    table = evidence.tables[RATES["mnist-mlp"].name]
    adam = finals(table, "adam", lost=0.1)
    return [
        difference(
            setting,
            ("adam", adam),
            (label, finals(table, label, lost=0.1)),
            measure="test accuracy",
            more_is_better=True,
            none=0.0,
            threshold=POOR,
        )
        for setting, label in (("Keras' default, .001", KERAS), ("the paper's, 1", PAPER))
    ]


def picture(evidence: Evidence) -> Picture:
    """Four learning rates on digits, and on a smooth loss."""
    panels = []
    for name in ("mnist-mlp", "linear-regression"):
        ground = next(one for one in WIDE if one.name == name)
        table = evidence.tables[RATES[name].name]
        lines = tuple(
            curve(table, label, label=text, dashed=label == KERAS)
            for label, text in (
                (KERAS, "lr .001"),
                (TENTH, "lr .1"),
                (PAPER, "lr 1"),
                (TENFOLD, "lr 10"),
                ("adam", "adam"),
            )
        )
        panels.append(Panel(name, "epoch", ground.measure, lines, log_y=not ground.maximize))
    return Picture("AdaDelta at four learning rates, and Adam at its default. Dashed: Keras' default.", tuple(panels))


CLAIM = Claim(
    number=12,
    file=__file__,
    short="AdaDelta: any rate; slow; poor on MNIST",
    text=(
        "AdaDelta is insensitive to the learning rate; it is slow on smooth losses; "
        '"poor in accuracy and time" on MNIST.'
    ),
    source="course notes, and a table of MNIST runs at Keras' defaults",
    method=(
        "AdaDelta at the paper's learning rate (1: the paper has none), at a tenth and at ten times of it, and at "
        "Keras' default of .001, on four problems; five seeds each. On two smooth losses, a linear regression and a "
        f"noisy quadratic, tuned AdaDelta against tuned Adam, by steps to the target of the problem. {MARGIN}"
    ),
    parts=(
        Part(
            text="With a learning rate ten times lower or higher than 1 it ends no worse, beyond a margin.",
            contrasts=insensitive,
            rule=Decision(spare=2),
            variable="the problem and the direction",
        ),
        Part(
            text="On smooth losses it needs more steps to the target than Adam, both tuned.",
            contrasts=slow,
            rule=Decision(),
            variable="the problem",
        ),
        Part(
            text=f"On digits it ends more than {POOR} of accuracy below Adam, both at their defaults.",
            contrasts=poor_on_digits,
            rule=Decision(),
            variable="which default is meant: Keras' .001, or the paper's 1",
        ),
    ),
    evidence=(*RATES.values(), *(ground.study for ground in SMOOTH)),
    picture=picture,
    remarks=("Its time per step is a matter of memory traffic, which claim 23 measures.",),
)
