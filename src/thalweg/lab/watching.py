"""What was watched of a row's seeds, put together: alarms by what they are about, figures as medians."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from thalweg.lab.table import Alarm, Watched
from thalweg.lab.watched import Noted, Numbers
from thalweg.lab.watched import Watched as Seed
from thalweg.watch.figure import NAMES

POINTS = 60  # of a line
LAYERS = 12  # of a row that are shown
# The figures that are shown layer by layer; of the others only that of all layers together.
BY_LAYER = ("update_ratio", "effective_lr", "gradient_norm", "oscillation", "epsilon_share")


def alarms(seeds: Mapping[int, Seed]) -> tuple[Alarm, ...]:
    """The alarms of a row, one for every kind and part, the earliest first.

    Args:
        seeds: What was watched, by the number of the seed.
    """
    from thalweg.watch.alarms import BY_NAME

    firsts: dict[tuple[str, str], dict[int, Noted]] = {}
    for number, seed in seeds.items():
        for one in seed.alarms:
            firsts.setdefault((one.alarm, one.part), {}).setdefault(number, one)
    found = []
    for (name, part), noted in firsts.items():
        first, fact = min(noted.values(), key=lambda one: one.step), BY_NAME.get(name)
        found.append(
            Alarm(
                alarm=name,
                title=fact.title if fact else name,
                meaning=fact.meaning if fact else "",
                part=part,
                seeds=tuple(noted),
                steps=tuple(one.step for one in noted.values()),
                watched=len(seeds),
                first_step=first.step,
                first_epoch=first.epoch,
                value=first.value,
                words=first.words,
                advice=first.advice,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.first_step, -len(one.seeds))))


def figures(seeds: Sequence[Seed]) -> Watched | None:
    """The figures of a row: medians over the seeds that got so far.

    Args:
        seeds: What was watched, one entry per seed; the steps of a shorter run are among those of a longer one.

    Returns:
        None where nothing was watched.
    """
    if not seeds:
        return None
    longest = max(seeds, key=lambda seed: seed.steps[-1] if seed.steps else 0)
    steps = longest.steps[:: max(1, -(-len(longest.steps) // POINTS))]
    rows = [{step: place for place, step in enumerate(seed.steps)} for seed in seeds]

    def medians(column: int, name: str) -> Numbers:
        """A figure of a part, whose place counts from the first layer, or backwards from the last group."""
        found = [(seed.figures[name], row) for seed, row in zip(seeds, rows, strict=True) if name in seed.figures]
        return tuple(_median(own[row[step]][column] for own, row in found if step in row) for step in steps)

    known = [name for name in NAMES if any(name in seed.figures for seed in seeds)]
    chosen = _chosen(longest.layers, [one.part for seed in seeds for one in seed.alarms])
    losses = [(seed.loss, row) for seed, row in zip(seeds, rows, strict=True)]
    return Watched(
        seeds=len(seeds),
        every=longest.every,
        steps=steps,
        loss=tuple(_median(loss[row[step]] for loss, row in losses if step in row) for step in steps),
        figures=_known({name: medians(-len(longest.groups), name) for name in known}),
        layers={
            layer: _known({name: medians(place, name) for name in BY_LAYER if name in known})
            for place, layer in enumerate(longest.layers)
            if place in chosen
        },
        unseen=len(longest.layers) - len(chosen),
    )


def _median(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return float(f"{statistics.median(known):.4g}") if known else None


def _known(lines: Mapping[str, Numbers]) -> dict[str, Numbers]:
    return {name: line for name, line in lines.items() if any(number is not None for number in line)}


def _chosen(layers: Sequence[str], alarming: Sequence[str]) -> set[int]:
    """The places of the layers that are shown: those with an alarm, then some from the whole depth.

    Example:
        >>> sorted(_chosen([str(k) for k in range(100)], ["41"]))
        [0, 10, 20, 29, 39, 41, 50, 60, 70, 79, 89, 99]
    """
    first = [place for place, layer in enumerate(layers) if layer in alarming][:LAYERS]
    room = min(LAYERS, len(layers)) - len(first)
    rest = [place for place in range(len(layers)) if place not in first]
    spread = (rest[round(k * (len(rest) - 1) / max(1, room - 1))] for k in range(room))
    return {*first, *spread}
