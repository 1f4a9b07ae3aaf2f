"""Whether the optimizers of a seed really started from the same weights and saw the same batches: from the digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any


def pairing(runs: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on whether the runs are paired.

    Args:
        runs: Every run of the table; digests that are missing are not judged.

    Returns:
        The sentence; nothing where there are no digests.
    """
    weights: dict[Any, set[str]] = defaultdict(set)
    orders: dict[tuple[Any, Any], set[str]] = defaultdict(set)
    for run in runs:
        if run.get("weights_digest"):
            weights[run.get("seed")].add(str(run["weights_digest"]))
        for epoch in run.get("epochs") or ():
            if epoch.get("order_digest"):
                orders[run.get("seed"), epoch.get("epoch")].add(str(epoch["order_digest"]))
    faults = [
        *_faults("initial weights", weights),
        *_faults("orders of the data", {k[0]: v for k, v in _worst(orders)}),
    ]
    if not weights or not orders:
        return "The runs carry no digests of weights and orders, so nothing is known of their pairing." if runs else ""
    if faults:
        return f"Not paired: {'; '.join(faults)}. Differences between optimizers are partly differences of luck."
    return (
        "Paired: within each seed every run started from the same initial weights and saw the data in the same order, "
        f"epoch by epoch{_repeats(orders)}."
    )


def _worst(orders: Mapping[tuple[Any, Any], set[str]]) -> list[tuple[tuple[Any, Any], set[str]]]:
    """Sorted so that of each seed the epoch with the most orders comes last and is kept."""
    return sorted(orders.items(), key=lambda entry: len(entry[1]))


def _faults(what: str, digests: Mapping[Any, set[str]]) -> list[str]:
    seeds = sorted((seed for seed, found in digests.items() if len(found) > 1), key=str)
    return [f"{what} differ within seed {', '.join(map(str, seeds))}"] if seeds else []


def _repeats(orders: Mapping[tuple[Any, Any], set[str]]) -> str:
    """Whether the same order came again in every epoch, which makes a run's noise repeat itself."""
    by_seed: dict[Any, list[str]] = defaultdict(list)
    for (seed, _), found in orders.items():
        by_seed[seed] += found
    several = [found for found in by_seed.values() if len(found) > 1]
    if several and all(len(set(found)) == 1 for found in several):
        return "; that order is the same in all epochs"
    return "; every epoch has another order" if several and all(len(set(f)) == len(f) for f in several) else ""
