"""The figures that are watched, declared: what each is, in which unit, and how it is known.

Effective learning rates, `epsilon_share`, `lost_share`, `stale_share`, `fall`, `oscillation` and `heading_cosine` move
slowly: they are worked out once per block of measurements (32 steps, or four measurements where these lie further
apart), at its last one, and stand in all rows of the block. `oscillation` keeps its value until there is a new one.
Figures of the sample weigh layers by their elements where they are pooled in a group.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number that every layer, and every parameter group, has at a measured step.

    Attributes:
        name: In tables, files and programs.
        title: On a chart.
        meaning: One sentence: what it is, and what its usual values say.
        scale: Of its axis: `"log"`, `"share"` (0 to 1), `"cosine"` (-1 to 1), `"count"` or `"linear"`.
        sampled: Whether it comes from a fixed sample of coordinates; all others are of every coordinate.
    """

    name: str
    title: str
    meaning: str
    scale: str
    sampled: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure("lr", "learning rate", "The learning rate that the group has now.", "log"),
    Figure("gradient_norm", "gradient norm", "Euclidean norm of the gradient as it came, before any clipping.", "log"),
    Figure("weight_norm", "weight norm", "Euclidean norm of the weights before the step.", "log"),
    Figure("update_norm", "update norm", "Euclidean norm of what the step added to the weights.", "log"),
    Figure("update_ratio", "update / weight", "Norm of the update over that of the weights; 1e-3 is usual.", "log"),
    Figure(
        "effective_lr",
        "effective learning rate",
        "Median over the coordinates of what multiplies the gradient: how far one gradient moves its weight in all, "
        "over this and the later steps, with second moments as they stand.",
        "log",
        True,
    ),
    Figure("effective_lr_low", "effective learning rate, lower quartile", "A quarter lies below.", "log", True),
    Figure("effective_lr_high", "effective learning rate, upper quartile", "A quarter lies above.", "log", True),
    Figure(
        "epsilon_share",
        "epsilon rules",
        "Share of the coordinates that have a gradient whose step epsilon shortens to less than half.",
        "share",
        True,
    ),
    Figure(
        "fall",
        "fall of an accumulating step",
        "Effective learning rate over what it was at the tenth step, where a rule sums squared gradients for ever "
        "(AdaGrad), without what a schedule made of lr since; 0.1 means fallen by ten.",
        "log",
        True,
    ),
    Figure(
        "oscillation",
        "oscillation",
        "How strongly the steps of a window undo earlier ones: minus the lowest autocorrelation of the updates over "
        "the lags of the window, 0 for none, 1 for a pure vibration.",
        "share",
        True,
    ),
    Figure(
        "update_cosine",
        "angle between successive updates",
        "Cosine between this update and the one before: near -1 weights jump to and fro, near 1 they could go faster.",
        "cosine",
        True,
    ),
    Figure(
        "gradient_cosine",
        "angle between successive gradients",
        "Cosine between the gradients of this step and of the one before.",
        "cosine",
        True,
    ),
    Figure(
        "momentum_cosine",
        "angle between momentum and gradient",
        "Cosine between the first moment and the gradient: below 0 the momentum goes uphill.",
        "cosine",
        True,
    ),
    Figure(
        "descent_cosine",
        "angle between update and descent",
        "Cosine between the update and minus the gradient: below 0 the step goes uphill.",
        "cosine",
    ),
    Figure(
        "heading_cosine",
        "heading",
        "Cosine between where the weights went in the last window of steps and in the window before: near 1 they keep "
        "a straight course.",
        "cosine",
        True,
    ),
    Figure("first_moment", "first moment", "Root mean square of the rule's average of gradients.", "log", True),
    Figure("second_moment", "second moment", "Root mean of the rule's average of squared gradients.", "log", True),
    Figure(
        "lost_share",
        "updates lost to rounding",
        "Share of the coordinates that should have moved and whose weight rounding kept where it was.",
        "share",
        True,
    ),
    Figure(
        "stale_share",
        "second moments kept by rounding",
        "Share of the coordinates whose second moment should have changed and did not.",
        "share",
        True,
    ),
    Figure("zero_share", "zero gradients", "Share of the coordinates whose gradient is exactly zero.", "share", True),
    Figure(
        "nonfinite", "infinite or NaN gradients", "How many coordinates of the gradient are no finite number.", "count"
    ),
    Figure(
        "gradient_noise",
        "gradient noise",
        "Share of the squared gradient that is noise, from pairs of successive batches: 1 is noise only.",
        "share",
        True,
    ),
)
NAMES: tuple[str, ...] = tuple(figure.name for figure in FIGURES)
