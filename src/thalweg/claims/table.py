"""The result of a claim as plain data: what the page, the terminal, the documentation and `advise` read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thalweg.lab.table import Estimate

HOLDS, FAILS, DEPENDS, IN_PART, UNDECIDED = "holds", "does not hold", "depends", "holds in part", "undecided"
NO_VERDICT = "no verdict"  # of a claim that needs more than this machine
DECIDED = (HOLDS, FAILS, DEPENDS, IN_PART)
SUPPORTS, OPPOSES, NONE, UNCLEAR = "supports", "opposes", "none", "unclear"


@dataclass(frozen=True)
class Contrast:
    """What the claim prefers against what it is preferred to, in one setting, over paired units.

    Attributes:
        setting: The value of the variable, for instance the problem's name.
        claimed: What the claim prefers, in words.
        other: What it is compared with.
        measure: What was measured of both.
        unit: What is counted and paired: `"seed"`, `"start"`, `"repeat"`.
        scale: `"difference"` for the one minus the other, `"factor"` for the one divided by the other.
        threshold: What the claim needs to exceed: 0 of a difference, 1 of a factor, where it names no more.
        none: Within this much of the threshold a difference counts as none; a factor, at least 1, for factors.
        estimate: Mean and 95 % interval, positive (above 1) where as claimed; of factors the geometric mean.
        outcome: `"supports"` where the interval lies above the threshold, `"opposes"` below, `"none"` within the
            margin, else `"unclear"`.
        means: The mean of each of the two, claimed first, over the units; of factors the geometric one.
        lost: How many units of each did not finish and count as the declared worst value.
        values: The difference or factor of every unit, in the units' order.
    """

    setting: str
    claimed: str
    other: str
    measure: str
    unit: str
    scale: str
    threshold: float
    none: float
    estimate: Estimate
    outcome: str
    means: tuple[float | None, float | None]
    lost: tuple[int, int] = (0, 0)
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line or one row of points of a picture.

    Attributes:
        label: What it shows; nothing for a line that needs no name.
        x: Its places.
        y: Its values; None leaves a gap.
        low: Lower ends of intervals; empty for none.
        high: Their upper ends.
        rule: The rule whose colour it has; `"contour"` for a quiet line of the ground.
        dashed: Whether it is dashed, which tells two lines of one colour apart.
        points: Whether its places are marked by dots, as few measured places should be.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    rule: str = ""
    dashed: bool = False
    points: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart of a picture.

    Attributes:
        title: What it shows.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        lines: What is drawn.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical one is.
        window: Ends of x and of y that are shown; None to show all.
    """

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False
    window: tuple[tuple[float, float], tuple[float, float]] | None = None


@dataclass(frozen=True)
class Picture:
    """What makes a claim's answer visible, beside the chart of its contrasts.

    Attributes:
        note: How to read it, in a sentence or two.
        panels: One to three charts.
    """

    note: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class PartResult:
    """One sentence of a claim, and what came out.

    Attributes:
        text: The sentence that was tested.
        rule: The rule of its verdict, in words.
        verdict: `"holds"`, `"does not hold"`, `"depends"` or `"undecided"`.
        variable: What a `"depends"` depends on.
        contrasts: One per setting.
        clock: Whether its numbers come from a clock, and differ from run to run.
    """

    text: str
    rule: str
    verdict: str
    variable: str
    contrasts: tuple[Contrast, ...]
    clock: bool = False


@dataclass(frozen=True)
class Cost:
    """What the evidence of a claim took; what it shares with another claim is counted in both.

    Attributes:
        units: How many seeds, starts or repeats the contrasts are over, as words.
        runs: Trainings, trials included.
        steps: Optimizer steps of all of them, and of what was computed directly.
        time_seconds: What they took, each on one core.
    """

    units: str
    runs: int
    steps: int
    time_seconds: float


@dataclass(frozen=True)
class ClaimResult:
    """What came out of a claim.

    Attributes:
        number: Its number.
        name: Its name in file names and links.
        short: The claim in a few words.
        text: The claim as it circulates.
        source: Where it circulates.
        method: How it is put to the test.
        verdict: `"holds"`, `"does not hold"`, `"depends"`, `"holds in part"`, `"undecided"` or `"no verdict"`.
        variable: What it depends on.
        said: The verdict in a sentence, with its key number.
        parts: Its sentences.
        digest: A hash of the file that declares it: a result of another one is not this claim's.
        cost: What it took; None where nothing was run.
        command: What makes it again.
        needs: What it would need where this machine cannot decide it.
        remarks: What must be known to read it.
        picture: None for none.
        environment: Versions and machine.
    """

    number: int
    name: str
    short: str
    text: str
    source: str
    method: str
    verdict: str
    variable: str
    said: str
    parts: tuple[PartResult, ...]
    digest: str
    cost: Cost | None
    command: str
    needs: str
    remarks: tuple[str, ...]
    picture: Picture | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Planned:
    """What a claim would run, as it is declared.

    Attributes:
        number: The claim's.
        short: The claim in a few words.
        studies: Trainings and direct computations.
        runs: Trainings and trials, those beyond the budget left out.
        seconds: Of one core.
    """

    number: int
    short: str
    studies: int
    runs: int
    seconds: float
