"""Is the learning-rate finder right? Compares what it finds with the best of a grid of whole trainings.

    python benchmarks/find_lr.py [--problems A,B] [--rules adam,sgd] [--seeds 3] [--budget 3] \
        [--minutes 10] [--store FILE]

For every rule and problem: the rate that `thalweg.lab.rate.find_rate` finds, from a seed of its own, and the grid of
three rates per decade whose trainings, as long as the problem's usually are, end with the lowest validation loss: first
the decades from 1e-5 to 1e2 with one seed, then everything around the best of these, and more seeds within a factor of
five of it. Off: by more than a factor 3 from the best value of the grid. Wrong: by more than that from every value that
the seeds cannot tell from the best (one-sided paired t, 95 %). Excess: how much worse training ends at the rate found
than at the best, as a part of the way from the start or of thrice the best loss, whichever is less.

Everything is kept in the store, so that a run that was cut goes on where it was; a rate that was found is looked for
again once the finder's code differs.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

import thalweg.lab.rate
from thalweg.lab.batches import Pass, data_order, length, steps
from thalweg.lab.files import find_problem
from thalweg.lab.finder import PER_DECADE, rate
from thalweg.lab.problem import Data, Problem
from thalweg.lab.rate import find_rate
from thalweg.lab.run import evaluate, started, train_epoch
from thalweg.lab.spec import Phase, digest_of, file_digest
from thalweg.rules import RULES

RATES = ("adam", "sgd", "momentum", "rmsprop", "adagrad", "lion")
# The numbers of the finder were fitted with the first eight in sight; all others are held out.
PROBLEMS = (
    *("binary-classifier", "linear-regression", "noisy-quadratic", "multi-task", "mnist-mlp", "sparse-logistic"),
    *("fine-tune", "matrix-factorisation", "digits-vae", "cartpole-policy"),
    *("linear-regression-full", "binary-classifier-full", "linear-regression-single", "binary-classifier-single"),
)
FITTED = PROBLEMS[:8]
BY_METRIC = ("cartpole-policy",)  # the loss of a policy gradient tells nothing
FINDER_SEED = 10
LOWEST, HIGHEST = -15, 6
T95 = {2: 6.314, 3: 2.920, 4: 2.353, 5: 2.132}
NEAR = math.log10(3)
MUCH = 0.05


class Store:
    """Numbers by key, one JSON line each."""

    def __init__(self, path: Path, minutes: float) -> None:
        self.path, self.deadline = path, time.monotonic() + 60 * minutes
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.known: dict[str, Any] = dict(json.loads(line) for line in lines)

    def get(self, key: tuple[Any, ...], make: Any) -> Any:
        """What is known, or is made now."""
        name = "/".join(map(str, key))
        if name not in self.known:
            if time.monotonic() > self.deadline:
                raise TimeoutError
            self.known[name] = make()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, self.known[name]]) + "\n")
        return self.known[name]


def score(problem: Problem, model: torch.nn.Module, part: Any) -> float:
    """Less is better."""
    metric, loss = evaluate(model, problem, part)
    return (-metric if problem.maximize else metric) if problem.name in BY_METRIC else loss


def trained(problem: Problem, data: Data, rule: str, lr: float, seed: int, epochs: int) -> float:
    """The validation loss after so many epochs; infinite where training diverged."""
    torch.manual_seed(seed)
    model, (train, held) = problem.model(seed), data.tuning
    hyper = {**RULES[rule].hyper, "lr": lr}
    phase = Phase(1, rule, "", tuple(hyper.items()), ())
    _, optimizer = started(model, RULES, phase)
    for epoch in range(1, epochs + 1):
        batches = Pass(train, problem.batch_size, data_order(seed, epoch, length(train)))
        if not math.isfinite(train_epoch(model, optimizer, problem, batches)[0]):
            return math.inf
    with optimizer.averaged() if RULES[rule].evaluation else nullcontext():
        end = score(problem, model, held)
    return end if math.isfinite(end) else math.inf


def grid(store: Store, problem: Problem, data: Data, rule: str, seeds: int) -> dict[int, list[float]]:
    """For every place of the grid that was looked at the losses in the end, one per seed."""

    def end(place: int, seed: int) -> float:
        key = (problem.name, rule, place, seed)
        return store.get(key, lambda: trained(problem, data, rule, rate(place), seed, problem.epochs))

    ends = {place: [end(place, 0)] for place in range(LOWEST, HIGHEST + 1, PER_DECADE)}
    while unknown := [p for p in around(ends, 3) if p not in ends]:
        ends |= {place: [end(place, 0)] for place in unknown}
    for place in around(ends, 2):
        ends[place] += [end(place, seed) for seed in range(1, seeds)]
    return ends


def around(ends: Mapping[int, list[float]], reach: int) -> list[int]:
    """The places around the best of the first seed."""
    best = min(ends, key=lambda place: ends[place][0])
    return [place for place in range(best - reach, best + reach + 1) if LOWEST <= place <= HIGHEST]


def best_of(ends: Mapping[int, list[float]]) -> tuple[int, list[int]]:
    """The best place, and those that the seeds cannot tell from it."""
    seeds = max(map(len, ends.values()))
    means = {place: statistics.fmean(losses) for place, losses in ends.items() if len(losses) == seeds}
    best = min(means, key=lambda place: means[place])
    return best, [place for place in means if place == best or _equal(ends[place], ends[best])]


def _equal(losses: list[float], best: list[float]) -> bool:
    if len(best) < 2 or not math.isfinite(sum(losses)):
        return False
    gaps = [a - b for a, b in zip(losses, best, strict=True)]
    return statistics.fmean(gaps) <= T95[len(gaps)] * statistics.stdev(gaps) / math.sqrt(len(gaps))


def finder_digest() -> str:
    """A hash of the finder's code."""
    folder = Path(thalweg.lab.rate.__file__).parent
    return digest_of("".join(file_digest(folder / name) for name in ("rate.py", "finder.py", "sprint.py")))[:12]


def row(store: Store, name: str, rule: str, seeds: int, budget: float | None, loaded: dict[str, Any]) -> dict[str, Any]:
    """One line of the table; the budget in trainings."""
    if name not in loaded:
        problem = find_problem(name)
        loaded[name] = problem, problem.load(None, 0)
    problem, data = loaded[name]

    def find() -> dict[str, Any]:
        planned = problem.epochs * steps(data.tuning[0], problem.batch_size)
        allowed = None if budget is None else math.ceil(budget * planned)
        found = find_rate(problem, data, RULES[rule], {}, {}, FINDER_SEED, problem.batch_size, problem.epochs, allowed)
        share = found.steps / found.planned
        return {"lr": found.lr, "sure": found.sure, "reason": found.reason, "share": share}

    found = store.get((name, rule, "found", budget or "usual", finder_digest()), find)
    ends = grid(store, problem, data, rule, seeds)
    start = store.get((name, rule, "start"), lambda: trained(problem, data, rule, 0.0, 0, 0))
    best, equal = best_of(ends)
    log = math.log10(found["lr"])
    off = log - best / PER_DECADE
    wrong = min(abs(log - place / PER_DECADE) for place in equal) > NEAR
    losses = [min(statistics.fmean(ends[place]), 1e30) for place in sorted(ends)]
    here = np.interp(log, [place / PER_DECADE for place in sorted(ends)], losses)
    lowest = statistics.fmean(ends[best])
    excess = float(here - lowest) / min(start - lowest, 3 * abs(lowest))
    return {"problem": name, "rule": rule, **found, "best": rate(best), "off": off, "wrong": wrong, "excess": excess}


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table."""
    yield f"{'problem':22}{'rule':10}{'found':>9}{'best':>9}{'factor':>8}{'excess':>8}{'cost':>6}  verdict"
    for r in rows:
        verdict = "sure" if r["sure"] else "not sure"
        verdict += ", wrong" if r["wrong"] else ", off" if abs(r["off"]) > NEAR else ""
        mark = "*" if r["problem"] not in FITTED else ""
        yield (
            f"{r['problem'] + mark:22}{r['rule']:10}{r['lr']:>9.2g}{r['best']:>9.2g}{10 ** r['off']:>8.2g}"
            f"{r['excess']:>8.1%}{r['share']:>6.2f}  {verdict}"
        )
    yield "cost: in trainings; *: held out"
    for title, chosen in {
        "all": rows,
        "held out": [r for r in rows if r["problem"] not in FITTED],
    }.items():
        yield from summary(title, chosen)


def summary(title: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """The shares that the finder is held to."""
    if not rows:
        return
    sure = [r for r in rows if r["sure"]]
    off = sum(abs(r["off"]) > NEAR for r in sure) / len(rows)
    wrong = sum(r["wrong"] for r in sure) / len(rows)
    share, cost = len(sure) / len(rows), statistics.median(r["share"] for r in rows)
    yield f"{title}: {len(rows)} pairs, sure of {share:.0%}, at a median cost of {cost:.2f} trainings"
    yield f"  within a factor 3 of the best value: sure and right {share - off:.0%}, sure and off {off:.0%}"
    yield f"  ... or of one that equals it: sure and right {share - wrong:.0%}, sure and wrong {wrong:.0%}"
    worse = sum(r["excess"] > MUCH for r in sure) / len(rows)
    yield f"  by the loss: sure, and at most {MUCH:.0%} worse {share - worse:.0%}, sure and worse {worse:.0%}"


def main() -> None:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--rules", default=",".join(RATES))
    parser.add_argument("--seeds", type=int, default=3, choices=sorted({1, *T95}))
    parser.add_argument("--budget", type=float, help="in trainings; what the finder takes by itself without")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--store", type=Path, default=Path("thalweg-out/find-lr.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.store.parent.mkdir(parents=True, exist_ok=True)
    store, loaded, rows = Store(options.store, options.minutes), {}, []
    for rule in options.rules.split(","):
        for name in options.problems.split(","):
            try:
                rows.append(row(store, name, rule, options.seeds, options.budget, loaded))
            except TimeoutError:
                continue
    print("\n".join(lines(rows)))


if __name__ == "__main__":
    main()
