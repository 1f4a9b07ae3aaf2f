"""Claim 13: Adam gives the best accuracy in the least tuning, with default settings, on almost any problem."""

from __future__ import annotations

from thalweg.claims.claim import Claim, Part
from thalweg.claims.classics import GROUNDS, MARGIN, METHOD, RULES, STUDIES, against, best_of, table_of
from thalweg.claims.evidence import Evidence
from thalweg.claims.measures import curve
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

OTHERS = tuple(rule for rule in RULES if rule != "adam")
SHOWN = ("linear-regression", "mnist-mlp", "multi-task")


def best_default(evidence: Evidence) -> list[Contrast]:
    """Adam's default against the best of the other defaults."""
    return [
        against(
            ground,
            evidence,
            ("adam", "default"),
            (best_of(ground, evidence, OTHERS, "default"), "default"),
            allowance=True,
        )
        for ground in GROUNDS
    ]


def no_need_to_tune(evidence: Evidence) -> list[Contrast]:
    """Adam's default against the best of the other rules, tuned."""
    return [
        against(
            ground, evidence, ("adam", "default"), (best_of(ground, evidence, OTHERS, "tuned"), "tuned"), allowance=True
        )
        for ground in GROUNDS
    ]


def picture(evidence: Evidence) -> Picture:
    """Every rule at its default, by epoch."""
    panels = [
        Panel(
            ground.name,
            "epoch",
            ground.measure,
            tuple(curve(table_of(ground, evidence), rule, label=rule) for rule in RULES),
            log_y=not ground.maximize,
        )
        for ground in GROUNDS
        if ground.name in SHOWN
    ]
    return Picture("Every rule at its default. Means over seeds, with 95 % intervals.", tuple(panels))


CLAIM = Claim(
    number=13,
    file=__file__,
    short="Adam at its defaults is best almost anywhere",
    text="Adam gives the best accuracy in the least tuning, with default settings, on almost any problem.",
    source="courses, blog posts, course notes of many universities",
    method=(
        f"{METHOD} Adam's default against whichever other rule did best, first at its default too, then tuned: an "
        f"opponent that was chosen by its result is a strong one. {MARGIN}"
    ),
    parts=(
        Part(
            text="With every rule at its default, Adam ends no worse, beyond a margin, than the best of the others.",
            contrasts=best_default,
            rule=Decision(spare=2),
            variable="the problem",
        ),
        Part(
            text="Adam at its default ends no worse, beyond a margin, than the best of the others when tuned.",
            contrasts=no_need_to_tune,
            rule=Decision(spare=2),
            variable="the problem",
        ),
    ),
    evidence=STUDIES,
    picture=picture,
)
