"""Claim 15: Adam generalises worse than well-tuned SGD with momentum on image classification."""

from __future__ import annotations

from pathlib import Path

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

RULES = ("adam", "momentum")
CHANCE, NONE = 0.1, 0.003  # accuracy of a run that diverged; and what counts as no difference
SMALL = str(Path(__file__).parents[1] / "problems" / "small_cnn.py")
STUDIES = (
    Trained("dense network, MNIST", "mnist-mlp", RULES, epochs=10, seconds=1.2, seeds=10, tune=9),
    Trained("convolutions, 8 x 8 digits", SMALL, RULES, epochs=20, seconds=2.5, seeds=10, tune=9),
    Trained("convolutions, MNIST", "mnist-cnn", RULES, epochs=3, seconds=11.5, seeds=6, tune=6, ranges="lr=3e-4:0.1"),
)


def momentum_against_adam(evidence: Evidence) -> list[Contrast]:
    """Test accuracy, both tuned, by network and data."""
    return [_against(evidence, study) for study in STUDIES]


def _against(evidence: Evidence, study: Trained) -> Contrast:
    table = evidence.tables[study.name]
    named = [(f"{one}, tuned", finals(table, one, "tuned", lost=CHANCE)) for one in ("momentum", "adam")]
    return difference(
        study.name,
        *named,
        measure="test accuracy",
        more_is_better=True,
        none=NONE,
        lost=(lost_in(table, "momentum", "tuned"), lost_in(table, "adam", "tuned")),
    )


def picture(evidence: Evidence) -> Picture:
    """By epoch, on every study."""
    panels = tuple(
        Panel(
            study.name,
            "epoch",
            "test accuracy",
            tuple(curve(evidence.tables[study.name], one, "tuned", label=one) for one in RULES),
        )
        for study in STUDIES
    )
    return Picture("Each at its best learning rate. Means over seeds, with 95 % intervals.", panels)


CLAIM = Claim(
    number=15,
    file=__file__,
    short="Adam generalises worse than momentum",
    text="Adam generalises worse than well-tuned SGD with momentum on image classification.",
    source="Wilson et al. 2017, and many blog posts since",
    method=(
        "Three networks that classify digits. Momentum (.9) and Adam have the same learning rates to choose from, on "
        "validation data; then fresh seeds, accuracy on test data."
    ),
    parts=(
        Part(
            text="Tuned momentum ends with a better test accuracy than tuned Adam.",
            contrasts=momentum_against_adam,
            rule=Decision(),
            variable="the network and the data",
        ),
    ),
    evidence=STUDIES,
    picture=picture,
    remarks=(
        "Digits and small networks. The claim is best known from residual networks on CIFAR-10 and ImageNet, with "
        "decay and schedules: some GPU days, which this machine has not.",
    ),
)
