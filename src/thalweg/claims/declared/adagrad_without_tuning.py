"""Claim 7: AdaGrad needs no tuning of the learning rate."""

from __future__ import annotations

from thalweg.claims.claim import Claim, Part
from thalweg.claims.classics import GROUNDS, MARGIN, METHOD, STUDIES, against, table_of
from thalweg.claims.evidence import Evidence
from thalweg.claims.measures import trials_line
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

SHOWN = ("mnist-mlp", "matrix-factorisation")


def default_is_enough(evidence: Evidence) -> list[Contrast]:
    """AdaGrad's default against its own best rate: no worse than the margin."""
    return [against(g, evidence, ("adagrad", "default"), ("adagrad", "tuned"), allowance=True) for g in GROUNDS]


def picture(evidence: Evidence) -> Picture:
    """What each learning rate led to."""
    panels = [
        Panel(
            ground.name,
            "learning rate",
            "accuracy on validation data" if ground.maximize else "loss on validation data",
            tuple(trials_line(table_of(ground, evidence), rule) for rule in ("adagrad", "sgd", "adam")),
            log_x=True,
            log_y=not ground.maximize,
        )
        for ground in GROUNDS
        if ground.name in SHOWN
    ]
    return Picture("One training per learning rate, as tuning saw it. AdaGrad's default is .01.", tuple(panels))


CLAIM = Claim(
    number=7,
    file=__file__,
    short="AdaGrad needs no tuning of its learning rate",
    text="AdaGrad needs no tuning of the learning rate: it adapts the rate by itself, and .01 will do.",
    source="courses and blog posts, after Duchi, Hazan & Singer 2011",
    method=f"{METHOD} AdaGrad at its default, .01, against AdaGrad at the rate that tuning found. {MARGIN}",
    parts=(
        Part(
            text="At its default AdaGrad ends no worse, beyond a margin, than at its best learning rate.",
            contrasts=default_is_enough,
            rule=Decision(spare=2),
            variable="the problem",
        ),
    ),
    evidence=STUDIES,
    picture=picture,
)
