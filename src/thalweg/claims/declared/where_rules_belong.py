"""Claim 20: RMSProp suits recurrent networks; Adam suits policies, matrices, fine-tuning and mixed losses."""

from __future__ import annotations

import statistics

from thalweg.claims.claim import Claim, Part
from thalweg.claims.classics import GROUNDS, MARGIN, against, best_of
from thalweg.claims.contrast import difference
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

OTHERS = ("sgd", "momentum", "adagrad", "rmsprop", "adadelta")  # than Adam
LSTM = Trained("text-lstm", "text-lstm", ("sgd", "momentum", "rmsprop", "adam"), epochs=2, seconds=5.4, tune=9)
CARTPOLE = Trained(
    "cartpole-policy", "cartpole-policy", ("sgd", "momentum", "rmsprop", "adam"), 10, 2.4, seeds=10, tune=9
)
SUITED = tuple(g for g in GROUNDS if g.name in ("matrix-factorisation", "fine-tune", "multi-task"))
BITS, UNTRAINED = 0.05, 6.0  # bits per character: the margin, and what a run counts as that diverged
RETURN, FALLEN = 25.0, 10.0  # steps that the pole stays up, of 500: the margin, and a run that diverged


def recurrent(evidence: Evidence) -> list[Contrast]:
    """Tuned RMSProp against the best of the others, tuned, on an LSTM."""
    table = evidence.tables[LSTM.name]
    ends = {one: finals(table, one, "tuned", lost=UNTRAINED) for one in LSTM.optimizers}
    best = min((one for one in ends if one != "rmsprop"), key=lambda one: statistics.fmean(ends[one].values()))
    return [
        difference(
            LSTM.name,
            ("rmsprop, tuned", ends["rmsprop"]),
            (f"{best}, tuned", ends[best]),
            measure="bits per character",
            more_is_better=False,
            none=0.0,
            threshold=-BITS,
            lost=(lost_in(table, "rmsprop", "tuned"), lost_in(table, best, "tuned")),
        )
    ]


def adams_places(evidence: Evidence) -> list[Contrast]:
    """Tuned Adam against the best of the others, tuned, by kind of problem."""
    found = [
        against(g, evidence, ("adam", "tuned"), (best_of(g, evidence, OTHERS, "tuned"), "tuned"), allowance=True)
        for g in SUITED
    ]
    table = evidence.tables[CARTPOLE.name]
    ends = {one: finals(table, one, "tuned", lost=FALLEN) for one in CARTPOLE.optimizers}
    best = max((one for one in ends if one != "adam"), key=lambda one: statistics.fmean(ends[one].values()))
    policy = difference(
        CARTPOLE.name,
        ("adam, tuned", ends["adam"]),
        (f"{best}, tuned", ends[best]),
        measure="mean return",
        more_is_better=True,
        none=0.0,
        threshold=-RETURN,
        lost=(lost_in(table, "adam", "tuned"), lost_in(table, best, "tuned")),
    )
    return [*found, policy]


def picture(evidence: Evidence) -> Picture:
    """The recurrent network and the policy."""
    panels = [
        Panel(
            title,
            "epoch",
            measure,
            tuple(curve(evidence.tables[study.name], one, "tuned", label=one) for one in study.optimizers),
        )
        for study, title, measure in (
            (LSTM, "An LSTM on text", "bits per character"),
            (CARTPOLE, "A policy for the cart and pole", "mean return"),
        )
    ]
    return Picture("Each at its best learning rate. Means over seeds, with 95 % intervals.", tuple(panels))


CLAIM = Claim(
    number=20,
    file=__file__,
    short="RMSProp for RNNs; Adam for RL, matrices, ...",
    text=(
        "RMSProp suits recurrent networks; Adam suits reinforcement learning, matrix factorisation, fine-tuning, and "
        "several losses of different scale."
    ),
    source="courses and blog posts",
    method=(
        "One small problem of each kind. To suit is to end no worse, beyond a margin, than the best of the other "
        "rules, every rule tuned on the same budget; the opponent is chosen by its result, so a strong one. The LSTM "
        f"trains two epochs, the policy's row has ten seeds. {MARGIN} Of the LSTM {BITS} bits, of the policy "
        f"{RETURN:g} steps."
    ),
    parts=(
        Part(
            text="On an LSTM tuned RMSProp ends no worse, beyond a margin, than the best of the others.",
            contrasts=recurrent,
            rule=Decision(),
        ),
        Part(
            text="Tuned Adam ends no worse, beyond a margin, than the best of the others on each of the four.",
            contrasts=adams_places,
            rule=Decision(spare=1),
            variable="the kind of problem",
        ),
    ),
    evidence=(LSTM, CARTPOLE, *(ground.study for ground in SUITED)),
    picture=picture,
    remarks=("One small problem stands for each kind; larger ones of the same kind may differ.",),
)
