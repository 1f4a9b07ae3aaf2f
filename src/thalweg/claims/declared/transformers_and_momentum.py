"""Claim 21: transformers from scratch: "often SGD with momentum works better than Adam"."""

from __future__ import annotations

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in, trials_line
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

STUDY = Trained("text-transformer", "text-transformer", ("momentum", "adam"), epochs=2, seconds=8.0, tune=9)
NONE, UNTRAINED = 0.02, 6.0  # bits per character: what counts as no difference, and a run that diverged


def momentum_against_adam(evidence: Evidence) -> list[Contrast]:
    """Tuned momentum against tuned Adam."""
    table = evidence.tables[STUDY.name]
    ends = {one: finals(table, one, "tuned", lost=UNTRAINED) for one in STUDY.optimizers}
    return [
        difference(
            STUDY.name,
            ("momentum, tuned", ends["momentum"]),
            ("adam, tuned", ends["adam"]),
            measure="bits per character",
            more_is_better=False,
            none=NONE,
            lost=(lost_in(table, "momentum", "tuned"), lost_in(table, "adam", "tuned")),
        )
    ]


def picture(evidence: Evidence) -> Picture:
    """By epoch, and by learning rate."""
    table = evidence.tables[STUDY.name]
    lines = tuple(curve(table, one, "tuned", label=one) for one in STUDY.optimizers)
    trials = tuple(trials_line(table, one) for one in STUDY.optimizers)
    return Picture(
        "Left: each at its best learning rate. Right: one training per learning rate, as tuning saw it.",
        (
            Panel("A small transformer on text", "epoch", "bits per character", lines),
            Panel("What tuning saw", "learning rate", "bits per character", trials, log_x=True),
        ),
    )


CLAIM = Claim(
    number=21,
    file=__file__,
    short="transformers: momentum often beats Adam",
    text='Transformers from scratch: "often SGD with momentum works better than Adam".',
    source="a blog post on optimizers that circulates",
    method=(
        "A small transformer learns text by characters from scratch, two epochs, no warm-up. Momentum (.9) and Adam "
        "have the same nine learning rates to choose from, on validation data, and more where the best lies at an end; "
        "then five fresh seeds."
    ),
    parts=(
        Part(
            text="Tuned momentum ends with fewer bits per character than tuned Adam.",
            contrasts=momentum_against_adam,
            rule=Decision(),
        ),
    ),
    evidence=(STUDY,),
    picture=picture,
    remarks=("A transformer of a few layers on one text; a large one would need a GPU for days.",),
)
