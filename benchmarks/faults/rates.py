"""Which learning rates are good ones: trains every problem with every rule, unwatched, and prints `grounds.py`'s rates.

    python benchmarks/faults/rates.py [--problems known|held-back-first|held-back-second|held-back] [--rules adam,sgd]

A rate is good in the middle, on a logarithmic scale, of those between 1e-5 and 10 whose loss on validation samples goes
at least 95 % of the way down that the best of them goes: first whole decades, then thirds of decades around the best.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.grounds import GROUNDS, Ground
from faults.training import batches, loaded, optimizer_of
from thalweg.lab.run import evaluate

RULES = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
WAY = 0.95


def ended(ground: Ground, rule: str, lr: float) -> tuple[float, float]:
    """The validation loss at the start and in the end; infinite where training diverged."""
    problem, data, model = loaded(ground.problem, 1)
    start = evaluate(model, problem, data.tuning[1])[1]
    model.train()
    optimizer = optimizer_of("torch", rule, model, lr)
    for _, batch in zip(range(ground.steps), batches(data.tuning[0], ground.batch, 1), strict=False):
        loss = problem.loss(model, batch)
        if not loss.isfinite():
            return start, math.inf
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    end = evaluate(model, problem, data.tuning[1])[1]
    return start, end if math.isfinite(end) else math.inf


def good(ground: Ground, rule: str) -> tuple[float, str]:
    """A good rate, and what was seen."""
    ends: dict[int, float] = {}
    start = math.nan

    def look(places: Iterable[int]) -> int:
        nonlocal start
        for place in places:
            if place not in ends:
                start, ends[place] = ended(ground, rule, 10 ** (place / 3))
        return min(ends, key=lambda place: ends[place])

    best = look(range(-15, 4, 3))
    for _ in range(2):
        best = look(range(best - 3, best + 4))
    near = [place for place in ends if start - ends[place] >= WAY * (start - ends[best])]
    seen = ", ".join(f"{10 ** (place / 3):.2g}: {ends[place]:.3g}" for place in sorted(ends))
    return 10 ** ((min(near) + max(near)) / 6), f"from {start:.3g}; {seen}"


def row(asked: tuple[Ground, tuple[str, ...]]) -> str:
    """What to declare, and why."""
    ground, rules = asked
    found = {rule: good(ground, rule) for rule in rules}
    rates = ", ".join(f"{rate:.2g}" for rate, _ in found.values())
    return "\n".join(
        [f"{ground.problem}: _rates({rates})", *(f"    {rule}: {seen}" for rule, (_, seen) in found.items())]
    )


def main() -> None:
    """Read the arguments, print the rates."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--problems", choices=sorted(GROUNDS), default="known")
    parser.add_argument("--rules", default=",".join(RULES))
    options = parser.parse_args()
    asked = [(ground, tuple(options.rules.split(","))) for ground in GROUNDS[options.problems]]
    with get_context("spawn").Pool(2) as pool:
        for line in pool.imap(row, asked, chunksize=1):
            print(line, flush=True)


if __name__ == "__main__":
    main()
