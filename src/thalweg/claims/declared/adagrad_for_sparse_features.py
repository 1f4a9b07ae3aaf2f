"""Claim 8: AdaGrad is the right choice for sparse features."""

from __future__ import annotations

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

OTHERS = ("sgd", "momentum", "rmsprop", "adam")
STUDY = Trained(
    "rare words", "sparse-logistic", ("adagrad", *OTHERS), epochs=20, batch_size=32, seconds=1.6, seeds=5, tune=9
)
CHANCE = 0.5  # accuracy that a run counts as that diverged
MARGIN = 0.002  # differences of accuracy below this count as none


def better_than_each(evidence: Evidence) -> list[Contrast]:
    """Tuned AdaGrad against every other rule, tuned on the same budget."""
    table = evidence.tables[STUDY.name]
    adagrad = finals(table, "adagrad", "tuned", lost=CHANCE)
    return [
        difference(
            f"against {other}",
            ("adagrad, tuned", adagrad),
            (f"{other}, tuned", finals(table, other, "tuned", lost=CHANCE)),
            measure="test accuracy",
            more_is_better=True,
            none=MARGIN,
            lost=(lost_in(table, "adagrad", "tuned"), lost_in(table, other, "tuned")),
        )
        for other in OTHERS
    ]


def picture(evidence: Evidence) -> Picture:
    """Accuracy by epoch, every rule at its best rate."""
    table = evidence.tables[STUDY.name]
    lines = tuple(curve(table, one, "tuned") for one in STUDY.optimizers)
    return Picture("Means over seeds, with 95 % intervals.", (Panel("Rare words", "epoch", "test accuracy", lines),))


CLAIM = Claim(
    number=8,
    file=__file__,
    short="AdaGrad is right for sparse features",
    text="AdaGrad is the right choice for sparse features, such as rare words and rare items.",
    source="textbooks and courses, after Duchi, Hazan & Singer 2011",
    method=(
        "Paragraphs told apart by the words in them, most of which are rare. Every rule has the same nine learning "
        "rates to choose from, on validation data; then five fresh seeds at the best are compared on test data."
    ),
    parts=(
        Part(
            text="Tuned, AdaGrad ends with a better test accuracy than the other rules.",
            contrasts=better_than_each,
            rule=Decision(spare=1),
            variable="what it is compared with",
        ),
    ),
    evidence=(STUDY,),
    picture=picture,
)
