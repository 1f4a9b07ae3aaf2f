"""`Trial`: everything that decides one run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trial:
    """A run with a planted fault, or its healthy twin.

    Attributes:
        fault: The name of the fault.
        faulty: Whether it is planted; without, the run is a good one.
        turn: Its number among the runs of the fault.
        problem: Its name in the lab.
        rule: By its name in `training.RULES`.
        engine: `"torch"` or `"thalweg"`: whose optimizer takes the steps.
        seed: Of weights, order and whatever the fault draws.
        lr: The learning rate of the first step.
        batch: Samples per step.
        steps: How many.
        cosine: Whether the learning rate falls to zero along a cosine, or is constant.
        begins: The step from which the fault is there.
        every: Every how many steps is measured; 0 for never.
        given: What else the optimizer is given.
        dtype: Of weights and data.
        variant: Which of a problem's layers, or of a fault's forms.
    """

    fault: str
    faulty: bool
    turn: int
    problem: str
    rule: str
    engine: str
    seed: int
    lr: float
    batch: int
    steps: int
    cosine: bool = False
    begins: int = 1
    every: int = 1
    given: tuple[tuple[str, float | bool], ...] = field(default=())
    dtype: str = "float32"
    variant: int = 0
