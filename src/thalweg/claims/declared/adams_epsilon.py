"""Claim 17: Adam's eps of 1e-8 is too small for some tasks; 1e-4 to 1e-3 is better where gradients are small."""

from __future__ import annotations

import statistics
from pathlib import Path

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import finals, lost_in, trials_line
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

USUAL, LARGER = "adam", ("adam:eps=1e-4", "adam:eps=1e-3")
TINY = str(Path(__file__).parents[1] / "problems" / "tiny_loss.py")
# By setting: problem, epochs, seconds of a run, whether more is better, what a lost run counts as, the margin, seeds.
GROUNDS = {
    "loss times 1e-6": (TINY, 20, 0.8, True, 0.1, 0.01, 5),
    "rare words": ("sparse-logistic", 20, 1.6, True, 0.5, 0.003, 5),
    "matrix factorisation": ("matrix-factorisation", 10, 1.8, False, 1.67, 1.01, 5),
    "digits": ("mnist-mlp", 10, 1.2, True, 0.1, 0.003, 8),
    "policy gradient": ("cartpole-policy", 10, 2.4, True, 10.0, 25.0, 10),
}
STUDIES = {
    name: Trained(name, problem, (USUAL, *LARGER), epochs, seconds, seeds=seeds, tune=9, ranges="lr=1e-4:1")
    for name, (problem, epochs, seconds, _, _, _, seeds) in GROUNDS.items()
}


def larger_is_better(evidence: Evidence) -> list[Contrast]:
    """The better of eps 1e-4 and 1e-3 against 1e-8, each tuned, by problem."""
    return [_larger(evidence, name) for name in GROUNDS]


def _larger(evidence: Evidence, name: str) -> Contrast:
    _, _, _, maximize, worst, none, _ = GROUNDS[name]
    table = evidence.tables[name]
    ends = {one: finals(table, one, "tuned", lost=worst) for one in (USUAL, *LARGER)}
    choose = max if maximize else min
    best = choose(LARGER, key=lambda one: statistics.fmean(ends[one].values()))
    compare = difference if maximize else factor
    return compare(
        name,
        (f"eps {best.partition('=')[2]}, tuned", ends[best]),
        ("eps 1e-8, tuned", ends[USUAL]),
        measure="test result" if name == "policy gradient" else "test accuracy" if maximize else "test loss",
        more_is_better=maximize,
        none=none,
        lost=(lost_in(table, best, "tuned"), lost_in(table, USUAL, "tuned")),
    )


def picture(evidence: Evidence) -> Picture:
    """What each learning rate led to, with small gradients and with usual ones."""
    names = {USUAL: "eps 1e-8", LARGER[0]: "eps 1e-4", LARGER[1]: "eps 1e-3"}
    panels = tuple(
        Panel(
            name,
            "learning rate",
            "accuracy on validation data",
            tuple(trials_line(evidence.tables[name], one, label=label) for one, label in names.items()),
            log_x=True,
        )
        for name in ("loss times 1e-6", "digits")
    )
    return Picture("One training per learning rate, as tuning saw it.", panels)


CLAIM = Claim(
    number=17,
    file=__file__,
    short="Adam's eps 1e-8 is too small for some tasks",
    text="Adam's eps of 1e-8 is too small for some tasks; 1e-4 to 1e-3 is better where gradients are small.",
    source="TensorFlow's documentation, and issues of several projects",
    method=(
        "Adam with eps 1e-8, 1e-4 and 1e-3 on five problems, among them one whose loss, and so whose gradients, are "
        "scaled down by a million. The learning rate is tuned anew for every eps on the same budget; then fresh seeds. "
        "The better of the two larger ones is compared with 1e-8, which favours them."
    ),
    parts=(
        Part(
            text="The better of eps 1e-4 and 1e-3 ends better than 1e-8, all tuned.",
            contrasts=larger_is_better,
            rule=Decision(spare=1),
            variable="the problem",
        ),
    ),
    evidence=tuple(STUDIES.values()),
    picture=picture,
)
