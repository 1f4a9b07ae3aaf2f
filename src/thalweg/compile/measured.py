"""What a kernel says of the weights that it steps, beside stepping them: lines that count and add up in its sweep."""

from __future__ import annotations

from thalweg.compile.storage import Storage

# What is summed over the elements of a row, all in float64: the gradient as it came, the weight before the step, and
# how far its stored value moved. Of each sum its name in a kernel and its two factors.
SUMS = (
    ("gg_", "float64(g)", "float64(g)"),
    ("xx_", "float64(x_before__)", "float64(x_before__)"),
    ("dd_", "dx__", "dx__"),
    ("dg_", "dx__", "float64(g)"),
)


def begun(storage: Storage) -> list[str]:
    """Lines in front of a row's loop."""
    tally = ["moved_ = lost_ = 0"] if storage.tally else []
    return tally + ([f"{' = '.join(name for name, *_ in SUMS)} = 0.0"] if storage.sums else [])


def added(storage: Storage) -> list[str]:
    """Lines for each element, behind those that store it."""
    lines = []
    if storage.tally:
        lines += [
            "moved_ += 1 if x_kept__ != x else 0",
            "lost_ += 1 if x_kept__ != x and x_stored__ == x else 0",
        ]
    if storage.sums:
        lines.append("dx__ = float64(x_stored__) - float64(x_before__)")
        lines += [f"{name} = plus_product_({name}, {a}, {b})" for name, a, b in SUMS]
    return lines


def written(storage: Storage) -> list[str]:
    """Lines behind a row's loop."""
    lines = ["words_[base_ + first] = moved_", "words_[base_ + second] = lost_"] if storage.tally else []
    if storage.sums:
        lines.append("sums_ = to_float64(job_[4])")
        lines += [f"sums_[row_ * {len(SUMS)} + {k}] = {name}" for k, (name, *_) in enumerate(SUMS)]
    return lines
