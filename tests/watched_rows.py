"""Made-up rows that were watched, for the report: figures that look like training, and alarms."""

import math
from dataclasses import replace

from comparisons import HOSTILE, comparison, hostile, study
from thalweg.lab.table import Alarm, Comparison, Watched

LAYERS = ("0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias")


def figures(place: int, seeds: int = 3, layers: tuple[str, ...] = LAYERS) -> Watched:
    """Figures of a row that look like training: some fall, one swings, one is zero, one is known from step 320 on."""
    steps = tuple(range(16, 625, 16))

    def line(start: float, fall: float, shift: int) -> tuple[float | None, ...]:
        return tuple(start * (1 + shift / 3) * math.exp(-fall * s / 600) * (1.2 + math.sin(s + shift)) for s in steps)

    known = {
        "lr": tuple(0.001 * 10 ** (place % 3) for _ in steps),
        "gradient_norm": line(2.0, 1.5, place),
        "update_norm": line(0.1, 1.0, place),
        "update_ratio": line(1e-3, 1.0, 2 * place),
        "effective_lr": line(0.01, 2.0, place),
        "oscillation": tuple(0.2 + 0.1 * math.sin(s / 40 + place) for s in steps),
        "epsilon_share": tuple(min(1.0, 0.15 * place) for _ in steps),
        "descent_cosine": tuple(0.5 + 0.05 * math.cos(s) for s in steps),
        "lost_share": tuple(0.0 for _ in steps),
        "gradient_noise": tuple(None if s < 320 else 0.8 for s in steps),
    }
    shown = ("update_ratio", "effective_lr", "gradient_norm", "oscillation", "epsilon_share")
    by_layer = {name: {f: tuple(n and n / (1 + k) for n in known[f]) for f in shown} for k, name in enumerate(layers)}
    return Watched(seeds, 16, steps, line(2.0, 2.0, place), known, by_layer, unseen=0)


def alarm(kind: str, part: str, steps: dict[int, int], watched: int = 3, words: str = "") -> Alarm:
    first = min(steps.values())
    said = words or f"{part or 'the whole optimizer'}: epsilon shortens 97 % of the steps to less than half."
    return Alarm(
        alarm=kind,
        title="epsilon rules the denominator" if kind == "epsilon" else kind,
        meaning="The rule is no longer adaptive: it is gradient descent at lr / eps.",
        part=part,
        seeds=tuple(steps),
        steps=tuple(steps.values()),
        watched=watched,
        first_step=first,
        first_epoch=1 + first // 63,
        value=0.97,
        words=said,
        advice="Lower eps to 1e-8, or raise lr as much as eps was raised.",
    )


def watched(base: Comparison | None = None) -> Comparison:
    """Rows with figures; two of them with alarms, one not watched, one in part."""
    base = base or comparison()
    rows = []
    for place, r in enumerate(base.rows):
        raised: tuple[Alarm, ...] = ()
        if place == 2:
            raised = tuple(alarm("epsilon", layer, {0: 32 + 16 * k, 2: 32}) for k, layer in enumerate(LAYERS))
            raised += (alarm("spike", "", {1: 400}, words="The loss rose to 5.2 times its best, 0.31."),)
        if place == 4:
            raised = (alarm("spike", "", {0: 64, 1: 80, 2: 64}, words="The loss rose to 8 times its best, 0.5."),)
        seen = None if place == 5 else figures(place, seeds=2 if place == 1 else len(r.seeds))
        rows.append(replace(r, alarms=raised, watched=seen))
    return replace(base, rows=tuple(rows))


def watched_hostile() -> Comparison:
    """Harmful text in every place that an alarm or a layer has."""
    base = hostile(watched(comparison({HOSTILE: 0.9, "x": 0.8})))
    evil = alarm("spike", HOSTILE, {0: 16}, words=HOSTILE)
    evil = replace(evil, title=HOSTILE, meaning=HOSTILE, advice=HOSTILE)
    seen = figures(0, layers=(HOSTILE, HOSTILE + ".b", "\x1b[2J"))
    return replace(base, rows=tuple(replace(r, alarms=(evil,), watched=seen) for r in base.rows))


WATCHED = {"watched": watched(), "tuned": watched(study()), "hostile": watched_hostile()}
