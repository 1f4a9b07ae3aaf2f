"""The comparison that decides between candidates: what the trainings that can be afforded buy, as a command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.advise.candidates import COARSE, USUAL
from thalweg.advise.likeness import DEFAULT, TUNED
from thalweg.advise.situation import Situation
from thalweg.advise.table import Candidate, Decision

FINDING = 3  # trainings that `--lr auto` costs at most for one optimizer
LEAST_TUNE, MOST_TUNE = 6, 30
MANY_HYPER = 12  # trials from which on a second hyperparameter can be tuned too
UNTOLD = 8  # trials where nobody said how many trainings there are: what docs/choose.md was measured with


@dataclass(frozen=True)
class Plan:
    """How the trainings are spent.

    Attributes:
        candidates: Between how many.
        tune: Trials of each; 0 for none.
        auto: Whether the finder looks for the learning rates.
        seeds: Runs per row.
    """

    candidates: int
    tune: int
    auto: bool
    seeds: int

    @property
    def trainings(self) -> int:
        """What it takes, at most."""
        rows = 2 * self.seeds if self.tune else self.seeds
        return self.candidates * (self.tune + rows + (FINDING if self.auto else 0))


def plan_of(trainings: int | None, possible: int) -> Plan:
    """What the trainings buy.

    Args:
        trainings: In all; None where nobody said.
        possible: How many candidates there are.

    Example:
        >>> plan_of(60, 3), plan_of(20, 3)
        (Plan(candidates=3, tune=14, auto=False, seeds=3), Plan(candidates=3, tune=0, auto=True, seeds=3))
        >>> plan_of(0, 3).trainings, plan_of(None, 3).tune
        (2, 8)
    """
    if trainings is None:
        return Plan(min(3, possible), UNTOLD, False, 3)
    # Of few trainings two optimizers get more each than three would.
    count = min(3 if trainings >= 3 * (FINDING + 1) else 2, possible)
    each = trainings // count
    if each >= 5 + 5 + 2 * MANY_HYPER:
        return Plan(count, min(each - 10, MOST_TUNE), False, 5)
    if each >= LEAST_TUNE + 6:
        return Plan(count, min(each - 6, MOST_TUNE), False, 3)
    if each > FINDING:
        return Plan(count, 0, True, min(each - FINDING, 5))
    return Plan(count, 0, False, max(1, each))


def kind_of(given: Situation) -> str:
    """Whether measured rows at the defaults or tuned ones are asked for."""
    plan = plan_of(given.trainings, 3)
    return TUNED if plan.tune or plan.auto else DEFAULT


def decision(candidates: Sequence[Candidate], plan: Plan, given: Situation, problem: str) -> Decision:
    """The command that decides.

    Args:
        candidates: Between which.
        plan: How the trainings are spent.
        given: The situation.
        problem: A problem of the lab or a file; nothing where there is none yet.
    """
    words = ["thalweg", "compare", problem or "my_problem.py"]
    words += ["--optimizers", ",".join(candidate.optimizer for candidate in candidates)]
    if plan.tune:
        words += ["--tune", str(plan.tune), *_hyper(candidates, plan, given), *_ranges(candidates)]
    if plan.auto:
        words += ["--lr", "auto"]
    words += ["--seeds", str(plan.seeds)]
    return Decision(shlex.join(words), plan.trainings, tuple(_said(candidates, plan, given, problem)))


def _hyper(candidates: Sequence[Candidate], plan: Plan, given: Situation) -> list[str]:
    names = ["lr"]
    if plan.tune >= MANY_HYPER:
        names += ["decay"] if any("decay" in candidate.settings for candidate in candidates) else []
        names += ["eps"] if given.tiny and any(has_eps(candidate) for candidate in candidates) else []
    return ["--hyper", ",".join(names)] if len(names) > 1 else []


def has_eps(candidate: Candidate) -> bool:
    """Whether a candidate's rule has an epsilon."""
    from thalweg.rules.setting import find_rule

    return "eps" in find_rule(candidate.rule).hyper


def _ranges(candidates: Sequence[Candidate]) -> list[str]:
    """One range for all, where theirs reach far beyond the usual one; a little further tuning goes by itself."""
    low, high = min(c.rates[0] for c in candidates), max(c.rates[1] for c in candidates)
    if low >= USUAL[0] / COARSE and high <= USUAL[1] * COARSE:
        return []
    return ["--ranges", f"lr={min(low, USUAL[0]):g}:{max(high, USUAL[1]):g}"]


def _said(candidates: Sequence[Candidate], plan: Plan, given: Situation, problem: str) -> list[str]:
    said = []
    if not problem:
        said.append(
            "Write your problem first: thalweg new problem --out my_problem.py (thalweg advise --look reads it)."
        )
    each = f"{len(candidates)} optimizers"
    rows = f"{plan.seeds} seed{'s' if plan.seeds > 1 else ''}"
    if plan.tune:
        said.append(f"{each}: {plan.tune} trials each, then {rows} as set above and {rows} at the best that was found.")
    elif plan.auto:
        said.append(f"{each}, each at the rate that the finder chooses (two to three trainings), {rows}.")
    else:
        said.append(f"{each} at the rates shown, {rows}: this ranks settings, not methods.")
    if given.trainings is not None and plan.trainings > given.trainings:
        said.append("That is more than you can afford: without it, begin with the first candidate, as it is set here.")
    if plan.seeds < 3:
        said.append("With so few seeds no difference can be told from chance: take it for a hint.")
    if any(flag in candidate.torch for candidate in candidates for flag in ("clip_norm", "rounding")):
        said.append("It trains in float32 and without clipping: it decides the rule and its rate, not those settings.")
    return said
