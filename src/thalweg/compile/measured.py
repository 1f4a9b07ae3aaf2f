"""What a kernel says of the weights that it steps, beside stepping them: lines that count and add up in its sweep."""

from __future__ import annotations

from thalweg.compile.storage import Storage

# What is summed over the elements of a row: the gradient as it came, the weight before the step, and how far its
# stored value moved. Of each sum its name in a kernel and its two factors. Stretches of a row are added up in the type
# that the rule is computed in, as wide in vectors as the rule itself, and the stretches in float64.
SUMS = (("gg_", "g", "g"), ("xx_", "x_before__", "x_before__"), ("dd_", "dx__", "dx__"), ("dg_", "dx__", "g"))
STRETCH = 2048  # elements, in some 64 partial sums: these are off by a few roundings only


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
        lines.append("dx__ = real(x_stored__) - real(x_before__)")
        lines += [f"{name}part_ = plus_product_({name}part_, {a}, {b})" for name, a, b in SUMS]
    return lines


def looped(storage: Storage, body: list[str]) -> list[str]:
    """The loop over a row's elements."""
    indented = [f"    {line}" for line in body]
    if not storage.sums:
        return ["for i in range(count_):", *indented]
    parts = [f"{name}part_" for name, *_ in SUMS]
    return [
        "stop_ = 0",
        "while stop_ < count_:",
        "    start_ = stop_",
        f"    stop_ = start_ + {STRETCH} if start_ + {STRETCH} < count_ else count_",
        f"    {' = '.join(parts)} = real(0.0)",
        "    for i in range(start_, stop_):",
        *(f"    {line}" for line in indented),
        *(f"    {name} += float64({part})" for (name, *_), part in zip(SUMS, parts, strict=True)),
    ]


def written(storage: Storage) -> list[str]:
    """Lines behind a row's loop."""
    lines = ["words_[base_ + first] = moved_", "words_[base_ + second] = lost_"] if storage.tally else []
    if storage.sums:
        lines.append("sums_ = to_float64(job_[4])")
        lines += [f"sums_[row_ * {len(SUMS)} + {k}] = {name}" for k, (name, *_) in enumerate(SUMS)]
    return lines
