"""One batch whose gradient or loss is far out of what the run has seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import FLOOR, ended, groups, middle, of_first_steps
from thalweg.watch.alarms.words import short
from thalweg.watch.history import History

RECENT, BEFORE = 32, 64  # numbers that are looked at, and numbers before each that it is compared with


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """The farthest of the last losses, and of the last gradients of each group.

    What is small against the first losses and gradients does not count: near a minimum they scatter without bounds, and
    where a few samples are learned by heart the last hard one makes a batch stand out.
    """
    found = []
    told = history.losses[-(RECENT + BEFORE) :]
    losses = np.array([loss for _, loss in told], np.float64)
    steps = np.array([step for step, _ in told], np.int64)
    place, factor, usual = _farthest(losses, thresholds["loss"], thresholds["losses"])
    start = ended(history, of_first_steps(history))[0]
    if factor and not losses[place] < _harmless(losses[place] / factor / usual, start, thresholds):
        words = (
            f"In step {steps[place]:,} the loss is {short(losses[place])}, {short(factor)} times the highest of the "
            f"{BEFORE} before it, usually {short(usual)}."
        )
        found.append(Finding("", factor, words, since=int(steps[place])))
    for _, column, _ in groups(history):
        found.extend(_of_gradients(history, column, thresholds))
    return found


def _harmless(scatter: float, start: float, thresholds: Mapping[str, float]) -> float:
    """The loss below which a batch is none to speak of, from how far the highest is usually above the median.

    A tenth of the first loss where losses are calm; all of it, which is worse than knowing nothing, where they scatter.
    """
    return start * min(max(scatter - 1, thresholds["calm"]), thresholds["wild"])


def _of_gradients(history: History, column: int, thresholds: Mapping[str, float]) -> list[Finding]:
    norms = np.asarray(history["gradient_norm"][-(RECENT + BEFORE) :, column], np.float64)
    steps = history.steps[-len(norms) :] if len(norms) else history.steps
    place, factor, _ = _farthest(norms, thresholds["gradient"], thresholds["gradients"])
    early = float(middle(np.asarray(history["gradient_norm"][: of_first_steps(history), column], np.float64)))
    if not factor or norms[place] < thresholds["early"] * early:
        return []
    layer, most, before = _worst_layer(history, len(history) - len(norms) + place, history.subject.parts[column].group)
    words = (
        f"In step {steps[place]:,} the gradient is {short(factor)} times the largest of the {BEFORE} before it, most "
        f"of all in {layer}: {short(most)}, usually {short(before)}."
    )
    return [Finding(layer, factor, words, since=int(steps[place]))]


def _farthest(numbers: np.ndarray, least: float, margin: float) -> tuple[int, float, float]:
    """The place of the number farthest above all before it, by which factor, and what is usual; a factor of 0 if none.

    Where numbers scatter a lot anyway, so that their highest is far above their median, one must be as far above the
    highest again, and by a margin more.
    """
    if len(numbers) < 1 + BEFORE // 2:
        return 0, 0.0, 0.0
    known = np.where(np.isfinite(numbers) & (numbers > 0), numbers, 0.0)
    always_before = known[max(0, len(known) - BEFORE - 1) : -RECENT]  # what each of the last is compared with
    if known[-RECENT:].max() < least * always_before.max(initial=0.0):
        return 0, 0.0, 0.0
    known = np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
    filled = np.r_[np.full(BEFORE, np.nan), known]
    window = sliding_window_view(filled, BEFORE)[:-1][-RECENT:]
    ordered = np.sort(window, axis=1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    highest, usual = ordered[rows, np.maximum(count - 1, 0)], ordered[rows, np.maximum(count - 1, 0) // 2]
    factor = known[-RECENT:] / np.maximum(highest, FLOOR)
    needed = np.maximum(least, margin * highest / np.maximum(usual, FLOOR))
    far = np.where((count >= BEFORE // 2) & (factor >= needed), factor, 0.0)
    place = int(np.argmax(far))
    return len(numbers) - len(far) + place, float(far[place]), float(usual[place])


def _worst_layer(history: History, row: int, group: int) -> tuple[str, float, float]:
    """The layer whose gradient grew most, its norm, and what that was before."""
    columns = [k for k, part in enumerate(history.subject.layers) if part.group == group]
    norms = np.asarray(history["gradient_norm"][max(0, row - BEFORE) : row + 1, columns], np.float64)
    if not columns:
        return "all layers", 0.0, 0.0
    usual = np.median(np.where(np.isfinite(norms[:-1]), norms[:-1], 0.0), axis=0)
    grown = np.where(np.isfinite(norms[-1]), norms[-1], 0.0) / np.maximum(usual, FLOOR)
    grown = np.where(usual > 0, grown, 0.0)
    worst = int(np.argmax(grown))
    return history.subject.parts[columns[worst]].name, float(norms[-1, worst]), float(usual[worst])


ALARM = Alarm(
    name="spike",
    title="A spike in one batch",
    meaning="One batch is unlike all others, or the weights just moved to a steep place. An average of gradients "
    "carries it on for about ten steps at beta .9, and a second moment for a thousand at .999.",
    advice="Look at the data of that step; clip the gradient's norm at about twice its usual value.",
    source="Pascanu, Mikolov & Bengio 2013, section 3.2 (clipping); rules.md",
    thresholds={
        "loss": 1.5,
        "losses": 1.15,  # healthy batches reach 1.0, planted ones begin at 1.2
        "calm": 0.1,
        "wild": 1.0,
        "gradient": 5.0,  # healthy ones reach 3.8 times the largest, and planted ones that no loss tells begin at 48
        "gradients": 2.0,
        "early": 1.0,
    },
    look=look,
)
